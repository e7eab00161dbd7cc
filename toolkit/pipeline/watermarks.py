"""How far each raw file was read: a file that did not change since is not read again.

A file is known by size, inode and times. The kernel sets a file's change time at every write,
and nobody can set it back, so equal marks mean equal bytes, but for a write in the same tick of
the file system's clock as the reading: no mark is taken of a file that young. The marks say
where files lie and when they changed, so they may differ between two lakes of one spec; losing
them costs only reading.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.storage import read_json, write_json

NAME = "watermarks.json"
Mark = list[int]

_TICK = 50_000_000  # ns: longer than any local file system's tick
_COARSE = 2_100_000_000  # ns: of those that count whole seconds, or two


def mark_of(path: Path) -> Mark | None:
    """What a file is known by; None when it changed too lately to tell a later change from it."""
    found = path.stat()
    young = _TICK if found.st_ctime_ns % 1_000_000_000 else _COARSE
    if time.time_ns() - found.st_ctime_ns < young:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def settled_mark(path: Path) -> Mark | None:
    """The mark of a file, a young one's after its tick has passed; None where ticks are seconds."""
    mark = mark_of(path)
    if mark is None:
        time.sleep(_TICK / 1e9)
        mark = mark_of(path)
    return mark


def unchanged(path: Path, mark: Mark | None) -> bool:
    """Whether a file has the mark that was taken of it; False when none was, or the file is gone."""
    try:
        return mark is not None and mark_of(path) == mark
    except FileNotFoundError:
        return False


def read_marks(lake: Path) -> dict[str, dict[str, Any]]:
    """The marks of a lake, by source and file name; none when they are missing or damaged."""
    try:
        return dict(read_json(lake / NAME))
    except Exception:  # they only save work
        return {}


def write_marks(lake: Path, marks: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the marks, one ``[mark, sha256]`` a file."""
    write_json(lake / NAME, marks)
