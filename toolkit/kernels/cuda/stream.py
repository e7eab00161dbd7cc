"""Text streams through a card in pieces of rows: any amount of it, through as much memory as there is.

    bytes a piece takes  =  TEXT times its bytes + ROW times its rows  <=  budget / lanes

Two lanes take turns (``lane``): while one computes, the next piece goes to the other. A piece for which the
card's memory is not enough waits until the others are done, and is halved if that does not help; a single row
that does not fit is the host's. So no row is lost, and rows do not know in which piece they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from toolkit.kernels.cuda.lane import Work

MOST = 16 << 20  # bytes of text in a piece: 0.3 ms on a bus of 50 GB/s; launches cost a tenth of that
OnHost = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]
Put = Callable[..., None]


def stream(
    door: Any, work: Work, on_host: OnHost, data: np.ndarray, offsets: np.ndarray,
    text: float, row: float, put: Put, held: int = 0,
) -> None:  # fmt: skip
    """Call ``put(first, last, *arrays)`` for pieces that cover all rows of ``data`` and ``offsets`` once.

    ``work(data, offsets)`` returns a tuple of the door's arrays for some rows, ``on_host`` one of NumPy's;
    the offsets of ``work`` begin at 0. ``text`` and ``row``: about how many bytes of the card's memory
    ``work`` takes for a byte of text, and for a row; ``held`` bytes are taken already. ``put`` copies what
    it keeps.
    """
    lanes, flying = deque(door.lanes()), deque()
    room = None if door.budget is None else (door.budget - held) // len(lanes)
    todo = deque(pieces(offsets, text, row, room))

    def land() -> None:
        lane, first, last, found = flying.popleft()
        put(first, last, *lane.land(found))
        lanes.append(lane)

    while todo or flying:
        if not todo or not lanes:
            land()
            continue
        first, last = todo.popleft()
        found = _started(lanes[0], work, data, offsets[first : last + 1])
        if found is not None:
            flying.append((lanes.popleft(), first, last, found))
        elif flying:
            todo.appendleft((first, last))
            while flying:
                land()
            door.free()
        elif last - first > 1:
            door.free()
            middle = (first + last) // 2
            todo.extendleft([(middle, last), (first, middle)])
        else:
            put(first, last, *on_host(data, offsets[first : last + 1]))


def _started(lane: Any, work: Work, data: np.ndarray, offsets: np.ndarray) -> list[np.ndarray] | None:
    """What a lane has started; None if memory was not enough. Nothing that it took is held any more then."""
    try:
        return lane.start(work, data, offsets)
    except MemoryError:
        return None


def pieces(offsets: np.ndarray, text: float, row: float, room: int | None) -> list[tuple[int, int]]:
    """Cut rows into (first, last): each takes at most ``room`` bytes for MOST of text, or is one row."""
    most = MOST * max(1.0, text)
    limit = most if room is None else min(room, most)
    cost = (offsets - offsets[0]) * text + np.arange(len(offsets)) * row
    found, first = [], 0
    while first < len(offsets) - 1:
        last = max(first + 1, int(np.searchsorted(cost, cost[first] + limit, side="right")) - 1)
        found.append((first, last))
        first = last
    return found


def attempt(door: Any, work: Callable[[], Any], on_host: Callable[[], Any]) -> Any:
    """Return what ``work`` does on the card; where its memory is not enough, what the host does."""
    try:
        return work()
    except MemoryError:
        pass  # here the exception still holds what was allocated
    door.free()
    return on_host()
