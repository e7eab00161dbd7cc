"""How many of each plant go where, for any N, without holding N of anything.

A kind has a total (its share of N, or its least number). Totals are cut over the files that can
hold the kind in proportion to their records, then over the chunks of a file, both by differences
of a rounded running sum: counts are exact and no state grows. Positions inside a chunk come
from a shuffle by hash. The trade-off: what cannot be done where it falls (a duplicate
before there is anything to repeat) is not made up for later.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from toolkit.archetypes.draws import block
from toolkit.archetypes.feed import Feed
from toolkit.archetypes.malformed import ANYWHERE, CODES
from toolkit.archetypes.sample import regime_of

EXACT, NEAR, TEMPLATED, LEAK = "exact_duplicate", "near_duplicate", "templated", "leak"
TIE, DENIED = "tie", "denied_generator"
# shares per mille of all records; a tie is counted against preference records
SHARES = {EXACT: 20, NEAR: 40, TEMPLATED: 20, LEAK: 5, DENIED: 6}
TIES, MALFORMED = 20, 10
SMALL = 1000  # from this many records on, every kind is present


def apportion(total: int, weights: list[int]) -> list[int]:
    """Cut ``total`` in proportion to ``weights``; the parts sum to ``total`` (0 if no weight)."""
    whole = sum(weights)
    edges = [0, *accumulate(weights)]
    return [total * b // whole - total * a // whole if whole else 0 for a, b in pairwise(edges)]


def records_by_feed(feeds: tuple[Feed, ...], records: int) -> list[int]:
    """Return the number of records of each feed; they sum to ``records``."""
    return apportion(records, [feed.share for feed in feeds])


def _holds(feed: Feed, kind: str) -> bool:
    if not feed.planted:
        return False
    if kind in CODES:
        return kind in ANYWHERE or kind in feed.codes
    if kind == TIE:
        return all(regime_of(pattern) == "preference" for pattern in feed.patterns)
    return {TEMPLATED: feed.templated, DENIED: feed.generated}.get(kind, True)


def _totals(feeds: tuple[Feed, ...], counts: list[int], records: int) -> dict[str, int]:
    totals = {kind: records * share // 1000 for kind, share in SHARES.items()}
    if records >= SMALL:
        totals[LEAK] = max(totals[LEAK], 5)
    pairs = sum(n for feed, n in zip(feeds, counts, strict=True) if _holds(feed, TIE))
    totals[TIE] = -(-pairs * TIES // 1000)
    malformed = max(records * MALFORMED // 1000, len(CODES) if records >= SMALL else 0)
    return totals | dict(zip(CODES, apportion(malformed, [1] * len(CODES)), strict=True))


def allot(feeds: tuple[Feed, ...], counts: list[int], records: int) -> list[dict[str, int]]:
    """Return, for each feed, how many of each kind it gets (malformed kinds under their code)."""
    allotted: list[dict[str, int]] = [{} for _ in feeds]
    for number, (kind, total) in enumerate(_totals(feeds, counts, records).items()):
        able = [i for i, feed in enumerate(feeds) if counts[i] and _holds(feed, kind)]
        turn = number % len(able) if able else 0  # so that single plants do not all fall on one file
        able = able[turn:] + able[:turn]
        for i, share in zip(able, apportion(total, [counts[i] for i in able]), strict=True):
            if share:
                allotted[i][kind] = share
    return allotted


def actions(quota: dict[str, int], total: int, start: int, count: int, base: int) -> list[str]:
    """Return, for ``count`` records from ``start`` of a feed of ``total``, "" or the kind to plant."""
    kinds = [
        kind
        for kind, n in quota.items()
        for _ in range(n * (start + count) // total - n * start // total)
    ]  # fmt: skip
    doing = [""] * count
    order = np.argsort(block(base, count), kind="stable").tolist()
    for position, kind in zip(order, kinds, strict=False):
        doing[position] = kind
    return doing
