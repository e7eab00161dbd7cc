"""The originals of duplicates, in memory that does not grow.

A duplicate can repeat only what was written before it, and a dump can be larger than memory, so
a few hundred clean examples of each regime are kept, newer ones replacing older ones at random.
An original is used once, so that every pair in the truth stands alone.
"""

from __future__ import annotations

from typing import NamedTuple

from toolkit.archetypes.draws import Draws
from toolkit.archetypes.feed import Feed
from toolkit.archetypes.sample import Sample

CAPACITY = 384
TRIES = 12


class Original(NamedTuple):
    """A line that was written: where (``line`` is 1-based), its bytes without the end, what it says."""

    feed: Feed
    line: int
    data: bytes
    sample: Sample


def same_payload(original: Original, feed: Feed) -> bool:
    """Whether the very bytes of the original mean the same in ``feed``."""
    a, b = original.feed.source, feed.source
    return a is b or not (a.map or b.map or a.regime != b.regime or "auto" in (a.regime, b.regime))


def same_text(original: Original, feed: Feed) -> bool:
    """Whether ``feed`` can write down what the original says."""
    return original.sample.roles in feed.patterns


class Reservoir:
    """Originals by pool and regime."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, str], list[Original]] = {}

    def wants(self, pool: tuple[str, str], draw: int) -> bool:
        """Whether to keep the next original: always while there is room, then one time in eight."""
        return draw & 7 == 0 or len(self._pools.get(pool, ())) < CAPACITY

    def keep(self, pool: tuple[str, str], original: Original, draw: int) -> None:
        """Keep an original, in the place of an older one where there is no room."""
        kept = self._pools.setdefault(pool, [])
        if len(kept) < CAPACITY:
            kept.append(original)
        else:
            kept[(draw >> 3) % CAPACITY] = original

    def take(self, pool: tuple[str, str], feed: Feed, draws: Draws, text_only: bool) -> Original | None:
        """Remove and return an original that ``feed`` can repeat, or None after a few tries."""
        kept = self._pools.get(pool, [])
        for _ in range(TRIES if kept else 0):
            at = draws.below(len(kept))
            if same_text(kept[at], feed) or (not text_only and same_payload(kept[at], feed)):
                kept[at], kept[-1] = kept[-1], kept[at]
                return kept.pop()
        return None
