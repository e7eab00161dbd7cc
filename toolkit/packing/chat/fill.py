"""Put contents into recipes: runs of text from literals and contents, straight from their buffers.

    run = literal | content, whole or stripped | literal | ...        control tokens have no text

First the length of each run is measured, so that all have their place, then the bytes are copied.
"""

from __future__ import annotations

from numba import types

from toolkit.kernels.block import copy
from toolkit.kernels.compile import (
    BYTES,
    I64S,
    OUT_BYTES,
    OUT_FLAGS,
    OUT_I64S,
    PAIRS,
    kernel,
    pointer,
)
from toolkit.packing.chat.skeleton import LITERAL
from toolkit.packing.chat.unseen import LSTRIP, RSTRIP, STRIP

_OUT_I16S = types.Array(types.int16, 1, "C")


@kernel(types.void(BYTES, I64S, I64S, I64S, OUT_BYTES), inline=False)
def copy_bytes(source, starts, lengths, targets, out):
    """Copy ``source[starts[i]:][:lengths[i]]`` to ``out[targets[i]:]`` for every i."""
    text, target = pointer(source), pointer(out)
    for i in range(starts.size):
        copy(target, targets[i], text, starts[i], lengths[i])


@kernel(types.int64(PAIRS, types.int64, types.int64, I64S, PAIRS))
def _begin(parts, part, first, offsets, bare):
    """Where a part begins, in the contents or the literals."""
    how = parts[part, 1]
    if parts[part, 0] == LITERAL:
        return how
    at = first + parts[part, 0]
    return bare[at, 0] if how in (STRIP, LSTRIP) else offsets[at]


@kernel(types.int64(PAIRS, types.int64, types.int64, I64S, PAIRS))
def _end(parts, part, first, offsets, bare):
    """Where a part ends."""
    if parts[part, 0] == LITERAL:
        return parts[part, 2]
    at, how = first + parts[part, 0], parts[part, 1]
    return bare[at, 1] if how in (STRIP, RSTRIP) else offsets[at + 1]


@kernel(
    types.void(PAIRS, PAIRS, PAIRS, I64S, PAIRS, OUT_I64S, _OUT_I16S, OUT_FLAGS),
    inline=False,
)
def measure_parts(rows, runs, parts, offsets, bare, lengths, control, trained):
    """Write length, control token and whether it is trained of the runs that parts make up.

    ``rows`` [n, 4]: a row's first message, its first run in the output, and its runs in ``runs``, from
    and to. ``runs``, ``parts`` as in ``proof.Recipe``. ``offsets`` of contents, ``bare``: ``edges.stripped``.
    """
    for row in range(rows.shape[0]):
        first, out = rows[row, 0], rows[row, 1] - rows[row, 2]
        for run in range(rows[row, 2], rows[row, 3]):
            control[out + run], trained[out + run] = runs[run, 2], runs[run, 3] != 0
            size = 0
            if runs[run, 2] < 0:
                for part in range(runs[run, 0], runs[run, 1]):
                    size += _end(parts, part, first, offsets, bare) - _begin(
                        parts, part, first, offsets, bare
                    )
            lengths[out + run] = size


@kernel(types.void(PAIRS, PAIRS, PAIRS, I64S, PAIRS, BYTES, BYTES, I64S, OUT_BYTES), inline=False)
def copy_parts(rows, runs, parts, offsets, bare, literal, contents, targets, out):
    """Copy the parts of the runs of text to ``out``, each run to its place in ``targets``."""
    own, text, target = pointer(literal), pointer(contents), pointer(out)
    for row in range(rows.shape[0]):
        first, number = rows[row, 0], rows[row, 1] - rows[row, 2]
        for run in range(rows[row, 2], rows[row, 3]):
            if runs[run, 2] >= 0:
                continue
            at = targets[number + run]
            for part in range(runs[run, 0], runs[run, 1]):
                begin = _begin(parts, part, first, offsets, bare)
                size = _end(parts, part, first, offsets, bare) - begin
                if parts[part, 0] == LITERAL:
                    copy(target, at, own, begin, size)
                else:
                    copy(target, at, text, begin, size)
                at += size
