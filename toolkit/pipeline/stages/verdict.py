"""Who stays: the order of preference, the exact copies, and the choice over verified pairs.

Here alone all records are seen at once, as a few integers each; every text was read elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import dedup
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.corpus import Corpus, save_array
from toolkit.pipeline.stages.masks import Masks
from toolkit.pipeline.stages.similar import Candidates, measure
from toolkit.pipeline.stages.sketches import keep_columns, plan_of
from toolkit.storage import write_ipc

VERDICT = "verdict.arrow"
LOW = np.uint64(0xFFFFFFFF)
EXACT, NEAR = 1, 2
MEASURED = ("shared", "union", "common_of_kept", "common_of_removed", "bands_met")


def put_in_order(corpus: Corpus, sketch: pa.Table, keep: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Write the order of preference and the exact duplicates; return (order, representative).

    Order: settled records first, then as ``keep`` says, then id, then place. ``order[position]`` is a
    record; ``representative[record]`` is the most preferred record with the same normalised text.
    """
    column = {name: sketch[name].to_numpy() for name in sketch.schema.names}
    kept = [column[name] for name in keep_columns(keep)]
    order = np.lexsort((column["order_id"], *kept[::-1], np.arange(len(sketch)) >= corpus.settled))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    representative = _exact_groups(column, place)
    _compare_bytes(corpus, representative)
    position = np.where(representative == np.arange(len(order)), place, -1)
    position[column["length"] == 0] = -1
    save_array(corpus.work / "order.npy", order)
    save_array(corpus.work / "position.npy", position)
    return order, representative


def decide(
    corpus: Corpus,
    settings: Dedup,
    order: np.ndarray,
    representative: np.ndarray,
    found: Candidates,
    masks: Masks,
) -> dict[str, Any]:
    """Choose who stays, write the verdict on every record, and return what the report tells.

    A record goes if and only if a kept record was verified within the threshold; with ``chains``,
    if a more preferred one is in its connected component.
    """
    measured = found.measured()
    shared, union = measured[:, 0].astype(np.int64), measured[:, 1].astype(np.int64)
    alike = dedup.similar(shared, union, str(settings.threshold))
    close = _Close(found.pairs.packed[alike], measured[alike], found.pairs.met[alike])
    pairs = found.pairs.pairs[alike]
    kept_by = dedup.choose(len(order), pairs, shared[alike], union[alike])
    first = dedup.components(len(order), pairs)
    chained = first != np.arange(len(order))
    facts = _facts(settings, found, kept_by, first, shared, union)
    if settings.chains:
        kept_by = np.where(chained, first, -1)
        close = _with_ends(corpus, settings, order, kept_by, close, masks)
    _write_verdict(corpus.work, order, representative, kept_by, close)
    masked = (measured[alike, 2] + measured[alike, 3]) > 0
    whole = masked & (shared[alike] == union[alike])
    return facts | {
        "verified_pairs": len(pairs),
        "masked_pairs": int(masked.sum()),
        "masked_pairs_at_one": int(whole.sum()),
        "texts_removed": int((kept_by >= 0).sum()),
    }


def _facts(
    settings: Dedup,
    found: Candidates,
    kept_by: np.ndarray,
    first: np.ndarray,
    shared: np.ndarray,
    union: np.ndarray,
) -> dict[str, Any]:
    bands = plan_of(settings)
    counts, _ = np.histogram(shared / np.maximum(union, 1), bins=np.linspace(0, 1, 21))
    chained = first != np.arange(len(first))
    largest = int(np.bincount(first).max()) if len(first) else 0
    return {
        "bands": bands.bands,
        "rows": bands.rows,
        "recall_at_threshold": round(float(bands.probability(settings.threshold)), 6),
        "candidate_pairs": len(found.pairs),
        "texts_components_would_remove": int(chained.sum()),
        "lost_to_chains": int((chained & (kept_by < 0)).sum()),
        "largest_component": largest,
        "similarity_histogram": counts.tolist(),
    }


@dataclass(frozen=True)
class _Close:
    """The pairs that decide: packed as ``dedup.Pairs`` packs them, ascending, with what was measured."""

    packed: np.ndarray
    measured: np.ndarray
    met: np.ndarray


def _with_ends(
    corpus: Corpus, settings: Dedup, order: np.ndarray, kept_by: np.ndarray, close: _Close, masks: Masks
) -> _Close:
    """The verified pairs and, measured as they are, the pairs that only a chain connects."""
    gone = np.flatnonzero(kept_by >= 0)
    packed = (kept_by[gone].astype(np.uint64) << np.uint64(32)) | gone.astype(np.uint64)
    packed = np.setdiff1d(packed, close.packed, assume_unique=True)
    measured = [close.measured]
    for block in np.array_split(packed, -(-len(packed) // 10_000)) if len(packed) else ():
        left, right = (side.astype(np.int64) for side in (block >> np.uint64(32), block & LOW))
        pairs = np.arange(len(block))[:, None] + [0, len(block)]
        measured.append(measure(corpus, order[np.concatenate([left, right])], pairs, masks, settings))
    every = np.concatenate([close.packed, packed])
    met = np.concatenate([close.met, np.zeros(len(packed), np.uint16)])
    by_pair = np.argsort(every, kind="stable")
    return _Close(every[by_pair], np.concatenate(measured)[by_pair], met[by_pair])


def _exact_groups(column: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    """The most preferred record of those with the same hash; most hashes are there once, and not sorted."""
    representative = np.arange(len(place))
    values = np.sort(column["exact_high"])
    twice = np.unique(values[1:][values[1:] == values[:-1]])
    some = np.flatnonzero(np.isin(column["exact_high"], twice) & (column["length"] > 0))
    keys = [column[name][some] for name in ("kind", "exact_high", "exact_low")]
    grouped = np.lexsort((place[some], *keys[::-1]))
    first = np.ones(len(some), bool)
    first[1:] = np.any([key[grouped][1:] != key[grouped][:-1] for key in keys], axis=0)
    heads = np.flatnonzero(first)
    counts = np.diff(np.append(heads, len(some)))
    representative[some[grouped]] = np.repeat(some[grouped[heads]], counts)
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
    """One row for each record that goes; a copy of one that goes as a near-duplicate goes with it."""
    lost = np.full(len(order), -1, np.int64)  # the position at which a record goes as a near-duplicate
    positions = np.flatnonzero(kept_by >= 0)
    lost[order[positions]] = positions
    lost = lost[representative]
    row = np.flatnonzero((lost >= 0) | (representative != np.arange(len(order))))
    lost, keeper = lost[row], representative[row]
    near = lost >= 0
    winner, loser = kept_by[lost[near]], lost[near]
    at = np.searchsorted(close.packed, winner.astype(np.uint64) << np.uint64(32) | loser.astype(np.uint64))
    keeper[near] = order[winner]
    measured = np.zeros((len(MEASURED), len(row)), np.int32)
    measured[:2] = 1
    measured[:, near] = *close.measured[at].T, close.met[at]
    method = np.where(near, NEAR, EXACT).astype(np.int8)
    columns = [pa.array(values) for values in (row, method, keeper, *measured)]
    write_ipc(folder / VERDICT, pa.Table.from_arrays(columns, names=["row", "method", "kept_by", *MEASURED]))
