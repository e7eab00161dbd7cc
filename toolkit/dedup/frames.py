"""A cuDF frame that lies on a card, deduplicated there: what ``toolkit dedup`` does to files.

    found = deduplicate(frame)          # rows in order of preference, the first the most preferred
    found.survivors, found.evidence     # cuDF frames

Exact copies and the frames are cuDF's work; signatures, keys, shingle sets, overlaps and the choice are the
kernels', on the column's own characters. The answer is that of the CPU, row by row. A frame that does not fit
beside its signatures is for ``toolkit dedup --device cuda``, which streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from toolkit.dedup.bands import plan_bands
from toolkit.dedup.normalise import normalise
from toolkit.dedup.shingle import Shingle
from toolkit.dedup.sieve import bucket_pairs, merge_pairs
from toolkit.dedup.verify import exact_threshold, similar
from toolkit.errors import RequestError
from toolkit.kernels import text_buffers
from toolkit.kernels.cuda import bands, choose, sets, sketch, verify
from toolkit.kernels.cuda.normalise import normalise_ascii

if TYPE_CHECKING:
    from toolkit.kernels.cuda.columns import Columns

I64 = np.int64


@dataclass(frozen=True)
class Deduplicated:
    """The rows that stay, and a row of evidence for each that goes.

    ``evidence``: ``row`` and ``survivor`` (int64, places in the frame), ``copy`` (whether an equal text came
    before), and ``intersection``, ``union``, ``similarity`` with the survivor: 0, 0 and 1 where that is the
    equal one.
    """

    survivors: Any
    evidence: Any


def deduplicate(
    frame: Any,
    text: str = "text",
    threshold: float | str | Fraction = 0.8,
    recall: float = 0.995,
    shingle: Shingle | str = "word:5",
    k_max: int = 128,
    columns: Columns | None = None,
) -> Deduplicated:
    """Drop rows whose ``text`` is that of an earlier row that stays, or verified similar to it.

    ``columns`` is the door to cuDF, by default that of card 0. Raises RequestError for a missing column, a
    wrong request, or where cuDF or a card is missing, and MemoryError where the frame is too large.
    """
    if text not in frame.columns:
        raise RequestError(f"the frame has no column {text!r}; it has {', '.join(map(repr, frame.columns))}")
    unit, exact = Shingle.parse(shingle), exact_threshold(threshold)
    plan = plan_bands(float(exact), recall, k_max)
    columns = columns or _columns()
    door, xp = columns.door, columns.door.xp
    data, ends = _normalised(columns, frame[text])
    first = columns.first_equal(columns.series(data, ends))
    rows = xp.flatnonzero((first == xp.arange(len(first))) & (xp.diff(ends) > 0))
    data, ends = sets.pack_rows(door, data, ends, rows, "byte")
    signatures = sketch.minhash(door, data, ends, unit.unit, unit.n, plan.k)
    pairs = _candidates(door, bands.band_keys(door, signatures, plan.bands, plan.rows))
    shared, union = _overlaps(door, data, ends, unit, pairs)
    good = similar(shared, union, exact)
    pairs, shared, union = pairs[good], shared[good], union[good]
    kept_by = door.numpy(choose.choose(door, len(rows), pairs, shared, union)[0])
    return _told(columns, frame, door.numpy(first), door.numpy(rows), kept_by, pairs, shared, union)


def _columns() -> Columns:
    from toolkit.kernels.cuda import Cuda
    from toolkit.kernels.cuda.columns import Columns

    door = Cuda()
    door.use()
    return Columns(door)


def _normalised(columns: Columns, series: Any) -> tuple[Any, Any]:
    """The texts as they are compared; those that are not ASCII are normalised by the host and put back."""
    door, xp = columns.door, columns.door.xp
    data, offsets = columns.texts(series)
    done, ends, flags = normalise_ascii(door, data, offsets)
    rows = xp.flatnonzero(flags)
    if not len(rows):
        return done, ends
    raw, raw_ends = sets.pack_rows(door, data, offsets, rows, "byte")
    rest, rest_ends = text_buffers(normalise(_arrow(door.numpy(raw), door.numpy(raw_ends))))
    order = xp.arange(len(ends) - 1)
    order[rows] = len(ends) - 1 + xp.arange(len(rows))
    both = xp.concatenate([done, door.array(rest[rest_ends[0] : rest_ends[-1]])])
    after = door.array(rest_ends[1:] - rest_ends[0]) + ends[-1]
    return sets.pack_rows(door, both, xp.concatenate([ends, after]), order, "byte")


def _arrow(data: np.ndarray, offsets: np.ndarray) -> pa.LargeStringArray:
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def _candidates(door: Any, keys: Any) -> np.ndarray:
    """Pairs int64 (p, 2) that meet in some band; sorted on the card, paired by the host."""
    docs = door.array(door.xp.arange(len(keys)), I64)
    met = (bands.shared_keys(door, keys[:, band], docs) for band in range(keys.shape[1]))
    return merge_pairs(bucket_pairs(*map(door.numpy, one)) for one in met).pairs


def _overlaps(
    door: Any, data: Any, ends: Any, shingle: Shingle, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exact (intersection, union) int64[p]; only texts that are in a pair become sets."""
    used, local = np.unique(pairs, return_inverse=True)
    data, ends = sets.pack_rows(door, data, ends, door.array(used), "byte")
    hashes, ends = sets.shingle_sets(door, data, ends, shingle.unit, shingle.n)
    found = verify.jaccard(door, hashes, ends, local.reshape(pairs.shape).astype(I64))
    return door.numpy(found[0]), door.numpy(found[1])


def _told(
    columns: Columns, frame: Any, first: np.ndarray, rows: np.ndarray, kept_by: np.ndarray,
    pairs: np.ndarray, shared: np.ndarray, union: np.ndarray,
) -> Deduplicated:  # fmt: skip
    """From documents back to rows: an equal text goes with the first of its kind, by the same survivor."""
    document = np.full(len(first), -1, I64)
    document[rows] = np.arange(len(rows))
    mine = document[first]  # -1: an empty text, the copy of none
    by = np.where(mine >= 0, kept_by[mine], -1) if len(rows) else mine
    copy = (mine >= 0) & (first != np.arange(len(first)))
    gone = np.flatnonzero(copy | (by >= 0))
    near = by[gone] >= 0
    order = np.searchsorted(pairs[:, 0] * len(rows) + pairs[:, 1], by[gone] * len(rows) + mine[gone])
    at = np.where(near, np.minimum(order, max(0, len(pairs) - 1)), 0)
    both, either = (np.where(near, _at(values, at), 0) for values in (shared, union))
    evidence = columns.frame(
        {
            "row": gone,
            "survivor": np.where(near, _at(rows, by[gone]), first[gone]),
            "copy": copy[gone],
            "intersection": both,
            "union": either,
            "similarity": np.where(near, both / np.maximum(either, 1), 1.0),
        }
    )
    stays = np.ones(len(first), bool)
    stays[gone] = False
    return Deduplicated(frame.take(columns.door.array(np.flatnonzero(stays))), evidence)


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return values[places] if len(values) else np.zeros(len(places), I64)
