"""How many blocks of threads: one thread a thing."""

from __future__ import annotations

THREADS = 128


def across(count: int, each: int = 1, threads: int = THREADS) -> tuple[int, int]:
    """Return (blocks, threads) that give ``each`` threads to each of ``count`` things; at least a block."""
    return max(1, -(-count * each // threads)), threads
