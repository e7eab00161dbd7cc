"""A bzip2 or xz member: a state that cannot be copied, so what is damaged is decoded a second time."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Generator
from typing import Any

from toolkit.ingest.codecs.tape import OUT, SHORT, STEP, UNVERIFIED, Blocks, Tape

_BZ2_BLOCK = 900_000 * 51  # the most one block gives: 255 bytes for every 5 of its 900,000
_REFUSALS = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)

_DECODERS: dict[str, Callable[[], Any]] = {
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
}


def checked_member(tape: Tape, data: bytes, codec: str) -> Generator[bytes, None, bytes]:
    """One bz2 or xz member that begins with ``data``; returns the bytes after it."""
    decoder, given, first = _DECODERS[codec](), 0, tape.start
    held = _Held(codec == "bz2")
    while data:
        step = tape.at - len(data)
        first = step if codec == "xz" else first
        try:
            for block in _drained(decoder, data, OUT):
                first = step
                for part in held.add(block):
                    given += len(part)
                    yield part
        except _REFUSALS as error:
            yield from _closely(tape, codec, first, given, str(error))
        for part in held.all():
            given += len(part)
            yield part
        if decoder.eof:
            return decoder.unused_data
        data = tape.read(STEP[codec])
    if codec == "bz2":
        yield from _closely(tape, codec, first, given, SHORT)
    raise tape.damage(tape.at if given else tape.start, f"xz: {SHORT}")


class _Held:
    """Blocks of one step, held back as long as they may belong to a bzip2 block not yet checked."""

    def __init__(self, hold: bool) -> None:
        self.most = _BZ2_BLOCK if hold else 0
        self.blocks: list[bytes] = []
        self.size = 0

    def add(self, block: bytes) -> Blocks:
        self.blocks.append(block)
        self.size += len(block)
        while self.blocks and self.size - len(self.blocks[0]) >= self.most:
            self.size -= len(self.blocks[0])
            yield self.blocks.pop(0)

    def all(self) -> list[bytes]:
        blocks, self.blocks, self.size = self.blocks, [], 0
        return blocks


def _drained(decoder: Any, data: bytes, limit: int) -> Blocks:
    """All that ``decoder`` gives for ``data``: then it wants more, so bz2 has checked its block."""
    block = decoder.decompress(data, limit)
    while block:
        yield block
        block = b"" if decoder.eof else decoder.decompress(b"", limit)


def _closely(tape: Tape, codec: str, first: int, given: int, reason: str) -> Blocks:
    """Decode the member again, byte by byte from ``first``: what a failed step hid; then Damage."""
    stop, used, done = tape.at, tape.start, 0
    decoder, file = _DECODERS[codec](), tape.again()
    detail = f"{codec}: {reason}" + (f"; {UNVERIFIED}" if codec == "xz" else "")
    if file is None:
        raise tape.damage(first, detail)
    place = tape.start
    while place < stop:
        close = place >= first
        data = file.read(1 if close else min(STEP[codec], first - place))
        try:
            blocks = _drained(decoder, data, 1 if close and codec == "xz" else OUT)
            for block in list(blocks) if close and codec == "bz2" else blocks:
                done, used = done + len(block), place + len(data)
                if done > given:
                    yield block[max(0, len(block) + given - done) :]
        except _REFUSALS:
            break
        place += len(data)
    raise tape.damage(used if codec == "bz2" or not done else place, detail)
