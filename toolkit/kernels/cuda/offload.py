"""What the CPU's functions hand to a device: NumPy in, NumPy out, any amount, in the memory that there is.

Each takes a door, what its namesake of ``toolkit.dedup`` works on, and ``on_host``, which does the same on
the CPU for what does not fit. The figures of memory say how pieces are cut; where they are too low, a piece
is halved when it fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toolkit.kernels.cuda import bands, choose, normalise, sets, verify
from toolkit.kernels.cuda.ngrams import propose
from toolkit.kernels.cuda.rounds import rounds
from toolkit.kernels.cuda.sketch import minhash
from toolkit.kernels.cuda.stream import OnHost, attempt, stream
from toolkit.kernels.space import gather

I64, U64 = np.int64, np.uint64
WORD_TEXT = 7.0  # a byte of text: itself, and marks and hashes of words of two bytes
SHINGLE = {"byte": 96.0, "word": 32.0}  # a byte of text: identities, and what sorting them takes
PLAYED = 16.0  # an item of a text that plays more rounds


def sketch(
    door: Any, data: np.ndarray, offsets: np.ndarray, unit: str, n: int, k: int, seed: int, scheme: str,
    on_host: Callable,
) -> np.ndarray:  # fmt: skip
    """Signatures uint32 (rows, k), as ``dedup.sketch`` and ``sketch_sets`` (``unit`` is "set") give them."""
    kernel = rounds if scheme == "rounds-1" else minhash
    text = {"byte": 1.0, "word": WORD_TEXT, "set": 1.0}[unit] + PLAYED * (kernel is rounds)
    row = 8.0 + 4 * k + 24 * k * (kernel is rounds)
    ends, data = (8 * offsets, data.view(np.uint8)) if unit == "set" else (offsets, data)

    def work(data: Any, offsets: Any) -> tuple:
        if unit == "set":
            data, offsets = data.view(U64), offsets // 8
        return (kernel(door, data, offsets, unit, n, k, seed),)

    def rest(data: np.ndarray, offsets: np.ndarray) -> tuple:
        return (on_host(data.view(U64), offsets // 8) if unit == "set" else on_host(data, offsets),)

    return _rows(door, work, rest, data, ends, text, row, np.empty((len(offsets) - 1, k), np.uint32))


def band_keys(door: Any, signatures: np.ndarray, plan: Any, on_host: Callable) -> np.ndarray:
    """Keys uint64 (rows, bands); ``on_host`` takes some of the signatures."""
    k = signatures.shape[1]
    ends = np.arange(len(signatures) + 1, dtype=I64) * 4 * k
    out = np.empty((len(signatures), plan.bands), U64)

    def work(data: Any, _: Any) -> tuple:
        return (bands.band_keys(door, data.view(np.uint32).reshape(-1, k), plan.bands, plan.rows),)

    def rest(data: np.ndarray, offsets: np.ndarray) -> tuple:
        return (on_host(data[offsets[0] : offsets[-1]].view(np.uint32).reshape(-1, k)),)

    data = np.ascontiguousarray(signatures).reshape(-1).view(np.uint8)
    return _rows(door, work, rest, data, ends, 1.0, 8.0 + 8 * plan.bands, out)


def shingle_sets(
    door: Any, data: np.ndarray, offsets: np.ndarray, unit: str, n: int, on_host: OnHost
) -> tuple[np.ndarray, np.ndarray]:
    """Each text's set: (hashes uint64, offsets int64[rows + 1])."""

    def work(data: Any, offsets: Any) -> tuple:
        return sets.shingle_sets(door, data, offsets, unit, n)

    return _joined(door, work, on_host, data, offsets, SHINGLE[unit], 32.0)[:2]


