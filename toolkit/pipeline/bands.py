"""Where a rate should lie, judged by what came before it: the band of a share, and that of a mean.

A share p of N earlier records predicts that of n new ones (Shewhart's p-chart of 1931, whose
limits are z = 3 standard deviations away; 1/N because the history is finite too):

    p +- z s sqrt(p (1 - p) (1/n + 1/N))
    sin2(asin sqrt((n p + 3/8) / (n + 3/4)) +- z s / 2 sqrt(1/n + 1/N))

whichever is further out. The second is the first after Anscombe's transformation (Biometrika 35,
1948), in which a count varies alike however small it is: where nothing was ever rejected, a plain
p-chart calls the first reject an alarm, Wilson's limits the tenth, and these the fifth. ``s`` is
Laney's ratio (Quality Engineering 14, 2002), from the median moving range of the last shards: how
much more they differ than records drawn at random would. It is never below 1.

A mean leaves its band when it is 3 robust deviations (1.4826 MAD) from the earlier median.
"""

from __future__ import annotations

import math

import numpy as np

Z = 3.0
SHARDS, RECORDS = 5, 1000  # as much history a band needs: either of them
RECENT = 64  # shards by which their own spread is judged
_MEDIAN_RANGE = 0.954  # median of the range of two normal values, in standard deviations
_MAD = 1.4826  # standard deviations a median absolute deviation, of normal values
_LEAST = 0.05  # a mean this near the median, as a part of it, is usual


def share_band(
    counts: np.ndarray, sizes: np.ndarray, size: int, share: float | None = None
) -> tuple[float, float] | None:
    """The usual (low, high) of a share of ``size`` records; None without enough history.

    ``counts`` int64[k] of ``sizes`` int64[k] records in each earlier shard. At most 0.27 % of
    shards drawn like the earlier ones lie outside. A ``share`` that even s = 1 does not put
    outside spares the work of finding s: then the band is that narrower one.
    """
    total, found = int(sizes.sum()), int(counts.sum())
    if size == 0 or total == 0 or (len(sizes) < SHARDS and total < RECORDS):
        return None
    p = min(found / total, 1.0)
    reach = Z * math.sqrt(1 / size + 1 / total)
    narrow = _limits(p, size, reach)
    if share is not None and narrow[0] <= share <= narrow[1]:
        return narrow
    return _limits(p, size, reach * _spread(counts[-RECENT:], sizes[-RECENT:], p))


def mean_band(totals: np.ndarray, sizes: np.ndarray, size: int) -> tuple[float, float] | None:
    """The usual (low, high) of the mean of ``size`` records; None without ``SHARDS`` earlier shards.

    ``totals`` int64[k] over ``sizes`` int64[k] records in each earlier shard. Of a shard with few
    records the band is as much wider as their mean varies more. Outside lie about 2 % of shards
    drawn like 5 earlier ones, and under 1 % from 8 on.
    """
    sizes, totals = sizes[-RECENT:], totals[-RECENT:]
    totals, sizes = totals[sizes > 0], sizes[sizes > 0]
    if size == 0 or len(sizes) < SHARDS:
        return None
    means = totals / sizes
    middle = float(np.median(means))
    apart = np.abs(means - middle)
    usual = max(float(np.median(apart)), float(np.median(apart * np.sqrt(sizes))) / math.sqrt(size))
    # The deviation of few values is itself uncertain: the factor keeps false alarms of 5 as rare as of 60.
    reach = max(Z * _MAD * usual * (1 + 10 / len(sizes)), _LEAST * middle)
    return max(0.0, middle - reach), middle + reach


def _spread(counts: np.ndarray, sizes: np.ndarray, p: float) -> float:
    """Laney's ratio: the moving range of standardised shares, in units of what chance alone gives."""
    kept = sizes > 0
    counts, sizes = counts[kept], sizes[kept]
    if len(sizes) < SHARDS:
        return 1.0
    angles = np.arcsin(np.sqrt(np.minimum((counts + 0.375) / (sizes + 0.75), 1.0)))
    scores = (angles - math.asin(math.sqrt(p))) * 2 * np.sqrt(sizes + 0.5)
    return max(1.0, float(np.median(np.abs(np.diff(scores)))) / _MEDIAN_RANGE)


def _limits(p: float, size: int, reach: float) -> tuple[float, float]:
    plain = reach * math.sqrt(p * (1 - p))
    low = min(p - plain, 1 - _anscombe(1 - p, size, reach))
    high = max(p + plain, _anscombe(p, size, reach))
    return max(0.0, low), min(1.0, high)


def _anscombe(p: float, size: int, reach: float) -> float:
    """The upper limit of a share of ``size`` records whose expectation is ``p``."""
    angle = math.asin(math.sqrt((size * p + 0.375) / (size + 0.75))) + reach / 2
    return (math.sin(min(angle, math.pi / 2)) ** 2 * (size + 0.75) - 0.375) / size
