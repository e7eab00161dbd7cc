"""A file that is one record: web pages, source code, PDF, and text taken a file at a time.

There is nothing to cut: the file is one span, unless it is larger than a record may be. Then it is
set aside in pieces, and never held whole. A byte-order mark at its start is no part of the record.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from toolkit.ingest.formats.aside import rest
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span

_encode = msgspec.json.Encoder().encode


def cut(blocks: Iterable[bytes], limits: Limits, options: Options) -> Iterator[Span]:
    """The file as one span, or as pieces under ``file.too_long``; nothing for an empty file."""
    blocks, size, most = iter(blocks), 0, limits.max_record_bytes
    for block in blocks:
        size += len(block)
        if size > most:
            detail = f"a file of more than {most} bytes, in pieces"
            yield from rest(blocks, 0, size, 1, "file.too_long", detail, limits.shard_bytes)
            return
    if size:
        yield Span(0, size, 1)


def body(data: bytes, span: Span) -> bytes:
    """The bytes of the record: all but a byte-order mark at the start of the file."""
    return data.removeprefix(codecs.BOM_UTF8) if span.start == 0 else data


def read_utf8(raw: bytes) -> str | tuple[str, str]:
    """The text in ``raw``, or why it is none: (``utf8.invalid`` or ``text.nul_byte``, detail)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf8.invalid", f"byte 0x{raw[error.start]:02x} at {error.start}: {error.reason}"
    nul = raw.find(b"\0")
    return text if nul < 0 else ("text.nul_byte", f"at byte {nul}")


def framed(
    raw: bytes, span: Span, found: dict[str, Any] | tuple[str, str], overhead: dict[str, int] | None = None
) -> Frames:
    """The one record whose bytes are ``raw``: its payload, or (reason, detail) of what refuses it.

    ``raw`` lies after a byte-order mark, if the span is longer; ``overhead`` counts what lies behind.
    """
    books = dict(overhead or {})
    if mark := span.stop - span.start - len(raw) - sum(books.values()):
        books["bom"] = mark
    refused = isinstance(found, tuple)
    payload = raw if refused else _encode(found)
    place = [[0], [len(payload)], [span.line], [span.start + mark], [len(raw)]]
    columns = [np.array(values, np.int64) for values in place]
    return Frames(np.frombuffer(payload, np.uint8), *columns, {0: found} if refused else {}, books)


def nothing(overhead: dict[str, int]) -> Frames:
    """No record at all, only ``overhead``."""
    empty = np.empty(0, np.int64)
    return Frames(np.empty(0, np.uint8), empty, empty, empty, empty, empty, {}, overhead)
