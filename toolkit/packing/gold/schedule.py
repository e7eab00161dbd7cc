"""Who trains on what, when: packs over steps, ranks and epochs, from arithmetic alone.

An epoch is a permutation of all packs (``epochs``). It is cut into steps of G = batch size x ranks packs, and
each step is dealt out to the ranks in turn:

    pack of place j in rank r's batch at step s = order(n, seed, epoch)[s G + r + j ranks]

So no two ranks meet, all make the same number of steps, and any step is found without the ones before
it: to resume is to count. What n leaves over after whole steps is left out of the epoch and named
(``drop``), another lot in each epoch; or is a last, smaller step (``keep``), for evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toolkit.errors import RequestError
from toolkit.packing.gold.epochs import epoch_order

Order = Callable[[int, int, int], np.ndarray]


def in_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Leave the packs as they lie in the files, whatever the seed and the epoch: int64 [n]."""
    return np.arange(n, dtype=np.int64)


@dataclass(frozen=True)
class Schedule:
    """``packs`` rows dealt to ``world_size`` ranks, ``batch_size`` a rank and step.

    ``order(packs, seed, epoch)`` must be a permutation of 0 .. packs - 1. Raises RequestError for
    numbers below 1, for an unknown ``remainder``, or if no whole step comes together under ``drop``.
    """

    packs: int
    batch_size: int
    world_size: int = 1
    seed: int = 0
    remainder: str = "drop"
    order: Order = epoch_order

    def __post_init__(self) -> None:
        for name in ("packs", "batch_size", "world_size"):
            if getattr(self, name) < 1:
                raise RequestError(f"{name} must be at least 1, found {getattr(self, name)}.")
        if self.remainder not in ("drop", "keep"):
            raise RequestError(f"remainder must be 'drop' or 'keep', found {self.remainder!r}.")
        if not self.steps:
            raise RequestError(
                f"{self.packs} packs do not fill one step of {self.batch_size} x {self.world_size} ranks, so "
                "nothing would be trained: take smaller batches, or remainder='keep'."
            )

    @property
    def global_batch(self) -> int:
        """Packs a step takes, over all ranks."""
        return self.batch_size * self.world_size

    @property
    def steps(self) -> int:
        """Steps in every epoch, on every rank."""
        whole, rest = divmod(self.packs, self.global_batch)
        return whole + (rest > 0 and self.remainder == "keep")

    def take(self, epoch: int, step: int, rank: int = 0) -> np.ndarray:
        """Return the packs of one rank's batch: int64 [batch_size], fewer in a last step under ``keep``."""
        if not 0 <= rank < self.world_size:
            raise RequestError(f"rank must be in 0 .. {self.world_size - 1}, found {rank}.")
        if not 0 <= step < self.steps:
            raise RequestError(f"step must be in 0 .. {self.steps - 1} in an epoch, found {step}.")
        start = step * self.global_batch
        return self.order_of(epoch)[start : start + self.global_batch][rank :: self.world_size]

    def left_out(self, epoch: int) -> np.ndarray:
        """Return the packs that no rank takes in this epoch: int64, fewer than ``global_batch`` of them."""
        return self.order_of(epoch)[self.steps * self.global_batch :]

    def order_of(self, epoch: int) -> np.ndarray:
        """Return the order of an epoch, int64 [packs], read-only. RequestError if it is no permutation."""
        if epoch < 0:
            raise RequestError(f"epoch must be at least 0, found {epoch}.")
        return _permutation(self.order, self.packs, self.seed, epoch)


@lru_cache(maxsize=2)
def _permutation(order: Order, n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch, read-only, once proved to be a permutation."""
    found = np.array(order(n, seed, epoch), np.int64)
    seen = np.zeros(n, np.bool_)
    if found.shape == (n,) and found.size and found.min() >= 0 and found.max() < n:
        seen[found] = True
    if not seen.all():
        raise RequestError(
            f"the order of epoch {epoch} is no permutation of {n} packs: {n - int(seen.sum())} of them are "
            "not in it. An order must hold each of 0 .. n - 1 once."
        )
    found.flags.writeable = False
    return found
