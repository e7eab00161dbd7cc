"""Lines that came twice and ids that were given twice, found across any number of parts.

    an id that its source declares    the payload that came last stands for it
    a payload                         the first stays, in the order of the parts

The order is that of the parts and of their rows, never of time. Only hashes are looked at, one
range of their values after another, so memory does not grow with the number of records.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
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
    declare an id of their own, whose hash is in the last two columns, zeros for none. A part is
    looked at by itself, several times over, so the sequence may load it anew at every look.
    ``scopes``: payloads are compared among parts with the same number.
    """
    alive = [np.ones(len(part), bool) for part in ids]
    found = list(_resolve(ids, _declared, alive, [0] * len(alive), at_once))
    found += _resolve(ids, _payload, alive, scopes, at_once)
    columns = np.concatenate([np.empty((0, 5), np.int64), *found])
    return Repeats(*columns[np.lexsort((columns[:, 1], columns[:, 0]))].T)


Key = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _payload(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The key of each record by its payload, and which have one."""
    return part[:, :2], np.ones(len(part), bool)


def _declared(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The key of each record by the id that it declares, and which have one."""
    if part.shape[1] < 4:
        return part[:, :2], np.zeros(len(part), bool)
    return part[:, 2:4], (part[:, 2:4] != 0).any(axis=1)


def _resolve(
    ids: Sequence[np.ndarray], key: Key, alive: Sequence[np.ndarray], scopes: Sequence[int], at_once: int
) -> Iterator[np.ndarray]:
    """Rows (part, row, kept part, kept row, same) of what goes; it is not ``alive`` any more."""
    total = sum(int(key(part)[1].sum()) for part in ids)
    count = -(-total // at_once)
    bounds = [number * 2**64 // count for number in range(count + 1)] if count else []
    for low, high in itertools.pairwise(bounds):
        chosen = _twice(ids, key, alive, low, high)
        held = [(p, rows, ids[p][rows]) for p, rows in enumerate(chosen) if len(rows)]
        if held:
            place = np.concatenate([np.stack([np.full(len(rows), p), rows], 1) for p, rows, _ in held])
            scope = np.concatenate([np.full(len(rows), scopes[p], np.uint64) for p, rows, _ in held])
            keys = np.concatenate([key(part)[0] for _, _, part in held])
            names = np.concatenate([part[:, :2] for _, _, part in held])
            gone = _losers(np.column_stack([scope, keys]), names, place)
            for part in np.unique(gone[:, 0]).tolist():
                alive[part][gone[gone[:, 0] == part, 1]] = False
            yield gone


def _twice(
    ids: Sequence[np.ndarray], key: Key, alive: Sequence[np.ndarray], low: int, high: int
) -> list[np.ndarray]:
    """Rows of each part whose first key word, from ``low`` to below ``high``, another row has too."""
    rows, words = [], []
    for part, living in zip(ids, alive, strict=True):
        keys, asked = key(part)
        first = keys[:, 0]
        rows.append(np.flatnonzero(living & asked & (first >= low) & (first <= high - 1)))
        words.append(first[rows[-1]])
    ordered = np.sort(np.concatenate([np.empty(0, np.uint64), *words]))
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return [inside[:0] for inside in rows]
    at = [np.minimum(np.searchsorted(twice, word), len(twice) - 1) for word in words]
    return [inside[twice[k] == word] for inside, k, word in zip(rows, at, words, strict=True)]


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
