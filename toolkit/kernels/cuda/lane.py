"""A lane: work of its own on a card, beside that of another lane; copies go on while kernels run.

A copy that runs beside a kernel needs a stream, and host memory that is pinned: the driver copies any other
through a buffer of its own and waits. Pinning costs as much as copying, so a lane keeps its buffers and grows
them; text is copied into them by several threads, since one core copies more slowly than a bus does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

COPIERS = 4
ALONE = 1 << 20  # bytes that one thread copies as fast as several
Work = Callable[[Any, Any], tuple]


class Lane:
    """A stream of the card and pinned buffers."""

    def __init__(self, cupy: Any) -> None:
        import cupyx

        self._cupy, self._pinned = cupy, cupyx.empty_pinned
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self._rooms: dict[Any, np.ndarray] = {}

    def start(self, work: Work, data: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
        """Queue ``work(data, offsets)`` on some rows; return where its arrays will lie, for ``land``.

        MemoryError where the card's memory is not enough.
        """
        self.stream.synchronize()  # nothing of an earlier start that failed may still use the buffers
        with self.stream:
            text = self._send("text", data[offsets[0] : offsets[-1]])
            found = work(text, self._send("offsets", offsets - offsets[0]))
            return [self._fetch(number, array) for number, array in enumerate(found)]

    def land(self, found: list[np.ndarray]) -> list[np.ndarray]:
        """Wait for what was started; its arrays are this lane's, so copy them before its next start."""
        self.stream.synchronize()
        return found

    def _room(self, name: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        size = int(np.prod(shape)) * dtype.itemsize
        if name not in self._rooms or len(self._rooms[name]) < size:
            self._rooms.pop(name, None)
            self._rooms[name] = self._pinned(max(1 << 16, size + size // 4), np.uint8)
        return self._rooms[name][:size].view(dtype).reshape(shape)

    def _send(self, name: str, values: np.ndarray) -> Any:
        room = self._room(name, values.shape, values.dtype)
        copy(room, values)
        sent = self._cupy.empty(values.shape, values.dtype)
        if sent.nbytes:
            sent.data.copy_from_host_async(room.ctypes.data, sent.nbytes, self.stream)
        return sent

    def _fetch(self, name: int, values: Any) -> np.ndarray:
        values = self._cupy.ascontiguousarray(values)
        room = self._room(name, values.shape, values.dtype)
        if values.nbytes:
            values.data.copy_to_host_async(room.ctypes.data, values.nbytes, self.stream)
        return room


class HostLane:
    """The same on the host, where all is done when it is started."""

    def __init__(self, door: Any) -> None:
        self._door = door

    def start(self, work: Work, data: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
        """See ``Lane.start``."""
        text = self._door.array(np.array(data[offsets[0] : offsets[-1]]))
        return [self._door.numpy(array) for array in work(text, self._door.array(offsets - offsets[0]))]

    def land(self, found: list[np.ndarray]) -> list[np.ndarray]:
        """See ``Lane.land``."""
        return found


@cache
def _copiers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(COPIERS, os.cpu_count() or 1), "copy")


def copy(to: np.ndarray, values: np.ndarray) -> None:
    """Copy an array into another of its shape, with several threads if it is large."""
    if values.nbytes < ALONE or values.ndim == 0:
        to[...] = values
        return
    pieces = (np.array_split(array, COPIERS) for array in (to, values))
    list(_copiers().map(np.copyto, *pieces))
