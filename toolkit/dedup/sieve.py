"""Sieve: from band keys to candidate pairs, one band at a time.

Documents are numbered by preference, 0 the most preferred; a pair is (preferred, other). Equal
keys make a bucket. Up to ``cap`` members all pairs are candidates. Stated rule for a larger one:
each member is paired with the bucket's ``cap`` most preferred members only. The survivors of a
cluster are preferred members, so these are the pairs that decide; those left out are counted.
A bucket of m costs at most m * cap pairs of 8 bytes, whatever the data. The result is sorted
and depends on the set of (key, document), not on its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from toolkit import kernels
from toolkit.errors import RequestError
from toolkit.kernels.bucket import count_pairs, write_pairs

CAP = 32
_LOW = np.uint64(0xFFFFFFFF)
_TOP = np.uint64(2**64 - 1)  # no pair: a document is not a pair with itself


@dataclass(frozen=True, eq=False)
class Pairs:
    """Candidate pairs and what was left out.

    ``packed`` uint64[p], ascending: preferred document << 32 | other. ``met`` uint16[p]: in how
    many bands. ``overfull``: buckets above the cap. ``skipped``: pairs not made in them.
    ``largest``: members of the largest bucket; ``crowd`` int64[largest]: which, of one band.
    """

    packed: np.ndarray
    met: np.ndarray
    overfull: int
    skipped: int
    largest: int = 0
    crowd: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.packed)

    def __repr__(self) -> str:
        return (
            f"Pairs({len(self):,} pairs, {self.overfull:,} over-full buckets, {self.skipped:,} pairs skipped)"
        )

    @property
    def pairs(self) -> np.ndarray:
        """The pairs as int64 (p, 2): preferred, other."""
        return np.stack([self.packed >> np.uint64(32), self.packed & _LOW], axis=1).astype(np.int64)


def bucket_pairs(keys: np.ndarray, docs: np.ndarray, cap: int = CAP) -> Pairs:
    """Pairs that share a key in one band: ``keys`` uint64[m], ``docs`` int64[m] by preference, below 2^32.

    A document given twice under one key counts once. Raises RequestError for unequal lengths,
    a document number out of range, or a cap below 1.
    """
    keys, docs = np.asarray(keys, np.uint64), np.asarray(docs, np.int64)
    if keys.shape != docs.shape or keys.ndim != 1 or cap < 1:
        found = f"{keys.shape} keys, {docs.shape} documents, cap {cap}"
        raise RequestError(f"sieve needs one document a key and cap >= 1; found {found}")
    if len(docs) and not (docs.min() >= 0 and docs.max() < 2**32):
        raise RequestError(f"document numbers must be below 2^32, found {docs.min()}..{docs.max()}")
    alone = min(1, len(keys))
    card = kernels.door(keys.nbytes)
    keys, docs = kernels.offload.shared_keys(card, keys, docs, _shared) if card else _shared(keys, docs)
    again = np.zeros(len(keys), bool)
    again[1:] = (keys[1:] == keys[:-1]) & (docs[1:] == docs[:-1])
    if again.any():
        keys, docs = keys[~again], docs[~again]
    count, overfull, skipped = count_pairs(keys, cap)
    packed = np.empty(count, np.uint64)
    write_pairs(keys, docs, cap, packed)
    packed.sort()
    packed = packed[_first(packed)]  # a document may be in several buckets
    starts = np.flatnonzero(_first(keys))
    if not len(keys):
        return Pairs(packed, np.empty(0, np.uint16), overfull, skipped, alone)
    sizes = np.diff(starts, append=len(keys))
    at = int(sizes.argmax())
    crowd = docs[starts[at] : starts[at] + sizes[at]]
    return Pairs(packed, np.ones(len(packed), np.uint16), overfull, skipped, len(crowd), crowd)


def merge_packed(bands: Sequence[np.ndarray], block: int = 8 << 20) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of ascending arrays uint64, ascending, and in how many arrays each is, uint16.

    No value may be twice in one array. About ``block`` values are sorted at a time, so that mapped
    files need room for the result and one block.
    """
    cuts = _cuts(bands, block)
    places = [np.searchsorted(band, cuts) for band in bands]
    packed, met = [np.empty(0, np.uint64)], [np.empty(0, np.uint16)]
    for at in range(len(cuts) - 1):
        pieces = [band[place[at] : place[at + 1]] for band, place in zip(bands, places, strict=True)]
        values = np.sort(np.concatenate([packed[0], *pieces]))
        starts = np.flatnonzero(_first(values))
        packed.append(values[starts])
        met.append(np.diff(starts, append=len(values)).astype(np.uint16))
    return np.concatenate(packed), np.concatenate(met)


def _cuts(bands: Sequence[np.ndarray], block: int) -> np.ndarray:
    """Values between which about ``block`` values of all bands lie, from a sample of each; uint64."""
    count = sum(map(len, bands))
    step = max(1, block // 256)
    sample = np.sort(np.concatenate([band[step // 2 :: step] for band in bands])) if count > block else ()
    inner = np.unique(sample[256::256]) if len(sample) else []
    return np.concatenate([np.zeros(1, np.uint64), np.asarray(inner, np.uint64), [_TOP]])


def _first(ordered: np.ndarray) -> np.ndarray:
    """Mark the first of each run of equal values, bool."""
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return first


def _shared(keys: np.ndarray, docs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys that more than one has, ascending, and whose they are, ascending for each key.

    Most keys are nobody else's: to sort by key alone, and the few that are left by both, takes a fifth of
    the time of sorting all by both.
    """
    order = np.argsort(keys)
    keys = keys[order]
    shared = np.zeros(len(keys), bool)
    shared[1:] = keys[1:] == keys[:-1]
    shared[:-1] |= shared[1:]
    keys, docs = keys[shared], docs[order[shared]]
    order = np.lexsort((docs, keys))
    return keys[order], docs[order]


def merge_pairs(bands: Iterable[Pairs]) -> Pairs:
    """One sorted set of pairs from several bands; ``met`` and the counts of what was left out add up.

    Bands are merged as they come, so an iterator needs room for the union and one band.
    """
    packed, met = np.empty(0, np.uint64), np.empty(0, np.uint16)
    overfull = skipped = largest = 0
    for band in bands:
        largest = max(largest, band.largest)
        overfull, skipped = overfull + band.overfull, skipped + band.skipped
        both, counts = np.concatenate([packed, band.packed]), np.concatenate([met, band.met])
        order = np.argsort(both, kind="stable")  # two sorted runs: one merge
        both, counts = both[order], counts[order]
        starts = np.flatnonzero(_first(both))
        packed = both[starts]
        met = np.add.reduceat(counts, starts, dtype=np.uint16) if len(starts) else counts
    return Pairs(packed, met, overfull, skipped, largest)
