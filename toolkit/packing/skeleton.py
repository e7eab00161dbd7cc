"""One shape of conversation, aligned once: a rendering with holes where the contents go.

Conversations with the same roles, and contents that are empty, blank or text in the same places,
are nearly always rendered alike: the same characters of the template around other contents. So
a shape is aligned once, with stand-in contents, and what comes out is a list of parts:

    '<|im_start|>' | 'user\\n' + content 0 | '<|im_end|>' | ...        content as it stands, or stripped

Filled with a record's own contents it predicts the record's rendering, byte for byte. A prediction
that came true says where everything is; one that did not is thrown away, and the record aligned alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from toolkit.packing.align import NOT_TRAINED, Piece, align
from toolkit.packing.renderer import CLOSED, OPENED, Trace
from toolkit.packing.sandbox import TemplateFault
from toolkit.packing.template import Template
from toolkit.packing.traced import TEMPLATE
from toolkit.packing.turns import View, view
from toolkit.packing.unseen import LSTRIP, RSTRIP, STRIP, VERBATIM
from toolkit.records.schema import ROLES

# a message's shape in one byte: its role, its content, its tool calls
EMPTY, BLANK, TEXT = range(3)
NO_CALLS, CALLS_READ, CALLS_TEXT = range(3)
_STATES, _CALLS = 3, 3
CALLS = 4  # how tool calls stand in the rendering; contents: VERBATIM, STRIP, LSTRIP, RSTRIP
LITERAL = -1


def shape_code(role: np.ndarray, state: np.ndarray, calls: np.ndarray) -> np.ndarray:
    """Code messages as uint8: ``role`` by its index in ROLES, ``state`` and ``calls`` as named above."""
    return ((role * _STATES + state) * _CALLS + calls).astype(np.uint8)


def read_code(code: int) -> tuple[str, int, int]:
    """Return role, state and calls of a message coded by ``shape_code``."""
    code, calls = divmod(code, _CALLS)
    role, state = divmod(code, _STATES)
    return ROLES[role], state, calls


@dataclass(frozen=True)
class Parts:
    """Parts of a rendering in order: ``message`` int64, -1 for the template's own; ``how`` int64 for
    contents; ``literal`` the own bytes of all parts end to end, ``ends`` int64 [parts + 1].
    """

    message: np.ndarray
    how: np.ndarray
    literal: np.ndarray
    ends: np.ndarray


@dataclass(frozen=True)
class Skeleton:
    """``parts`` of the rendering; ``marked`` the same with the ends of ``{% generation %}`` written, or
    None without marks; ``runs``: ``Runs`` of the shape as (first part, control, turn).
    """

    parts: Parts
    marked: Parts | None
    firsts: np.ndarray  # int64 [pieces], the first part of each piece
    control: np.ndarray  # int16 [pieces]
    turn: np.ndarray  # int64 [pieces]


@lru_cache(maxsize=4096)
def skeleton(template: Template, shape: bytes, generation: bool) -> Skeleton | None:
    """Align a shape (``shape_code`` of each message); None if the template does more than fill holes."""
    views = [_stand_in(code, number) for number, code in enumerate(shape)]
    try:
        traced, pieces = align(template, views, generation=generation)
        parts = _parts(traced, views, [piece.start for piece in pieces])
        columns = _columns(parts)
        marked = _marked_parts(traced, views) if template.has_marks else None
    except (TemplateFault, _NoHoleError, UnicodeEncodeError):  # the last: half a surrogate pair
        return None
    starts = np.cumsum([0, *(len(text) for text, _, _ in parts)])
    firsts = np.searchsorted(starts, [piece.start for piece in pieces])
    control, turn = (np.array([getattr(p, f) for p in pieces], np.int64) for f in ("control", "turn"))
    return Skeleton(columns, marked, firsts, control.astype(np.int16), turn)


def merged(pieces_control: np.ndarray, pieces_turn: np.ndarray, frozen: int) -> tuple[np.ndarray, np.ndarray]:
    """Merge pieces to runs: which pieces begin one, int64 [runs], and which runs are trained, bool [runs].

    Pieces are trained if their turn is of message ``frozen`` or later. Text that follows text with
    the same answer joins it.
    """
    trained = (pieces_turn != NOT_TRAINED) & (pieces_turn >= frozen)
    joins = (pieces_control[1:] < 0) & (pieces_control[:-1] < 0) & (trained[1:] == trained[:-1])
    first = np.flatnonzero(np.concatenate([np.ones(min(1, trained.size), np.bool_), ~joins]))
    return first, trained[first]


class _NoHoleError(Exception):
    """A content is in the rendering in a form that no part describes."""


def _stand_in(code: int, number: int) -> View:
    """Make a message of this shape whose content is like no other's."""
    role, state, calls = read_code(code)
    content = ("", " \n ", f" \n[{number}]\n ")[state]
    written = (None, f'[{{"name":"f{number}","arguments":{{"x":"y"}}}}]', f"f{number}(")[calls]
    return view(role, content, written)


def _forms(message: View) -> dict[str, int]:
    content = message["content"]
    forms = {STRIP: content.strip(), LSTRIP: content.lstrip(), RSTRIP: content.rstrip(), VERBATIM: content}
    return {form: how for how, form in forms.items()}


def _parts(traced: Trace, views: Sequence[View], cuts: Sequence[int]) -> list[tuple[str, int, int]]:
    """Cut a rendering at sources and at ``cuts``: (text, message or LITERAL, how)."""
    out, start = [], 0
    for at, (end, source) in enumerate(zip(traced.ends, traced.sources, strict=True)):
        if at + 1 < len(traced.ends) and traced.sources[at + 1] == source:
            continue  # one stretch over two turns of the loop
        text = traced.text[start:end]
        if source == TEMPLATE:
            edges = [start, *(cut for cut in cuts if start < cut < end), end]
            out += [(traced.text[a:b], LITERAL, 0) for a, b in pairwise(edges)]
        else:
            out.append((text, *_hole(text, source, views)))
        start = end
    return out


def _hole(text: str, source: int, views: Sequence[View]) -> tuple[int, int]:
    calls, number = divmod(source - 1, len(views))
    if calls:
        how = CALLS if text == views[number]["tool_calls_text"] else None
    else:
        how = _forms(views[number]).get(text)
    if how is None:
        raise _NoHoleError
    return number, how


def _marked_parts(traced: Trace, views: Sequence[View]) -> Parts:
    marks = sorted(
        [(start, OPENED) for start, _ in traced.marked] + [(end, CLOSED) for _, end in traced.marked]
    )
    out, at, waiting = [], 0, list(marks)
    for text, message, how in _parts(traced, views, [place for place, _ in marks]):
        while waiting and waiting[0][0] <= at:
            out.append((waiting.pop(0)[1], LITERAL, 0))
        out.append((text, message, how))
        at += len(text)
    return _columns([*out, *((mark, LITERAL, 0) for _, mark in waiting)])


def _columns(parts: Sequence[tuple[str, int, int]]) -> Parts:
    message, how = (np.array([part[i] for part in parts], np.int64) for i in (1, 2))
    own = [text.encode() if number == LITERAL else b"" for text, number, _ in parts]
    ends = np.cumsum([0, *map(len, own)], dtype=np.int64)
    return Parts(message, how, np.frombuffer(b"".join(own), np.uint8), ends)


__all__ = ["Piece", "Skeleton", "merged", "shape_code", "skeleton"]
