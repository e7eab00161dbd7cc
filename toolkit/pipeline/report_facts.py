"""What a report tells, read from a finished lake's own files.

The root manifest gives the counts, Parquet is read a batch and a few columns at a time, and text
is fetched only for the handful of records that are shown: from bronze, by the origin that the
evidence names. Memory is that of one batch, one length histogram a regime (at most one number a
context length), four bytes a silver record, and one id a duplicate cluster.
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import RequestError
from toolkit.ingest import payload_of
from toolkit.pipeline.spec import Spec
from toolkit.pipeline.spec_reader import load_spec
from toolkit.records import SchemaError, canonical, compared_text, decode_payload
from toolkit.storage import read_json

EXCERPT = 200
SAMPLES = 3
CLUSTERS = 10
_MEMBERS = 3
_PARTS = 64
_QUARANTINE_BYTES = 64 << 20
_HEAD_BYTES = 64 << 10
_RAW = b',"raw":"'
_ID = slice(14, 78)  # a bronze line begins {"record_id":"<64 hex digits>
_CLUSTER = ["kept_id", "kept_source", "regime"]
_SIZES = ((1, 1, "2"), (2, 2, "3"), (3, 4, "4 to 5"), (5, 9, "6 to 10"), (10, 99, "11 to 100"))


class Place(NamedTuple):
    """Where a record's bytes came from, and its id."""

    source: str
    path: str
    offset: int
    id: str


class Excerpt(NamedTuple):
    """The beginning of a text, and how many characters are not shown."""

    text: str
    more: int


@dataclass(frozen=True)
class Lake:
    """A finished lake as its small files describe it."""

    root: Path
    manifest: Mapping[str, Any]
    spec: Spec
    timings: Mapping[str, Mapping[str, float]]
    parts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, root: Path) -> Lake:
        """Read the manifests; RequestError when the folder is not a finished lake."""
        if not (root / "MANIFEST.json").exists():
            what = "is unfinished: run its spec again" if (root / "spec.toml").exists() else "is not a lake"
            raise RequestError(f"{root} {what} (no MANIFEST.json).")
        manifest = read_json(root / "MANIFEST.json")
        timings = root / "timings.json"
        paths = [f["path"] for f in manifest["files"] if f["path"].startswith("bronze/")]
        parts = {p: read_json(root / p) for p in paths if p.endswith(".manifest.json")}
        known = read_json(timings) if timings.exists() else {}
        return cls(root, manifest, load_spec(root / "spec.toml"), known, parts)

    def files(self, *folder: str) -> list[Mapping[str, Any]]:
        """The data files that the manifest names under a folder."""
        start = "/".join(folder) + "/"
        listed = (f for f in self.manifest["files"] if f["path"].startswith(start))
        return [f for f in listed if not f["path"].endswith(".manifest.json")]


def collect(root: Path) -> dict[str, Any]:
    """Everything the template shows, as plain data; texts are cut to ``EXCERPT`` characters."""
    lake = Lake.read(root)
    removals, leaks, clusters = _Removals(), _Leaks(lake), _Clusters()
    for stage, table in _evidence(lake):
        for reader in (removals, leaks, clusters):
            reader.add(stage, table)
    found = clusters.largest(lake)
    samples = [sample for kept in removals.samples.values() for sample in kept]
    _add_texts(lake, [*samples, *(m for cluster in found for m in (cluster, *cluster["members"]))])
    return {
        "name": root.resolve().name,
        "manifest": lake.manifest,
        "spec": lake.spec,
        "funnel": (stages := funnel(lake)),
        "totals": totals(lake, stages),
        "sources": sources(lake),
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
        "bytes": sum(file["size"] for file in files),
        "tokens": stages[-1]["out"]["size"],
    }


