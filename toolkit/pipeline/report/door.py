"""What came in at the door: rates and speed by source, files and deliveries, and what was unusual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.pipeline.rates import COLUMNS
from toolkit.pipeline.report.lake import Lake

SHARDS = 20  # shown of a source: those with the largest share of rejects
DELIVERIES = 20  # shown of a source: the last


def door(lake: Lake) -> dict[str, Any]:
    """The alarms, and one row a source in the order of the manifest."""
    rates, took = lake.manifest["rates"], lake.timings.get("ingest", {})
    rows = []
    for source in lake.manifest["sources"]:
        name, files = source["id"], source["files"]
        row = {"id": name, **rates["sources"][name], "speed": _speed(took.get("sources", {}).get(name))}
        row |= {"forms": _forms(files), "deliveries": deliveries(files)}
        rows.append(row | _shards(name, rates["shards"][name], took.get("parts", {})))
    alarms = lake.manifest["alarms"]
    renames = [alarm for alarm in alarms if alarm["rate"] == "suspected rename"]
    shown = {"most_shards": SHARDS, "most_deliveries": DELIVERIES}
    return {"alarms": alarms, "renames": renames, "sources": rows, "partial": _partial(rows), **shown}


def deliveries(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a delivery: its files, what is new in them, and which of them grew, changed or came again."""
    rows: dict[int, dict[str, Any]] = {}
    seen: set[str] = set()
    for file in files:
        empty = {
            "number": file["delivery"],
            "files": 0,
            "new_bytes": 0,
            "grown": [],
            "corrected": [],
            "again": [],
        }
        row = rows.setdefault(file["delivery"], empty)
        row["files"] += 1
        row["new_bytes"] += 0 if file["same_as"] is not None else file["size"] - file["start"]
        kind = _kind(file, seen)
        if kind is not None:
            row[kind].append(file)
        seen.add(file["name"])
    return list(rows.values())


def _kind(file: Mapping[str, Any], seen: set[str]) -> str | None:
    if file["same_as"] is not None:
        return "again"
    if file["start"]:
        return "grown"
    return "corrected" if file["name"] in seen else None


def _forms(files: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """(format and codec, files), most first."""
    counts = Counter(
        f"{file['format']}, {file['codec']}" if file["codec"] else file["format"] for file in files
    )
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _speed(took: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Records and bytes a second of work; None for what was not read in the run that was timed."""
    if not took or not took["seconds"]:
        return None
    return {
        **took,
        "records_s": took["records"] / took["seconds"],
        "bytes_s": took["bytes"] / took["seconds"],
    }


def _shards(name: str, rows: Sequence[Sequence[Any]], parts: Mapping[str, Any]) -> dict[str, Any]:
    shards = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    for shard in shards:
        shard["rejected"] = shard["records"] - shard["accepted"]
        shard["share"] = shard["rejected"] / shard["records"] if shard["records"] else 0.0
        shard["speed"] = _speed(parts.get(f"{name}/{shard['part']}"))
    worst = sorted(shards, key=lambda shard: -shard["share"])[:SHARDS]
    return {
        "shards": sorted(worst, key=lambda shard: shard["part"]),
        "read": sum(s["speed"] is not None for s in shards),
    }


def _partial(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether some parts were finished before the run whose times are known."""
    return any(row["read"] < row["parts"] for row in rows)
