"""What is known of chosen records of many shards: each shard is read once, however its rows are asked for.

The heads (provenance, as JSON) go to a work file in the order of parts and rows, and are looked up
there; nothing of it is left. In memory is one shard at a time, and three numbers a chosen record.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from toolkit.ingest import payload_of
from toolkit.storage import read_shard, writing

Head = tuple[dict[str, Any], int]  # provenance, payload bytes


@dataclass(frozen=True)
class Heads:
    """The heads in ``file``, by part and row.

    Of the k chosen records, in the order of ``key`` int64[k]: ``stop`` int64[k] is where the head
    ends in the file, ``size`` int64[k] the bytes of the payload.
    """

    file: BinaryIO
    rows: int
    key: np.ndarray
    stop: np.ndarray
    size: np.ndarray

    def of(self, part: np.ndarray, row: np.ndarray) -> list[Head]:
        """The heads of chosen records, in the order asked; ``part`` and ``row`` int64[n]."""
        places, back = np.unique(np.searchsorted(self.key, part * self.rows + row), return_inverse=True)
        found = [self._at(place) for place in places.tolist()]
        return [found[k] for k in back.tolist()]

    def _at(self, place: int) -> Head:
        start = int(self.stop[place - 1]) if place else 0
        data = os.pread(self.file.fileno(), int(self.stop[place]) - start, start)
        return msgspec.json.decode(data), int(self.size[place])


@contextmanager
def gathered(lake: Path, shards: Sequence[str], part: np.ndarray, row: np.ndarray) -> Iterator[Heads]:
    """The heads of the records at ``part`` and ``row`` (int64[n], n > 0, any order, some perhaps repeated).

    ``shards`` are paths in ``lake``, one a part. Raises ToolkitError for a damaged shard.
    """
    rows = int(row.max()) + 1
    key = np.unique(part * rows + row)
    stop, size = np.empty_like(key), np.empty_like(key)
    path, end = lake / "evidence" / "identity" / "heads", 0
    with writing(path) as temporary, temporary.open("wb") as file:
        for chosen in by_part(key // rows):
            shard = lake / shards[key[chosen.start] // rows]
            heads, size[chosen] = _read(shard, (key[chosen] % rows).tolist())
            stop[chosen] = end + np.cumsum([len(head) for head in heads])
            file.write(b"".join(heads))
            end = int(stop[chosen.stop - 1])
    with path.open("rb", buffering=0) as file:
        path.unlink()  # it stays as long as it is open: no kill leaves it behind
        yield Heads(file, rows, key, stop, size)


def _read(shard: Path, rows: Sequence[int]) -> tuple[list[bytes], list[int]]:
    """Heads and payload bytes of some rows of a shard."""
    lines = read_shard(shard)
    split = [payload_of(lines[row]) for row in rows]
    return [head for head, _ in split], [len(payload) for _, payload in split]


def by_part(part: np.ndarray) -> Iterator[slice]:
    """Where the rows of each part lie in ``part``, which is sorted."""
    starts = np.flatnonzero(np.append(True, part[1:] != part[:-1])).tolist()
    yield from (slice(a, b) for a, b in zip(starts, [*starts[1:], len(part)], strict=True))
