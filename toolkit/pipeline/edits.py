"""Broken lines as people repair them: one line of JSON each, its bytes as text to edit.

    toolkit quarantine LAKE export > broken.jsonl      one line a rejected one, its bytes as "text"
    (edit "text", or put an object under "record")
    toolkit quarantine LAKE replay --with broken.jsonl

Lines are known by the sha256 of their bytes.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError


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


def read_edits(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """(``path:line``, sha256 of what is repaired, its repaired bytes) of each line that is not blank.

    Raises RequestError for a file that cannot be read, and for a line that is no repair.
    """
    for number, line in _lines(path):
        where = f"{path}:{number}"
        yield where, *_repair(line, where)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RequestError(f"cannot read the repairs {path}: {error.strerror}.") from error
    yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _repair(line: bytes, where: str) -> tuple[str, bytes]:
    """(sha256 of what is repaired, its repaired bytes)."""
    try:
        entry = json.loads(line)
        sha = entry["sha256"]
        if not isinstance(sha, str):
            raise TypeError("the sha256 is no text")
        if "record" in entry:
            return sha, json.dumps(entry["record"], ensure_ascii=False).encode()
        return sha, entry["text"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(
            f"{where}: expected an object with the sha256 of a quarantined line and its repaired text "
            f'(or a record): {{"sha256": "…", "text": "…"}}; {type(error).__name__}: {error}'
        ) from error
