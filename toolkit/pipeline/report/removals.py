"""What was removed: samples near the threshold, leaks by evaluation set, duplicate clusters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.pipeline.report.lake import EXCERPT, Lake, cut, evidence, place_of
from toolkit.records import NOTED

SAMPLES = 3
CLUSTERS = 10
_MEMBERS = 3
_CLUSTER = ["kept_id", "kept_source", "regime"]
_NO_CLUSTER = pa.table(
    {**{name: pa.array([], pa.string()) for name in _CLUSTER}, "removed": pa.array([], pa.int64())}
)
_SIZES = ((1, 1, "2"), (2, 2, "3"), (3, 4, "4 to 5"), (5, 9, "6 to 10"), (10, 99, "11 to 100"))


class Removals:
    """Samples of each method: those measured closest to the threshold, where a mistake would be."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)

    def add(self, stage: str, table: pa.Table) -> None:
        """Read some rows of a stage's evidence; what was cut is in the books of decontamination."""
        stage = "decontaminate" if stage == "cut" else stage
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
    row["place"] = place_of(row, "removed")
    row["kept_place"] = place_of(row, "kept") if row["kept_id"] else None
    return row


def _shown_detail(detail: Mapping[str, Any]) -> str:
    if set(detail) == {"part"}:
        return f"kept in {detail['part']}"
    if hits := detail.get("hits"):
        return f'{hits[0]["set"]} item {hits[0]["item"]}: "{hits[0]["span"][:EXCERPT]}"'
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in detail.items())


class Leaks:
    """What decontamination found, by evaluation set."""

    def __init__(self, lake: Lake) -> None:
        self.sets = {row["set"]: _leak_row(row["set"], row) for row in lake.manifest["decontamination"]}

    def _row(self, name: str) -> dict[str, Any]:
        return self.sets.setdefault(name, _leak_row(name))

    def add(self, stage: str, table: pa.Table) -> None:
        """Read some rows of a stage's evidence."""
        if stage not in ("decontaminate", *NOTED["decontaminate"]):
            return
        for source, identity, detail in zip(
            *(table[name].to_pylist() for name in ("removed_source", "removed_id", "detail")), strict=True
        ):
            hits = json.loads(detail)["hits"]
            for hit in hits:
                row = self._row(hit["set"])
                row["spans"].append({**hit, "source": source, "id": identity, "excerpt": cut(hit["span"])})
                row["spans"] = _longest(row["spans"])

    def rows(self) -> list[dict[str, Any]]:
        """One row a set: its items, how many were found in training data, and the longest spans."""
        return list(self.sets.values())


def _leak_row(name: str, counts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    known = counts or {"items": None, "records": 0, "found": 0, "not_indexed": 0, "sources": {}}
    return {**known, "set": name, "hit": known["found"], "spans": []}


def _longest(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ``SAMPLES`` longest spans, one an item."""
    ordered = sorted(spans, key=lambda hit: (-hit["words"], hit["item"], hit["source"], hit["id"]))
    return list({hit["item"]: hit for hit in reversed(ordered)}.values())[::-1][:SAMPLES]


class Clusters:
    """Kept records, and how many duplicates each of them stands for."""

    def __init__(self) -> None:
        self.pieces = [_NO_CLUSTER]

    def add(self, stage: str, table: pa.Table) -> None:
        """Read some rows of a stage's evidence."""
        if stage == "dedup":
            counted = table.group_by(_CLUSTER).aggregate([("removed_id", "count")])
            self.pieces.append(counted.rename_columns(_NO_CLUSTER.column_names))

    @cached_property
    def table(self) -> pa.Table:
        """One row a kept record; grouped once, when all evidence was read."""
        summed = pa.concat_tables(self.pieces).group_by(_CLUSTER).aggregate([("removed", "sum")])
        return summed.rename_columns(_NO_CLUSTER.column_names)

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
        for stage, table in evidence(lake) if top else ():
            if stage == "dedup":
                for row in table.filter(pc.is_in(table["kept_id"], ids)).to_pylist():
                    cluster = by_key.get(tuple(row[name] for name in _CLUSTER))
                    if cluster is not None:
                        cluster["place"] = place_of(row, "kept")
                        cluster["members"] = _different([*cluster["members"], _removal(row)])
        return list(by_key.values())


def _different(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The least similar members: they show how far a cluster reaches."""
    return sorted(members, key=lambda row: (row["score"], row["removed_id"]))[:_MEMBERS]
