"""Forgotten repairs: a repair file keeps their places and hashes, and nothing of their bytes."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.pipeline.repairs import landed_repairs, names_of, on_one_line, read_repairs, repair_files
from toolkit.storage import write_atomic

if TYPE_CHECKING:
    from toolkit.pipeline.spec.tables import Source
    from toolkit.pipeline.tombstones import Tombstones


def forget_repairs(lake: Path, source: Source, left: Set[str], dead: Tombstones) -> None:
    """Blank the repairs of a source that are forgotten.

    ``left`` are the ids that it still has in bronze and in quarantine. A repair that landed is
    forgotten when a request named it and it is not among them; one that has not landed yet, when
    its bytes or its licence are what must not enter again.
    """
    landed, barred = landed_repairs(lake, source.id), dead.forgotten()
    removed = {*dead.ids, *(name for ids in dead.licenses.values() for name in ids)} - left
    for path in repair_files(lake, source.id):
        old, kept = path.read_bytes().splitlines(), []
        for line, entry in zip(old, read_repairs(path), strict=True):
            names = names_of(entry)
            gone = path in landed and not names.isdisjoint(removed) and names.isdisjoint(left)
            if gone or any(barred.covers(name, _license(entry["raw"], source)) for name in names):
                del entry["raw"]
                line = json.dumps({**entry, "forgotten": min(names)}, separators=(",", ":")).encode()
            kept.append(line)
        if kept != old:
            write_atomic(path, b"".join(line + b"\n" for line in kept))


def _license(raw: bytes, source: Source) -> str | None:
    """The licence under which some bytes would enter as a record of a source."""
    from toolkit.ingest import Door
    from toolkit.ingest.validate import diagnose, parse

    line = on_one_line(raw)
    value = parse(line) or diagnose(line)
    door = Door(source.id, source.type, source.rank, source.license, source.consent, source.pii, "", "")
    return door.license_of(value) if isinstance(value, dict) else source.license
