"""Which skeletons need no rendering to be compared with, and what their runs are made of.

A skeleton says what a rendering should be; a blind run of the template says what it is, for all
contents of the shape (``blind``). Where both say the same, piece by piece, the runs of a record
are its contents put into the skeleton's holes:

    run 0 = control token | run 1 = literal + content 0 | run 2 = control token | ...

One table a shape, then, and a few copies a record. The template's own marks of what the assistant
says are held against ours here too, once for the shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toolkit.packing.renderer import render_blind
from toolkit.packing.sandbox import TemplateFault
from toolkit.packing.skeleton import (
    EMPTY,
    LITERAL,
    NO_CALLS,
    TEXT,
    Parts,
    Skeleton,
    merged,
    read_code,
    skeleton,
)
from toolkit.packing.template import Template
from toolkit.packing.turns import View, view
from toolkit.packing.unseen import Hole, Looked, Unseen, pieces_of, unseen


@dataclass(frozen=True)
class Recipe:
    """What the runs of every record of a shape are made of.

    ``parts`` int64 [parts, 3]: a message and how its content stands, or -1 and where in ``literal`` (uint8)
    the part begins and ends. ``runs`` int64 [runs, 4]: first part, behind the last, control token or
    -1, trained. ``longest``: bytes of contents up to which that is so.
    """

    parts: np.ndarray
    runs: np.ndarray
    literal: np.ndarray
    longest: int


@lru_cache(maxsize=4096)
def recipe(template: Template, shape: bytes, generation: bool, frozen: int) -> Recipe | None:
    """Return the recipe of a shape (``skeleton.shape_code``) with ``frozen`` messages not trained.

    None where there is no proof: the template looks at a content, or fails, or a message has tool
    calls, or skeleton and blind run differ.
    """
    bones = skeleton(template, shape, generation)
    longest = 0 if bones is None else _proven(template, bones, shape, generation)
    if bones is None or not longest:
        return None
    first, trained = merged(bones.control, bones.turn, frozen)
    begins = bones.firsts[first]
    ends = np.append(begins, bones.parts.message.size)[1:]
    runs = np.stack([begins, ends, bones.control[first].astype(np.int64), trained], axis=1)
    own = bones.parts.message == LITERAL
    two = (np.where(own, bones.parts.ends[:-1], bones.parts.how), np.where(own, bones.parts.ends[1:], 0))
    return Recipe(np.stack([bones.parts.message, *two], axis=1), runs, bones.parts.literal, longest)


def _proven(template: Template, bones: Skeleton, shape: bytes, generation: bool) -> int:
    """Return for how many characters of contents the skeleton is certainly the rendering; 0 for none."""
    if any(read_code(code)[2] != NO_CALLS for code in shape):
        return 0
    wanted = [(bones.parts, False)] + ([(bones.marked, True)] if bones.marked is not None else [])
    longest = 1 << 62
    try:
        for parts, marks in wanted:
            messages = [_unseen(code, number) for number, code in enumerate(shape)]
            text, most = render_blind(template, messages, generation=generation, marks=marks)
            if _written(text) != _foretold(parts):
                return 0
            longest = min(longest, most)
    except (TemplateFault, Looked, UnicodeEncodeError):
        return 0
    return longest


def _unseen(code: int, number: int) -> View:
    role, state, _ = read_code(code)
    message = view(role, "")
    return message if state == EMPTY else message | {"content": unseen(number, state != TEXT)}


_Pieces = list[bytes | tuple[int, int]]


def _written(text: str | Unseen) -> _Pieces:
    pieces = pieces_of(text)
    return [(piece.message, piece.how) if isinstance(piece, Hole) else piece.encode() for piece in pieces]


def _foretold(parts: Parts) -> _Pieces:
    out: _Pieces = []
    for part, (message, how) in enumerate(zip(parts.message.tolist(), parts.how.tolist(), strict=True)):
        if message != LITERAL:
            out.append((message, how))
            continue
        own = bytes(parts.literal[parts.ends[part] : parts.ends[part + 1]])
        out.append(out.pop() + own if out and isinstance(out[-1], bytes) else own)
    return out
