"""What a report tells, read from a finished lake's own files.

The root manifest gives the counts, Parquet is read a batch and a few columns at a time, and text
is fetched only for the handful of records that are shown: from bronze, by the origin that the
evidence names. Memory is that of one batch, one length histogram a regime (at most one number a
context length), four bytes a silver record, and one id a duplicate cluster.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from toolkit.pipeline.deliveries import grown_from
from toolkit.pipeline.report.door import door
from toolkit.pipeline.report.lake import EXCERPT, Excerpt, Lake, evidence
from toolkit.pipeline.report.lengths import Counted
from toolkit.pipeline.report.removals import SAMPLES, Clusters, Leaks, Removals
from toolkit.pipeline.report.texts import add_texts

_PARTS = 64
_QUARANTINE_BYTES = 64 << 20
_HEAD_BYTES = 64 << 10
_RAW = b',"raw":"'


def collect(root: Path) -> dict[str, Any]:
    """Everything the template shows, as plain data; texts are cut to ``EXCERPT`` characters."""
    lake = Lake.read(root)
    removals, leaks, clusters = Removals(), Leaks(lake), Clusters()
    for stage, table in evidence(lake):
        for reader in (removals, leaks, clusters):
            reader.add(stage, table)
    found = clusters.largest(lake)
    samples = [sample for kept in removals.samples.values() for sample in kept]
    add_texts(lake, [*samples, *(m for cluster in found for m in (cluster, *cluster["members"]))])
    return {
        "name": root.resolve().name,
        "manifest": lake.manifest,
        "spec": lake.spec,
        "funnel": (stages := funnel(lake)),
        "totals": totals(lake, stages),
        "sources": sources(lake),
        "door": door(lake),
        "quarantine": quarantine(lake),
        "removals": removals.rows(lake),
        "leaks": leaks.rows(),
        "clusters": found,
        "cluster_sizes": clusters.sizes(),
        "gold": gold(lake),
        "time": time_taken(lake),
    }


def funnel(lake: Lake) -> list[dict[str, Any]]:
    """One row a stage: records and size in and out, what was set aside, and whether it balances."""
    rows = []
    for book in lake.manifest["ledgers"]:
        aside, gone = (list(book[name].values()) for name in ("quarantined", "removed"))
        row = {"stage": book["stage"], "unit": book["unit"], "in": book["in"], "out": book["out"]}
        for name, groups in (("quarantined", aside), ("removed", gone)):
            row[name] = sum(group["records"] for group in groups)
            row[f"{name}_size"] = sum(group["size"] for group in groups)
        sums = [row["out"]["records"] + row["quarantined"] + row["removed"]]
        sums.append(row["out"]["size"] + row["quarantined_size"] + row["removed_size"])
        row["balanced"] = sums == [row["in"]["records"], row["in"]["size"]]
        rows.append(row)
    return rows


def totals(lake: Lake, stages: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The whole run: records in, in gold, quarantined and removed; raw bytes; gold tokens."""
    files = [file for source in lake.manifest["sources"] for file in source["files"]]
    return {
        "records_in": stages[0]["in"]["records"],
        "records_out": stages[-1]["out"]["records"],
        "quarantined": sum(row["quarantined"] for row in stages),
        "removed": sum(row["removed"] for row in stages),
        "bytes": sum(file["size"] - file["start"] for file in files),
        "tokens": stages[-1]["out"]["size"],
    }


def sources(lake: Lake) -> list[dict[str, Any]]:
    """One row a source, in the order of the manifest: files, rights, and what became of its records."""
    rows = {"silver": _rows_by_source(lake, "silver")}
    aside = _rows_by_source(lake, "quarantine/ingest") + _rows_by_source(lake, "quarantine/records")
    lost = {stage: _rows_by_source(lake, f"evidence/{stage}") for stage in ("dedup", "packing")}
    declared = {source.id: source for source in lake.spec.source}
    made = []
    for item in lake.manifest["sources"]:
        name, files = item["id"], item["files"]
        entered, silver = _entered(lake, name), rows["silver"][name]
        before, gold_rows = silver + lost["dedup"][name], silver - lost["packing"][name]
        made.append(
            {"id": name, "declared": declared.get(name), "files": files, "in": entered, "silver": silver}
            | {"size": sum(file["size"] - file["start"] for file in files), "lines": _lines(files)}
            | {"again": [file for file in files if file["same_as"] is not None]}
            | {"quarantined": aside[name], "gold": gold_rows}
            | {"removed": entered - aside[name] - gold_rows, "dedup": lost["dedup"][name]}
            | {"dedup_share": lost["dedup"][name] / before if before else 0.0}
            | _estimates(lake, name)
        )
    return made


