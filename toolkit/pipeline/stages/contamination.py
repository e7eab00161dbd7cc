"""Records that hold evaluation items: what was found in each, and what becomes of them.

    drop    the record goes, with evidence
    cut     a chat (sft) ends before the exchange that holds the first span: before the user turn at
            or before it. What is left ends with its last assistant turn; its answer and verifier go
            with the turn they check. Where no answered question is left, and for any other record,
            cut is drop.
    flag    the record stays as it is; the evidence is the same

The evidence of what stays lies apart (``evidence/cut``, ``evidence/flagged``), so that what counts as
removed is what is gone. The books of a cut hold no record, only the tokens that were cut.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import dedup
from toolkit.pipeline.stages.books import group
from toolkit.pipeline.stages.canonical_rows import token_estimates
from toolkit.quality import measure
from toolkit.records import CANONICAL, compared_text, every_text, evidence, searched_fields
from toolkit.storage import Group, Ledger


@dataclass(frozen=True)
class Leak:
    """One record's hits: each item once, the longest span first; and the first field that holds one."""

    hits: Sequence[Mapping[str, Any]]
    first: int

    @property
    def detail(self) -> str:
        """The hits as JSON text."""
        return json.dumps({"hits": self.hits}, ensure_ascii=False)


@dataclass
class Treated:
    """The records that stay and their compared texts, the evidence, the books, and the hits by set."""

    table: pa.Table
    compared: pa.Array
    removed: pa.Table
    noted: Mapping[str, pa.Table]
    ledger: Ledger
    leaks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def leaks_of(hits: pa.Table, items: pa.Table, places: Callable[[int], Sequence[str]]) -> dict[int, Leak]:
    """The leaks of each record of ``find_in_fields``; ``places`` gives the places of a record's fields."""
    found: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    first: dict[int, int] = {}
    for hit in hits.to_pylist():
        row, number = hit["row"], hit["item"]
        first[row] = min(hit["field"], first.get(row, hit["field"]))
        if number not in found[row] or hit["words"] > found[row][number]["words"]:
            found[row][number] = hit
    texts = {row["number"]: row for row in _rows_of(items, {n for hit in found.values() for n in hit})}
    leaks = {}
    for row in sorted(found):
        pairs = [(texts[number], hit) for number, hit in found[row].items()]
        leaks[row] = Leak(_told(pairs, places(row)), first[row])
    return leaks


def _rows_of(items: pa.Table, numbers: set[int]) -> list[dict[str, Any]]:
    wanted = pa.array(sorted(numbers), pa.int64())
    columns = items.select(["set", "item", "field"]).take(wanted)
    return columns.append_column("number", wanted).to_pylist()


def _told(pairs: list[tuple[dict[str, Any], dict[str, Any]]], places: Sequence[str]) -> list[dict[str, Any]]:
    told = [
        {
            **{name: text[name] for name in ("set", "item", "field")},
            "at": places[hit["field"]].encode("utf-8", "replace").decode(),
            "tier": hit["tier"],
            "words": hit["words"],
            "coverage": round(hit["coverage"], 4),
            "span": hit["span"],
        }
        for text, hit in pairs
    ]
    return sorted(told, key=lambda hit: (-hit["words"], hit["set"], hit["item"], hit["field"]))


def threshold(leak: Leak, index: dedup.NgramIndex) -> float:
    """The words that the tier of the longest span asks for."""
    least = {"ngram": index.ngram, "short": index.short_ngram, "span": index.short_min, "field": 1}
    return float(least[leak.hits[0]["tier"]])


def counted(leaks: Mapping[int, Leak]) -> dict[str, dict[str, Any]]:
    """By set: the items that were found, ascending, and how many records hold one."""
    items: dict[str, set[int]] = defaultdict(set)
    records: dict[str, int] = defaultdict(int)
    for leak in leaks.values():
        for name in {hit["set"] for hit in leak.hits}:
            records[name] += 1
        for hit in leak.hits:
            items[hit["set"]].add(hit["item"])
    return {name: {"items": sorted(items[name]), "records": records[name]} for name in sorted(items)}


