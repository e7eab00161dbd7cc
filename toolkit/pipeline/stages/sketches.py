"""What dedup must know of a part's rows: the text that is compared, its sketch, and its place in the order.

Three files beside each other: ``.arrow`` the rows with their normalised text (column ``normal``),
``.keys.npy`` the band keys, uint64 (bands, rows), so that one band's keys lie together, and
``.sketch.arrow`` a few integers a row, schema ``sketch_schema``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import dedup
from toolkit.pipeline.spec.tables import Dedup
from toolkit.storage import write_array, write_ipc

SUFFIXES = (".arrow", ".keys.npy", ".sketch.arrow")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def plan_of(settings: Dedup) -> dedup.Bands:
    """The bands and rows that these settings ask for."""
    return dedup.plan_bands(settings.threshold, settings.recall, settings.slots)


def sketch_files(stem: Path) -> list[Path]:
    """The three files of the part whose files begin with ``stem``."""
    return [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]


def sketch_schema(keep: Sequence[str]) -> pa.Schema:
    """The columns of a sketch: ``keep_0`` and so on hold what ``keep`` names, least where most preferred."""
    kinds = [(name, pa.uint64()) for name in ("exact_high", "exact_low", "raw", "order_id")]
    kinds += [("length", pa.int64()), ("kind", pa.int8())]
    return pa.schema(kinds + [(name, pa.float64()) for name in keep_columns(keep)])


def keep_columns(keep: Sequence[str]) -> list[str]:
    """The columns of a sketch that hold an order of preference, the first counting most."""
    return [f"keep_{place}" for place in range(len([name for name in keep if name != "id"]))]


def write_sketches(
    stem: Path,
    rows: pa.Table,
    texts: pa.Array,
    kind: np.ndarray,
    order_id: np.ndarray,
    facts: Mapping[str, np.ndarray],
    settings: Dedup,
) -> None:
    """Write the three files of a part of n ``rows`` that are compared by ``texts``.

    Only rows of equal ``kind`` int8[n] are compared. ``facts`` are the numbers [n] that an order of
    preference may name, the larger the better but for ``rank``; the length of the text is one of
    them. What they leave equal, ``order_id`` uint64[n] decides.
    """
    normal = dedup.normalise(texts)
    bands = plan_of(settings)
    keys = dedup.band_keys(dedup.sketch(normal, settings.shingle, bands.k, settings.seed), bands)
    keys ^= (kind.astype(np.uint64) * _GOLDEN)[:, None]
    exact = dedup.exact_ids(normal)
    length = pc.binary_length(normal).to_numpy().astype(np.int64)
    known = {**facts, "length": length}
    raw = dedup.exact_ids(texts)[:, 0]
    columns = [exact[:, 0], exact[:, 1], raw, order_id, length, kind]
    columns += [_least_first(known[name], name) for name in settings.keep if name != "id"]
    table, key_file, sketch = sketch_files(stem)
    write_ipc(table, rows.append_column("normal", normal))
    write_array(key_file, keys.T)
    schema = sketch_schema(settings.keep)
    write_ipc(sketch, pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema))


def _least_first(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values if name == "rank" else -values