def sources(lake: Lake) -> list[dict[str, Any]]:
    """One row a source, in the order of the manifest: files, rights, and what became of its records."""
    rows = {name: _rows_by_source(lake, name) for name in ("silver", "bronze")}
    aside = _rows_by_source(lake, "quarantine/ingest") + _rows_by_source(lake, "quarantine/records")
    lost = {stage: _rows_by_source(lake, f"evidence/{stage}") for stage in ("dedup", "packing")}
    declared = {source.id: source for source in lake.spec.source}
    made = []
    for item in lake.manifest["sources"]:
        name, files = item["id"], item["files"]
        entered, silver = _entered(lake, name, files), rows["silver"][name]
        before, gold_rows = silver + lost["dedup"][name], silver - lost["packing"][name]
        made.append(
            {"id": name, "declared": declared.get(name), "files": files, "in": entered, "silver": silver}
            | {"size": sum(file["size"] for file in files), "lines": sum(file["lines"] for file in files)}
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
        counted = _Counted()
        for file in files[::step]:
            counted.add(regime, lake.root / file["path"])
        facts = [g for g in lake.manifest["gold"] if g["task"].split()[1] == regime]
        row = {"regime": regime, "rows": sum(f["rows"] for f in files), "parts": len(files)}
        row |= {"documents": sum(fact["documents"] for fact in facts), "parts_read": len(files[::step])}
        made.append(row | {"size": sum(f["size"] for f in files)} | counted.result(regime))
    return made


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


def quantiles(counts: np.ndarray) -> dict[str, int]:
    """Median, 90th and 99th percentile and maximum of values given as ``counts[value]``."""
    below = np.cumsum(counts)
    at = {
        name: max(1, int(np.ceil(q * below[-1]))) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }
    last = len(counts) - 1
    found = {name: min(last, int(np.searchsorted(below, rank))) for name, rank in at.items()}
    return {**found, "max": int(np.flatnonzero(counts).max(initial=0))}


def _rows_by_source(lake: Lake, folder: str) -> Counter[str]:
    rows: Counter[str] = Counter()
    for file in lake.files(folder):
        rows[file["path"].split("/")[-2]] += file["rows"]
    return rows


def _entered(lake: Lake, name: str, files: Sequence[Mapping[str, Any]]) -> int:
    """Records that came in, files delivered again included: as often as they were delivered."""
    by_file: Counter[str] = Counter()
    for path, part in lake.parts.items():
        if path.split("/")[1] == name:
            by_file[part["facts"]["file"]] += part["ledgers"][0]["in"]["records"]
    return sum(by_file[file["same_as"] or file["name"]] for file in files)


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


def _evidence(lake: Lake) -> Iterator[tuple[str, pa.Table]]:
    """(stage, rows) of all evidence, a batch at a time."""
    for file in lake.files("evidence"):
        with pq.ParquetFile(lake.root / file["path"], memory_map=True) as parquet:
            for batch in parquet.iter_batches(batch_size=8192, use_threads=False):
                yield file["path"].split("/")[1], pa.Table.from_batches([batch])


class _Removals:
    """Samples of each method: those measured closest to the threshold, where a mistake would be."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)

    def add(self, stage: str, table: pa.Table) -> None:
        for method in table["method"].unique().to_pylist():
            rows = table.filter(pc.equal(table["method"], method))
            margin = pc.abs(pc.subtract(rows["score"], rows["threshold"])).to_numpy()
            closest = np.argsort(margin, kind="stable")[:SAMPLES]
            kept = self.samples[stage, method] + [
                _removal(r) for r in rows.take(pa.array(closest)).to_pylist()
            ]
            self.samples[stage, method] = sorted(kept, key=lambda s: (s["margin"], s["removed_id"]))[:SAMPLES]

    def rows(self, lake: Lake) -> list[dict[str, Any]]:
        """One row a stage and method, from the books, with its samples."""
        return [
            {"stage": book["stage"], "unit": book["unit"], "method": method, **group}
            | {"samples": self.samples.get((book["stage"], method), [])}
            for book in lake.manifest["ledgers"]
            for method, group in book["removed"].items()
        ]


def _removal(row: dict[str, Any]) -> dict[str, Any]:
    known = row["score"] is not None and row["threshold"] is not None
    row["margin"] = abs(row["score"] - row["threshold"]) if known else float("inf")
    row["detail"] = _shown_detail(json.loads(row["detail"])) if row["detail"] else ""
    row["place"] = _place(row, "removed")
    row["kept_place"] = _place(row, "kept") if row["kept_id"] else None
    return row


def _shown_detail(detail: Mapping[str, Any]) -> str:
    if hits := detail.get("hits"):
        return f'{hits[0]["set"]} item {hits[0]["item"]}: "{hits[0]["span"][:EXCERPT]}"'
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in detail.items())


def _place(row: Mapping[str, Any], who: str) -> Place:
    origin = row[f"{who}_origin"]
    return Place(row[f"{who}_source"], origin["path"], origin["offset"], row[f"{who}_id"])


class _Leaks:
    """What decontamination found, by evaluation set."""

    def __init__(self, lake: Lake) -> None:
        self.sets = {s.id: _leak_row(s.id) for s in lake.spec.decontaminate.set}
        items = lake.root / "eval_items.parquet"
        if self.sets and items.exists():
            with pq.ParquetFile(items, memory_map=True) as parquet:
                table = parquet.read(["set", "item"], use_threads=False)
            for pair in table.group_by("set").aggregate([("item", "count_distinct")]).to_pylist():
                self._row(pair["set"])["items"] = pair["item_count_distinct"]

    def _row(self, name: str) -> dict[str, Any]:
        return self.sets.setdefault(name, _leak_row(name))

    def add(self, stage: str, table: pa.Table) -> None:
        if stage != "decontaminate":
            return
        for source, identity, detail in zip(
            *(table[name].to_pylist() for name in ("removed_source", "removed_id", "detail")), strict=True
        ):
            hits = json.loads(detail)["hits"]
            for name in {hit["set"] for hit in hits}:
                self._row(name)["records"] += 1
            for hit in hits:
                row = self._row(hit["set"])
                row["hit"].add(hit["item"])
                row["spans"].append({**hit, "source": source, "id": identity, "excerpt": _cut(hit["span"])})
                row["spans"] = _longest(row["spans"])

    def rows(self) -> list[dict[str, Any]]:
        """One row a set: its items, how many were found in training data, and the longest spans."""
        return [{**row, "hit": len(row["hit"])} for row in self.sets.values()]


def _leak_row(name: str) -> dict[str, Any]:
    return {"set": name, "items": None, "records": 0, "hit": set(), "spans": []}


def _longest(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ``SAMPLES`` longest spans, one an item."""
    ordered = sorted(spans, key=lambda hit: (-hit["words"], hit["item"], hit["source"], hit["id"]))
    return list({hit["item"]: hit for hit in reversed(ordered)}.values())[::-1][:SAMPLES]


class _Clusters:
    """Kept records, and how many duplicates each of them stands for."""

    def __init__(self) -> None:
        self.table = pa.table({name: pa.array([], pa.string()) for name in _CLUSTER}).append_column(
            "removed", pa.array([], pa.int64())
        )

    def add(self, stage: str, table: pa.Table) -> None:
        if stage == "dedup":
            counted = table.group_by(_CLUSTER).aggregate([("removed_id", "count")])
            counted = counted.rename_columns([*_CLUSTER, "removed"])
            both = pa.concat_tables([self.table, counted.select(self.table.column_names)])
            summed = both.group_by(_CLUSTER).aggregate([("removed", "sum")])
            self.table = summed.rename_columns([*_CLUSTER, "removed"])

    def sizes(self) -> list[tuple[str, int]]:
        """(records in the cluster, clusters): how duplicates group."""
        removed = self.table["removed"].to_numpy()
        rows = [(name, int(((removed >= low) & (removed <= high)).sum())) for low, high, name in _SIZES]
        rows.append(("over 100", int((removed >= 100).sum())))
        return [row for row in rows if row[1]]

    def largest(self, lake: Lake) -> list[dict[str, Any]]:
        """The ``CLUSTERS`` largest, each with up to three of the records it removed."""
        order = [("removed", "descending"), ("kept_id", "ascending"), ("regime", "ascending")]
        top = self.table.sort_by(order).slice(0, CLUSTERS).to_pylist()
        by_key = {tuple(row[name] for name in _CLUSTER): {**row, "members": []} for row in top}
        ids = pa.array([row["kept_id"] for row in top], pa.string())
        for stage, table in _evidence(lake) if top else ():
            if stage == "dedup":
                for row in table.filter(pc.is_in(table["kept_id"], ids)).to_pylist():
                    cluster = by_key.get(tuple(row[name] for name in _CLUSTER))
                    if cluster is not None:
                        cluster["place"] = _place(row, "kept")
                        cluster["members"] = _different([*cluster["members"], _removal(row)])
        return list(by_key.values())


def _different(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The least similar members: they show how far a cluster reaches."""
    return sorted(members, key=lambda row: (row["score"], row["removed_id"]))[:_MEMBERS]


class _Counted:
    """Tokens of a regime's gold, by length of document and of row."""

    def __init__(self) -> None:
        self.documents, self.rows = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.trained, self.context = 0, 0

    def add(self, regime: str, path: Path) -> None:
        columns = {
            "sft": ["loss_mask", "seq_lens"],
            "preference": ["chosen_loss_mask", "rejected_loss_mask"],
            "rl": ["input_ids"],
        }[regime]
        with pq.ParquetFile(path, memory_map=True) as parquet:
            metadata = parquet.schema_arrow.metadata or {}
            self.context = int(metadata.get(b"context", b"0"))
            for batch in parquet.iter_batches(batch_size=1024, columns=columns, use_threads=False):
                self._batch(regime, batch)

    def _batch(self, regime: str, batch: pa.RecordBatch) -> None:
        masks = [batch[name] for name in batch.schema.names if name.endswith("loss_mask")]
        self.trained += sum(pc.sum(mask.flatten()).as_py() or 0 for mask in masks)
        if regime == "sft":
            self.rows = _add_counts(self.rows, pc.list_value_length(batch["loss_mask"]))
            self.documents = _add_counts(self.documents, batch["seq_lens"].flatten())
        else:
            for column in batch.columns:
                self.documents = _add_counts(self.documents, pc.list_value_length(column))

    def result(self, regime: str) -> dict[str, Any]:
        """Tokens, trained share (None for rl), pack fill (None when not packed), and lengths."""
        tokens = int((self.documents * np.arange(len(self.documents))).sum())
        packs, packed = int(self.rows.sum()), regime == "sft"
        room = packs * self.context
        fills = np.repeat(np.arange(len(self.rows)), self.rows) / self.context if room else np.zeros(0)
        return {
            "tokens": tokens,
            "context": self.context,
            "trained_share": self.trained / tokens if tokens and regime != "rl" else None,
            "fill": tokens / room if packed and room else None,
            "fills": np.histogram(fills, bins=20, range=(0, 1))[0].tolist() if packed else None,
            "lengths": self.documents,
            **quantiles(self.documents),
        }


def _add_counts(counts: np.ndarray, lengths: pa.Array) -> np.ndarray:
    more = np.bincount(lengths.to_numpy(zero_copy_only=False), minlength=len(counts))
    more[: len(counts)] += counts
    return more


def _add_texts(lake: Lake, rows: Iterable[dict[str, Any]]) -> None:
    """Put an excerpt beside every place: ``excerpt`` and, where a record was kept, ``kept_excerpt``."""
    rows = list(rows)
    places = {row[name] for row in rows for name in ("place", "kept_place") if row.get(name)}
    texts = _texts(lake, places)
    for row in rows:
        row["excerpt"] = texts.get(row["place"])
        row["kept_excerpt"] = texts.get(row.get("kept_place"))


def _texts(lake: Lake, places: set[Place]) -> dict[Place, Excerpt]:
    """The compared text of each record that bronze still holds, every shard read at most once."""
    by_shard: dict[str, dict[bytes, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place in sorted(places):
        if (shard := _shard_of(lake, place)) is not None:
            by_shard[shard][place.id.encode()].append(place)
    declared = {source.id: source for source in lake.spec.source}
    found = {}
    for shard, wanted in by_shard.items():
        source = declared.get(shard.split("/")[1])
        regime, mapping = (source.regime, source.map) if source else ("auto", {})
        for identity, line in _bronze(lake.root / shard, set(wanted)):
            text = _cut(_text_of(line, regime, mapping))
            found |= dict.fromkeys(wanted[identity], text)
    return found


def _shard_of(lake: Lake, place: Place) -> str | None:
    for path, part in lake.parts.items():
        start, stop, _ = part["facts"]["span"]
        inside = part["facts"]["file"] == place.path and start <= place.offset < stop
        if inside and path.split("/")[1] == place.source:
            return path.removesuffix(".manifest.json") + ".jsonl.zst"
    return None


def _bronze(path: Path, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(id, line) of the wanted records of a shard; stops at the last of them."""
    with pa.input_stream(str(path), compression="zstd") as stream:
        for line in io.BufferedReader(stream, 1 << 20):
            if line[_ID] in wanted:
                wanted.discard(line[_ID])
                yield line[_ID], line.rstrip(b"\n")
                if not wanted:
                    return


def _text_of(line: bytes, regime: str, mapping: Mapping[str, Sequence[str]]) -> str:
    payload = payload_of(line)[1]
    try:
        return compared_text(canonical(decode_payload(payload), regime, mapping))
    except (SchemaError, msgspec.MsgspecError):
        return payload.decode("utf-8", "backslashreplace")


def _cut(text: str) -> Excerpt:
    return Excerpt(text[:EXCERPT], max(0, len(text) - EXCERPT))
