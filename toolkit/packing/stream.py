"""Packing data without end: a buffer of B documents, and a pack closed whenever it is full.

Best-fit decreasing must see all lengths first. A stream never shows them all, so a pack is closed from
the B documents at hand. The one that has waited longest opens it; then, as long as anything fits, the
longest that does:

    pack = oldest, then again and again the longest held of at most the room left

The oldest first, because then no document waits for more than B packs, and because it fills better than
the longest first, which leaves a buffer of short documents that all want the same partner. On log-normal
lengths B = 1,000 takes about 0.1 % more packs than the bound, B = 10,000 about 0.07 %.

Which packs are closed depends on the documents and their order alone, never on how many arrive at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numba
import numpy as np

from toolkit.errors import RequestError
from toolkit.kernels.compile import kernel
from toolkit.packing.amounts import add, discard, least, levels_of
from toolkit.packing.lengths import LENGTHS, checked_capacity, checked_lengths

BUFFER = 16_384
_I64S, _TABLE = numba.int64[::1], numba.int64[:, ::1]
# rows of ``slots``: a document's number and length; the next of its length; its neighbours in age
_NUMBER, _LENGTH, _AFTER, _OLDER, _NEWER = range(5)
_FIRST, _LAST = 0, 1  # rows of ``queues``, by length
_HELD, _OLDEST, _NEWEST, _FREE = range(4)  # places in ``ends``


@dataclass(frozen=True)
class Closed:
    """Packs that were closed: pack k is ``documents[starts[k] : starts[k + 1]]``, numbers by arrival."""

    documents: np.ndarray
    starts: np.ndarray


def pack_stream(batches: Iterable[np.ndarray], capacity: int, buffer: int = BUFFER) -> Iterator[Closed]:
    """Take batches of lengths, yield the packs they close, and those that are left when they end.

    ``batches``: int [any], tokens, each in 1 .. capacity; documents are numbered from 0 as they come.
    ``Closed`` holds int64 arrays; one is yielded for each batch that closes a pack. Every document is
    in exactly one pack. At most ``buffer`` documents are held, a document waits for ``buffer`` packs
    at most, and memory is 56 bytes a document held and 16 a token of capacity, beside the batch.
    Raises RequestError for a length outside 1 .. capacity (with the document's number) or no buffer.
    """
    checked_capacity(capacity)
    if buffer < 1:
        raise RequestError(f"a stream is packed from a buffer of at least one document, not {buffer}.")
    return _packs(batches, capacity, buffer)


def _packs(batches: Iterable[np.ndarray], capacity: int, buffer: int) -> Iterator[Closed]:
    slots, queues = np.full((5, buffer), -1, np.int64), np.full((2, capacity + 1), -1, np.int64)
    slots[_AFTER] = np.arange(1, buffer + 1)  # free slots, one after another
    slots[_AFTER, -1] = -1
    ends = np.array([0, -1, -1, 0], np.int64)
    starts = levels_of(capacity + 1)
    some = np.zeros(starts[-1], np.uint64)  # capacity - L for every length L held: the longest is the least
    arrived = 0
    for batch in batches:
        lengths = checked_lengths(batch, capacity, arrived)
        documents, packs = _absorb(lengths, arrived, 0, capacity, slots, queues, ends, some, starts)
        arrived += lengths.size
        if packs.size > 1:
            yield Closed(documents, packs)
    documents, packs = _absorb(np.zeros(0, np.int64), arrived, 1, capacity, slots, queues, ends, some, starts)
    if packs.size > 1:
        yield Closed(documents, packs)


@kernel(
    numba.void(numba.int64, numba.int64, numba.int64, _TABLE, _TABLE, _I64S, numba.uint64[::1], _I64S),
    inline=False,
)
def _hold(number, length, capacity, slots, queues, ends, some, starts):
    """Put a document into the buffer, which has a free slot."""
    slot = ends[_FREE]
    ends[_FREE] = slots[_AFTER, slot]
    slots[_NUMBER, slot], slots[_LENGTH, slot], slots[_AFTER, slot] = number, length, -1
    if queues[_FIRST, length] < 0:
        queues[_FIRST, length] = slot
        add(some, starts, capacity - length)
    else:
        slots[_AFTER, queues[_LAST, length]] = slot
    queues[_LAST, length] = slot
    slots[_OLDER, slot], slots[_NEWER, slot] = ends[_NEWEST], -1
    if ends[_NEWEST] < 0:
        ends[_OLDEST] = slot
    else:
        slots[_NEWER, ends[_NEWEST]] = slot
    ends[_NEWEST] = slot
    ends[_HELD] += 1


@kernel(
    numba.int64(numba.int64, numba.int64, _TABLE, _TABLE, _I64S, numba.uint64[::1], _I64S),
    inline=False,
)
def _release(length, capacity, slots, queues, ends, some, starts):
    """Take the oldest document of a length out of the buffer; return its number."""
    slot = queues[_FIRST, length]
    queues[_FIRST, length] = slots[_AFTER, slot]
    if slots[_AFTER, slot] < 0:
        discard(some, starts, capacity - length)
    older, newer = slots[_OLDER, slot], slots[_NEWER, slot]
    if older < 0:
        ends[_OLDEST] = newer
    else:
        slots[_NEWER, older] = newer
    if newer < 0:
        ends[_NEWEST] = older
    else:
        slots[_OLDER, newer] = older
    slots[_AFTER, slot] = ends[_FREE]
    ends[_FREE] = slot
    ends[_HELD] -= 1
    return slots[_NUMBER, slot]


@kernel(
    numba.types.UniTuple(_I64S, 2)(
        LENGTHS, numba.int64, numba.int64, numba.int64, _TABLE, _TABLE, _I64S, numba.uint64[::1], _I64S
    ),
    inline=False,
)
def _absorb(lengths, first, last, capacity, slots, queues, ends, some, starts):
    """Hold the documents of a batch, closing a pack whenever the buffer is full; all of them at the end."""
    documents = np.empty(ends[_HELD] + lengths.size, np.int64)
    packs = np.zeros(documents.size + 1, np.int64)
    taken, closed, i = 0, 0, 0
    while i < lengths.size or (last and ends[_HELD] > 0):
        if i < lengths.size:
            _hold(first + i, lengths[i], capacity, slots, queues, ends, some, starts)
            i += 1
        if ends[_HELD] < slots.shape[1] and not last:
            continue
        length, room = slots[_LENGTH, ends[_OLDEST]], capacity
        while True:
            documents[taken] = _release(length, capacity, slots, queues, ends, some, starts)
            taken += 1
            room -= length
            # the set reaches from 0 to capacity, and capacity, a length of 0, is never in it
            found = least(some, starts, capacity - room)
            if found < 0:
                break
            length = capacity - found
        closed += 1
        packs[closed] = taken
    return documents[:taken].copy(), packs[: closed + 1].copy()
