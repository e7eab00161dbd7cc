"""Which keys the records of a file have, and where in the file: what drift is recognised by.

A shape is the top-level keys of a record in their order. A file has few; each is parsed once.
Not kept are shapes of very many keys, keys that are not Unicode (an escaped lone surrogate), and
what does not fit: of a file in a part 64 KiB of keys, and of the part 1 MiB of JSON over all its
files, the shapes of the most records first. The records of what is not kept are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from toolkit.ingest.frames import Frames
from toolkit.ingest.validate import Judged, value_of

MOST = 64  # shapes kept of a part; a file with more is not one that drifts from one to another
MOST_KEYS = 200  # of a shape
MOST_BYTES = 64 * 1024  # UTF-8 of the keys of all shapes of a file in a part
PART_BYTES = 1 << 20  # of the shapes of a part as JSON, without spaces


@dataclass
class Shapes:
    """(file, keys) -> [records, first line, last line] of the records of a piece, or of a part."""

    seen: dict[tuple[str, tuple[str, ...]], list[int]] = field(default_factory=dict)
    size: Counter[str] = field(default_factory=Counter)  # of the keys that are kept, by file
    records: int = 0  # of any shape, kept or not

    def add(self, name: str, frames: Frames, judged: Judged, rows: np.ndarray) -> None:
        """Note the shapes of the good records ``rows`` of a span of the file ``name``."""
        self.records += len(rows)
        _, first, inverse, count = np.unique(
            judged.scan.shape[rows], return_index=True, return_inverse=True, return_counts=True
        )
        last = np.zeros(len(first), np.int64)
        np.maximum.at(last, inverse, frames.line[rows])
        for k in np.argsort(-count, kind="stable")[:MOST].tolist():
            keys = tuple(value_of(frames.payload(rows[first[k]])))
            if not self._fits(name, keys):
                continue
            begin = int(frames.line[rows[first[k]]])
            held = self.seen.setdefault((name, keys), [0, begin, begin])
            held[0] += int(count[k])
            held[1], held[2] = min(held[1], begin), max(held[2], int(last[k]))

    def _fits(self, name: str, keys: tuple[str, ...]) -> bool:
        """Whether a shape is kept; the room for its keys is then taken."""
        if (name, keys) in self.seen:
            return True
        try:
            size = sum(len(key.encode()) for key in keys)
        except UnicodeEncodeError:
            return False
        if len(keys) > MOST_KEYS or self.size[name] + size > MOST_BYTES:
            return False
        self.size[name] += size
        return True

    def to_data(self) -> list[dict[str, Any]]:
        """Plain data for a manifest, in the order of files and lines."""
        rows = [
            {"file": name, "keys": list(keys), "records": n, "first": first, "last": last}
            for (name, keys), (n, first, last) in self.seen.items()
        ]
        return sorted(rows, key=_place)


def shape_facts(pieces: Iterable[Shapes]) -> dict[str, Any]:
    """What the manifest of a part tells of the shapes of its pieces, in the order of files and lines.

    ``shapes`` are those that fit into ``PART_BYTES``; one that does not leaves its room to those of
    fewer records. ``records_without_shape`` counts the records that they do not tell of.
    """
    pieces = list(pieces)
    rows = sorted((row for piece in pieces for row in piece.to_data()), key=_place)
    kept, room = [], PART_BYTES
    for row in sorted(rows, key=lambda row: -row["records"]):
        size = len(msgspec.json.encode(row))
        if size <= room:
            kept.append(row)
            room -= size
    without = sum(piece.records for piece in pieces) - sum(row["records"] for row in kept)
    return {"shapes": sorted(kept, key=_place), "records_without_shape": without}


def _place(row: Mapping[str, Any]) -> tuple[str, int, list[str]]:
    return row["file"], row["first"], row["keys"]


def suspected_renames(shapes: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Fields that seem to have been renamed within a file: ``file``, ``line``, ``old``, ``new``, ``records``.

    One shape stops where another begins, and they differ in one key only, at the same place.
    ``shapes`` are those of all parts, as ``to_data`` gives them.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for old in shapes:
        for new in shapes:
            change = _renamed(old, new)
            if change is not None and old["file"] == new["file"] and old["last"] < new["first"]:
                held = found.setdefault((new["file"], *change), {"line": new["first"], "records": 0})
                held["line"] = min(held["line"], new["first"])
                held["records"] += new["records"]
    return [{"file": file, "old": old, "new": new, **rest} for (file, old, new), rest in found.items()]


def _renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, str] | None:
    """(old key, new key) if two shapes differ in the name of one key only."""
    if len(old["keys"]) != len(new["keys"]):
        return None
    changed = [(a, b) for a, b in zip(old["keys"], new["keys"], strict=True) if a != b]
    return changed[0] if len(changed) == 1 and changed[0][1] not in old["keys"] else None
