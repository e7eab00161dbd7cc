"""Which cards serve: new enough, with enough free memory for every process that shares one.

a process:   LEAST bytes free, of which CUDA takes up to CONTEXT for itself
its budget:  (MOST of what is free, or what was asked for) / processes of the card
"""

from __future__ import annotations

from typing import Any

from toolkit.errors import RequestError
from toolkit.kernels.cuda.device import open_cupy

LEAST, CONTEXT, MOST = 1 << 30, 1 << 29, 0.9
OLDEST, OLDEST_OF_13 = 70, 75  # compute capability times ten: of the kernels, and of CUDA 13's compiler


def usable(asked: int | None, processes: int) -> tuple[tuple[int, ...], int, str]:
    """Return (numbers of the cards, bytes a process may use of its card, what a person is told).

    ``asked`` is what all processes may use of each card. RequestError says why no card serves.
    """
    cupy = open_cupy()
    found, wrong = [], ""
    for number in range(cupy.cuda.runtime.getDeviceCount()):
        try:
            found.append(_read(cupy, number))
        except Exception as error:  # full, somebody else's alone, or lost
            wrong = wrong or f"card {number} cannot be used ({type(error).__name__}: {error})"
    if not found:
        raise RequestError(wrong)
    oldest = OLDEST if cupy.cuda.runtime.runtimeGetVersion() < 13000 else OLDEST_OF_13
    new = [card for card in found if card[2] >= oldest]
    if not new:
        raise RequestError(f"{_named(found[0])}, and {oldest / 10} is the least that serves")
    each = -(-processes // len(new))
    fit = [card for card in new if card[3] >= LEAST * each]
    each = -(-processes // max(1, len(fit)))
    if not fit or min(card[3] for card in fit) < LEAST * each:
        number, name, _, free, total = max(new, key=lambda card: card[3])
        need = f"{each} processes need" if each > 1 else "a process needs"
        raise RequestError(
            f"card {number}, {name}, has {_gb(free)} of {_gb(total)} free, and {need} {_gb(LEAST * each)}"
            + (": fewer workers need less" if each > 1 else "")
        )
    free = min(card[3] for card in fit)
    most = int(MOST * free) - CONTEXT * each
    budget = (most if asked is None else min(asked, most)) // each
    told = f"{len(fit)} cards, the first " if len(fit) > 1 else ""
    return tuple(card[0] for card in fit), budget, f"{told}{_named(fit[0])}, {_gb(budget)} a process"


def budget_of(cupy: Any) -> int:
    """Return what one process may use of the current card, if it is alone there."""
    return int(MOST * cupy.cuda.runtime.memGetInfo()[0])


def _read(cupy: Any, number: int) -> tuple[int, str, int, int, int]:
    """Return (number, name, compute capability times ten, bytes free, bytes in all) of a card."""
    about = cupy.cuda.runtime.getDeviceProperties(number)
    with cupy.cuda.Device(number):
        free, total = cupy.cuda.runtime.memGetInfo()
    name = about["name"].decode(errors="replace") if isinstance(about["name"], bytes) else about["name"]
    return number, name, 10 * about["major"] + about["minor"], free, total


def _named(card: tuple[int, str, int, int, int]) -> str:
    return f"card {card[0]} is {card[1]} of compute capability {card[2] / 10}"


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
