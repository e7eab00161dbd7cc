"""One pass over a file before anything is written: its hash, its size, and where to cut it.

A span holds whole lines: it ends at the first line end at or after a multiple of the shard
size. Cuts depend on the bytes alone, so any number of workers writes the same shards, and
each span knows the number of its first line without reading what precedes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.ingest.sources import blocks, codec_of


@dataclass(frozen=True)
class Span:
    """Bytes ``start`` to ``stop`` of the decompressed file; ``line`` is the first line's number, from 1."""

    start: int
    stop: int
    line: int


@dataclass(frozen=True)
class Census:
    """What is known of a raw file: ``size`` and ``sha256`` are those of its decompressed bytes."""

    name: str
    codec: str | None
    size: int
    lines: int
    sha256: str
    spans: tuple[Span, ...]


def take_census(name: str, path: Path, shard_bytes: int) -> Census:
    """Hash ``path`` and cut it into spans of about ``shard_bytes``; RequestError when it is damaged."""
    codec = codec_of(path)
    digest = hashlib.sha256()
    cutter = _Cutter(shard_bytes)
    for block in blocks(path, codec):
        digest.update(block)
        cutter.feed(block)
    spans = tuple(cutter.finish())
    return Census(name, codec, cutter.offset, cutter.line_ends + cutter.open_line, digest.hexdigest(), spans)


class _Cutter:
    def __init__(self, shard_bytes: int) -> None:
        self.shard_bytes = shard_bytes
        self.offset = 0
        self.line_ends = 0
        self.open_line = 0
        self.cuts = [(0, 1)]

    def feed(self, block: bytes) -> None:
        position = 0
        while (end := self._next_cut(block, position)) is not None:
            self.line_ends += block.count(b"\n", position, end)
            position = end
            self.cuts.append((self.offset + end, self.line_ends + 1))
        self.line_ends += block.count(b"\n", position)
        self.offset += len(block)
        self.open_line = int(not block.endswith(b"\n"))

    def _next_cut(self, block: bytes, position: int) -> int | None:
        wanted = self.cuts[-1][0] + self.shard_bytes - 1 - self.offset
        found = block.find(b"\n", max(position, wanted)) if wanted < len(block) else -1
        return None if found < 0 else found + 1

    def finish(self) -> Iterator[Span]:
        ends = [cut[0] for cut in self.cuts[1:]] + [self.offset]
        for (start, line), stop in zip(self.cuts, ends, strict=True):
            if stop > start:
                yield Span(start, stop, line)
