"""Which device runs the kernels: decided where a run begins, said aloud, and the same in all its processes.

``TOOLKIT_DEVICE``, or the argument, is ``auto`` (the default), ``cpu`` or ``cuda``; or ``host``: all that
``cuda`` does, kernels and all, but through the host header (``cuda.host``), to compare whole pipelines
without a card. ``TOOLKIT_GPU_MEMORY``, or the argument, is what a run may use of each card.

A run picks (``pick``) and its jobs carry what was picked (``using``); it is no part of their keys, because
the bytes are the same. Outside a run the environment decides, at first use.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from toolkit.errors import RequestError

CHOICES = ("auto", "cpu", "cuda", "host")
LEAST = 1 << 18  # bytes: a core is done with fewer in the 0.1 ms that copies, a launch and a wait take
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}  # fmt: skip


@dataclass(frozen=True)
class Device:
    """A device by name (``cpu``, ``cuda`` or ``host``) and why it was picked.

    ``budget`` is what a process may use of its card, in bytes; None for no limit.
    Process number i of a pool uses card ``cards[i]``, modulo their number.
    """

    name: str
    reason: str
    budget: int | None = None
    cards: tuple[int, ...] = (0,)


def pick(device: str | None = None, memory: str | int | None = None, processes: int = 1) -> Device:
    """Pick the device: the argument, else ``TOOLKIT_DEVICE``, else ``auto``, for so many ``processes``.

    ``memory`` is a number of bytes, or text such as "20GB"; by default most of what is free. Raises
    RequestError for what cannot be read, and for ``cuda`` without a card that serves.
    """
    source = "the device argument" if device is not None else "TOOLKIT_DEVICE"
    wanted = (device if device is not None else os.environ.get("TOOLKIT_DEVICE") or "auto").strip().lower()
    if wanted not in CHOICES:
        raise RequestError(f"{source} says {wanted!r}; it must be one of {', '.join(CHOICES[:3])}")
    asked = _bytes(memory if memory is not None else os.environ.get("TOOLKIT_GPU_MEMORY") or None)
    if wanted == "cpu":
        return Device("cpu", f"{source} asks for it")
    if wanted == "host":
        budget = None if asked is None else max(1, asked // processes)
        return Device("host", f"{source} asks for it", budget)
    from toolkit.kernels.cuda.cards import usable

    try:
        cards, budget, told = usable(asked, processes)
    except RequestError as error:
        if wanted == "cuda":
            raise RequestError(f"{source} says 'cuda', but {error}; 'auto' or 'cpu' run on the CPU") from None
        return Device("cpu", f"no GPU: {error}")
    found = Device("cuda", told, budget, cards)
    return found if wanted == "cuda" else _proved(found)


def _proved(device: Device) -> Device:
    """The device if it gives the known answers; else the CPU: nobody asked for a card that is wrong."""
    from toolkit.kernels.cuda.known import known_answer

    try:
        with using(device):
            known_answer(door())
    except Exception as error:
        return Device("cpu", f"{device.reason}, but it does not work: {type(error).__name__}: {error}")
    return device


def _bytes(memory: str | int | None) -> int | None:
    """A number of bytes as people write it; None for None."""
    if memory is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", str(memory).strip().lower())
    size = int(float(found[1]) * _UNITS[found[2]]) if found and found[2] in _UNITS else 0
    if size < 1:
        raise RequestError(f"GPU memory is {memory!r}; expected a number of bytes such as 20GB or 512MiB")
    return size


_current: ContextVar[Device | None] = ContextVar("device", default=None)


@cache
def _ambient() -> Device:
    return pick()


@contextmanager
def using(device: Device | None) -> Iterator[None]:
    """Use a device that was picked, within; None changes nothing."""
    token = _current.set(device or _current.get())
    try:
        yield
    finally:
        _current.reset(token)


def door(size: int | None = None) -> Any | None:
    """The door to the device in use, see ``kernels.cuda``; None for the CPU's own kernels.

    So too if ``size`` bytes are too few for a card to be worth it.
    """
    device = _current.get() or _ambient()
    if device.name == "cpu" or (device.name == "cuda" and size is not None and size < LEAST):
        return None
    number = (getattr(multiprocessing.current_process(), "_identity", ()) or (0,))[0]
    opened = _open(device.name, device.cards[number % len(device.cards)], device.budget)
    opened.use()
    return opened


@cache
def _open(name: str, card: int, budget: int | None) -> Any:
    from toolkit.kernels.cuda import Cuda, Host

    return Host(budget=budget) if name == "host" else Cuda(card=card, budget=budget)
