"""Randomness that is a function of its name: the same seed and name, the same numbers, anywhere.

The problem: a generator that is threaded through a program makes every byte depend on the
order of all earlier calls, and library generators may change their streams between versions.
Here a number is ``mix(base + i * GOLDEN)`` (SplitMix64: Steele, Lea and Flood 2014), where
``base`` is folded from the seed and a path of names, so any chunk can be made on its own.
The trade-off: the numbers are good, not cryptographic, and ``below`` has a bias of about
n / 2^64.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

import numpy as np

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
T = TypeVar("T")


def mix(x: int) -> int:
    """Return the SplitMix64 finaliser of ``x``, an unsigned 64-bit integer."""
    x &= MASK
    x = ((x ^ (x >> 30)) * FIRST) & MASK
    x = ((x ^ (x >> 27)) * SECOND) & MASK
    return x ^ (x >> 31)


def base_of(seed: int, *names: int | str) -> int:
    """Fold a seed and a path of names into one unsigned 64-bit base."""
    base = mix(seed)
    for name in names:
        if isinstance(name, str):
            name = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
        base = mix(base + GOLDEN + mix(name))
    return base


def block(base: int, count: int) -> np.ndarray:
    """Return ``count`` numbers, uint64, shape (count,): number i is ``mix(base + (i + 1) * GOLDEN)``."""
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(base)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(SECOND)
    return x ^ (x >> np.uint64(31))


class Draws:
    """A short sequence of draws for decisions that are made one at a time."""

    def __init__(self, base: int) -> None:
        self._state = base

    def next(self) -> int:
        """Return the next unsigned 64-bit number."""
        self._state = (self._state + GOLDEN) & MASK
        return mix(self._state)

    def below(self, n: int) -> int:
        """Return an integer in [0, n)."""
        return self.next() % n

    def pick(self, items: Sequence[T]) -> T:
        """Return one item of a sequence that is not empty."""
        return items[self.next() % len(items)]

    def sample(self, n: int, count: int) -> list[int]:
        """Return ``min(count, n)`` different integers of [0, n), ascending."""
        chosen: set[int] = set()
        while len(chosen) < min(count, n):
            chosen.add(self.below(n))
        return sorted(chosen)
