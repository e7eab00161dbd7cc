"""Which codec compressed some bytes: told by the first of them, never by a name."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, BinaryIO

from toolkit.ingest.codecs.tape import opened, read_full

MAGIC = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "zst": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),
    "bz2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
}
HEAD = 10


def codec_of_head(head: bytes) -> str | None:
    """``gz``, ``zst``, ``bz2``, ``xz``, or None for plain bytes, from the first ``HEAD`` bytes or more."""
    return next((codec for codec, magic in MAGIC.items() if magic.match(head)), None)


def codec_of(path: Path) -> str | None:
    """The codec of a file by its first bytes; RequestError when it may not be read."""
    with opened(path) as file:
        return codec_of_head(file.read(HEAD))


def codec_of_stream(file: BinaryIO) -> tuple[str | None, BinaryIO]:
    """The codec of an open stream, and a stream that still holds the bytes this took to know."""
    head = read_full(file, HEAD)
    return codec_of_head(head), _Headed(head, file)


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
