"""A gzip member. zlib can copy its state, so what failed is tried again from a copy."""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import Any

from toolkit.ingest.codecs.tape import CHECKSUM, OUT, SHORT, STEP, UNVERIFIED, Blocks, Tape


def gz_member(tape: Tape, data: bytes) -> Generator[bytes, None, bytes]:
    """One gzip member that begins with ``data``; returns the bytes after it."""
    decoder, given = zlib.decompressobj(31), False
    while True:
        before = decoder.copy()
        try:
            block = decoder.decompress(data, OUT)
        except zlib.error:
            yield from _closely(tape, before, data, given)
        if block:
            given = True
            yield block
        if decoder.eof:
            return decoder.unused_data
        if not data:
            raise tape.damage(tape.at if given else tape.start, f"gzip: {SHORT}")
        data = decoder.unconsumed_tail or tape.read(STEP["gz"])


def _closely(tape: Tape, decoder: Any, data: bytes, given: bool) -> Blocks:
    """Halve ``data``, in which ``decoder`` fails, down to the byte where it fails; then Damage."""
    place = tape.at - len(data)
    while len(data) > 1:
        half, probe = data[: len(data) // 2], decoder.copy()
        try:
            block = probe.decompress(half)
        except zlib.error:
            data = half
            continue
        given = given or bool(block)
        yield block
        decoder, data, place = probe, data[len(half) :], place + len(half)
    for byte, at in ((b"", place - 1), (data, place)):  # the fault may wait in a byte taken before
        try:
            while block := decoder.decompress(byte, 1):
                given, byte = True, decoder.unconsumed_tail
                yield block
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            raise tape.damage(*_fault(reason, at, tape.start, given)) from None


def _fault(reason: str, at: int, start: int, given: bool) -> tuple[int, str]:
    # zlib notices the fourth byte of a checksum or of a length; the trailer is both, in this order.
    trailer = {"incorrect data check": 3, "incorrect length check": 7}
    if reason in trailer:
        reason += f", the {CHECKSUM} does not match"
    offset = at - trailer.get(reason.partition(",")[0], 0) if given else start
    return offset, f"gzip: {reason}; {UNVERIFIED}"
