"""Which edit goes to which broken line.

    an edit with the origin it was exported with    to the line at that place alone
    an edit without one                             to every line with its bytes and no edit of its own

A line takes the first edit that changes it. Another that differs is left out, and said to be.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolkit.errors import RequestError
from toolkit.pipeline.edits import Edit, Place, as_text, place_of

Entry = dict[str, Any]
Key = tuple[Any, ...]


def assigned(edits: Sequence[Edit], entries: Iterable[Entry]) -> tuple[list[tuple[Entry, bytes]], list[str]]:
    """Quarantined lines with their repaired bytes, and a sentence for each edit that is left out.

    ``entries`` is the quarantine, read once. Raises RequestError for an edit of what is not in it.
    """
    wanted = {edit.sha256 for edit in edits}
    held = [entry for entry in entries if entry["sha256"] in wanted]
    there = {key for entry in held for key in _keys(entry)}
    keys = [_key(edit, there) for edit in edits]
    raws = {entry["sha256"]: base64.b64decode(entry["raw"]) for entry in held}
    first: dict[Key, Edit] = {}
    changed = [(k, e) for k, e in zip(keys, edits, strict=True) if _changes(e, raws[e.sha256])]
    for key, edit in changed:
        first.setdefault(key, edit)
    chosen = [(entry, next((key for key in _keys(entry) if key in first), None)) for entry in held]
    used = {key for _, key in chosen}
    told = [words for key, edit in changed if (words := _left_out(edit, first[key], key in used))]
    return [(entry, first[key].raw) for entry, key in chosen if key is not None], told


def _keys(entry: Mapping[str, Any]) -> list[Key]:
    """What an edit of a line may be known by, from its source, stage and place to its bytes alone."""
    at: tuple[str, Place | None] = entry["sha256"], place_of(entry["origin"])
    return [(*at, entry["source_id"], entry["stage"]), at, at[:1]]


def _key(edit: Edit, there: set[Key]) -> Key:
    """The closest of these that there is a line for."""
    at = edit.sha256, edit.place
    if (edit.sha256,) not in there:
        raise RequestError(f"{edit.where}: nothing in quarantine has the sha256 {edit.sha256!r}.")
    if edit.place is None:
        return at[:1]
    if at not in there:
        raise RequestError(
            f"{edit.where}: what has the sha256 {edit.sha256!r} does not lie at {edit.place[0]!r}, line "
            f"{edit.place[1]}. Leave its origin as it was exported, or leave it out."
        )
    return (*at, edit.source_id, edit.stage) if (*at, edit.source_id, edit.stage) in there else at


def _changes(edit: Edit, raw: bytes) -> bool:
    """Whether an edit differs from the bytes of its line, and from these as text."""
    return edit.raw not in (raw, as_text(raw).encode())


def _left_out(edit: Edit, first: Edit, used: bool) -> str | None:
    if edit.raw != first.raw:
        return f"{edit.where} was left out: {first.where} repairs the same line otherwise."
    return None if used else f"{edit.where} was left out: each line with these bytes has a repair of its own."
