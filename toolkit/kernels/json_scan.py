"""Is each row one JSON object, and what does it say of itself at its top level? No object a row is made.

A row is read once, by a machine of five states with a stack of bits (RFC 8259 and no more).
Strings, which are most of the bytes, are passed over 64 at a time. It answers GOOD, BAD, or,
for what only a float parser can tell (a number that may be beyond every float), ASK.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from toolkit.errors import RequestError
from toolkit.kernels import reference
from toolkit.kernels.block import BLOCK, lowest, string_marks
from toolkit.kernels.compile import (
    BYTES,
    I64S,
    OUT_BYTES,
    OUT_FLAGS,
    OUT_PAIRS,
    OUT_U64S,
    POINTER,
    kernel,
    pointer,
)
from toolkit.kernels.hashing import GOLDEN, load64, load_tail, mix64
from toolkit.kernels.mail import has_mail
from toolkit.kernels.utf8 import is_utf8

U, B = np.uint64, np.uint8
BAD, GOOD, ASK = 0, 1, 2
ABSENT, OTHER = -1, -2
KEYS = (b"license", b"generator_model", b"model")
MOST_LEVELS = 64  # one bit of the stack a level

_KEYS = np.array([list(key.ljust(16, b"\0")) for key in KEYS], np.uint8).ravel()
_SIZES = np.array([len(key) for key in KEYS], np.int64)
_GENERATOR = 1
_SEED, _STEP = U(reference.WORD_SEED), U(reference.WORD_STEP)
_SURE_DIGITS = 308  # every number below 1e308 is a finite float
_HUGE = 1_000_000
QUOTE, BACKSLASH = B(0x22), B(0x5C)
_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY, _AFTER = 0, 1, 2, 3, 4
_POINTER_I64 = types.CPointer(types.int64)
_HEX = np.zeros(256, np.uint8)
_HEX[list(b"0123456789abcdefABCDEF")] = 1


@kernel(types.int64(POINTER, types.int64, types.int64))
def escape_width(text, i, stop):
    """Bytes of the escape at ``i``, or 0 if JSON has no such escape."""
    if i + 1 >= stop:
        return 0
    kind = text[i + 1]
    if kind == 0x6E or kind == 0x22 or kind == 0x5C or kind == 0x74:  # n " \ t
        return 2
    if kind == 0x75:  # u
        if i + 6 > stop:
            return 0
        table = pointer(_HEX)
        every = table[text[i + 2]] & table[text[i + 3]] & table[text[i + 4]] & table[text[i + 5]]
        return 6 if every else 0
    return 2 if kind == 0x2F or kind == 0x72 or kind == 0x62 or kind == 0x66 else 0  # / r b f


@kernel(types.UniTuple(types.int64, 2)(POINTER, types.int64, types.int64, types.int64))
def string_end(text, i, stop, limit):
    """(place of the quote that ends the string, or -1 if it is no string; 1 if it holds an escape)."""
    escaped = 0
    while i < stop:
        if i + BLOCK <= limit:
            marks = string_marks(text, i)
            if marks == U(0):
                i += BLOCK
                continue
            i += lowest(marks)
            if i >= stop:
                break
        byte = text[i]
        if byte == QUOTE:
            return i, escaped
        if byte < 0x20:
            break
        if byte != BACKSLASH:  # only near the end of the buffer
            i += 1
            continue
        escaped = 1
        while i < stop and text[i] == BACKSLASH:
            width = escape_width(text, i, stop)
            if width == 0:
                return -1, 0
            i += width
    return -1, 0


@kernel(types.int64(POINTER, types.int64, types.int64))
def digits_end(text, i, stop):
    """Where a run of digits ends."""
    while i < stop and 0x30 <= text[i] <= 0x39:
        i += 1
    return i


@kernel(types.UniTuple(types.int64, 2)(POINTER, types.int64, types.int64), inline=False)
def number_end(text, i, stop):
    """(where the number ends, or -1 if it is none; 1 if it may be beyond every float)."""
    if text[i] == 0x2D:
        i += 1
    start, i = i, digits_end(text, i, stop)
    whole, exponent, exact = i - start, 0, True
    if whole == 0 or (whole > 1 and text[start] == 0x30):
        return -1, 0
    if i < stop and text[i] == 0x2E:
        start, i = i + 1, digits_end(text, i + 1, stop)
        exact = False
        if i == start:
            return -1, 0
    if i < stop and (text[i] == 0x65 or text[i] == 0x45):
        i += 1
        negative = i < stop and text[i] == 0x2D
        if i < stop and (text[i] == 0x2B or text[i] == 0x2D):
            i += 1
        start, i = i, digits_end(text, i, stop)
        exact = False
        if i == start:
            return -1, 0
        for k in range(start, i):
            exponent = min(exponent * 10 + types.int64(text[k]) - 0x30, _HUGE)
        if negative:
            exponent = -exponent
    return i, 0 if exact or whole + exponent <= _SURE_DIGITS else 1


@kernel(types.int64(POINTER, types.int64, types.int64), inline=False)
def literal_end(text, i, stop):
    """Where ``true``, ``false`` or ``null`` ends, or -1 if there is none of them at ``i``."""
    first = text[i]
    if first == 0x66:  # false
        i += 1
        if i + 4 <= stop and text[i] == 0x61 and text[i + 1] == 0x6C and text[i + 2] == 0x73:
            return i + 4 if text[i + 3] == 0x65 else -1
        return -1
    if i + 4 > stop:
        return -1
    one, two, three = text[i + 1], text[i + 2], text[i + 3]
    if first == 0x74:  # true
        return i + 4 if one == 0x72 and two == 0x75 and three == 0x65 else -1
    return i + 4 if first == 0x6E and one == 0x75 and two == 0x6C and three == 0x6C else -1


@kernel(types.uint64(POINTER, types.int64, types.int64, types.int64))
def hash_key(text, i, stop, limit):
    """See ``reference.hash_word``."""
    h, size = _SEED, U(stop - i)
    while i < stop:
        if i + 8 <= limit:
            block = load64(text, i)
            if stop - i < 8:
                block &= (U(1) << U(8 * (stop - i))) - U(1)
        else:
            block = load_tail(text, i, stop)
        h = (h ^ block) * _STEP
        h ^= h >> U(32)
        i += 8
    return mix64(h + size)


@kernel(types.int64(POINTER, types.int64, types.int64), inline=False)
def key_number(text, start, stop):
    """Which of KEYS lies there, or -1."""
    keys, sizes = pointer(_KEYS), pointer(_SIZES)
    for k in range(len(_SIZES)):
        if sizes[k] == stop - start:
            at = 0
            while at < sizes[k] and keys[16 * k + at] == text[start + at]:
                at += 1
            if at == sizes[k]:
                return k
    return -1


@kernel(types.boolean(POINTER, types.int64, types.int64))
def may_be_blank(text, start, stop):
    """Whether a text is empty, or begins with a space or with a lead byte that white space has."""
    if start == stop:
        return True
    lead = text[start]
    return lead == 0x20 or lead == 0xC2 or (0xE1 <= lead <= 0xE3)


@kernel(
    types.Tuple((types.int64, types.uint64, types.boolean))(
        POINTER, types.int64, types.int64, types.int64, types.int64, _POINTER_I64, types.int64
    ),
    inline=False,
)
def scan_row(text, i, stop, limit, max_depth, places, base):
    """(verdict, shape, ask) of one row; the places of KEYS go to ``places[base:base + 6]``."""
    shape, ask, verdict = U(0), False, GOOD
    stack, depth, state, slot = U(0), 0, _VALUE, -1  # the lowest bit of the stack: are we in an object?
    while i < stop:
        byte = text[i]
        if byte == QUOTE and state != _AFTER:
            end, escaped = string_end(text, i + 1, stop, limit)
            if end < 0 or depth == 0:
                return BAD, U(0), False
            if state < _KEY:
                if slot >= 0 and depth == 1:
                    places[base + 2 * slot], places[base + 2 * slot + 1] = i + 1, end
                    ask |= escaped == 1 or may_be_blank(text, i + 1, end)
                state, i = _AFTER, end + 1
                continue
            if depth == 1:
                shape = mix64(shape ^ hash_key(text, i + 1, end, limit)) * GOLDEN
                ask |= escaped == 1
                slot = key_number(text, i + 1, end)
            i = end + 1
            while i < stop and (text[i] == 0x20 or text[i] == 0x09 or text[i] == 0x0A or text[i] == 0x0D):
                i += 1
            if i == stop or text[i] != 0x3A:
                return BAD, U(0), False
            state = _VALUE
            i += 1
        elif byte == 0x2C and state == _AFTER and depth > 0:
            state = _KEY if stack & U(1) else _VALUE
            i += 1
        elif byte == 0x20 or byte == 0x0D or byte == 0x09:
            i += 1
        elif byte == 0x0A:
            if depth == 0:
                verdict = ASK
            i += 1
        elif byte == 0x7D or byte == 0x5D:
            inside = byte == 0x7D
            empty = state == (_FIRST_KEY if inside else _FIRST_VALUE)
            if depth == 0 or (stack & U(1) != U(0)) != inside or not (empty or state == _AFTER):
                return BAD, U(0), False
            if empty and depth == 1:
                return BAD, U(0), False
            stack >>= U(1)
            depth -= 1
            state = _AFTER
            i += 1
        else:
            if state > _FIRST_VALUE:
                return BAD, U(0), False
            if slot >= 0 and depth == 1:
                kind = ABSENT if byte == 0x6E else OTHER
                places[base + 2 * slot], places[base + 2 * slot + 1] = kind, kind
                ask |= slot == _GENERATOR and kind == OTHER
            if byte == 0x7B or byte == 0x5B:
                if depth == max_depth or (depth == 0 and byte == 0x5B):
                    return BAD, U(0), False
                stack = stack << U(1) | U(byte == 0x7B)
                depth += 1
                state = _FIRST_KEY if byte == 0x7B else _FIRST_VALUE
                i += 1
                continue
            if depth == 0:
                return BAD, U(0), False
            state = _AFTER
            if byte == 0x2D or 0x30 <= byte <= 0x39:
                i, doubtful = number_end(text, i, stop)
                if doubtful:
                    verdict = ASK
            else:
                i = literal_end(text, i, stop)
            if i < 0:
                return BAD, U(0), False
    if depth > 0 or state != _AFTER:
        return BAD, U(0), False
    return verdict, shape, ask


@kernel(
    types.void(
        BYTES, I64S, I64S, types.int64, OUT_BYTES, OUT_BYTES, OUT_U64S, OUT_PAIRS, OUT_FLAGS, OUT_FLAGS
    )
)
def scan_rows(data, start, stop, max_depth, spare, verdict, shape, places, ask, mail):
    """Write what ``Scan`` holds for each row ``data[start[i]:stop[i]]``; ``places`` is int64 (m, 6).

    ``spare`` is room for 64 bytes.
    """
    text, limit, room, spots = pointer(data), len(data), pointer(spare), pointer(places)
    for row in range(len(start)):
        begin, end, base = start[row], stop[row], 6 * row
        for k in range(6):
            spots[base + k] = ABSENT
        verdict[row], shape[row], ask[row] = BAD, U(0), False
        if is_utf8(text, begin, end, limit, room):
            verdict[row], shape[row], ask[row] = scan_row(text, begin, end, limit, max_depth, spots, base)
        mail[row] = verdict[row] != BAD and has_mail(text, begin, end, limit)
        if verdict[row] == BAD:
            for k in range(6):
                spots[base + k] = ABSENT


@dataclass(frozen=True)
class Scan:
    """What is known of m rows without a parser.

    ``verdict`` uint8: GOOD, a JSON object with a field; BAD, certainly none; ASK, let a parser tell.
    ``shape`` uint64: the same for rows with the same top-level keys in the same order.
    ``places`` int64 (m, 3, 2), and ``license``, ``generator``, ``model`` int64 (m, 2) in it: where
    the text of each of KEYS lies between its quotes, as (start, stop) in the data; the last one
    counts if it is given twice. ABSENT twice if there is none or it is null, OTHER twice if it is
    no text.
    ``ask`` bool: a parser must read those three: a top-level key or one of the texts holds an
    escape, a text may be blank, or ``generator_model`` is neither a text nor null.
    ``mail`` bool: an e-mail address is in the row (``kernels.mail``).
    Rows found BAD say nothing else: 0, ABSENT, False.
    """

    verdict: np.ndarray
    shape: np.ndarray
    places: np.ndarray
    ask: np.ndarray
    mail: np.ndarray

    def __len__(self) -> int:
        return len(self.verdict)

    @property
    def license(self) -> np.ndarray:
        """Where each row's ``license`` lies."""
        return self.places[:, 0]

    @property
    def generator(self) -> np.ndarray:
        """Where each row's ``generator_model`` lies."""
        return self.places[:, 1]

    @property
    def model(self) -> np.ndarray:
        """Where each row's ``model`` lies."""
        return self.places[:, 2]


def scan(data: np.ndarray, start: np.ndarray, stop: np.ndarray, max_depth: int = MOST_LEVELS) -> Scan:
    """Scan the rows ``data[start[i]:stop[i]]`` (uint8, int64, int64), at most ``max_depth`` levels deep.

    Raises RequestError for a ``max_depth`` above MOST_LEVELS.
    """
    if max_depth > MOST_LEVELS:
        raise RequestError(f"max_depth is {max_depth}; the scanner can count {MOST_LEVELS} levels")
    m = len(start)
    verdict, shape = np.empty(m, np.uint8), np.empty(m, np.uint64)
    places, ask, mail = np.empty((m, 6), np.int64), np.empty(m, np.bool_), np.empty(m, np.bool_)
    scan_rows(data, start, stop, max_depth, np.empty(BLOCK, np.uint8), verdict, shape, places, ask, mail)
    return Scan(verdict, shape, places.reshape(m, 3, 2), ask, mail)
