"""Bronze lines for many payloads at once: sizes first, one allocation, one pass that fills it.

    {"record_id":"<64 hex>","origin":{"path":<name>,"line":N,"offset":N,"length":N},<facts>,"payload":<bytes>}

and LF. What is the same for every line is copied from one frame of text; the facts of a record
(its licence, whether mail is suspected in it, ...) are one of few texts, chosen by number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import types

from toolkit.kernels.block import copy
from toolkit.kernels.compile import BYTES, I64S, OUT_BYTES, POINTER, _array, kernel, pointer

U = np.uint64
_DIGESTS = _array(types.uint8, 2)
_FIXED = (
    b'{"record_id":"',
    b'","origin":{"path":%b,"line":',
    b',"offset":',
    b',"length":',
    b"},",
    b',"payload":',
    b"}\n",
)
_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_ID = 64


@kernel(types.int64(types.int64))
def decimal_width(number):
    """How many digits a number from 0 has."""
    width, limit = 1, 10
    while number >= limit and width < 18:
        limit *= 10
        width += 1
    return width + (number >= limit)


@kernel(types.int64(POINTER, types.int64, types.int64), inline=False)
def write_decimal(out, at, number):
    """Write a number from 0 in digits at ``at``; return where it ends."""
    end = at + decimal_width(number)
    place, rest = end, U(number)  # unsigned: a division by a constant is then one multiplication
    while place > at:
        place -= 1
        tenth = rest // U(10)
        out[place] = np.uint8(U(0x30) + rest - tenth * U(10))
        rest = tenth
    return end


@kernel(types.void(POINTER, types.int64, POINTER, types.int64), inline=False)
def write_hex(out, at, digest, start):
    """Write 32 bytes as 64 digits."""
    digits = pointer(_HEX_DIGITS)
    for k in range(32):
        byte = digest[start + k]
        out[at + 2 * k], out[at + 2 * k + 1] = digits[byte >> 4], digits[byte & 0x0F]


@kernel(types.int64(I64S, I64S, I64S, I64S, I64S, types.int64, I64S, I64S))
def total_size(start, stop, line, offset, length, fixed, facts, which):
    """Bytes of all lines; ``fixed`` bytes of each are the same for all."""
    size = fixed * len(start)
    for row in range(len(start)):
        size += facts[which[row] + 1] - facts[which[row]] + stop[row] - start[row]
        size += decimal_width(line[row]) + decimal_width(offset[row]) + decimal_width(length[row])
    return size


@kernel(types.void(BYTES, I64S, I64S, _DIGESTS, I64S, I64S, I64S, BYTES, I64S, BYTES, I64S, I64S, OUT_BYTES))
def write_bronze(
    data, start, stop, digests, line, offset, length, frame, frame_at, facts, facts_at, which, out
):  # fmt: skip
    """Write the lines; ``frame`` holds the seven fixed texts, ``facts`` the texts to choose from."""
    source, ids, fixed, own, target = (
        pointer(data),
        pointer(digests),
        pointer(frame),
        pointer(facts),
        pointer(out),
    )
    at = 0
    for row in range(len(start)):
        for part in range(7):
            size = frame_at[part + 1] - frame_at[part]
            copy(target, at, fixed, frame_at[part], size)
            at += size
            if part == 0:
                write_hex(target, at, ids, 32 * row)
                at += _ID
            elif part == 1:
                at = write_decimal(target, at, line[row])
            elif part == 2:
                at = write_decimal(target, at, offset[row])
            elif part == 3:
                at = write_decimal(target, at, length[row])
            elif part == 4:
                size = facts_at[which[row] + 1] - facts_at[which[row]]
                copy(target, at, own, facts_at[which[row]], size)
                at += size
            elif part == 5:
                size = stop[row] - start[row]
                copy(target, at, source, start[row], size)
                at += size


def _joined(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Texts end to end, and the n + 1 places between them."""
    places = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), places


def bronze_lines(
    data: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    digests: np.ndarray,
    line: np.ndarray,
    offset: np.ndarray,
    length: np.ndarray,
    name: bytes,
    facts: Sequence[bytes],
    which: np.ndarray,
) -> np.ndarray:
    """Wrap the payloads ``data[start[i]:stop[i]]`` into bronze lines, end to end: uint8[bytes].

    ``digests`` uint8 (m, 32); ``line``, ``offset``, ``length`` int64[m], from 0; ``name``: the file's
    name as JSON text, quotes included; ``facts``: JSON fields without braces, of which row i gets
    number ``which[i]`` (any integers). Payloads are copied as they are: ``flatten`` them before.
    """
    frame, frame_at = _joined([text % name if b"%b" in text else text for text in _FIXED])
    chosen, chosen_at = _joined(facts)
    which = which.astype(np.int64, copy=False)
    size = total_size(start, stop, line, offset, length, len(frame) + _ID, chosen_at, which)
    out = np.empty(size, np.uint8)
    write_bronze(
        data, start, stop, digests, line, offset, length, frame, frame_at, chosen, chosen_at, which, out
    )  # fmt: skip
    return out
