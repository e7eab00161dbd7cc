"""Conversations to runs, by the thousand: without a rendering where that is proven to be the same.

    messages -> shape -> recipe (proven once a shape)  -> contents copied between literals  -> runs
                      -> none                          -> each rendered, and cut            /

Rendering a record costs as much as tokenizing 2 kB of it. A template that never looks at a content
writes the same around every content, so one blind run stands for all records of a shape (``blind``,
``proof``). The others, and what has tool calls, are rendered record by record (``rendered``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from toolkit.kernels.alike import alike
from toolkit.kernels.buffers import to_text
from toolkit.packing.fill import copy_bytes, copy_parts, measure_parts
from toolkit.packing.messages import Messages, one_array, read_messages
from toolkit.packing.proof import Recipe, recipe
from toolkit.packing.rendered import Cut, cut_renderings
from toolkit.packing.runs import Runs
from toolkit.packing.skeleton import NO_CALLS, shape_code
from toolkit.packing.template import Template


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
    messages = one_array(messages)
    batch = read_messages(messages)
    kept = _frozen(batch, frozen)
    filled = _recipes(batch, template, generation, kept)
    return _runs(batch, messages, template, generation, kept, filled)


def runs_of_rendered(
    messages: pa.ListArray | pa.ChunkedArray,
    template: Template,
    *,
    generation: bool = False,
    frozen: np.ndarray | None = None,
) -> Runs:
    """Do as ``runs_of`` does, with a rendering of every record: the oracle, and ten times slower."""
    messages = one_array(messages)
    batch = read_messages(messages)
    nothing = _Filled([], np.zeros(0, np.int64), np.zeros(0, np.int64))
    return _runs(batch, messages, template, generation, _frozen(batch, frozen), nothing)


def _frozen(batch: Messages, frozen: np.ndarray | None) -> np.ndarray:
    if frozen is None:
        return np.zeros(batch.rows, np.int64)
    return np.clip(np.asarray(frozen, np.int64), 0, np.diff(batch.ends))


@dataclass(frozen=True)
class _Filled:
    """Rows that have a recipe, and which: ``recipes[number[i]]`` for ``rows[i]``."""

    recipes: list[Recipe]
    rows: np.ndarray  # int64, rising
    number: np.ndarray  # int64


def _recipes(batch: Messages, template: Template, generation: bool, frozen: np.ndarray) -> _Filled:
    """Find the recipe of each row whose shape has one, with contents that are not too long for it."""
    plain = np.flatnonzero(~batch.absent & ~batch.any(batch.called | (batch.role < 0)))
    shapes = shape_code(np.maximum(batch.role, 0), batch.state, np.full(batch.role.size, NO_CALLS))
    begins, ends = batch.ends[plain], batch.ends[plain + 1]
    code = -1 - frozen[plain]  # below 0, ``alike`` takes a pair for a text of its own
    number, first = alike(shapes, np.stack([begins, ends, code, code], axis=1).reshape(-1, 2, 2))
    found = [
        recipe(template, shapes[begins[i] : ends[i]].tobytes(), generation, int(frozen[plain[i]]))
        for i in first.tolist()
    ]
    longest = np.array([-1 if one is None else one.longest for one in found], np.int64)
    offsets = batch.contents[1]
    fits = offsets[ends] - offsets[begins] <= longest[number]
    at = np.cumsum(longest >= 0) - 1
    return _Filled([one for one in found if one is not None], plain[fits], at[number[fits]])


def _runs(
    batch: Messages,
    messages: pa.ListArray,
    template: Template,
    generation: bool,
    frozen: np.ndarray,
    filled: _Filled,
) -> Runs:
    others = np.ones(batch.rows, np.bool_)
    others[filled.rows] = False
    rows = np.flatnonzero(others & ~batch.absent)
    cut = Cut()
    if rows.size:
        some = batch if rows.size == batch.rows else read_messages(messages.take(pa.array(rows)))
        cut = cut_renderings(some, template, generation, frozen[rows])
    counts = np.zeros(batch.rows, np.int64)
    sizes = np.array([one.runs.shape[0] for one in filled.recipes], np.int64)
    counts[filled.rows] = sizes[filled.number]
    for found, starts, *_ in cut.found:
        counts[rows[found]] = starts.shape[1]
    ends = np.concatenate([[0], np.cumsum(counts)])
    return _write(batch, ends, filled, rows, cut)


def _write(batch: Messages, ends: np.ndarray, filled: _Filled, rows: np.ndarray, cut: Cut) -> Runs:
    """Put the runs of all rows in order, and their texts end to end."""
    lengths, control = np.zeros(ends[-1], np.int64), np.zeros(ends[-1], np.int16)
    trained = np.zeros(ends[-1], np.bool_)
    cuts = []
    for found, starts, length, index, learned in cut.found:
        at = ends[rows[found]][:, None] + np.arange(starts.shape[1])
        lengths[at] = np.where(index >= 0, 0, length)
        control[at], trained[at] = index, learned
        cuts.append((at.ravel(), starts.ravel()))
    table = _table(filled, ends, batch)
    measure_parts(*table, batch.contents[1], batch.bare, lengths, control, trained)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    out = np.empty(offsets[-1], np.uint8)
    literal = np.concatenate([np.zeros(0, np.uint8), *(one.literal for one in filled.recipes)])
    copy_parts(*table, batch.contents[1], batch.bare, literal, batch.contents[0], offsets, out)
    for at, starts in cuts:
        copy_bytes(cut.data, starts, lengths[at], offsets[at], out)
    faults = {int(rows[row]): fault for row, fault in sorted(cut.faults.items())}
    return Runs(ends, to_text(out, offsets), control, trained, faults)


def _table(filled: _Filled, ends: np.ndarray, batch: Messages) -> tuple[np.ndarray, ...]:
    """Put recipes end to end: runs [n, 4], parts [n, 3], and rows [n, 4] as the kernels take them."""
    runs, parts, literal = [np.empty((0, 4), np.int64)], [np.empty((0, 3), np.int64)], 0
    begins, before = [0], 0
    for one in filled.recipes:
        runs.append(one.runs + np.array([before, before, 0, 0]))
        parts.append(one.parts + (one.parts[:, :1] < 0) * np.array([0, literal, literal]))
        before, literal = before + one.parts.shape[0], literal + one.literal.size
        begins.append(begins[-1] + one.runs.shape[0])
    begins = np.array(begins, np.int64)
    rows = [batch.ends[filled.rows], ends[filled.rows], begins[filled.number], begins[filled.number + 1]]
    return np.stack(rows, axis=1), np.concatenate(runs), np.concatenate(parts)
