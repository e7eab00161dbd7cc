"""Common shingles: what a large part of a source shares is its template, and says nothing of a record.

    common  iff  in at least  share  of the source's texts, and in at least LEAST of them

Two chats from one template differ in what fills it. With the template in the sets they are alike
whatever they say, so common shingles are left out before texts are compared, of the sketch and of
the similarity that is measured. A text that is all template keeps its whole set: its copies are
copies. A source of which a tenth is one text over and over looks like a template too, and what
differs between those copies then decides; ``masked`` is reported for that reason.

Counting takes two passes over the sets: into slots, which rules nearly all shingles out, then
exactly. Counts of parts add up.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from toolkit.kernels import common as kernel

LEAST = 20
Sets = tuple[np.ndarray, np.ndarray]


def slot_counts(sets: Sets) -> np.ndarray:
    """In how many of the texts a shingle of each slot is, uint32; ``sets`` are of ``shingle_sets``."""
    out = np.zeros(1 << kernel.SLOT_BITS, np.uint32)
    kernel.tally(*sets, out)
    return out


def shingle_counts(sets: Sets, counts: np.ndarray, texts: int, share: float) -> Sets:
    """Shingles that may be common, uint64, ascending, and in how many of these texts they are, int64.

    ``counts`` are the slots' of all ``texts`` of the source.
    """
    hashes, _ = sets
    found = np.empty(len(hashes) + 1, np.uint64)
    wanted = (counts >= least(texts, share)).astype(np.uint8)
    size = kernel.suspects(hashes, wanted, found)
    return np.unique(found[:size], return_counts=True)


def common_shingles(counts: Iterable[Sets], texts: int, share: float) -> np.ndarray:
    """The common shingles of a source of so many ``texts``, uint64, ascending, from its parts' counts."""
    hashes, numbers = (np.concatenate(column) for column in zip(*counts, strict=True))
    order = np.argsort(hashes, kind="stable")
    hashes, numbers = hashes[order], numbers[order]
    if not len(hashes):
        return hashes
    starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    return hashes[starts][np.add.reduceat(numbers, starts) >= least(texts, share)]


def least(texts: int, share: float) -> int:
    """In how many of so many texts a common shingle is; ``share`` is read as the decimal that was written."""
    exact = Fraction(str(share)) * texts
    return max(LEAST, -(-exact.numerator // exact.denominator))


def without(
    sets: Sets, mask: np.ndarray, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sets without the shingles in ``mask``, as (hashes, offsets), and how many each lost, int64[n].

    ``rows`` bool[n] says of which sets they are taken out; of all where it is None.
    """
    hashes, offsets = sets[0].copy(), sets[1].copy()
    wanted = np.zeros(1 << kernel.SLOT_BITS, np.uint8)
    wanted[(mask >> np.uint64(64 - kernel.SLOT_BITS)).astype(np.int64)] = 1
    chosen = np.ones(len(offsets) - 1, np.uint8) if rows is None else rows.astype(np.uint8)
    masked = np.zeros(len(offsets) - 1, np.int64)
    return hashes[: kernel.leave_out(hashes, offsets, mask, wanted, chosen, masked)], offsets, masked