def quarantine(lake: Lake) -> list[dict[str, Any]]:
    """One row a stage and reason, most records first, each with up to ``SAMPLES`` quarantined lines."""
    rows = [
        {"stage": book["stage"], "reason": reason, **group, "samples": []}
        for book in lake.manifest["ledgers"]
        for reason, group in book["quarantined"].items()
    ]
    wanted = {(row["stage"], row["reason"]): row for row in rows}
    budget = _QUARANTINE_BYTES
    for file in lake.files("quarantine"):
        if budget <= 0 or all(len(row["samples"]) >= min(SAMPLES, row["records"]) for row in rows):
            break
        for head, raw in _quarantined(lake.root / file["path"], budget):
            row = wanted.get((head["stage"], head["reason"]))
            if row is not None and len(row["samples"]) < SAMPLES:
                size = head["origin"]["length"]
                row["samples"].append({**head, "excerpt": _raw_excerpt(raw, size)})
        budget -= file["size"]
    return sorted(rows, key=lambda row: (-row["records"], row["stage"], row["reason"]))


def gold(lake: Lake) -> list[dict[str, Any]]:
    """One row a regime that has gold: rows, documents, tokens, trained share, pack fill and lengths."""
    made = []
    for regime in ("sft", "preference", "rl"):
        files = lake.files("gold", regime)
        if not files:
            continue
        step = -(-len(files) // _PARTS)
        counted = Counted()
        for file in files[::step]:
            counted.add(regime, lake.root / file["path"])
        facts = [g for g in lake.manifest["gold"] if g["task"].split()[1] == regime]
        row = {"regime": regime, "rows": sum(f["rows"] for f in files), "parts": len(files)}
        row |= {
            "documents": sum(fact["group"]["records"] for fact in facts),
            "parts_read": len(files[::step]),
            "trained_share": _trained(facts) if regime != "rl" else None,
        }
        made.append(row | {"size": sum(f["size"] for f in files)} | counted.result(regime))
    return made


def _trained(parts: Sequence[Mapping[str, Any]]) -> float | None:
    tokens = sum(part["tokens"] for part in parts)
    return sum(part["trained"] for part in parts) / tokens if tokens else None


def time_taken(lake: Lake) -> dict[str, Any]:
    """Seconds and memory a stage, and which stage took longest."""
    stages = [{"stage": name, **t} for name, t in lake.timings.items() if name != "total"]
    total = lake.timings.get("total", {}).get("seconds") or sum(row["seconds"] for row in stages)
    for row in stages:
        row["share"] = row["seconds"] / total if total else 0.0
    return {
        "stages": stages,
        "total": total,
        "slowest": max(stages, key=lambda row: row["seconds"], default=None),
        "peak_mb": max((row["peak_mb"] for row in stages), default=None),
        "skipped": sum(row["done_before"] for row in stages),
        "tasks": sum(row["tasks"] for row in stages),
    }


def _rows_by_source(lake: Lake, folder: str) -> Counter[str]:
    rows: Counter[str] = Counter()
    for file in lake.files(folder):
        rows[file["path"].split("/")[-2]] += file["rows"]
    return rows


def _entered(lake: Lake, name: str) -> int:
    """Records that came in, files delivered again included: as often as they were delivered."""
    came = lake.manifest["rates"]["sources"][name]
    return came["records"] + came["forgotten"] + came["again"]


def _lines(files: Sequence[Mapping[str, Any]]) -> int:
    """Lines that were delivered: those of a file that grew count once."""
    grown = (files[place]["lines"] for place in grown_from(files) if place is not None)
    return sum(file["lines"] for file in files) - sum(grown)


def _estimates(lake: Lake, name: str) -> dict[str, int]:
    """Estimated tokens of a source's silver, and their median a record."""
    columns = [np.zeros(0, np.int32)]
    for file in lake.files("silver", name):
        with pq.ParquetFile(lake.root / file["path"], memory_map=True) as parquet:
            columns.append(parquet.read(["token_estimate"], use_threads=False)[0].to_numpy())
    values = np.concatenate(columns)
    return {"tokens": int(values.sum()), "median": int(np.median(values)) if len(values) else 0}


def _quarantined(path: Path, budget: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(fields before ``raw``, first raw bytes) of the lines that begin in the first ``budget`` bytes.

    A line is never held whole: it may be as long as a reject can be.
    """
    with path.open("rb") as file:
        while file.tell() < budget and (start := file.readline(_HEAD_BYTES)):
            rest = start
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_HEAD_BYTES)
            cut = start.find(_RAW)
            if cut > 0:
                coded = start[cut + len(_RAW) :].partition(b'"')[0][: 8 * EXCERPT]
                yield json.loads(start[:cut] + b"}"), base64.b64decode(coded[: len(coded) // 4 * 4])


def _raw_excerpt(raw: bytes, size: int) -> Excerpt:
    text = raw.decode("utf-8", "backslashreplace")[:EXCERPT]
    return Excerpt(text, max(0, size - len(text.encode())))
