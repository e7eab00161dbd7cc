"""Plain chats straight into columns: payloads whose messages hold a role and a text, and little else.

    {"messages":[{"role":"user","content":"…"},…], other fields}  ->  roles, texts, where each row ends

Most of a chat corpus is of this form, and needs no Python object to be read. A row is taken only when
what ``records.canonical`` would make of it is beyond doubt: the keys that mean more are BARRED, roles
are known by their own lower-case names, and an escape must spell UTF-8. Anything else, wrong or only
unusual, is left to the parser: ``plain`` says which rows were taken. Texts are unescaped (RFC 8259).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from toolkit.kernels.block import copy
from toolkit.kernels.byte_search import next_of
from toolkit.kernels.compile import BYTES, I64S, OUT_BYTES, OUT_FLAGS, OUT_I64S, POINTER, kernel, pointer
from toolkit.kernels.json_scan import string_end

ROLE_NAMES = (b"user", b"assistant", b"system", b"human", b"gpt", b"tool")
ROLES = (1, 2, 0, 1, 2, 3)  # of each name, its place in ``records.ROLES``
_SYSTEM, _USER, _ASSISTANT = 0, 1, 2
_LISTS = (b"messages", b"conversations")
_FIELDS = (b"role", b"content", b"from", b"value")  # a message has the first two, or the last two
BARRED = (
    b"chosen", b"rejected", b"system", b"answer", b"ground_truth", b"solution", b"verifier",
    b"difficulty", b"lang", b"language",
)  # fmt: skip
_LEAST_BYTES = 24  # of a message: {"from":"bot","value":""}
_QUOTE, _BACKSLASH, _COMMA, _COLON = np.uint8(0x22), np.uint8(0x5C), np.uint8(0x2C), np.uint8(0x3A)
_U8 = np.uint8
_WIDTH = 16

_TABLES = tuple(
    np.array([list(name.ljust(_WIDTH, b"\0")) for name in names], np.uint8).ravel()
    for names in (ROLE_NAMES, _LISTS, _FIELDS, BARRED)
)
_NAMES, _LIST_KEYS, _FIELD_KEYS, _BARRED_KEYS = _TABLES
_ROLE_OF = np.array(ROLES, np.uint8)
_ESCAPES = np.zeros(256, np.uint8)
_ESCAPES[list(b'"\\/bfnrt')] = list(b'"\\/\b\f\n\r\t')


@kernel(types.int64(BYTES, POINTER, types.int64, types.int64), inline=False)
def which(table, text, start, stop):
    """The number of the name in ``table`` (16 bytes each, zeros after it) that lies there, or -1."""
    size = stop - start
    if size > _WIDTH:
        return -1
    for name in range(len(table) // _WIDTH):
        same = size == _WIDTH or table[name * _WIDTH + size] == 0
        for k in range(size):
            same &= table[name * _WIDTH + k] == text[start + k]
        if same and size > 0:
            return name
    return -1


@kernel(types.int64(POINTER, types.int64, types.int64))
def skip_space(text, i, stop):
    """Where JSON's white space ends."""
    while i < stop and (text[i] == 0x20 or text[i] == 0x0A or text[i] == 0x0D or text[i] == 0x09):
        i += 1
    return i


@kernel(types.int64(POINTER, types.int64))
def four_hex(text, i):
    """The number that the four hexadecimal digits at ``i`` spell."""
    number = 0
    for k in range(4):
        digit = types.int64(text[i + k])
        number = number * 16 + (digit - 0x30 if digit < 0x3A else (digit | 0x20) - 0x57)
    return number


@kernel(types.boolean(POINTER, types.int64, types.int64), inline=False)
def spells_surrogates(text, i, stop):
    """Whether a string (valid JSON, without its quotes) holds an escape of half a surrogate pair."""
    while True:
        i = next_of(text, i, stop, _BACKSLASH, _BACKSLASH)
        if i >= stop:
            return False
        if text[i + 1] == 0x75 and 0xD800 <= four_hex(text, i + 2) <= 0xDFFF:
            return True
        i += 2


