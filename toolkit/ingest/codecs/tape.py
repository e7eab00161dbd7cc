"""Compressed bytes as a tape: read in order, a member of it again, and the Damage where it breaks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from toolkit.errors import RequestError

STEP = {"gz": 1 << 16, "bz2": 1 << 14, "xz": 1 << 12}  # compressed bytes a call
OUT = 1 << 18  # decompressed bytes a call
KEEP = 1 << 26  # compressed bytes of a member kept to decode it twice, where a stream cannot go back
CHECKSUM = "checksum"
UNVERIFIED = "what was read of this member before it is unverified and may be altered"
SHORT = "the file ends in the middle of a member"

Blocks = Iterator[bytes]


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


class Tape:
    """Compressed bytes in order; those since ``begin`` can be had again."""

    def __init__(self, file: BinaryIO, seekable: bool) -> None:
        self.file, self.seekable = file, seekable
        self.at = self.start = 0
        self.given = self.before = 0  # decompressed bytes, so far and before this member
        self.kept: bytearray | None = None

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only where the file ends."""
        data = read_full(self.file, size)
        self.at += len(data)
        if self.kept is not None:
            self.kept += data
            if len(self.kept) > KEEP:
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
        altered = self.before if CHECKSUM in detail else None
        if self.seekable:
            return Damage(offset, self.file.seek(0, io.SEEK_END) - offset, detail, altered)
        while data := self.file.read(1 << 20):
            self.at += len(data)
        return Damage(offset, self.at - offset, detail, altered)


def opened(path: Path) -> BinaryIO:
    """The file at ``path``, open for its bytes; RequestError when it may not be read."""
    try:
        return path.open("rb")
    except PermissionError as error:
        raise RequestError(f"may not read {path}: change its rights or leave it out of the spec.") from error


def read_full(file: BinaryIO, size: int) -> bytes:
    """``size`` bytes unless the file ends: a pipe may give them in pieces."""
    data = file.read(size) or b""
    while 0 < len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data
