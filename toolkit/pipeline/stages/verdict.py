"""Who stays: the order of preference, the exact copies, and the choice over verified pairs.

Here alone all records are seen at once, as a few integers each; every text was read elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import dedup
from toolkit.pipeline.jobs import WORK
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.corpus import Corpus, save_array
from toolkit.storage import write_ipc

KEPT, EXACT, NEAR = 0, 1, 2
METHODS = ("", "exact", "near")


def put_in_order(corpus: Corpus, sketch: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Write the order of preference and the exact duplicates; return (order, representative).

    Order: rank, then longer, then id, then place. ``order[position]`` is a record;
    ``representative[record]`` is the most preferred record with the same normalised text.
    """
    column = {name: sketch[name].to_numpy() for name in sketch.schema.names}
    order = np.lexsort((column["order_id"], -column["length"], column["rank"]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    representative = _exact_groups(column, place)
    _compare_bytes(corpus, representative)
    position = np.where(representative == np.arange(len(order)), place, -1)
    position[column["length"] == 0] = -1
    folder = corpus.lake / WORK / "dedup"
    save_array(folder / "order.npy", order)
    save_array(folder / "position.npy", position)
    return order, representative


def decide(
    corpus: Corpus,
    settings: Dedup,
    order: np.ndarray,
    representative: np.ndarray,
    candidates: dedup.Pairs,
    blocks: int,
) -> dict[str, Any]:
    """Choose who stays, write the verdict on every record, and return what the report tells.

    A record goes if and only if a kept record was verified within the threshold.
    """
    folder = corpus.lake / WORK / "dedup"
    sizes = [np.load(folder / f"verified-{block:05d}.npy") for block in range(blocks)]
    shared, union = np.concatenate([np.zeros((0, 2), np.int64), *sizes]).T
    alike = dedup.similar(shared, union, str(settings.threshold))
    close = _Close(candidates.packed[alike], shared[alike], union[alike], candidates.met[alike])
    pairs = candidates.pairs[alike]
    kept_by = dedup.choose(len(order), pairs, close.shared, close.union)
    _write_verdict(folder, order, representative, kept_by, close)
    chained = int((dedup.components(len(order), pairs) != np.arange(len(order))).sum())
    counts, _ = np.histogram(shared / np.maximum(union, 1), bins=np.linspace(0, 1, 21))
    bands = dedup.plan_bands(settings.threshold, settings.recall)
    return {
        "bands": bands.bands,
        "rows": bands.rows,
        "recall_at_threshold": round(float(bands.probability(settings.threshold)), 6),
        "candidate_pairs": len(candidates),
        "verified_pairs": len(pairs),
        "texts_removed": int((kept_by >= 0).sum()),
        "texts_components_would_remove": chained,
        "similarity_histogram": counts.tolist(),
    }


@dataclass(frozen=True)
class _Close:
    """The verified pairs: packed as ``dedup.Pairs`` packs them, ascending, with what was measured."""

    packed: np.ndarray
    shared: np.ndarray
    union: np.ndarray
    met: np.ndarray


def _exact_groups(column: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    keys = [column["regime"], column["exact_high"], column["exact_low"]]
    grouped = np.lexsort((place, *keys[::-1]))
    first = np.ones(len(place), bool)
    first[1:] = np.any([key[grouped][1:] != key[grouped][:-1] for key in keys], axis=0)
    first |= column["length"][grouped] == 0
    representative = np.empty(len(place), np.int64)
    heads = np.flatnonzero(first)
    representative[grouped] = np.repeat(grouped[heads], np.diff(np.append(heads, len(place))))
    return representative


def _compare_bytes(corpus: Corpus, representative: np.ndarray) -> None:
    """Undo any exact match whose texts differ: equal hashes propose, equal bytes decide."""
    copies = np.flatnonzero(representative != np.arange(len(representative)))
    for block in np.array_split(copies, max(1, len(copies) // 10_000)):
        same = pc.equal(corpus.texts(block), corpus.texts(representative[block])).to_numpy(
            zero_copy_only=False
        )
        representative[block[~same.astype(bool)]] = block[~same.astype(bool)]


def _write_verdict(
    folder: Path, order: np.ndarray, representative: np.ndarray, kept_by: np.ndarray, close: _Close
) -> None:
    """One row a record; a copy of a record that went as a near-duplicate goes with it."""
    count = len(order)
    kept = np.full(count, -1, np.int64)
    measured = np.zeros((3, count), np.int64)
    gone = np.flatnonzero(kept_by >= 0)
    pair = (kept_by[gone].astype(np.uint64) << np.uint64(32)) | gone.astype(np.uint64)
    at = np.searchsorted(close.packed, pair)
    kept[order[gone]] = order[kept_by[gone]]
    measured[:, order[gone]] = close.shared[at], close.union[at], close.met[at]
    near = kept[representative] >= 0
    copy = (representative != np.arange(count)) & ~near
    measured = measured[:, representative]
    measured[:2, copy] = 1
    method = np.where(near, NEAR, np.where(copy, EXACT, KEPT)).astype(np.int8)
    keeper = np.where(near, kept[representative], np.where(copy, representative, -1))
    names = ["method", "kept_by", "shared", "union", "bands_met"]
    columns = [pa.array(values) for values in (method, keeper, *measured)]
    write_ipc(folder / "verdict.arrow", pa.Table.from_arrays(columns, names=names))
