"""Compare what skeletons predict with what the template really wrote.

A part of a rendering is some bytes of one of three buffers: the skeleton's own, the contents', the
tool calls'. A record's rendering is as predicted if its parts, end to end, are its bytes:

    rendering[row] == part 0 | part 1 | part 2 | ...

Then every edge between parts is known in bytes, without decoding a character.
"""

from __future__ import annotations

import numba
import numpy as np

from toolkit.kernels.compile import kernel
from toolkit.packing.chat.skeleton import CALLS, LITERAL, Parts
from toolkit.packing.chat.unseen import LSTRIP, RSTRIP, STRIP


def _readonly(dtype: numba.types.Type, dims: int = 1) -> numba.types.Array:
    return numba.types.Array(dtype, dims, "C", readonly=True)


_BYTES, _I64, _PAIRS = _readonly(numba.uint8), _readonly(numba.int64), _readonly(numba.int64, 2)


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
