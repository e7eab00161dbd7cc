"""What no packing can beat: the fewest packs, and the least spread of attention over them.

Fewest packs: the tokens need ceil(sum / C). Documents over C / 2 need a pack each, and one of C - a
leaves no room for any of a or more; for each a that gives a bound, and the largest counts (Martello
and Toth 1990, L2).

Spread: attention costs a pack the sum of its squared lengths, and the total S2 is the same however the
documents are packed. A document over C / 2 is alone of its kind, so its pack costs at least its square.
If all but 1 % of P packs cost g or more,

    S2  >=  sum over documents > C / 2 of max(l^2, g)  +  (0.99 P - their number) g

which bounds g, the 1st percentile, from above; the 99th is at least the square of the document that 1 %
of P are longer than. Full documents alone can so put any wish for an even cost out of reach.
"""

from __future__ import annotations

import math

import numpy as np

from toolkit.packing.fitting.lengths import checked_lengths, count_lengths


def fewest_packs_bound(lengths: np.ndarray, capacity: int) -> int:
    """Return a number of packs that no packing of ``lengths`` (int [n], 1 .. capacity) can go below.

    Memory: about 60 bytes a token of capacity. Raises RequestError for a length outside 1 .. capacity.
    """
    return bound_of_counts(count_lengths(checked_lengths(lengths, capacity), capacity), capacity)


def bound_of_counts(count: np.ndarray, capacity: int) -> int:
    """Return the bound for ``count[L]`` documents of every length L, int64 [capacity + 1]."""
    documents = np.concatenate([[0], np.cumsum(count)])  # [i]: of less than i tokens
    tokens = np.concatenate([[0], np.cumsum(count * np.arange(capacity + 1))])
    half = capacity // 2 + 1  # the least length of which no two share a pack
    small = np.arange(half)  # a: what those of C - a + 1 and more leave no room for
    alone = documents[-1] - documents[half]
    paired = documents[capacity - small + 1] - documents[half]  # half .. C - a: room for a and more
    room = paired * capacity - (tokens[capacity - small + 1] - tokens[half])
    over = tokens[half] - tokens[small] - room
    return int(alone + max(0, (-(-over // capacity)).max()))


def least_spread(lengths: np.ndarray, capacity: int, packs: int) -> float:
    """Return a ratio, 99th to 1st percentile of the sum of squared lengths, that no packing goes below.

    ``packs``: how many the documents (int [n], 1 .. capacity) are put into. Percentiles as NumPy takes
    them, between two packs in a straight line. 1.0 says nothing: it holds for any packing.
    """
    lengths = checked_lengths(lengths, capacity).astype(np.float64)
    if packs < 2 or not lengths.size:
        return 1.0
    squares, large = (lengths**2).sum(), np.sort(lengths[lengths * 2 > capacity] ** 2)[::-1]
    below = math.ceil(0.01 * (packs - 1))  # packs that may cost less than the 1st percentile
    even = min(large.size, packs - below)  # packs with a large document that must cost g
    low, high = 0.0, float(capacity) ** 2
    for _ in range(100):
        middle = (low + high) / 2
        needed = np.maximum(large[:even], middle).sum() + large[even:].sum() + (packs - below - even) * middle
        low, high = (middle, high) if needed <= squares else (low, middle)
    top = large[below] if below < large.size else 0.0
    return float(max(1.0, top / high))
