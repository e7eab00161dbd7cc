"""Compressed bytes, read so that damage costs only what is damaged.

Every byte that can still be decoded is delivered, in order; then ``Damage`` tells from which byte
of the compressed file nothing could be used. Bytes and offset depend on the file alone.

    codec  Damage.offset                                          delivered before it, unverified
    gz     the byte where inflate noticed; a trailer's first      back to the member's start
    xz     the byte where the decoder noticed                     back to the block's start
    zst    the start of the block, checksum or frame              back to the frame's start
    bz2    the first byte after the last whole block              nothing: blocks are checked first

A member that gives nothing is damaged from its first byte. A file that ends too early is damaged
from its end in gz and xz (size 0: every byte was used), in bz2 and zst from the open block.
What is lost beside the damage: in gz at most one byte of output, decoded from the very byte that
is wrong; in zst a run of bytes 0xFF (never found in UTF-8) that ends where the damage begins.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from toolkit.errors import RequestError

_MAGIC = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "zst": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),
    "bz2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
}
HEAD = 10

_STEP = {"gz": 1 << 16, "bz2": 1 << 14, "xz": 1 << 12}  # compressed bytes a call
_OUT = 1 << 18  # decompressed bytes a call
_KEEP = 1 << 26  # compressed bytes of a member kept to decode it twice, where a stream cannot go back
_BZ2_BLOCK = 900_000 * 51  # the most one block gives: 255 bytes for every 5 of its 900,000
_ZST_BLOCK = 1 << 17
_CHECKSUM = "checksum"
_UNVERIFIED = "what was read of this member before it is unverified and may be altered"
_SHORT = "the file ends in the middle of a member"
_REFUSALS = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)

Blocks = Iterator[bytes]
_Parts = Generator[tuple[int, bytes], None, tuple[int, str] | None]


class Damage(Exception):
    """From ``offset`` on, ``size`` bytes of a compressed file give nothing; ``detail`` is one line on why.

    ``altered`` is None, or, when a checksum shows that what was read is not what was packed, the
    decompressed offset from which that is so: where the member begins (0 in zst: its first frame).
    """

    def __init__(self, offset: int, size: int, detail: str, altered: int | None = None) -> None:
        super().__init__(offset, size, detail, altered)
        self.offset, self.size, self.detail, self.altered = offset, size, detail, altered

    def __str__(self) -> str:
        return f"damaged at byte {self.offset}, {self.size} bytes not used: {self.detail}"


def codec_of_head(head: bytes) -> str | None:
    """``gz``, ``zst``, ``bz2``, ``xz``, or None for plain bytes, from the first ``HEAD`` bytes or more."""
    return next((codec for codec, magic in _MAGIC.items() if magic.match(head)), None)


def codec_of(path: Path) -> str | None:
    """The codec of a file by its first bytes; RequestError when it may not be read."""
    with _opened(path) as file:
        return codec_of_head(file.read(HEAD))


def codec_of_stream(file: BinaryIO) -> tuple[str | None, BinaryIO]:
    """The codec of an open stream, and a stream that still holds the bytes this took to know."""
    head = _read(file, HEAD)
    return codec_of_head(head), _Headed(head, file)


def decompressed(path: Path, codec: str | None, size: int = 1 << 20) -> Blocks:
    """The decompressed bytes of ``path`` in blocks of at most ``size``, none empty.

    Members that follow each other, skippable zstd frames and zero bytes between members are read
    as one file. Raises Damage after the last byte that could be decoded, and RequestError when
    the file may not be read. Memory: a few blocks; in bz2 up to 46 MB where one block gives that.
    """
    with _opened(path) as file:
        yield from _resized(_decoded(_Tape(file, seekable=True), codec, size), size)


def decompressed_stream(file: BinaryIO, codec: str | None, size: int = 1 << 20) -> Blocks:
    """As ``decompressed``, from an open stream that cannot go back, such as a pipe.

    After damage the rest of the stream is read, to know its size. A bz2 or xz member of more than
    64 MiB is not kept to be decoded again: there the last 256 KiB before the damage may be lost
    (in bz2 a whole block) and the offset is that of a step of at most 16 KiB.
    """
    return _resized(_decoded(_Tape(file, seekable=False), codec, size), size)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except PermissionError as error:
        raise RequestError(f"may not read {path}: change its rights or leave it out of the spec.") from error


def _read(file: BinaryIO, size: int) -> bytes:
    """``size`` bytes unless the file ends: a pipe may give them in pieces."""
    data = file.read(size) or b""
    while 0 < len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


class _Headed(io.RawIOBase):
    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self.head, self.file = head, file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self.head:
            return self.file.read(size)
        cut = len(self.head) if size < 0 else size
        data, self.head = self.head[:cut], self.head[cut:]
        return data + self.file.read() if size < 0 else data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Tape:
    """Compressed bytes in order; those since ``begin`` can be had again."""

    def __init__(self, file: BinaryIO, seekable: bool) -> None:
        self.file, self.seekable = file, seekable
        self.at = self.start = 0
        self.given = self.before = 0  # decompressed bytes, so far and before this member
        self.kept: bytearray | None = None

    def read(self, size: int) -> bytes:
        data = _read(self.file, size)
        self.at += len(data)
        if self.kept is not None:
            self.kept += data
            if len(self.kept) > _KEEP:
                self.kept = None
        return data

    def begin(self, unused: bytes) -> None:
        """A member begins with ``unused``, the last bytes that were read."""
        self.start = self.at - len(unused)
        self.before = self.given
        self.kept = None if self.seekable else bytearray(unused)

    def again(self) -> BinaryIO | None:
        """The bytes from the member's start, or None when they are gone."""
        if self.seekable:
            self.file.seek(self.start)
            return self.file
        return None if self.kept is None else io.BytesIO(self.kept)

    def rewind(self) -> None:
        """Back to the first byte, where the file can go back."""
        self.at = self.file.seek(0)

    def damage(self, offset: int, detail: str) -> Damage:
        """The Damage from ``offset`` to the end of the file; nothing can be read after it."""
        altered = self.before if _CHECKSUM in detail else None
        if self.seekable:
            return Damage(offset, self.file.seek(0, io.SEEK_END) - offset, detail, altered)
        while data := self.file.read(1 << 20):
            self.at += len(data)
        return Damage(offset, self.at - offset, detail, altered)


