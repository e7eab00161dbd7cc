"""Fill skeletons with contents, and compare them with what the template really wrote.

A part of a rendering is some bytes of one of three buffers: the skeleton's own, the contents', the
tool calls'. A record's rendering is as predicted if its parts, end to end, are its bytes:

    rendering[row] == part 0 | part 1 | part 2 | ...

Then every edge between parts is known in bytes, without decoding a character.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.block import copy
from toolkit.kernels.compile import (
    BYTES,
    I64S,
    OUT_BYTES,
    OUT_FLAGS,
    OUT_I64S,
    OUT_PAIRS,
    PAIRS,
    POINTER,
    kernel,
    pointer,
)
from toolkit.packing.skeleton import CALLS, LITERAL, Parts
from toolkit.packing.unseen import LSTRIP, RSTRIP, STRIP


def _readonly(dtype: numba.types.Type, dims: int = 1) -> numba.types.Array:
    return numba.types.Array(dtype, dims, "C", readonly=True)


_BYTES, _I64, _PAIRS = _readonly(numba.uint8), _readonly(numba.int64), _readonly(numba.int64, 2)


@kernel(numba.int64(POINTER, numba.int64, numba.int64))
def _space(text, at, end):
    """Bytes of the white space at ``at``, by Unicode as ``str.isspace`` has it; 0 if there is none."""
    lead = text[at]
    if lead < 0x80:
        return 1 if lead == 32 or 9 <= lead <= 13 or 28 <= lead <= 31 else 0
    if at + 2 <= end and lead == 0xC2:
        return 2 if text[at + 1] == 0x85 or text[at + 1] == 0xA0 else 0
    if at + 3 > end or not 0xE1 <= lead <= 0xE3:
        return 0
    rest = numba.int64(text[at + 1]) << 8 | numba.int64(text[at + 2])
    if lead == 0xE1:
        return 3 if rest == 0x9A80 else 0
    if lead == 0xE3:
        return 3 if rest == 0x8080 else 0
    found = 0x8080 <= rest <= 0x808A or rest == 0x80A8 or rest == 0x80A9 or rest == 0x80AF or rest == 0x819F
    return 3 if found else 0


@kernel(numba.int64(POINTER, numba.int64, numba.int64))
def _space_before(text, start, end):
    """Bytes of the white space that ends at ``end``; 0 if there is none."""
    if text[end - 1] < 0x80:
        return _space(text, end - 1, end)
    for width in (2, 3):
        if end - width >= start and _space(text, end - width, end) == width:
            return width
    return 0


@kernel(numba.void(BYTES, I64S, OUT_PAIRS), inline=False)
def _stripped(data, offsets, out):
    """Find where each text begins and ends without the white space around it."""
    text = pointer(data)
    for i in range(offsets.size - 1):
        start, end = offsets[i], offsets[i + 1]
        while start < end:
            width = _space(text, start, end)
            if width == 0:
                break
            start += width
        while end > start:
            width = _space_before(text, start, end)
            if width == 0:
                break
            end -= width
        out[i, 0], out[i, 1] = start, end


@kernel(
    numba.void(
        *(_BYTES, _BYTES, _BYTES, _BYTES, _I64, _I64, _I64, _PAIRS, _PAIRS),
        numba.boolean[::1],
    ),
    inline=False,
)
def _compare(rendered, literal, contents, calls, begin, finish, source, starts, lengths, same):
    """Say for each row whether its parts are its rendering."""
    for row in range(begin.size):
        at = begin[row]
        good = lengths[row].sum() == finish[row] - at
        for part in range(source.size):
            if not good:
                break
            start, length = starts[row, part], lengths[row, part]
            buffer = literal
            if source[part] == 1:
                buffer = contents
            elif source[part] == 2:
                buffer = calls
            have, want = rendered[at : at + length], buffer[start : start + length]
            differ = numba.uint8(0)
            for i in range(length):
                differ |= have[i] ^ want[i]
            good = differ == 0
            at += length
        same[row] = good


@kernel(
    numba.void(_BYTES, _I64, _I64, _I64, numba.uint8[::1]),
    inline=False,
)
def copy_bytes(source, starts, lengths, targets, out):
    """Copy ``source[starts[i]:][:lengths[i]]`` to ``out[targets[i]:]`` for every i."""
    for i in range(starts.size):
        into = out[targets[i] : targets[i] + lengths[i]]
        run = source[starts[i] : starts[i] + lengths[i]]
        for j in range(lengths[i]):  # from views, so that the loop's index needs no check of its sign
            into[j] = run[j]


@kernel(numba.int64(PAIRS, numba.int64, numba.int64, I64S, PAIRS))
def _begin(parts, part, first, offsets, bare):
    """Where a part begins, in the contents or the literals."""
    how = parts[part, 1]
    if parts[part, 0] == LITERAL:
        return how
    at = first + parts[part, 0]
    return bare[at, 0] if how in (STRIP, LSTRIP) else offsets[at]


@kernel(numba.int64(PAIRS, numba.int64, numba.int64, I64S, PAIRS))
def _end(parts, part, first, offsets, bare):
    """Where a part ends."""
    if parts[part, 0] == LITERAL:
        return parts[part, 2]
    at, how = first + parts[part, 0], parts[part, 1]
    return bare[at, 1] if how in (STRIP, RSTRIP) else offsets[at + 1]


@kernel(
    numba.void(PAIRS, PAIRS, PAIRS, I64S, PAIRS, OUT_I64S, numba.types.Array(numba.int16, 1, "C"), OUT_FLAGS),
    inline=False,
)
def measure_parts(rows, runs, parts, offsets, bare, lengths, control, trained):
    """Write length, control token and whether it is trained of the runs that parts make up.

    ``rows`` [n, 4]: a row's first message, its first run in the output, and its runs in ``runs``, from
    and to. ``runs``, ``parts`` as in ``proof.Recipe``. ``offsets`` of contents, ``bare``: ``stripped``.
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


