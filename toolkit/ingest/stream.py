"""The bytes of a file as they pass: counted, held until a span has taken them, and hashed then."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from toolkit.errors import RequestError
from toolkit.ingest.codecs import Damage, codec_of, codec_of_stream, decompressed, decompressed_stream
from toolkit.ingest.formats import FORMATS
from toolkit.ingest.formats.aside import rest
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Limits, Span
from toolkit.ingest.validate import parse
from toolkit.kernels.hashing import checksum
from toolkit.kernels.json_lines import count_newlines

_ENCODINGS = {
    "UTF-32LE": re.compile(rb"\xff\xfe\0\0|(?:[\t\n\r -\x7f]\0\0\0){2}"),
    "UTF-32BE": re.compile(rb"\0\0\xfe\xff|(?:\0\0\0[\t\n\r -\x7f]){2}"),
    "UTF-16LE": re.compile(rb"\xff\xfe|[\t\n\r -\x7f]\0[\t\n\r -\x7f]\0"),
    "UTF-16BE": re.compile(rb"\xfe\xff|\0[\t\n\r -\x7f]\0[\t\n\r -\x7f]"),
}


class Stream:
    """Blocks of bytes on their way to a cutter; damage ends them without an exception."""

    def __init__(self, blocks: Iterator[bytes], codec: str | None = None) -> None:
        self.codec = codec
        self.damage: Damage | None = None
        self.size = 0
        self._blocks = self._safe(blocks)
        self._held = bytearray()
        self._digest = hashlib.sha256()
        self._line_ends = 0
        self._last = b"\n"

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self._count(block)
            self._held += block
            yield block

    def head(self) -> bytes:
        """The first block, which still passes afterwards."""
        first = next(self._blocks, b"")
        self._blocks = _chain(first, self._blocks)
        return first

    def passes(self, size: int, sha256: str) -> bool:
        """Let ``size`` bytes pass; whether they have this sha256 and end with a line end."""
        for block in self._blocks:
            old = block[: size - self.size]
            self.add(old)
            if self.size == size:
                self._blocks = _chain(block[len(old) :], self._blocks)
                break
        return self.size == size and self._last == b"\n" and self.sha256() == sha256

    def add(self, data: bytes) -> None:
        """Hash and count bytes that pass and that no span takes."""
        self._digest.update(data)
        self._count(data)

    def _count(self, data: bytes) -> None:
        self._line_ends += count_newlines(np.frombuffer(data, np.uint8))
        self._last = data[-1:] or self._last
        self.size += len(data)

    def take(self, stop: int) -> bytes:
        """The bytes from the last ones taken up to ``stop``, an offset in the file."""
        taken = bytes(memoryview(self._held)[: self._before(stop)])
        self._digest.update(taken)
        del self._held[: len(taken)]
        return taken

    def known(self, span: Span) -> Span:
        """``span`` with its hashes; its bytes, the next to be taken, are let go."""
        count = self._before(span.stop)
        check = self._hashed(count)
        del self._held[:count]
        return replace(span, sha256=self.sha256_taken(), check=check)

    def _before(self, stop: int) -> int:
        return len(self._held) - (self.size - stop)

    def _hashed(self, count: int) -> str:
        with memoryview(self._held)[:count] as view:
            self._digest.update(view)
            return check_of(view)

    def lines(self) -> int:
        """Lines so far, the last one with or without its end."""
        return self._line_ends + (self._last != b"\n")

    def sha256(self) -> str:
        """Hex sha256 of all that has passed, taken or not."""
        digest = self._digest.copy()
        digest.update(self._held)
        return digest.hexdigest()

    def sha256_taken(self) -> str:
        """Hex sha256 of the file up to the last byte that was taken."""
        return self._digest.hexdigest()

    def _safe(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from filter(None, blocks)
        except Damage as damage:
            self.damage = damage


def check_of(data: bytes | memoryview) -> str:
    """The checksum of a span's bytes, as ``Span.check`` has it."""
    return f"{int(checksum(np.frombuffer(data, np.uint8))):016x}"


def open_stream(where: Path | BinaryIO) -> Stream:
    """The bytes of a file, or of an open one that cannot go back, such as standard input."""
    if isinstance(where, Path):
        codec = codec_of(where)
        return Stream(decompressed(where, codec), codec)
    codec, file = codec_of_stream(where)
    return Stream(decompressed_stream(file, codec), codec)


def cut(stream: Stream, form: str, limits: Limits, options: Options) -> Iterator[Span]:
    """The spans of a file of format ``form`` as its bytes pass; unreadable text is cut up to be set aside."""
    encoding = encoding_of(stream.head()) if FORMATS[form].text else None
    if encoding is None:
        return FORMATS[form].cut(stream, limits, options)
    return aside(stream, limits, "encoding.unsupported", f"{encoding}; expected UTF-8: iconv -f {encoding}")


def stream_form(stream: Stream, form: str) -> str:
    """How a stream without a name is read: as declared, else as JSON lines, or what JSON it really is.

    Raises RequestError for Parquet, whose index is at its end: it has to be a file.
    """
    if form == "parquet":
        raise RequestError("Parquet has to be a file: it cannot be read through a pipe.")
    return resolve(stream, "jsonl" if form == "auto" else form)


def resolve(stream: Stream, form: str) -> str:
    """What a ``.json`` file really is: ``json_array``, ``jsonl``, or ``json`` values one after another."""
    if form != "json":
        return form
    head = stream.head().removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    first, end, _ = head.partition(b"\n")
    lines = bool(end) and isinstance(parse(first), dict)
    return "json_array" if head.startswith(b"[") else "jsonl" if lines else "json"


def encoding_of(head: bytes) -> str | None:
    """The encoding of a text whose first bytes show that it is not UTF-8, else None."""
    return next((name for name, pattern in _ENCODINGS.items() if pattern.match(head)), None)


def aside(stream: Stream, limits: Limits, reason: str, detail: str) -> Iterator[Span]:
    """Spans that set aside all that has not passed yet."""
    return rest(stream, stream.size, stream.size, 1, reason, detail, limits.shard_bytes)


def spans_of(stream: Stream, form: str, limits: Limits, options: Options) -> Iterator[tuple[Span, bytes]]:
    """The spans of a file that is read once, each with its bytes, and without a checksum of them.

    What could not be decompressed comes last, as a span without bytes that carries the fault.
    """
    for span in cut(stream, form, limits, options):
        data = stream.take(span.stop)
        yield replace(span, sha256=stream.sha256_taken()), data
    if stream.damage is not None:
        end = stream.size
        fault, detail = "compression.damaged", str(stream.damage)
        yield Span(end, end, stream.lines() + 1, fault, detail, sha256=stream.sha256()), b""


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
