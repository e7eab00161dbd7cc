"""Bronze without what was forgotten: parts are filtered in place, their books moved, nothing re-read.

What a filtered part holds is, byte for byte, what ingest would write from the raw file with the
same tombstones, so a later run finds it finished.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from toolkit.errors import ToolkitError
from toolkit.ingest import Forgotten, Frames, judge, payload_of
from toolkit.ingest.declared import declared_ids
from toolkit.ingest.shapes import Shapes, shape_facts
from toolkit.pipeline.forgotten_repairs import forget_repairs
from toolkit.pipeline.repairs import FOLDER as REPAIRS
from toolkit.pipeline.repairs import repair_files
from toolkit.pipeline.spec.tables import Ingest, Source, Spec
from toolkit.pipeline.stages.bronze_part import Content, ids_array, write_bronze
from toolkit.pipeline.tombstones import Tombstones
from toolkit.storage import Group, Ledger, PartManifest, part_of, read_shard, shard_path, shards

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
    return [f"{source}/{part_of(path)}" for path in shards(lake / "bronze" / source)]


def bronze_lines(lake: Path, part: str) -> Iterable[Line]:
    """(record id, licence, payload bytes, line) of a part's bronze lines."""
    for line in read_shard(shard_path(lake / "bronze" / Path(part).parent, Path(part).name)):
        facts = msgspec.json.decode(payload_of(line)[0])
        yield facts["record_id"], facts["license"], facts["origin"]["length"], line + b"\n"


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
        REPAIRS,
        *(f"{a}/{b}" for a in ("quarantine", "evidence") for b in _stages(lake, a)),
    ):
        for source in dead.sources:
            if (lake / layer / source).exists():
                shutil.rmtree(lake / layer / source)
    for source in spec.source:
        if source.id not in dead.sources:
            for part in bronze_parts(lake, source.id):
                _filter(lake, part, source, dead.forgotten(), spec.ingest)
            if repair_files(lake, source.id):
                forget_repairs(lake, source, _left(lake, source), dead)
    Tombstones(dead.sources, dead.licenses, dead.ids).write(lake)


def _left(lake: Path, source: Source) -> set[str]:
    """The ids of the lines of a source, in bronze and in quarantine."""
    left = set()
    for part in bronze_parts(lake, source.id):
        left |= {line[0] for line in bronze_lines(lake, part)}
        left |= {line[0] for line in quarantined_lines(lake, part, source.license)}
    return left


def _stages(lake: Path, layer: str) -> list[str]:
    return [path.name for path in (lake / layer).glob("*") if path.is_dir()]


def _filter(lake: Path, part: str, source: Source, forgotten: Forgotten, settings: Ingest) -> None:
    path = lake / "bronze" / f"{part}.manifest.json"
    manifest = PartManifest.read(path)
    if manifest is None:  # an ingest was killed here: the run that follows makes the part anew
        return
    kept, gone = _split(bronze_lines(lake, part), forgotten)
    aside, gone_aside = _split(quarantined_lines(lake, part, source.license), forgotten)
    whole = PartManifest.fresh(lake, path, manifest.key) is not None
    if whole and not gone and not gone_aside:
        return
    ledger = _moved(manifest.ledgers[0], kept, aside)
    bronze, quarantine = (b"".join(line[3] for line in lines) for lines in (kept, aside))
    ids = ids_array([line[0] for line in kept])
    if source.declared_id is not None:
        payloads = (payload_of(line[3][:-1])[1] for line in kept)
        ids = np.hstack([ids, declared_ids(payloads, source.id, source.declared_id)])
    content = Content(bronze, ids, quarantine)
    facts = {**manifest.facts, **_told([line[3] for line in kept])}
    write_bronze(lake, part, manifest.key, content, ledger, facts, settings)


def _told(lines: Sequence[bytes]) -> dict[str, Any]:
    """What a manifest tells of the records that are left, as ingest would have found it."""
    shapes, total = Shapes(), 0
    split = [payload_of(line[:-1]) for line in lines]
    origins = [msgspec.json.decode(head)["origin"] for head, _ in split]
    for name, group in itertools.groupby(zip(origins, split, strict=True), lambda item: item[0]["path"]):
        places, payloads = zip(*((origin["line"], payload) for origin, (_, payload) in group), strict=True)
        stop = np.cumsum([len(payload) for payload in payloads])
        start = np.append(0, stop[:-1])
        data = np.frombuffer(b"".join(payloads), np.uint8)
        frames = Frames(data, start, stop, np.array(places, np.int64), start, stop - start)
        shapes.add(name, frames, judge(frames, len(data)), np.arange(len(frames)))
        total += len(data)
    return {**shape_facts([shapes]), "payload_bytes": total}


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
