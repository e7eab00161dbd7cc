"""Four facts that make a loss mask right, and two that must hold before anybody can ask.

    text        the tokens spell the rendered conversation
    control     the template's control tokens are single tokens, and nobody else's text is one
    untrained   every character of an assistant turn is trained
    leak        no other character is
    stop        the control tokens of an assistant turn are trained, the one that closes it above all
    nothing     at least one token is trained

What should be (``wanted``) and what is (``seen``) are both lists of ``Bit``: some bytes, which control
token they are if any, and whether they are trained. Both are laid out byte by byte and compared,
so tokens may cut the text as they like, also through a character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from toolkit.packing.chat.runs import Runs

INVARIANTS = ("text", "control", "untrained", "leak", "stop", "nothing")


class Bit(NamedTuple):
    """A stretch of a sequence: its bytes, the control token that it is (or None), whether it is trained."""

    data: bytes
    control: str | None
    trained: bool


def bits_of_runs(runs: Runs, sequence: int, control: Sequence[str]) -> list[Bit]:
    """Return one sequence of ``runs`` as bits; ``control``: the template's control tokens."""
    out = []
    for run in range(int(runs.ends[sequence]), int(runs.ends[sequence + 1])):
        index = int(runs.control[run])
        token = control[index] if index >= 0 else None
        text = runs.texts[run].as_py() if token is None else token
        out.append(Bit(text.encode(), token, bool(runs.trained[run])))
    return out


def bits_of_ids(
    ids: Sequence[int],
    mask: Sequence[bool],
    spell: Callable[[Sequence[int]], Sequence[bytes]],
    control: Mapping[int, str],
) -> list[Bit]:
    """Return token ids with their mask as bits.

    ``spell``: the bytes of each id. ``control``: id of each control token to its text.
    """
    texts = spell(ids)
    triples = zip(ids, texts, mask, strict=True)
    return [
        Bit(control[i].encode(), control[i], bool(m)) if i in control else Bit(t, None, bool(m))
        for i, t, m in triples
    ]


def broken(
    wanted: Sequence[Bit], seen: Sequence[Bit], *, needs_training: bool = True
) -> Iterator[tuple[str, str]]:
    """Yield (invariant, detail) for every invariant that ``seen`` breaks.

    ``needs_training``: False for sequences of which nothing is trained, as RL prompts.
    """
    data = b"".join(bit.data for bit in wanted)
    found = b"".join(bit.data for bit in seen)
    if data != found:
        yield "text", _first(data, found)
        return
    if difference := set(_controls(wanted)) ^ set(_controls(seen)):
        at, token = min(difference)
        kind = "is text" if (at, token) in set(_controls(wanted)) else "is a control token of nobody's"
        yield "control", f"{token} at byte {at} {kind}"
    should, does = _bytes(wanted, lambda b: b.trained), _bytes(seen, lambda b: b.trained)
    said = should & ~_bytes(wanted, lambda b: b.control is not None)
    for invariant, wrong in (("untrained", said & ~does), ("leak", does & ~should)):
        if wrong.any():
            yield invariant, f"{wrong.sum()} bytes, the first {_shown(data, int(np.flatnonzero(wrong)[0]))}"
    stops = [at for at, bit in _placed(wanted) if bit.trained and bit.control is not None]
    missing = [at for at in stops if not does[at]]
    if missing:
        yield "stop", f"{len(missing)} of {len(stops)}, the first {_shown(data, missing[0])}"
    if needs_training and not does.any():
        yield "nothing", f"none of {len(seen)} tokens is trained"


def _placed(bits: Sequence[Bit]) -> Iterator[tuple[int, Bit]]:
    at = 0
    for bit in bits:
        yield at, bit
        at += len(bit.data)


def _controls(bits: Sequence[Bit]) -> Iterator[tuple[int, str]]:
    return ((at, bit.control) for at, bit in _placed(bits) if bit.control is not None)


def _bytes(bits: Sequence[Bit], fact: Callable[[Bit], bool]) -> np.ndarray:
    return np.repeat(np.array([fact(b) for b in bits], np.bool_), [len(b.data) for b in bits])


def _first(wanted: bytes, found: bytes) -> str:
    pairs = zip(wanted, found, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(wanted), len(found)))
    return f"spells {_shown(found, at)}, expected {_shown(wanted, at)}"


def _shown(data: bytes, at: int) -> str:
    return f"{data[at : at + 40].decode(errors='replace')!r} at byte {at}"
