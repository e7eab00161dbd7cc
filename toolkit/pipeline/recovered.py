"""What was recovered: quarantined lines whose repaired form came through all stages.

What they repair stays in quarantine; the books say that it was recovered.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.pipeline.repairs import FOLDER, FORMAT, Entry, names_of, read_repairs
from toolkit.storage import Group, Ledger, PartManifest, read_shard, shard_path


def recovered(
    lake: Path, files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]
) -> dict[str, dict[str, Group]]:
    """The quarantined lines of a source whose repaired form came through, by stage and reason.

    ``files`` are the source's as the root manifest lists them, ``manifests`` those of its parts.
    A line is known by its place: the same bytes at two places are two. Raises ToolkitError for a
    file of repairs that is not in the lake's folder of them.
    """
    rows: set[tuple[str, str, str, str, int, int, int]] = set()
    for manifest in manifests:
        file = files[manifest.facts["pieces"][0]["file"]]
        if file["format"] == FORMAT:
            part = manifest.task.removeprefix("ingest ")
            for entry in _through(lake, part, read_repairs(_inside(lake, file["name"]))):
                place = (entry["origin"][key] for key in ("path", "line", "offset", "length"))
                rows.add((entry["stage"], entry["reason"], entry["sha256"], *place))
    found: dict[str, dict[str, Group]] = defaultdict(dict)
    for stage, reason, sha, *_, size in sorted(rows):
        found[stage][reason] = found[stage].get(reason, Group()) + Group.of([sha], [size])
    return found


def _inside(lake: Path, name: str) -> Path:
    path, folder = lake / name, lake / FOLDER
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ToolkitError(f"{lake} names the repairs {name!r}, which are not in {folder}.")
    return path


def with_recovered(
    lake: Path,
    ledgers: Sequence[Ledger],
    listing: Sequence[Mapping[str, Any]],
    manifests: Mapping[str, Sequence[PartManifest]],
) -> list[Ledger]:
    """The books with what was repaired since it was quarantined."""
    by_source = [recovered(lake, source["files"], manifests[source["id"]]) for source in listing]
    return [sum((_memo(ledger, found) for found in by_source), ledger) for ledger in ledgers]


def _memo(ledger: Ledger, found: Mapping[str, Mapping[str, Group]]) -> Ledger:
    return Ledger(ledger.stage, ledger.unit, recovered=found.get(ledger.stage, {}))


def _through(lake: Path, part: str, entries: Sequence[Entry]) -> Iterator[Entry]:
    """The repairs that are in bronze and that no later stage quarantined again."""
    lines = read_shard(shard_path((lake / "bronze" / part).parent, Path(part).name))
    ids = {line[14:78].decode() for line in lines}  # a bronze line begins {"record_id":"<64 hex digits>
    again = lake / "quarantine" / "records" / f"{part}.jsonl"
    if again.exists():
        ids -= {json.loads(line)["sha256"] for line in again.read_bytes().splitlines()}
    yield from (entry for entry in entries if ids & names_of(entry))
