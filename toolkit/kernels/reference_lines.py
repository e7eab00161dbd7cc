"""What the kernels over JSON lines compute, in plain Python: slow, obvious, and the contract.

Whether a row is good is not here: it is if ``ingest.validate`` gives a dict for it. All other
answers of ``json_scan`` are for such rows. Rows are bytes; places count from the row's first byte.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring

from toolkit.kernels import reference

KEYS = ("license", "generator_model", "model")
ABSENT, OTHER = (-1, -1), (-2, -2)
_MAIL = re.compile(rb"[\w.+-]@[\w-]+\.\w")
_SPACE = re.compile(r"[ \t\r\n]*")
_BLANK_LEADS = b"\x20\xc2\xe1\xe2\xe3"  # first bytes of white space, but of other characters too


def frame(data: bytes) -> list[tuple[int, int, bool]]:
    """(start, stop, blank) of each line, one byte at a time."""
    lines, start = [], 0
    for at, byte in enumerate(data):
        if byte == 0x0A:
            stop = at - 1 if at > start and data[at - 1] == 0x0D else at
            lines.append((start, stop))
            start = at + 1
    if start < len(data):
        lines.append((start, len(data)))
    return [(a, b, not data[a:b].strip(b" \t\r")) for a, b in lines]


def fields(row: bytes) -> list[tuple[bytes, int, int]]:
    """(raw key, start, stop of the value) of each top-level field of a good row."""
    text, found = row.decode("latin-1"), []  # one character a byte, and the same JSON
    value = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode
    at = _after_space(text, _after_space(text, 0) + 1)
    while text[at] == '"':
        end = scanstring(text, at + 1)[1]
        start = _after_space(text, _after_space(text, end) + 1)
        stop = value(text, start)[1]
        found.append((row[at + 1 : end - 1], start, stop))
        at = _after_space(text, stop)
        at = _after_space(text, at + 1) if text[at] == "," else at
    return found


def _after_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()


def shape(row: bytes) -> int:
    """The hash of the top-level keys in their order."""
    h = 0
    for key, _, _ in fields(row):
        h = (reference.mix64(h ^ reference.hash_word(key)) * reference.GOLDEN) & reference.M64
    return h


def places(row: bytes) -> list[tuple[int, int]]:
    """Where the texts of the three KEYS lie between their quotes; ABSENT also for null, OTHER for no text."""
    found = dict.fromkeys((key.encode() for key in KEYS), ABSENT)
    for key, start, stop in fields(row):
        if key in found:
            text, null = row[start : start + 1] == b'"', row[start:stop] == b"null"
            found[key] = (start + 1, stop - 1) if text else ABSENT if null else OTHER
    return list(found.values())


def ask(row: bytes) -> bool:
    """Whether the three texts cannot be taken as they lie."""
    for key, start, stop in fields(row):
        value = row[start:stop]
        if b"\\" in key:
            return True
        if key in (b"license", b"generator_model", b"model") and value.startswith(b'"'):
            if b"\\" in value or value == b'""' or value[1] in _BLANK_LEADS:
                return True
        elif key == b"generator_model" and value != b"null":
            return True
    return False


def mail(row: bytes) -> bool:
    """Whether the bytes hold what looks like an e-mail address."""
    return _MAIL.search(row) is not None


def flatten(row: bytes) -> bytes:
    """The row with spaces for CR and LF."""
    return row.replace(b"\r", b" ").replace(b"\n", b" ")


def bronze_line(
    payload: bytes, record_id: str, place: tuple[int, int, int], name: bytes, facts: bytes
) -> bytes:
    """One bronze line; ``place`` is (line, offset, length), ``name`` JSON text."""
    origin = b'{"path":%b,"line":%d,"offset":%d,"length":%d}' % (name, *place)
    head = b'{"record_id":"%b","origin":%b,%b' % (record_id.encode(), origin, facts)
    return b'%b,"payload":%b}\n' % (head, payload)


def alike(rows: list[tuple[object, ...]]) -> tuple[list[int], list[int]]:
    """Each row's number by first appearance of what it says, and the first row of each number."""
    seen: dict[tuple[object, ...], int] = {}
    numbers = [seen.setdefault(row, len(seen)) for row in rows]
    return numbers, [rows.index(row) for row in seen]
