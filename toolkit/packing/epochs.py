"""The order of packs in an epoch: a permutation that is computed place by place and never stored.

Training must be able to stop at any step and go on, so "which pack is at place i of epoch e" is a pure
function of (n, seed, epoch, i). A shuffled list would have to be made whole to read one place of it.
Here i is split in two digits, i = right · a + left, and every round adds a hash of one to the other:

    left  = (left  + F(round, right)) mod a          even rounds         a = ceil(sqrt(n))
    right = (right + F(round, left )) mod b          odd rounds          b = ceil(n / a)

Each round can be undone, so the whole is a permutation of 0 .. a·b - 1 (a Feistel network; the
unequal digits after Black and Rogaway 2002). Where it leaves 0 .. n - 1 it is applied again until it is
back; a·b is less than n + a, so that is rare. Integers only: scheme ``feistel-1``, held by golden values.

It is a shuffle for training, not a cipher: whoever sees the order can find the seed.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.errors import RequestError
from toolkit.kernels.compile import kernel
from toolkit.kernels.hashing import GOLDEN, mix64
from toolkit.packing.pack import pack

ROUNDS = 16  # with 8, five packs came in some orders half as often again as in others
_MOST = 1 << 62


def epoch_order(n: int, seed: int, epoch: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Return the packs at places ``start`` .. ``stop`` of an epoch, int64 [stop - start].

    Over all places 0 .. n, each of 0 .. n - 1 comes once; any range is the slice of the whole, in time
    and memory of that range. ``seed``: 0 .. 2^64 - 1; ``epoch``: 0 .. 2^64 - 1. Raises RequestError for
    what is out of range.
    """
    stop = n if stop is None else stop
    if not 0 <= n <= _MOST or not 0 <= start <= stop <= n:
        raise RequestError(
            f"places {start} .. {stop} of {n} packs were asked for; expected 0 <= start <= stop <= n."
        )
    _checked_key(seed, epoch)
    return _order(n, np.uint64(seed), np.uint64(epoch), start, stop)


def repack(lengths: np.ndarray, capacity: int, seed: int, epoch: int, method: str = "fewest") -> np.ndarray:
    """Give each document a pack (see ``pack``) with new neighbours each epoch: int64 [n].

    Methods break ties between equal lengths by index. Here the documents are put in the epoch's order
    first, so equal lengths change places while every pack keeps its lengths: the fill stays the same to
    the token. A pack whose lengths no other documents have stays as it is (by next-fit, all move).
    """
    lengths = np.asarray(lengths)
    order = epoch_order(lengths.shape[0] if lengths.ndim else 0, seed, epoch)
    pack_of = np.empty(order.size, np.int64)
    pack_of[order] = pack(lengths[order] if lengths.ndim else lengths, capacity, method)
    return pack_of


def _checked_key(seed: int, epoch: int) -> None:
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not 0 <= value < 1 << 64:
            raise RequestError(f"{name} is {value}; expected 0 .. 2^64 - 1.")


@kernel(
    numba.int64[::1](numba.int64, numba.uint64, numba.uint64, numba.int64, numba.int64),
    inline=False,
)
def _order(n, seed, epoch, start, stop):
    a = np.uint64(np.sqrt(np.float64(n)))  # then corrected: exact whatever the rounding of the root
    while a * a < np.uint64(n):
        a += np.uint64(1)
    while a > np.uint64(1) and (a - np.uint64(1)) * (a - np.uint64(1)) >= np.uint64(n):
        a -= np.uint64(1)
    a = max(a, np.uint64(1))
    b = (np.uint64(n) + a - np.uint64(1)) // a
    keys = np.empty(ROUNDS, np.uint64)
    for r in range(ROUNDS):
        keys[r] = mix64(mix64(mix64(seed + GOLDEN) ^ epoch) + np.uint64(r + 1) * GOLDEN)
    order = np.empty(stop - start, np.int64)
    for i in range(start, stop):
        place = np.uint64(i)
        while True:
            right, left = place // a, place % a
            for r in range(0, ROUNDS, 2):
                left = (left + mix64(keys[r] ^ right) % a) % a
                right = (right + mix64(keys[r + 1] ^ left) % b) % b
            place = right * a + left
            if place < np.uint64(n):
                break
        order[i - start] = np.int64(place)
    return order
