"""What dedup must know of a part's rows: the text that is compared, its sketch, and its place in the order.

Three files beside each other: ``.arrow`` the rows with their normalised text (column ``normal``),
``.sketch.arrow`` a few integers a row, schema ``sketch_schema``, and ``.keys.npy`` the band keys,
uint64 (bands, rows), so that one band's keys lie together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import dedup
from toolkit.pipeline.spec.tables import Dedup
from toolkit.storage import write_ipc

COMMON = 0.1  # of conversations, where no share is given
_FIXED = ("exact_high", "exact_low", "raw", "order_id")


def plan_of(settings: Dedup) -> dedup.Bands:
    """The bands and rows that these settings ask for."""
    return dedup.plan_bands(settings.threshold, settings.recall, settings.slots)


def sketch_files(stem: Path) -> tuple[Path, Path, Path]:
    """The rows, the band keys and the sketches of the part whose files begin with ``stem``."""
    rows, keys, sketch = (stem.with_name(stem.name + end) for end in (".arrow", ".keys.npy", ".sketch.arrow"))
    return rows, keys, sketch


def sketch_schema(keep: Sequence[str]) -> pa.Schema:
    """The columns of a sketch.

    ``kind``: only texts of equal kind are compared. ``group``: whose common shingles are left out,
    -1 for none. ``keep_0`` and so on hold what ``keep`` names, least where most preferred.
    """
    columns = [(name, pa.uint64()) for name in _FIXED]
    columns += [("length", pa.int64()), ("kind", pa.int8()), ("group", pa.int32())]
    return pa.schema(columns + [(name, pa.float64()) for name in keep_columns(keep)])


def keep_columns(keep: Sequence[str]) -> list[str]:
    """The columns of a sketch that hold an order of preference, the first counting most."""
    return [f"keep_{place}" for place in range(len([name for name in keep if name != "id"]))]


def write_rows(
    stem: Path,
    rows: pa.Table,
    texts: pa.Array,
    kind: np.ndarray,
    group: np.ndarray,
    order_id: np.ndarray,
    facts: Mapping[str, np.ndarray],
    settings: Dedup,
) -> None:
    """Write the rows and the sketches of a part of n ``rows`` that are compared by ``texts``.

    ``facts`` are the numbers [n] that an order of preference may name, the larger the better but
    for ``rank``; the length of the text is one of them. What they leave equal, ``order_id``
    uint64[n] decides. ``kind`` int8[n] and ``group`` int32[n]: see ``sketch_schema``.
    """
    normal = dedup.normalise(texts)
    exact, raw = dedup.exact_ids(normal), dedup.exact_ids(texts)[:, 0]
    length = pc.binary_length(normal).to_numpy().astype(np.int64)
    known = {**facts, "length": length}
    columns = [exact[:, 0], exact[:, 1], raw, order_id, length, kind, group]
    columns += [_least_first(known[name], name) for name in settings.keep if name != "id"]
    table, _, sketch = sketch_files(stem)
    write_ipc(table, rows.append_column("normal", normal))
    schema = sketch_schema(settings.keep)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    write_ipc(sketch, pa.Table.from_arrays(arrays, schema=schema))


def group_of(number: int, conversation: np.ndarray, settings: Dedup) -> np.ndarray:
    """The groups int32[n] of the texts of a source, of which ``conversation`` bool[n] says what they are."""
    if settings.common is None:
        return np.where(conversation, number, -1).astype(np.int32)
    return np.full(len(conversation), number if settings.common > 0 else -1, np.int32)


def common_share(settings: Dedup) -> float:
    """From which share of a group's texts on a shingle is common."""
    return COMMON if settings.common is None else settings.common


def _least_first(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values if name == "rank" else -values