@kernel(types.int64(POINTER, types.int64, types.int64, POINTER, types.int64), inline=False)
def unescape(text, i, stop, out, at):
    """Write a string (valid JSON, without its quotes) as UTF-8 to ``out[at:]``: where it ends, or -1."""
    while i < stop:
        plain = next_of(text, i, stop, _BACKSLASH, _BACKSLASH)
        copy(out, at, text, i, plain - i)
        at += plain - i
        i = plain
        if i >= stop:
            break
        if text[i + 1] != 0x75:
            out[at] = _ESCAPES[text[i + 1]]
            at, i = at + 1, i + 2
            continue
        code = four_hex(text, i + 2)
        i += 6
        if 0xD800 <= code <= 0xDFFF:
            paired = code < 0xDC00 and i + 6 <= stop and text[i] == _BACKSLASH and text[i + 1] == 0x75
            low = four_hex(text, i + 2) if paired else 0
            if low < 0xDC00 or low > 0xDFFF:
                return -1
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            i += 6
        if code < 0x80:
            out[at] = _U8(code)
            at += 1
            continue
        size = 2 if code < 0x800 else 3 if code < 0x10000 else 4
        for k in range(size - 1, 0, -1):
            out[at + k] = _U8(0x80 | (code & 0x3F))
            code >>= 6
        out[at] = _U8(code | (0xF00 >> size) & 0xFF)
        at += size
    return at


@kernel(types.int64(POINTER, types.int64, types.int64, types.int64), inline=False)
def skip_value(text, i, stop, limit):
    """Where the value at ``i`` ends; -1 if it spells half a surrogate pair, or is no value."""
    depth = 0
    while i < stop:
        byte = text[i]
        if byte == _QUOTE:
            end, escaped = string_end(text, i + 1, stop, limit)
            if end < 0 or (escaped and spells_surrogates(text, i + 1, end)):
                return -1
            i = end + 1
        elif byte == 0x7B or byte == 0x5B:
            depth += 1
            i += 1
        elif byte == 0x7D or byte == 0x5D:
            if depth == 0:
                return i
            depth -= 1
            i += 1
        elif depth == 0 and byte == _COMMA:
            return i
        else:
            i += 1
            continue
        if depth == 0:
            return i
    return -1


@kernel(types.boolean(POINTER, types.int64, types.int64))
def shows(text, i, stop):
    """Whether a text surely is not blank: it holds a printing character of ASCII."""
    while i < stop:
        if 0x21 <= text[i] <= 0x7E:
            return True
        i += 1
    return False


@kernel(types.UniTuple(types.int64, 3)(POINTER, types.int64, types.int64, types.int64))
def read_key(text, i, stop, limit):
    """(start, stop, where its value begins) of the key at ``i``; the last is -1 if it is none, or escaped."""
    if i >= stop or text[i] != _QUOTE:
        return 0, 0, -1
    end, escaped = string_end(text, i + 1, stop, limit)
    if end < 0 or escaped:
        return 0, 0, -1
    after = skip_space(text, end + 1, stop)
    if after >= stop or text[after] != _COLON:
        return 0, 0, -1
    return i + 1, end, skip_space(text, after + 1, stop)


@kernel(types.Tuple((types.int64, types.int64, types.int64))(
    POINTER, types.int64, types.int64, types.int64, POINTER, types.int64
), inline=False)  # fmt: skip
def read_message(text, i, stop, limit, out, at):
    """(where the message at ``i`` ends, its role, where its text ends in ``out``); -1 first: not plain."""
    seen, role, end_of_text = 0, -1, at
    if i >= stop or text[i] != 0x7B:
        return -1, 0, 0
    i = skip_space(text, i + 1, stop)
    while True:
        start, end, i = read_key(text, i, stop, limit)
        field = which(_FIELD_KEYS, text, start, end) if i >= 0 else -1
        if field < 0 or (seen >> field) & 1 or i >= stop or text[i] != _QUOTE:
            return -1, 0, 0
        seen |= 1 << field
        end, escaped = string_end(text, i + 1, stop, limit)
        if end < 0:
            return -1, 0, 0
        if field & 1:
            if escaped:
                end_of_text = unescape(text, i + 1, end, out, at)
            else:
                copy(out, at, text, i + 1, end - i - 1)
                end_of_text = at + end - i - 1
            if end_of_text < 0:
                return -1, 0, 0
        else:
            number = which(_NAMES, text, i + 1, end)
            if number < 0:
                return -1, 0, 0
            role = types.int64(_ROLE_OF[number])
        i = skip_space(text, end + 1, stop)
        if i >= stop:
            return -1, 0, 0
        if text[i] == 0x7D:
            return i + 1 if seen == 3 or seen == 12 else -1, role, end_of_text
        if text[i] != _COMMA:
            return -1, 0, 0
        i = skip_space(text, i + 1, stop)


