"""Fill skeletons with contents, and compare them with what the template really wrote.

A part of a rendering is some bytes of one of three buffers: the skeleton's own, the contents', the
tool calls'. A record's rendering is as predicted if its parts, end to end, are its bytes:

    rendering[row] == part 0 | part 1 | part 2 | ...

Then every edge between parts is known in bytes, without decoding a character.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.compile import kernel
from toolkit.packing.skeleton import CALLS, LITERAL, LSTRIP, RSTRIP, STRIP, Parts


def _readonly(dtype: numba.types.Type, dims: int = 1) -> numba.types.Array:
    return numba.types.Array(dtype, dims, "C", readonly=True)


_BYTES, _I64, _PAIRS = _readonly(numba.uint8), _readonly(numba.int64), _readonly(numba.int64, 2)


@kernel(numba.boolean(numba.uint8), inline=False)
def _space(byte):
    return byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31


@kernel(
    numba.void(_BYTES, _I64, numba.int64[:, ::1]),
    inline=False,
)
def _stripped(data, offsets, out):
    """Find where each text begins and ends without the ASCII white space around it."""
    for i in range(offsets.size - 1):
        start, end = offsets[i], offsets[i + 1]
        while start < end and _space(data[start]):
            start += 1
        while end > start and _space(data[end - 1]):
            end -= 1
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


def stripped(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return where each text's bytes begin and end without white space around: int64 [texts, 2].

    Of ASCII: a text with other white space around it is not predicted right, and aligned alone.
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