def sets_found(
    items: pa.Table | None, found: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """What the report tells of each evaluation set; ``found`` is (source, ``counted``) of each part.

    ``items`` with a text, how many of their ``texts`` have no word, items ``found`` in training data,
    ``records`` that hold one, and the same two by source.
    """
    if items is None:
        return []
    empty = dedup.is_empty(dedup.bare_words(items["text"]))
    return [_set_found(name, items, empty, found) for name in items["set"].unique().to_pylist()]


def _set_found(
    name: str, table: pa.Table, empty: np.ndarray, found: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    own = pc.equal(table["set"], name)
    hit: dict[str, set[int]] = defaultdict(set)
    records: dict[str, int] = defaultdict(int)
    for source, leaks in found:
        if name in leaks:
            hit[source] |= set(leaks[name]["items"])
            records[source] += leaks[name]["records"]
    return {
        "set": name,
        "items": pc.count_distinct(table["item"].filter(own)).as_py(),
        "texts": pc.sum(own).as_py(),
        "not_indexed": int(empty[own.to_numpy()].sum()),
        "found": len(set().union(*hit.values())),
        "records": sum(records.values()),
        "sources": {name: {"found": len(hit[name]), "records": records[name]} for name in sorted(hit)},
    }


def treat(
    table: pa.Table,
    compared: pa.Array,
    fields: pa.Array,
    policy: str,
    index: dedup.NgramIndex | None,
    items: pa.Table,
) -> Treated:
    """Carry out ``policy`` on the canonical records of ``table`` that hold an item of ``index``."""

    def places(row: int) -> list[str]:
        return [place for place, _ in searched_fields(_row(table, row))]

    leaks = {} if index is None else leaks_of(dedup.find_in_fields(index, fields), items, places)
    left = {row: _cut(_row(table, row), leak.first) for row, leak in leaks.items() if policy == "cut"}
    cuts = {row: record for row, record in left.items() if record is not None}
    gone = [row for row in leaks if policy != "flag" and row not in cuts]
    flagged = list(leaks) if policy == "flag" else []
    after, compared = _with_cuts(table, compared, cuts)
    kept = np.ones(len(table), bool)
    kept[gone] = False
    lost = _tokens(table, list(cuts)) - _tokens(after, list(cuts))
    noted = {
        "cut": _proof(table, leaks, list(cuts), "cut", index, lost),
        "flagged": _proof(table, leaks, flagged, "flagged", index),
    }
    removed = _proof(table, leaks, gone, "contaminated", index)
    rows = pa.array(np.flatnonzero(kept))
    stays = after.take(rows)
    ledger = _ledger(table, stays, removed, int(lost.sum()))
    return Treated(stays, compared.take(rows), removed, noted, ledger, counted(leaks))


def _row(table: pa.Table, row: int) -> dict[str, Any]:
    return table.slice(row, 1).to_pylist()[0]


def _tokens(table: pa.Table, rows: list[int]) -> np.ndarray:
    return table["token_estimate"].to_numpy()[np.array(rows, np.int64)].astype(np.int64)


def _cut(record: dict[str, Any], first: int) -> dict[str, Any] | None:
    """The record before the exchange that holds field ``first``; None if nothing is left."""
    place = searched_fields(record)[first][0]
    messages = cut_messages(record["messages"], place) if record["regime"] == "sft" else None
    return None if messages is None else record | {"messages": messages, "answer": None, "verifier": None}


def cut_messages(messages: Sequence[Mapping[str, Any]] | None, place: str) -> list[dict[str, Any]] | None:
    """A chat up to the exchange that holds ``place``, a path like ``messages[3].content``; None if nothing.

    The exchange begins with the last user turn at or before it; what is left ends with an assistant's.
    """
    if not messages or not place.startswith("messages["):
        return None
    roles = [one.get("role", one.get("from")) for one in messages]
    number = int(place[len("messages[") : place.index("]")])
    users = [i for i in range(number + 1) if roles[i] in ("user", "human")]
    left = list(messages[: users[-1]]) if users else []
    while left and roles[len(left) - 1] not in ("assistant", "gpt"):
        left.pop()
    said = [_said(one) for one in left]
    asked = any(text.strip() and roles[i] in ("user", "human") for i, text in enumerate(said))
    return left if asked and (said[-1].strip() or left[-1].get("tool_calls") is not None) else None


def _said(message: Mapping[str, Any]) -> str:
    said = message.get("content", message.get("value"))
    return said if isinstance(said, str) else json.dumps(said) if said else ""


def _with_cuts(
    table: pa.Table, compared: pa.Array, cuts: Mapping[int, dict[str, Any]]
) -> tuple[pa.Table, pa.Array]:
    """The table and the compared texts with the cut records in their places, measured again."""
    if not cuts:
        return table, compared
    records = list(cuts.values())
    texts = pa.array([compared_text(record) for record in records], compared.type)
    every = pa.array(map(every_text, records), pa.large_string())
    fresh = pa.Table.from_pylist(records, schema=CANONICAL)
    for name, values in (("token_estimate", token_estimates(every)), ("quality", measure(texts))):
        fresh = fresh.set_column(fresh.schema.get_field_index(name), name, values)
    place = np.arange(len(table))
    place[list(cuts)] = len(table) + np.arange(len(cuts))
    both = pa.concat_tables([table, fresh.select(table.schema.names).cast(table.schema)])
    return both.take(pa.array(place)), pa.concat_arrays([compared, texts]).take(pa.array(place))


def _proof(
    table: pa.Table,
    leaks: Mapping[int, Leak],
    rows: Sequence[int],
    method: str,
    index: dedup.NgramIndex | None,
    tokens: np.ndarray | None = None,
) -> pa.Table:
    columns = {} if tokens is None else {"tokens": pa.array(tokens, pa.int64())}
    return evidence(
        table.take(pa.array(rows, pa.int64())),
        method=[method] * len(rows),
        score=[float(leaks[row].hits[0]["words"]) for row in rows],
        threshold=[threshold(leaks[row], index) for row in rows] if index is not None else [],
        detail=[leaks[row].detail for row in rows],
        **columns,
    )


def _ledger(before: pa.Table, after: pa.Table, removed: pa.Table, cut: int) -> Ledger:
    gone = {}
    if len(removed):
        gone["contaminated"] = group(removed["removed_id"], removed["tokens"])
    if cut:
        gone["cut"] = Group(0, cut)
    groups = [group(table["id"], table["token_estimate"]) for table in (before, after)]
    return Ledger("decontaminate", "tokens", *groups, removed=gone).check()
