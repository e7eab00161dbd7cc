"""Which delivered file another one begins with, whatever it is called now.

A file that was renamed, copied or reached by another path, and grew, is known by its bytes. Those
of the first span of everything delivered are told apart by their sha256, so of a file that is
new nothing is read for this but as much as one span.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.pipeline.deliveries import Delivered, Deliveries, grown_from


@dataclass(frozen=True)
class Openings:
    """The JSON lines that a source delivered, by how long their first span is and its sha256.

    ``stops`` int64[k] are the lengths, each once, in ascending order.
    """

    stops: np.ndarray
    files: Mapping[tuple[int, str], list[Delivered]]

    def of(self, path: Path, last: Delivered | None = None) -> Iterator[Delivered]:
        """What ``path`` may have grown from: the longest first, then the longest that it does begin with.

        Those whose first span it begins with, and ``last``, the file that had its name last.
        """
        from toolkit.ingest.codecs import codec_of

        codec, size = codec_of(path), path.stat().st_size
        found = {file.sha256: file for file in self._alike(path, codec)}
        if last is not None and last.format == "jsonl":
            found[last.sha256] = last
        fit = [file for file in found.values() if codec is not None or file.size <= size]
        fit.sort(key=lambda file: file.size)
        yield from fit[-1:]
        yield from _begun(path, codec, fit[:-1])

    def _alike(self, path: Path, codec: str | None) -> list[Delivered]:
        """The files whose first span ``path`` begins with."""
        data = b"".join(_blocks(path, codec, int(self.stops[-1]))) if len(self.stops) else b""
        stops = self.stops[self.stops <= len(data)]
        ends = np.frombuffer(data, np.uint8)[stops - 1] == ord("\n")
        digest, at, found = hashlib.sha256(), 0, []
        for stop in stops[ends].tolist():
            digest.update(memoryview(data)[at:stop])
            found += self.files.get((stop, digest.hexdigest()), [])
            at = stop
        return found


def _begun(path: Path, codec: str | None, files: Sequence[Delivered]) -> list[Delivered]:
    """The longest of ``files``, ascending in size, that ``path`` begins with; one pass for all of them."""
    digest, at, found = hashlib.sha256(), 0, []
    blocks = _blocks(path, codec, files[-1].size) if files else iter(())
    waiting = deque(files)
    for block in blocks:
        used = 0
        while waiting and waiting[0].size <= at + len(block):
            file = waiting.popleft()
            digest.update(memoryview(block)[used : file.size - at])
            used = file.size - at
            found = [file] if digest.hexdigest() == file.sha256 else found
        digest.update(memoryview(block)[used:])
        at += len(block)
    return found


def openings(known: Deliveries) -> Openings:
    """The openings of all that a source has landed as JSON lines."""
    first = {
        piece.file: (piece.span.stop, piece.span.sha256)
        for part in known.parts
        for piece in part
        if piece.span.start == 0 and piece.span.stop and not piece.span.packed
    }
    files: dict[tuple[int, str], list[Delivered]] = defaultdict(list)
    roots: list[int] = []
    for place, (file, before) in enumerate(zip(known.files, grown_from(known.listing()), strict=True)):
        roots.append(place if before is None else roots[before])
        if file.format == "jsonl" and file.sha256 and file.same_as is None and roots[place] in first:
            files[first[roots[place]]].append(file)
    return Openings(np.unique(np.array([stop for stop, _ in files], np.int64)), dict(files))


def _blocks(path: Path, codec: str | None, size: int) -> Iterator[bytes]:
    """As much of the first ``size`` decompressed bytes of a file as can be read, or a little more."""
    from toolkit.ingest.codecs import Damage, decompressed

    at = 0
    with suppress(Damage):
        for block in decompressed(path, codec):
            yield block
            at += len(block)
            if at >= size:
                return
