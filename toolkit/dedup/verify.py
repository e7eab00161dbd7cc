"""Verify: the exact similarity of every candidate pair, in integers.

    similar  iff  intersection / union >= threshold  iff  intersection * q >= p * union,  threshold = p/q

Sketches estimate with an error of several percent and a bucket holds strangers, so nothing goes
on a sketch's word. The threshold is read as the decimal that was written (0.8 is 4/5, not the
nearest binary fraction): a pair of 4 common shingles in 5 is at the threshold, and counts.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from toolkit import kernels
from toolkit.errors import RequestError
from toolkit.kernels.overlap import intersections

LARGEST_DENOMINATOR = 10**9  # times a set of 2^33 shingles, still an int64


def jaccard(hashes: np.ndarray, offsets: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact (intersection int64[p], union int64[p]) of pairs (p, 2) of rows of ``shingle_sets``."""
    pairs = np.ascontiguousarray(pairs, np.int64).reshape(-1, 2)
    if card := kernels.door(hashes.nbytes):
        return kernels.offload.jaccard(card, hashes, offsets, pairs, _overlaps)
    return _overlaps(hashes, offsets, pairs)


def _overlaps(hashes: np.ndarray, offsets: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shared, union = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
    intersections(hashes, offsets, pairs, shared, union)
    return shared, union


def exact_threshold(threshold: float | str | Fraction) -> Fraction:
    """The threshold as the fraction that was written; RequestError outside (0, 1] or beyond nine decimals."""
    try:
        exact = threshold if isinstance(threshold, Fraction) else Fraction(str(threshold))
    except (ValueError, ZeroDivisionError):
        raise RequestError(f"threshold {threshold!r} is not a number such as 0.8 or '4/5'") from None
    if not 0 < exact <= 1 or exact.denominator > LARGEST_DENOMINATOR:
        raise RequestError(f"threshold {threshold!r} must be in (0, 1] with at most nine decimals")
    return exact


def similar(intersection: np.ndarray, union: np.ndarray, threshold: float | str | Fraction) -> np.ndarray:
    """Whether intersection / union >= threshold, exactly: bool[p]. Two empty texts (union 0) never are."""
    exact = exact_threshold(threshold)
    intersection, union = np.asarray(intersection, np.int64), np.asarray(union, np.int64)
    return (union > 0) & (intersection * exact.denominator >= union * exact.numerator)
