"""Bands: which signatures are worth comparing.

    P(pair of similarity s shares a band) = 1 - (1 - s^rows)^bands                    the S-curve

Cut a signature into bands of rows slots; two texts meet if all slots of one band agree (Leskovec,
Rajaraman, Ullman, ch. 3). More rows: fewer false candidates, more misses. A false candidate costs
one exact comparison, a miss is a duplicate left in: so the plan takes the most rows whose recall
at exactly the threshold still is what was asked for. At 0.8 that is 21 x 6 (99.8 %); the common
20 x 13 would miss a third of such pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit import kernels
from toolkit.errors import RequestError
from toolkit.kernels import bucket


@dataclass(frozen=True)
class Bands:
    """A plan: ``bands`` of ``rows`` slots, ``k`` slots in all, and the recall at the threshold."""

    bands: int
    rows: int
    k: int
    recall: float

    def probability(self, similarity):
        """Probability that a pair of that Jaccard similarity (a number or an array) becomes a candidate."""
        return 1.0 - (1.0 - np.asarray(similarity, float) ** self.rows) ** self.bands


def plan_bands(threshold: float, recall: float = 0.995, k_max: int = 128) -> Bands:
    """Choose the most rows whose ``k_max // rows`` bands reach ``recall`` at exactly ``threshold``.

    Raises RequestError when even one row cannot, or when a number is out of range.
    """
    t = float(threshold)
    if not (0.0 < t <= 1.0 and 0.0 < recall < 1.0 and k_max >= 1):
        raise RequestError(
            "bands need 0 < threshold <= 1, 0 < recall < 1 and k_max >= 1; "
            f"found {threshold}, {recall}, {k_max}"
        )
    for rows in range(k_max, 0, -1):
        bands = k_max // rows
        reached = 1.0 - (1.0 - t**rows) ** bands
        if reached >= recall:
            return Bands(bands, rows, bands * rows, reached)
    raise RequestError(
        f"no bands of {k_max} slots find {recall:.1%} of the pairs at similarity {t}: "
        "raise the threshold or k_max, or ask for less recall"
    )


def band_keys(signatures: np.ndarray, bands: Bands) -> np.ndarray:
    """64-bit key of each band, its number mixed in: uint64 (n, bands.bands).

    An empty text's keys are all alike: leave such rows out before bucketing (``is_empty``).
    Raises RequestError when the signatures (uint32, (n, k)) have fewer than ``bands.k`` slots.
    """
    if signatures.ndim != 2 or signatures.shape[1] < bands.k:
        raise RequestError(f"{bands} needs signatures of {bands.k} slots, found shape {signatures.shape}")

    def on_host(signatures: np.ndarray) -> np.ndarray:
        out = np.empty((len(signatures), bands.bands), np.uint64)
        bucket.band_keys(signatures, bands.rows, out)
        return out

    signatures = np.ascontiguousarray(signatures, np.uint32)
    card = kernels.door(signatures.nbytes)
    return kernels.offload.band_keys(card, signatures, bands, on_host) if card else on_host(signatures)