@kernel(numba.void(PAIRS, PAIRS, PAIRS, I64S, PAIRS, BYTES, BYTES, I64S, OUT_BYTES), inline=False)
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


def stripped(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return where each text's bytes begin and end without white space around: int64 [texts, 2].

    White space is what ``str.strip`` takes for it. Of a blank text nothing is left, at its end.
    """
    out = np.empty((offsets.size - 1, 2), np.int64)
    _stripped(data, offsets, out)
    return out


def places(
    parts: Parts, first: np.ndarray, offsets: np.ndarray, bare: np.ndarray, calls: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Say where each part of each row lies: buffer int64 [parts]; starts and lengths int64 [rows, parts].

    ``first`` int64 [rows]: the first message of each row. ``offsets``, ``calls`` int64 [messages + 1]: of
    contents and tool calls. ``bare``: ``stripped`` of the contents. Buffers: 0 own, 1 contents, 2 calls.
    """
    shape = (first.size, parts.message.size)
    starts, lengths = np.empty(shape, np.int64), np.empty(shape, np.int64)
    buffer = np.where(parts.message == LITERAL, 0, np.where(parts.how == CALLS, 2, 1))
    for part, (message, how) in enumerate(zip(parts.message.tolist(), parts.how.tolist(), strict=True)):
        if message == LITERAL:
            a, b = parts.ends[part], parts.ends[part + 1]
        else:
            at = first + message
            whole = calls if how == CALLS else offsets
            a = bare[at, 0] if how in (STRIP, LSTRIP) else whole[at]
            b = bare[at, 1] if how in (STRIP, RSTRIP) else whole[at + 1]
        starts[:, part], lengths[:, part] = a, b - a
    return buffer, starts, lengths


def predicted(
    rendered: tuple[np.ndarray, np.ndarray],
    rows: np.ndarray,
    parts: Parts,
    buffers: tuple[np.ndarray, np.ndarray],
    where: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """Say for which rows the parts, at ``where`` (``places``), are the rendering: bool [rows].

    ``rendered``: data and offsets of all renderings. ``buffers``: contents and tool calls.
    """
    data, offsets = rendered
    same = np.empty(rows.size, np.bool_)
    buffer, starts, lengths = where
    _compare(data, parts.literal, *buffers, offsets[rows], offsets[rows + 1], buffer, starts, lengths, same)
    return same