def _resized(blocks: Blocks, size: int) -> Blocks:
    """Cut blocks to ``size``, and join small ones, which cost whoever reads them more than they hold."""
    held: list[bytes] = []
    room = small = min(size, _OUT // 4)
    damage = None
    try:
        for block in blocks:
            if len(block) >= room:
                yield from _flushed(held)
                yield from (block[at : at + size] for at in range(0, len(block), size))
                room = small
            elif block:
                held.append(block)
                room -= len(block)
    except Damage as error:
        damage = error
    yield from _flushed(held)
    if damage is not None:
        raise damage


def _flushed(held: list[bytes]) -> Blocks:
    if held:
        yield b"".join(held)
        held.clear()


def _decoded(tape: _Tape, codec: str | None, size: int) -> Blocks:
    if codec is None:
        while block := tape.read(size):
            yield block
    elif codec == "zst":
        yield from _zst(tape)
    else:
        yield from _members(tape, codec)


def _members(tape: _Tape, codec: str) -> Blocks:
    data = tape.read(_STEP[codec])
    while data:
        data = data.lstrip(b"\0")  # padding between members, as in a tar file or by xz
        if data:
            tape.begin(data)
            member = _gz(tape, data) if codec == "gz" else _checked(tape, data, codec)
            data = yield from _counted(tape, member)
        data = data or tape.read(_STEP[codec])


def _counted(tape: _Tape, blocks: Generator[bytes, None, bytes]) -> Generator[bytes, None, bytes]:
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            return end.value
        tape.given += len(block)
        yield block


# gzip: zlib can copy its state, so what failed is tried again from a copy.


def _gz(tape: _Tape, data: bytes) -> Generator[bytes, None, bytes]:
    """One gzip member that begins with ``data``; returns the bytes after it."""
    decoder, given = zlib.decompressobj(31), False
    while True:
        before = decoder.copy()
        try:
            block = decoder.decompress(data, _OUT)
        except zlib.error:
            yield from _gz_closely(tape, before, data, given)
        if block:
            given = True
            yield block
        if decoder.eof:
            return decoder.unused_data
        if not data:
            raise tape.damage(tape.at if given else tape.start, f"gzip: {_SHORT}")
        data = decoder.unconsumed_tail or tape.read(_STEP["gz"])


def _gz_closely(tape: _Tape, decoder: Any, data: bytes, given: bool) -> Blocks:
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
            raise tape.damage(*_gz_fault(reason, at, tape.start, given)) from None


def _gz_fault(reason: str, at: int, start: int, given: bool) -> tuple[int, str]:
    # zlib notices the fourth byte of a checksum or of a length; the trailer is both, in this order.
    trailer = {"incorrect data check": 3, "incorrect length check": 7}
    if reason in trailer:
        reason += f", the {_CHECKSUM} does not match"
    offset = at - trailer.get(reason.partition(",")[0], 0) if given else start
    return offset, f"gzip: {reason}; {_UNVERIFIED}"


# bzip2 and xz: a state that cannot be copied, so a damaged member is decoded a second time.

_DECODERS: dict[str, Callable[[], Any]] = {
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
}


def _checked(tape: _Tape, data: bytes, codec: str) -> Generator[bytes, None, bytes]:
    """One bz2 or xz member that begins with ``data``; returns the bytes after it."""
    decoder, given, first = _DECODERS[codec](), 0, tape.start
    held = _Held(codec == "bz2")
    while data:
        step = tape.at - len(data)
        first = step if codec == "xz" else first
        try:
            for block in _drained(decoder, data, _OUT):
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
        data = tape.read(_STEP[codec])
    if codec == "bz2":
        yield from _closely(tape, codec, first, given, _SHORT)
    raise tape.damage(tape.at if given else tape.start, f"xz: {_SHORT}")


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


def _closely(tape: _Tape, codec: str, first: int, given: int, reason: str) -> Blocks:
    """Decode the member again, byte by byte from ``first``: what a failed step hid; then Damage."""
    stop, used, done = tape.at, tape.start, 0
    decoder, file = _DECODERS[codec](), tape.again()
    detail = f"{codec}: {reason}" + (f"; {_UNVERIFIED}" if codec == "xz" else "")
    if file is None:
        raise tape.damage(first, detail)
    place = tape.start
    while place < stop:
        close = place >= first
        data = file.read(1 if close else min(_STEP[codec], first - place))
        try:
            blocks = _drained(decoder, data, 1 if close and codec == "xz" else _OUT)
            for block in list(blocks) if close and codec == "bz2" else blocks:
                done, used = done + len(block), place + len(data)
                if done > given:
                    yield block[max(0, len(block) + given - done) :]
        except _REFUSALS:
            break
        place += len(data)
    raise tape.damage(used if codec == "bz2" or not done else place, detail)


# zstd: fed one block at a time, pyarrow's decoder hides nothing; a sound file is read faster in steps.


def _zst(tape: _Tape) -> Blocks:
    given = 0
    if tape.seekable:
        feed = _ZstFeed(tape, _steps(tape))
        stream = _zst_stream(feed)
        try:
            while block := stream.read(1 << 20):
                given += len(block)
                yield block
        except OSError:
            feed.fail(None)
            tape.rewind()
        else:
            return feed.fail(None)
    for block in _zst_closely(tape):
        if len(block) > given:
            yield block[given:]
        given = max(0, given - len(block))


def _zst_closely(tape: _Tape) -> Blocks:
    """Decode block by block; at a block that is refused, all before it has been given."""
    feed = _ZstFeed(tape, _zst_parts(tape))
    stream = _zst_stream(feed)
    blank = b"\xff" * _OUT
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


def _zst_stream(feed: _ZstFeed) -> pa.CompressedInputStream:
    return pa.CompressedInputStream(pa.PythonFile(feed, "r"), "zstd")


class _ZstFeed:
    """The file that pyarrow reads: every read gives one of ``parts`` at most."""

    closed = False

    def __init__(self, tape: _Tape, parts: _Parts) -> None:
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
            raise self.tape.damage(self.place, f"zstd: {reason}; {_UNVERIFIED}")

    def close(self) -> None:
        self.closed = True


def _steps(tape: _Tape) -> _Parts:
    while data := tape.read(1 << 16):
        yield tape.at - len(data), data
    return None


def _zst_parts(tape: _Tape) -> _Parts:
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
            fault = yield from _zst_frame(tape, start, magic)
        elif len(magic) == 4 and _MAGIC["zst"].match(magic):
            fault = _zst_skip(tape, start)
        else:
            fault = start, "bytes that begin no frame"
        if fault is not None:
            return fault


def _zst_skip(tape: _Tape, start: int) -> tuple[int, str] | None:
    length = tape.read(4)
    left = int.from_bytes(length, "little")
    while left and (data := tape.read(min(left, 1 << 16))):
        left -= len(data)
    return (start, _SHORT) if left or len(length) < 4 else None


def _zst_frame(tape: _Tape, start: int, magic: bytes) -> _Parts:
    descriptor = tape.read(1)
    flags = descriptor[0] if descriptor else 0
    single = flags >> 5 & 1
    length = (1 - single) + (0, 1, 2, 4)[flags & 3] + (single, 2, 4, 8)[flags >> 6]
    fields = tape.read(length)
    if not descriptor or len(fields) < length:
        return start, _SHORT
    yield start, magic + descriptor + fields
    last = 0
    while not last:
        place, header = tape.at, tape.read(3)
        bits = int.from_bytes(header, "little")
        last, kind, length = bits & 1, bits >> 1 & 3, bits >> 3
        if len(header) == 3 and (kind == 3 or length > _ZST_BLOCK):
            return place, f"no block has the header {header.hex()}"
        length = 1 if kind == 1 else length
        body = tape.read(length)
        if len(header) < 3 or len(body) < length:
            return place, _SHORT
        yield place, header + body
    if flags & 4:
        place, checksum = tape.at, tape.read(4)
        if len(checksum) < 4:
            return place, _SHORT
        yield place, checksum
    return None