def normalise_ascii(
    door: Any, data: np.ndarray, offsets: np.ndarray, on_host: OnHost
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(data, offsets, flags uint8[rows]: 1 for a text that is not ASCII and was left empty)."""

    def work(data: Any, offsets: Any) -> tuple:
        return normalise.normalise_ascii(door, data, offsets)

    return _joined(door, work, on_host, data, offsets, 4.0, 48.0)


def screen(
    door: Any, data: np.ndarray, offsets: np.ndarray, screening: tuple, not_plain: int, on_host: Callable
) -> np.ndarray:
    """Which raw texts may hold an indexed n-gram, uint8[rows]; ``not_plain`` for what is not ASCII."""

    def rest(data: np.ndarray, offsets: np.ndarray) -> tuple:
        return (on_host(data, offsets),)

    def on_card() -> np.ndarray:
        held = tuple(door.array(value) if isinstance(value, np.ndarray) else value for value in screening)
        size = sum(value.nbytes for value in held)
        door.wait()

        def work(data: Any, offsets: Any) -> tuple:
            bare, ends, flags = normalise.normalise_ascii(door, data, offsets, bare=True)
            return (propose(door, bare, ends, held) + flags * np.uint8(not_plain),)

        out = np.empty(len(offsets) - 1, np.uint8)
        return _rows(door, work, rest, data, offsets, WORD_TEXT + 5, 64.0, out, size)

    return attempt(door, on_card, lambda: on_host(data, offsets))


def jaccard(
    door: Any, hashes: np.ndarray, offsets: np.ndarray, pairs: np.ndarray, on_host: Callable
) -> tuple[np.ndarray, np.ndarray]:
    """Exact (intersection, union) int64[p]; ``on_host`` takes hashes, offsets and some of the pairs.

    Pairs are halved until the sets that they need fit.
    """
    out = np.empty((2, len(pairs)), I64)
    todo = [(0, len(pairs))] if len(pairs) else []
    while todo:
        first, last = todo.pop()
        part = pairs[first:last]
        found = _measured(door, hashes, offsets, part, last - first < len(pairs))
        if found is not None:
            out[:, first:last] = found
        elif last - first > 1:
            middle = (first + last) // 2
            todo += [(middle, last), (first, middle)]
        else:
            out[:, first:last] = on_host(hashes, offsets, part)
    return out[0], out[1]


def _measured(door: Any, hashes: np.ndarray, offsets: np.ndarray, pairs: np.ndarray, some: bool) -> Any:
    """What ``verify.jaccard`` measures; None if it does not fit. ``some``: only their sets are taken."""
    if some:
        rows, local = np.unique(pairs, return_inverse=True)
        starts, stops = offsets[rows], offsets[rows + 1]
        size, pairs = int((stops - starts).sum()), local.reshape(pairs.shape).astype(I64)
    else:
        rows, size = np.empty(len(offsets), I64), int(offsets[-1] - offsets[0])
    if door.budget is not None and 8 * size + 8 * len(rows) + 40 * len(pairs) > door.budget:
        return None
    if some:
        held, ends = np.empty(8 * size, np.uint8), np.empty(len(rows) + 1, I64)
        gather(hashes.view(np.uint8), 8 * starts, 8 * stops, held, ends)
        hashes, offsets = held.view(U64), ends // 8
    else:
        hashes, offsets = hashes[offsets[0] : offsets[-1]], offsets - offsets[0]

    def work() -> tuple:
        return tuple(door.numpy(found) for found in verify.jaccard(door, hashes, offsets, pairs))

    return attempt(door, work, lambda: None)


def agreement(door: Any, signatures: np.ndarray, pairs: np.ndarray, on_host: Callable) -> np.ndarray:
    """Equal slots of each pair, int64[p]."""
    return attempt(door, lambda: door.numpy(verify.agreement(door, signatures, pairs)), on_host)


def choice(
    door: Any, n: int, pairs: np.ndarray, shared: np.ndarray, union: np.ndarray, on_host: Callable
) -> np.ndarray:
    """Who removes whom, int64[n]."""
    return attempt(door, lambda: door.numpy(choose.choose(door, n, pairs, shared, union)[0]), on_host)


def components(door: Any, n: int, pairs: np.ndarray, on_host: Callable) -> np.ndarray:
    """The smallest member of each one's component, int64[n]."""
    return attempt(door, lambda: door.numpy(choose.components(door, n, pairs)), on_host)


def shared_keys(
    door: Any, keys: np.ndarray, docs: np.ndarray, on_host: Callable
) -> tuple[np.ndarray, np.ndarray]:
    """(keys, docs) of the keys that more than one has, ascending by both; see ``bands.shared_keys``."""

    def work() -> tuple:
        return tuple(map(door.numpy, bands.shared_keys(door, keys, docs)))

    return attempt(door, work, lambda: on_host(keys, docs))


def _rows(door, work, on_host, data, offsets, text, row, out, held=0) -> np.ndarray:
    """Fill ``out`` with rows of fixed width."""

    def put(first: int, last: int, found: np.ndarray) -> None:
        out[first:last] = found

    stream(door, work, on_host, data, offsets, text, row, put, held)
    return out


def _joined(door, work, on_host, data, offsets, text, row) -> tuple[np.ndarray, ...]:
    """Join what pieces give: (values, their offsets int64[rows + 1], anything else that has a row each)."""
    found: dict[int, tuple[np.ndarray, ...]] = {}

    def put(first: int, _: int, *arrays: np.ndarray) -> None:
        found[first] = tuple(np.array(array) for array in arrays)

    stream(door, work, on_host, data, offsets, text, row, put)
    if not found:
        found[0] = tuple(on_host(data, offsets))
    if len(found) == 1:
        return found[0]
    values, ends, *others = zip(*(found[first] for first in sorted(found)), strict=True)
    starts = np.cumsum([0, *map(len, values)])
    joined = [np.zeros(1, I64), *(end[1:] + start for end, start in zip(ends, starts, strict=False))]
    return np.concatenate(values), np.concatenate(joined), *map(np.concatenate, others)
