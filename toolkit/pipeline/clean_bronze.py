"""Bronze without what was forgotten: parts are filtered in place, their books moved, nothing re-read.

What a filtered part holds is, byte for byte, what ingest would write from the raw file with the
same tombstones, so a later run finds it finished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import ToolkitError
from toolkit.ingest import Forgotten, payload_of
from toolkit.pipeline.spec.tables import Spec
from toolkit.pipeline.stages.ingest import write_bronze
from toolkit.pipeline.tombstones import Tombstones
from toolkit.storage import Group, Ledger, PartManifest, read_jsonl_zst

Line = tuple[str, str | None, int, bytes]


def read_bronze(lake: Path, names: Mapping[str, Sequence[str]]) -> dict[str, list[PartManifest]]:
    """The manifests of the named parts (``source/part-00000``), by source; ToolkitError if one is gone."""
    return {source: [_manifest(lake, part) for part in parts] for source, parts in names.items()}


def _manifest(lake: Path, part: str) -> PartManifest:
    path = lake / "bronze" / f"{part}.manifest.json"
    manifest = PartManifest.read(path)
    if manifest is None:
        raise ToolkitError(f"{path} is missing or damaged: run the lake's spec again to make the part anew.")
    return manifest


def bronze_parts(lake: Path, source: str) -> list[str]:
    """Names of a source's parts, in order, finished or not."""
    paths = sorted((lake / "bronze" / source).glob("part-*.jsonl.zst"))
    return [f"{source}/{path.name.removesuffix('.jsonl.zst')}" for path in paths]


def bronze_lines(lake: Path, part: str) -> Iterable[Line]:
    """(record id, licence, payload bytes, line) of a part's bronze lines."""
    for line in read_jsonl_zst(lake / "bronze" / f"{part}.jsonl.zst"):
        head, payload = payload_of(line)
        facts = msgspec.json.decode(head)
        yield facts["record_id"], facts["license"], len(payload), line + b"\n"


def quarantined_lines(lake: Path, part: str, license: str | None) -> Iterable[Line]:
    """The same of what ingest quarantined; a line that is not a record has its source's licence."""
    path = lake / "quarantine" / "ingest" / f"{part}.jsonl"
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        entry = json.loads(line)
        yield entry["sha256"], license, entry["origin"]["length"], line


def apply_tombstones(lake: Path, spec: Spec) -> None:
    """Carry out a request to forget that is not carried out yet."""
    dead = Tombstones.read(lake)
    if dead.applied:
        return
    for layer in (
        "bronze",
        "silver",
        *(f"{a}/{b}" for a in ("quarantine", "evidence") for b in _stages(lake, a)),
    ):
        for source in dead.sources:
            if (lake / layer / source).exists():
                shutil.rmtree(lake / layer / source)
    for source in spec.source:
        if source.id not in dead.sources:
            for part in bronze_parts(lake, source.id):
                _filter(lake, part, source.license, dead.forgotten())
    Tombstones(dead.sources, dead.licenses, dead.ids).write(lake)


def _stages(lake: Path, layer: str) -> list[str]:
    return [path.name for path in (lake / layer).glob("*") if path.is_dir()]


def _filter(lake: Path, part: str, license: str | None, forgotten: Forgotten) -> None:
    path = lake / "bronze" / f"{part}.manifest.json"
    manifest = PartManifest.read(path)
    if manifest is None:  # an ingest was killed here: the run that follows makes the part anew
        return
    kept, gone = _split(bronze_lines(lake, part), forgotten)
    aside, gone_aside = _split(quarantined_lines(lake, part, license), forgotten)
    whole = PartManifest.fresh(lake, path, manifest.key) is not None
    if whole and not gone and not gone_aside:
        return
    ledger = _moved(manifest.ledgers[0], kept, aside)
    bronze, quarantine = (b"".join(line[3] for line in lines) for lines in (kept, aside))
    write_bronze(lake, part, manifest.key, bronze, quarantine, ledger, manifest.facts)


def _split(lines: Iterable[Line], forgotten: Forgotten) -> tuple[list[Line], list[Line]]:
    kept: list[Line] = []
    gone: list[Line] = []
    for line in lines:
        (gone if forgotten.covers(line[0], line[1]) else kept).append(line)
    return kept, gone


def _moved(ledger: Ledger, kept: list[Line], aside: list[Line]) -> Ledger:
    """The part's books: what is in neither file any more was forgotten.

    Worked out from what is left, so that a filter that was killed between its two files comes to
    the same books when it is done again.
    """
    quarantined: dict[str, list[Line]] = {}
    for line in aside:
        quarantined.setdefault(json.loads(line[3])["reason"], []).append(line)
    groups = {reason: _group(lines) for reason, lines in quarantined.items()}
    left = sum(groups.values(), _group(kept))
    removed = {"forgotten": ledger.records_in - left}
    return Ledger(
        "ingest", "bytes", ledger.records_in, _group(kept), groups, removed, ledger.overhead
    ).check()


def _group(lines: list[Line]) -> Group:
    return Group.of([line[0] for line in lines], [line[2] for line in lines])


def listing_without(manifest: Mapping[str, Any], sources: Iterable[str]) -> list[Any]:
    """The root manifest's sources, less some."""
    return [source for source in manifest["sources"] if source["id"] not in set(sources)]
