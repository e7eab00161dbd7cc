"""A dump's file as it is delivered: compression, byte order mark, line ends, a second name.

``.gz`` is written without a time stamp. The bytes inside a compressed file depend on the seed
alone; the compressed bytes also on the version of zlib or zstd.
"""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from toolkit.archetypes.feed import Feed

BOM = b"\xef\xbb\xbf"


def _open(path: Path, stack: ExitStack) -> Any:
    if path.suffix == ".gz":
        raw = stack.enter_context(path.open("wb"))
        return stack.enter_context(gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0))
    if path.suffix == ".zst":
        raw = stack.enter_context(pa.OSFile(str(path), "wb"))
        return stack.enter_context(pa.CompressedOutputStream(raw, "zstd"))
    return stack.enter_context(path.open("wb"))


class Delivery:
    """Writes the lines of one feed below ``folder``; ``line`` is the number of the last line written."""

    def __init__(self, folder: Path, feed: Feed) -> None:
        self._feed, self._stack = feed, ExitStack()
        self._files = [_open(folder / name, self._stack) for name in (feed.path, feed.twin) if name]
        self._end = b"\r\n" if feed.crlf else b"\n"
        self._pending: list[bytes] = []
        self.line = 0
        self.bytes = 0

    def add(self, data: bytes, draw: int) -> int:
        """Queue one line, now and then after a blank one, and return its 1-based number."""
        if self._feed.blank_every and self.line and draw % self._feed.blank_every == 0:
            self._pending.append(b"")
            self.line += 1
        self._pending.append(data)
        self.line += 1
        return self.line

    def flush(self, last: bool) -> None:
        """Write what is queued; the last lines end as the feed says."""
        data = self._end.join([*self._pending, b""])
        if last and not self._feed.last_newline:
            data = data.removesuffix(self._end)
        if self.bytes == 0 and self._feed.bom:
            data = BOM + data
        for file in self._files:
            file.write(data)
        self.bytes += len(data) * len(self._files)
        self._pending = []

    def close(self) -> None:
        """Close the files, innermost first."""
        self._stack.close()
