"""Conversations to runs, by the thousand: render each, predict each, align the few that differ.

    messages -> views -> rendering (Jinja, each record)     -> equal?  -> runs
             -> shape -> skeleton (aligned once, kept)      -> filled  /

The price of the proof is one Jinja rendering a record, which is what bounds the speed. All the
rest is kernels over whole batches: no Python object for a run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.kernels.buffers import text_buffers, to_text
from toolkit.packing.align import align
from toolkit.packing.fill import copy_bytes, places, predicted, stripped
from toolkit.packing.renderer import render_all
from toolkit.packing.runs import Runs
from toolkit.packing.sandbox import TemplateFault
from toolkit.packing.skeleton import (
    BLANK,
    CALLS_READ,
    CALLS_TEXT,
    EMPTY,
    NO_CALLS,
    TEXT,
    Skeleton,
    merged,
    shape_code,
    skeleton,
)
from toolkit.packing.template import Template
from toolkit.packing.turns import View, view
from toolkit.records.schema import ROLES


def runs_of(
    messages: pa.ListArray | pa.ChunkedArray,
    template: Template,
    *,
    generation: bool = False,
    frozen: np.ndarray | None = None,
) -> Runs:
    """Render conversations and cut them into runs (``toolkit.packing.runs.Runs``), one sequence a row.

    ``messages``: lists of ``toolkit.records.schema.MESSAGE``; a null list has no runs and no fault.
    ``generation``: end with the prompt that asks the assistant to speak. ``frozen``: int64 [rows], how
    many leading messages of each row are never trained (the prompt of a preference pair).
    A row that the template cannot render, or whose turns cannot be told, is a fault of ``Runs.faults``
    (codes: ``renderer`` and ``align``). A row without an assistant turn has runs, none of them trained.
    """
    batch = _read(messages)
    cut = _Cut(batch.rows)
    kept = np.zeros(batch.rows, np.int64) if frozen is None else np.asarray(frozen, np.int64)
    rendered = _rendered(batch, template, generation, False, cut)
    marked = _rendered(batch, template, generation, True, cut) if template.has_marks else None
    for (shape, fixed), members in _by_shape(batch, kept, cut).items():
        rows = np.array(members, np.int64)
        bones = skeleton(template, shape, generation)
        alone = rows
        if bones is not None:
            good = _fill(batch, bones, rows, fixed, rendered, marked, cut)
            alone = rows[~good]
        for row in alone.tolist():
            _align_one(batch, template, row, generation, fixed, rendered, cut)
    return cut.runs(rendered[0])


@dataclass(frozen=True)
class _Batch:
    """Messages of all rows end to end: row i has ``ends[i]`` to ``ends[i + 1]``."""

    ends: np.ndarray
    absent: np.ndarray  # bool [rows], null lists
    views: list[View]
    shapes: bytes
    contents: tuple[np.ndarray, np.ndarray]
    calls: tuple[np.ndarray, np.ndarray]
    bare: np.ndarray

    @property
    def rows(self) -> int:
        return self.ends.size - 1

    def of(self, row: int) -> list[View]:
        return self.views[self.ends[row] : self.ends[row + 1]]


@dataclass
class _Cut:
    """Runs as they are found, group by group: where each lies in the renderings."""

    rows: int
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

    def runs(self, data: np.ndarray) -> Runs:
        """Put the runs in the order of the rows."""
        counts = np.zeros(self.rows, np.int64)
        for rows, starts, *_ in self.found:
            counts[rows] = starts.shape[1]
        ends = np.concatenate([[0], np.cumsum(counts)])
        starts, lengths = np.zeros(ends[-1], np.int64), np.zeros(ends[-1], np.int64)
        control, trained = np.zeros(ends[-1], np.int16), np.zeros(ends[-1], np.bool_)
        for rows, first, length, index, learned in self.found:
            at = ends[rows][:, None] + np.arange(first.shape[1])
            starts[at], lengths[at], control[at], trained[at] = first, length, index, learned
        lengths[control >= 0] = 0
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        out = np.empty(offsets[-1], np.uint8)
        copy_bytes(data, starts, lengths, offsets[:-1], out)
        return Runs(ends, to_text(out, offsets), control, trained, dict(sorted(self.faults.items())))


def _read(messages: pa.ListArray | pa.ChunkedArray) -> _Batch:
    if isinstance(messages, pa.ChunkedArray):
        messages = messages.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(messages), 0).to_numpy().astype(np.int64)
    flat = messages.flatten()
    role, content, calls = (pc.struct_field(flat, name) for name in ("role", "content", "tool_calls"))
    code = pc.fill_null(pc.index_in(role, pa.array(ROLES)), -1).to_numpy().astype(np.int64)
    content = content.fill_null("")
    texts = content.to_pylist()
    names = role.to_pylist() if (code < 0).any() else [ROLES[i] for i in code.tolist()]
    views: list[View] = [{"role": r, "content": c} for r, c in zip(names, texts, strict=True)]
    state = np.full(code.size, TEXT)
    state[np.fromiter(map(str.isspace, texts), np.bool_, len(texts))] = BLANK
    state[pc.equal(pc.binary_length(content), 0).to_numpy(zero_copy_only=False)] = EMPTY
    called = np.full(code.size, NO_CALLS)
    for i in np.flatnonzero(pc.greater(pc.binary_length(calls.fill_null("")), 0)).tolist():
        views[i] = view(names[i], texts[i], calls[i].as_py())
        called[i] = CALLS_TEXT if isinstance(views[i]["tool_calls"], str) else CALLS_READ
    contents = text_buffers(content)
    return _Batch(
        np.concatenate([[0], np.cumsum(lengths)]),
        messages.is_null().to_numpy(zero_copy_only=False),
        views,
        shape_code(np.maximum(code, 0), state, called).tobytes(),
        contents,
        text_buffers(calls.fill_null("")),
        stripped(*contents),
    )


def _rendered(
    batch: _Batch, template: Template, generation: bool, marks: bool, cut: _Cut
) -> tuple[np.ndarray, np.ndarray]:
    """Render all rows: data and offsets. What fails becomes a fault and an empty text."""
    wanted = [row for row in np.flatnonzero(~batch.absent).tolist() if row not in cut.faults]
    texts = [""] * batch.rows
    results = render_all(template, map(batch.of, wanted), generation=generation, marks=marks)
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


def _by_shape(batch: _Batch, frozen: np.ndarray, cut: _Cut) -> Mapping[tuple[bytes, int], list[int]]:
    groups = defaultdict(list)
    ends = batch.ends.tolist()
    for row, (fixed, absent) in enumerate(zip(frozen.tolist(), batch.absent.tolist(), strict=True)):
        if not absent and row not in cut.faults:
            start, end = ends[row], ends[row + 1]
            groups[batch.shapes[start:end], min(max(fixed, 0), end - start)].append(row)
    return groups


def _fill(
    batch: _Batch,
    bones: Skeleton,
    rows: np.ndarray,
    frozen: int,
    rendered: tuple[np.ndarray, np.ndarray],
    marked: tuple[np.ndarray, np.ndarray] | None,
    cut: _Cut,
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
    batch: _Batch,
    template: Template,
    row: int,
    generation: bool,
    frozen: int,
    rendered: tuple[np.ndarray, np.ndarray],
    cut: _Cut,
) -> None:
    try:
        traced, pieces = align(template, batch.of(row), generation=generation)
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
