"""A zstd file. Fed one block at a time, pyarrow's decoder hides nothing.

A sound file is read faster in steps, so that is tried first where the file can go back.
"""

from __future__ import annotations

import pyarrow as pa

from toolkit.ingest.codecs.tape import OUT, UNVERIFIED, Blocks, Tape
from toolkit.ingest.codecs.zst_parts import Parts, zst_parts


def zst_blocks(tape: Tape) -> Blocks:
    """What all frames of a zstd file give; raises Damage at the first block that is refused."""
    given = 0
    if tape.seekable:
        feed = _Feed(tape, _steps(tape))
        stream = _stream(feed)
        try:
            while block := stream.read(1 << 20):
                given += len(block)
                yield block
        except OSError:
            feed.fail(None)
            tape.rewind()
        else:
            return feed.fail(None)
    for block in _closely(tape):
        if len(block) > given:
            yield block[given:]
        given = max(0, given - len(block))


def _closely(tape: Tape) -> Blocks:
    """Decode block by block; at a block that is refused, all before it has been given."""
    feed = _Feed(tape, zst_parts(tape))
    stream = _stream(feed)
    blank = b"\xff" * OUT
    buffer = bytearray(blank)
    while True:
        try:
            count = stream.readinto(buffer)
        except OSError as error:
            # What was decoded before the refusal is in the buffer, and nothing says how much.
            yield bytes(buffer).rstrip(b"\xff")
            feed.fail(str(error))
        if not count:
            return feed.fail(None)
        yield bytes(memoryview(buffer)[:count])
        buffer[:] = blank


def _stream(feed: _Feed) -> pa.CompressedInputStream:
    return pa.CompressedInputStream(pa.PythonFile(feed, "r"), "zstd")


class _Feed:
    """The file that pyarrow reads: every read gives one of ``parts`` at most."""

    closed = False

    def __init__(self, tape: Tape, parts: Parts) -> None:
        self.tape, self.parts = tape, parts
        self.rest = b""
        self.place = 0
        self.fault: tuple[int, str] | None = None
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        # pyarrow turns an exception in here into another, so it waits until fail().
        if not self.rest:
            try:
                self.place, self.rest = next(self.parts)
            except StopIteration as stop:
                self.fault = self.fault or stop.value
            except Exception as error:
                self.error = error
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def fail(self, refusal: str | None) -> None:
        """Raise what ended the reading early, if anything did."""
        if self.error is not None:
            raise self.error
        if self.fault is not None:
            raise self.tape.damage(self.fault[0], f"zstd: {self.fault[1]}")
        if refusal is not None:
            reason = refusal.rpartition(": ")[2]
            raise self.tape.damage(self.place, f"zstd: {reason}; {UNVERIFIED}")

    def close(self) -> None:
        self.closed = True


def _steps(tape: Tape) -> Parts:
    while data := tape.read(1 << 16):
        yield tape.at - len(data), data
    return None
