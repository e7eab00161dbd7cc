"""Lines that came twice and ids that were given twice, found across any number of parts.

    an id that its source declares    the payload that came last stands for it
    a payload                         the first stays, in the order of the parts

The order is that of the parts and of their rows, never of time. Only hashes are looked at, one
range of their values after another, so memory does not grow with the number of records.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

AT_ONCE = 1 << 20  # records whose hashes are sorted together


@dataclass(frozen=True)
class Repeats:
    """The r records that others stand for, int64[r] each, by part and row; ``same``: an equal payload."""

    part: np.ndarray
    row: np.ndarray
    kept_part: np.ndarray
    kept_row: np.ndarray
    same: np.ndarray

    def __len__(self) -> int:
        return len(self.part)


def find_repeats(ids: Sequence[np.ndarray], scopes: Sequence[int], at_once: int = AT_ONCE) -> Repeats:
    """Find the repeats among parts in their order of preference.

    ``ids`` uint64 (n, 2) a part: the leading 128 bits of each record's id; (n, 4) where records may
    declare an id of their own, whose hash is in the last two columns, zeros for none. ``scopes``:
    payloads are compared among parts with the same number.
    """
    alive = [np.ones(len(part), bool) for part in ids]
    found = []
    keys = [part[:, 2:4] if part.shape[1] == 4 else part[:0, :2] for part in ids]
    declared = [(key != 0).any(axis=1) for key in keys]
    found += _resolve(ids, keys, declared, alive, [0] * len(ids), at_once)
    found += _resolve(ids, [part[:, :2] for part in ids], alive, alive, scopes, at_once)
    columns = np.concatenate([np.empty((0, 5), np.int64), *found])
    return Repeats(*columns[np.lexsort((columns[:, 1], columns[:, 0]))].T)


def _resolve(
    ids: Sequence[np.ndarray],
    keys: Sequence[np.ndarray],
    asked: Sequence[np.ndarray],
    alive: Sequence[np.ndarray],
    scopes: Sequence[int],
    at_once: int,
) -> Iterator[np.ndarray]:
    """Rows (part, row, kept part, kept row, same) of what goes; it is not ``alive`` any more."""
    total = sum(int(some.sum()) for some in asked)
    count = max(1, -(-total // at_once))
    bounds = [number * 2**64 // count for number in range(count + 1)]
    for low, high in itertools.pairwise(bounds):
        chosen = _twice(asked, [k[:, 0] for k in keys], low, high)
        if not any(map(len, chosen)):
            continue
        place = np.concatenate([np.stack([np.full(len(c), p), c], 1) for p, c in enumerate(chosen)])
        key = np.concatenate([k[c] for k, c in zip(keys, chosen, strict=True)])
        scope = np.repeat(np.array(scopes, np.uint64), [len(c) for c in chosen])
        name = np.concatenate([part[c, :2] for part, c in zip(ids, chosen, strict=True)])
        gone = _losers(np.column_stack([scope, key]), name, place)
        for part in np.unique(gone[:, 0]).tolist():
            alive[part][gone[gone[:, 0] == part, 1]] = False
        yield gone


def _twice(
    asked: Sequence[np.ndarray], firsts: Sequence[np.ndarray], low: int, high: int
) -> list[np.ndarray]:
    """Rows of each part whose first key word, from ``low`` to below ``high``, another row has too."""
    inside = [
        np.flatnonzero(rows & (k >= low) & (k <= high - 1)) for rows, k in zip(asked, firsts, strict=True)
    ]
    words = [k[rows] for rows, k in zip(inside, firsts, strict=True)]
    ordered = np.sort(np.concatenate([np.empty(0, np.uint64), *words]))
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not len(twice):
        return [rows[:0] for rows in inside]
    at = [np.minimum(np.searchsorted(twice, word), len(twice) - 1) for word in words]
    return [rows[twice[k] == word] for rows, k, word in zip(inside, at, words, strict=True)]


def _losers(key: np.ndarray, name: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Of the records with equal ``key`` stays the first that has the payload of the last; the others."""
    order = np.lexsort(key.T[::-1])  # stable: equal keys stay in the order of parts and rows
    key, name, place = key[order], name[order], place[order]
    new = np.ones(len(key), bool)
    new[1:] = (key[1:] != key[:-1]).any(axis=1)
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(key)) - 1
    same = (name == name[last[group]]).all(axis=1)
    at = np.arange(len(key))
    kept = np.minimum.reduceat(np.where(same, at, len(key)), first)[group]
    goes = np.flatnonzero(kept != at)
    return np.column_stack([place[goes], place[kept[goes]], same[goes]]).astype(np.int64)
