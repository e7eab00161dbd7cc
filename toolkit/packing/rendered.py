"""Conversations to runs by rendering each: what is done with those whose template looks at contents.

    messages -> views -> rendering (Jinja, each record)     -> equal?  -> runs
             -> shape -> skeleton (aligned once, kept)      -> filled  /

A rendering that its skeleton predicted is cut as the skeleton says; another is aligned alone. This
is also the oracle of the way without rendering: both must give the same runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow.compute as pc

from toolkit.packing.align import align
from toolkit.packing.fill import places, predicted
from toolkit.packing.messages import Messages
from toolkit.packing.renderer import render_all
from toolkit.packing.sandbox import TemplateFault
from toolkit.packing.skeleton import (
    CALLS_READ,
    CALLS_TEXT,
    NO_CALLS,
    Skeleton,
    merged,
    shape_code,
    skeleton,
)
from toolkit.packing.template import Template
from toolkit.packing.turns import View, view

_Renderings = tuple[np.ndarray, np.ndarray]  # bytes and offsets


@dataclass
class Cut:
    """Runs as they are found, group by group: where each lies in ``data``; faults by row."""

    data: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    found: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def add(
        self,
        rows: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        control: np.ndarray,
        trained: np.ndarray,
    ) -> None:
        """Add runs of rows that have equally many: ``starts``, ``lengths`` int64 [rows, runs]."""
        self.found.append((rows, starts, lengths, control, trained))


def cut_renderings(batch: Messages, template: Template, generation: bool, frozen: np.ndarray) -> Cut:
    """Render all rows and cut the renderings. ``frozen`` int64 [rows], as in ``runs_of``."""
    cut, views = Cut(), _views(batch)
    rendered = _rendered(batch, views, template, generation, False, cut)
    marked = _rendered(batch, views, template, generation, True, cut) if template.has_marks else None
    cut.data = rendered[0]
    for (shape, fixed), members in _by_shape(batch, views, frozen, cut).items():
        rows = np.array(members, np.int64)
        bones = skeleton(template, shape, generation)
        alone = rows
        if bones is not None:
            good = _fill(batch, bones, rows, fixed, rendered, marked, cut)
            alone = rows[~good]
        for row in alone.tolist():
            messages = views[batch.ends[row] : batch.ends[row + 1]]
            _align_one(template, messages, row, generation, fixed, rendered, cut)
    return cut


def _views(batch: Messages) -> list[View]:
    columns = (pc.struct_field(batch.flat, name).to_pylist() for name in ("role", "content", "tool_calls"))
    return [view(*message) for message in zip(*columns, strict=True)]


def _rendered(
    batch: Messages, views: list[View], template: Template, generation: bool, marks: bool, cut: Cut
) -> _Renderings:
    """Render all rows. What fails becomes a fault and an empty text."""
    wanted = [row for row in np.flatnonzero(~batch.absent).tolist() if row not in cut.faults]
    texts = [""] * batch.rows
    of = (views[batch.ends[row] : batch.ends[row + 1]] for row in wanted)
    results = render_all(template, of, generation=generation, marks=marks)
    for row, text in zip(wanted, results, strict=True):
        if isinstance(text, TemplateFault):
            cut.faults[row] = (text.code, text.detail)
        else:
            texts[row] = text
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    for row, text in enumerate(texts):
        if not text.isascii() and _half_a_pair(encoded[row]):
            cut.faults[row] = ("template.not_utf8", "the template writes half of a surrogate pair")
            encoded[row] = b""
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


def _half_a_pair(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def _by_shape(
    batch: Messages, views: list[View], frozen: np.ndarray, cut: Cut
) -> Mapping[tuple[bytes, int], list[int]]:
    called = np.full(batch.role.size, NO_CALLS)
    for i in np.flatnonzero(batch.called).tolist():
        called[i] = CALLS_TEXT if isinstance(views[i]["tool_calls"], str) else CALLS_READ
    shapes = shape_code(np.maximum(batch.role, 0), batch.state, called).tobytes()
    groups, ends = defaultdict(list), batch.ends.tolist()
    for row, (fixed, absent) in enumerate(zip(frozen.tolist(), batch.absent.tolist(), strict=True)):
        if not absent and row not in cut.faults:
            groups[shapes[ends[row] : ends[row + 1]], fixed].append(row)
    return groups


def _fill(
    batch: Messages,
    bones: Skeleton,
    rows: np.ndarray,
    frozen: int,
    rendered: _Renderings,
    marked: _Renderings | None,
    cut: Cut,
) -> np.ndarray:
    """Cut the rows that are as the skeleton predicts, and say which they are: bool [rows]."""
    buffers = (batch.contents[0], batch.calls[0])
    around = (batch.contents[1], batch.bare, batch.calls[1])
    where = places(bones.parts, batch.ends[rows], *around)
    good = predicted(rendered, rows, bones.parts, buffers, where)
    if bones.marked is not None and marked is not None:
        also = places(bones.marked, batch.ends[rows], *around)
        good &= predicted(marked, rows, bones.marked, buffers, also)
    first, trained = merged(bones.control, bones.turn, frozen)
    lengths = where[2][good]
    if first.size:
        lengths = np.add.reduceat(lengths, bones.firsts[first], axis=1)
    starts = rendered[1][rows[good]][:, None] + np.cumsum(lengths, axis=1) - lengths
    cut.add(rows[good], starts, lengths, bones.control[first], trained)
    return good


def _align_one(
    template: Template,
    messages: list[View],
    row: int,
    generation: bool,
    frozen: int,
    rendered: _Renderings,
    cut: Cut,
) -> None:
    try:
        traced, pieces = align(template, messages, generation=generation)
    except TemplateFault as fault:
        cut.faults[row] = (fault.code, fault.detail)
        return
    control = np.array([piece.control for piece in pieces], np.int16)
    first, trained = merged(control, np.array([piece.turn for piece in pieces], np.int64), frozen)
    edges = [pieces[i].start for i in first.tolist()] + [len(traced.text)]
    texts = [traced.text[a:b] for a, b in pairwise(edges)]
    lengths = np.array([len(text.encode()) for text in texts], np.int64)[None]
    starts = rendered[1][row] + np.cumsum(lengths, axis=1) - lengths
    cut.add(np.array([row]), starts, lengths, control[first], trained)
