"""The parts that a zstd file is made of, found by their headers alone (RFC 8878, section 3)."""

from __future__ import annotations

from collections.abc import Generator

from toolkit.ingest.codecs.magic import MAGIC
from toolkit.ingest.codecs.tape import SHORT, Tape

_BLOCK = 1 << 17

Parts = Generator[tuple[int, bytes], None, tuple[int, str] | None]


def zst_parts(tape: Tape) -> Parts:
    """Headers, blocks and checksums of a zstd file, each with its offset (RFC 8878, section 3).

    Skippable frames and padding are left out. Returns (offset, detail) of what is no such part.
    """
    while True:
        magic = tape.read(4)
        while magic[:1] == b"\0":
            magic = magic.lstrip(b"\0")
            magic += tape.read(4 - len(magic))
        if not magic:
            return None
        start = tape.at - len(magic)
        if magic == b"\x28\xb5\x2f\xfd":
            fault = yield from _frame(tape, start, magic)
        elif len(magic) == 4 and MAGIC["zst"].match(magic):
            fault = _skip(tape, start)
        else:
            fault = start, "bytes that begin no frame"
        if fault is not None:
            return fault


def _skip(tape: Tape, start: int) -> tuple[int, str] | None:
    length = tape.read(4)
    left = int.from_bytes(length, "little")
    while left and (data := tape.read(min(left, 1 << 16))):
        left -= len(data)
    return (start, SHORT) if left or len(length) < 4 else None


def _frame(tape: Tape, start: int, magic: bytes) -> Parts:
    descriptor = tape.read(1)
    flags = descriptor[0] if descriptor else 0
    single = flags >> 5 & 1
    length = (1 - single) + (0, 1, 2, 4)[flags & 3] + (single, 2, 4, 8)[flags >> 6]
    fields = tape.read(length)
    if not descriptor or len(fields) < length:
        return start, SHORT
    yield start, magic + descriptor + fields
    last = 0
    while not last:
        place, header = tape.at, tape.read(3)
        bits = int.from_bytes(header, "little")
        last, kind, length = bits & 1, bits >> 1 & 3, bits >> 3
        if len(header) == 3 and (kind == 3 or length > _BLOCK):
            return place, f"no block has the header {header.hex()}"
        length = 1 if kind == 1 else length
        body = tape.read(length)
        if len(header) < 3 or len(body) < length:
            return place, SHORT
        yield place, header + body
    if flags & 4:
        place, checksum = tape.at, tape.read(4)
        if len(checksum) < 4:
            return place, SHORT
        yield place, checksum
    return None