@kernel(types.UniTuple(types.int64, 3)(
    POINTER, types.int64, types.int64, types.int64, types.boolean, types.int64,
    OUT_BYTES, OUT_I64S, types.int64, POINTER,
), inline=False)  # fmt: skip
def read_messages(text, i, stop, limit, json_too, room, roles, ends, count, out):
    """Append the messages of the list at ``i``: (its end or -1, messages so far, 1 if the talk is whole)."""
    asked, answered, first = False, False, count
    if i >= stop or text[i] != 0x5B:
        return -1, 0, 0
    i = skip_space(text, i + 1, stop)
    while True:
        at = ends[count]
        i, role, end = read_message(text, i, stop, limit, out, at)
        if i < 0 or count == room:
            return -1, 0, 0
        if not json_too:
            begins = skip_space(out, at, end)
            if begins < end and (out[begins] == 0x7B or out[begins] == 0x5B):
                return -1, 0, 0
        if role == _USER:
            asked |= shows(out, at, end)
        elif role == _ASSISTANT:
            answered = shows(out, at, end)  # of the last one
        roles[count], ends[count + 1] = _U8(role), end
        count += 1
        i = skip_space(text, i, stop)
        if i >= stop:
            return -1, 0, 0
        if text[i] == 0x5D:
            return i + 1, count, types.int64(asked and answered and count > first)
        if text[i] != _COMMA:
            return -1, 0, 0
        i = skip_space(text, i + 1, stop)


@kernel(types.int64(
    POINTER, types.int64, types.int64, types.int64, types.boolean, types.int64,
    OUT_BYTES, OUT_I64S, types.int64, POINTER,
), inline=False)  # fmt: skip
def read_chat(text, i, stop, limit, json_too, room, roles, ends, count, out):
    """Append the messages of the payload ``text[i:stop]``; how many there are then, or -1: not plain."""
    found = -1
    i = skip_space(text, i, stop)
    if i >= stop or text[i] != 0x7B:
        return -1
    i = skip_space(text, i + 1, stop)
    while True:
        start, end, i = read_key(text, i, stop, limit)
        if i < 0 or which(_BARRED_KEYS, text, start, end) >= 0:
            return -1
        if which(_LIST_KEYS, text, start, end) >= 0:
            if found >= 0:
                return -1
            i, found, good = read_messages(text, i, stop, limit, json_too, room, roles, ends, count, out)
            if good == 0:
                return -1
        else:
            i = skip_value(text, i, stop, limit)
        i = skip_space(text, i, stop) if i >= 0 else stop
        if i >= stop:
            return -1
        if text[i] == 0x7D:
            return found if skip_space(text, i + 1, stop) == stop else -1
        if text[i] != _COMMA:
            return -1
        i = skip_space(text, i + 1, stop)


@kernel(types.int64(BYTES, I64S, I64S, types.boolean, OUT_FLAGS, OUT_I64S, OUT_BYTES, OUT_I64S, OUT_BYTES))
def read_chats(data, start, stop, json_too, plain, rows, roles, ends, out):
    """Read the payloads ``data[start[i]:stop[i]]``; return how many are ``plain``, with their messages.

    Of the plain ones, in order: ``rows`` says where each one's messages end, ``roles`` and ``ends`` are
    of all messages, ``out`` holds their texts. ``rows[0]`` and ``ends[0]`` are 0.
    """
    text, room, taken = pointer(data), len(roles), 0
    for row in range(len(start)):
        count = read_chat(
            text, start[row], stop[row], len(data), json_too, room,
            roles, ends, rows[taken], pointer(out),
        )  # fmt: skip
        plain[row] = count >= 0
        if count >= 0:
            taken += 1
            rows[taken] = count
    return taken


@dataclass(frozen=True)
class Chats:
    """Which payloads are ``plain``, bool (n), and their messages end to end.

    ``rows`` int64 (plain + 1): where each one's messages begin. ``roles`` uint8 (messages): places in
    ``records.ROLES``. Message k's text is ``text[ends[k]:ends[k + 1]]``: uint8, int64 (messages + 1).
    """

    plain: np.ndarray
    rows: np.ndarray
    roles: np.ndarray
    ends: np.ndarray
    text: np.ndarray


def plain_chats(data: np.ndarray, start: np.ndarray, stop: np.ndarray, json_too: bool = True) -> Chats:
    """Read the plain chats among the payloads ``data[start[i]:stop[i]]`` (uint8, int64, int64).

    Payloads are valid JSON in UTF-8. ``json_too``: take texts, too, that may be JSON themselves.
    """
    start, stop = np.ascontiguousarray(start), np.ascontiguousarray(stop)
    size = int((stop - start).sum())
    room = size // _LEAST_BYTES + 1
    plain, rows = np.empty(len(start), np.bool_), np.zeros(len(start) + 1, np.int64)
    roles, ends, out = np.empty(room, np.uint8), np.zeros(room + 1, np.int64), np.empty(size, np.uint8)
    taken = read_chats(data, start, stop, json_too, plain, rows, roles, ends, out)
    count = rows[taken]
    return Chats(plain, rows[: taken + 1], roles[:count], ends[: count + 1], out[: ends[count]])
