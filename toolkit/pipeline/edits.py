"""Broken lines as people repair them: one line of JSON each, its bytes as text to edit.

    toolkit quarantine LAKE export > broken.jsonl      one line a rejected one, its bytes as "text"
    (edit "text", or put an object under "record")
    toolkit quarantine LAKE replay --with broken.jsonl

A line is known by the sha256 of its bytes, and by its place where that is still there.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError

Place = tuple[str, int, int, int]  # path, line, offset, length


@dataclass(frozen=True)
class Edit:
    """One line of a file of repairs: ``where`` it stands, what it repairs, and the repaired bytes.

    ``place`` is that of what it repairs, None where the line does not say it.
    """

    where: str
    sha256: str
    raw: bytes
    place: Place | None
    source_id: str
    stage: str


def export_line(entry: Mapping[str, Any]) -> str:
    """A quarantined line for people to edit: its sha256, why and where, and its bytes as text.

    One line of JSON; what a terminal would obey or not show is a JSON escape in it.
    """
    kept = {key: entry[key] for key in ("sha256", "source_id", "stage", "reason", "detail", "origin")}
    line = json.dumps({**kept, "text": as_text(base64.b64decode(entry["raw"]))}, ensure_ascii=False)
    return line.translate({ord(c): json.dumps(c)[1:-1] for c in set(line) if not _is_seen(c)})


def as_text(raw: bytes) -> str:
    """Bytes as people are shown them: what is not UTF-8 as an escape."""
    return raw.decode("utf-8", "backslashreplace")


def _is_seen(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def read_edits(path: Path) -> Iterator[Edit]:
    """The edits of a file, a line each; blank lines are none.

    Raises RequestError for a file that cannot be read, and for a line that is no edit.
    """
    for number, line in _lines(path):
        yield _edit(line, f"{path}:{number}")


def place_of(origin: Any) -> Place | None:
    """Path, line, offset and length of an origin; None where one of them is not there."""
    kinds = {"path": str, "line": int, "offset": int, "length": int}
    if not isinstance(origin, Mapping) or any(type(origin.get(key)) is not kinds[key] for key in kinds):
        return None
    return origin["path"], origin["line"], origin["offset"], origin["length"]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RequestError(f"cannot read the repairs {path}: {error.strerror}.") from error
    yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _edit(line: bytes, where: str) -> Edit:
    try:
        entry = json.loads(line)
        sha = entry["sha256"]
        if not isinstance(sha, str):
            raise TypeError("the sha256 is no text")
        whole = "record" in entry
        raw = (json.dumps(entry["record"], ensure_ascii=False) if whole else entry["text"]).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(
            f"{where}: expected an object with the sha256 of a quarantined line and its repaired text "
            f'(or a record): {{"sha256": "…", "text": "…"}}; {type(error).__name__}: {error}'
        ) from error
    names = (str(entry.get(key, "")) for key in ("source_id", "stage"))
    return Edit(where, sha, raw, place_of(entry.get("origin")), *names)
