"""One record's journey, every hop with its numbers: or where and why it ended.

A record is found by its id, a prefix of one, or ``path:line`` of a source file. The same
payload can be in a lake more than once (two sources, two lines): each copy is a journey.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit import packing
from toolkit.errors import RequestError
from toolkit.ingest import payload_of
from toolkit.pipeline.difference import difference
from toolkit.pipeline.journey import Hop, Journey, Trace
from toolkit.pipeline.publish import read_root
from toolkit.pipeline.spec.reader import load_spec
from toolkit.pipeline.tombstones import Tombstones
from toolkit.records import NOTED, canonical, compared_text, decode_payload
from toolkit.storage import part_of, read_array, read_parquet, read_shard, shards

_SHOWN = 400
_STAGES = ("identity", "quality", "decontaminate", "dedup", "packing")


@dataclass(frozen=True)
class _Start:
    record_id: str
    source_id: str
    origin: Mapping[str, Any]
    part: str
    raw: bytes
    hop: Hop
    ended: str | None


def trace(lake: str | Path, query: str) -> Trace:
    """Follow the record(s) ``query`` names; RequestError when the lake never saw one."""
    lake = Path(lake)
    root = read_root(lake)
    starts = list(_starts(lake, root, query))
    if not starts:
        raise RequestError(f"no record {query!r} in {lake}{_hint(lake, root, query)}")
    first = _delivered_before(root).get(query.rpartition(":")[0])
    note = f"{query}: this file has the bytes of {first}; nothing of it entered again." if first else ""
    return Trace(query, tuple(_follow(lake, start) for start in starts), note)


def _delivered_before(root: Mapping[str, Any]) -> dict[str, str]:
    """Name of a file -> the name its bytes were first delivered under, for files delivered again."""
    return {f["name"]: f["same_as"] for source in root["sources"] for f in source["files"] if f["same_as"]}


def _starts(lake: Path, root: Mapping[str, Any], query: str) -> Iterator[_Start]:
    match = _matcher(root, query)
    for path in filter(_holder(query), shards(lake / "bronze")):
        part = f"{path.parent.name}/{part_of(path)}"
        for line in read_shard(path):
            if match(line):
                head, payload = payload_of(line)
                facts = json.loads(head)
                if match(facts):
                    name = path.relative_to(lake).as_posix()
                    carried = ("license", "consent", "pii", "generator_model", "logical_date", "run_id")
                    seen = tuple((key, _text(str(facts[key]))) for key in carried if facts[key] is not None)
                    hop = Hop("bronze", name, (("raw line", _text(payload)), *seen))
                    yield _Start(
                        facts["record_id"], facts["source_id"], facts["origin"], part, payload, hop, None
                    )
    for path in sorted((lake / "quarantine" / "ingest").rglob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            entry = json.loads(line)
            if match({"record_id": entry["sha256"], "origin": entry["origin"]}):
                yield _quarantined(lake, path, entry)


def _holder(query: str) -> Callable[[Path], bool]:
    """Whether a shard can hold what is asked for: by the list of ids beside it, if it is an id."""
    prefix = query.lower()[:16]
    if set(prefix) - set("0123456789abcdef"):
        return lambda shard: True
    low, high = (np.uint64(int(prefix.ljust(16, digit), 16)) for digit in "0f")

    def holds(shard: Path) -> bool:
        ids = read_array(shard.with_name(f"{part_of(shard)}.ids.npy"))[:, 0]
        return bool(((ids >= low) & (ids <= high)).any())

    return holds


def _matcher(root: Mapping[str, Any], query: str) -> Any:
    path, _, line = query.rpartition(":")
    if path and line.isdigit():
        path, number = _delivered_before(root).get(path, path), int(line)
        needle = json.dumps(path).encode()

        def at(seen: Any) -> bool:
            if isinstance(seen, bytes):
                return needle in seen and b'"line":%d,' % number in seen
            return seen["origin"]["path"] == path and seen["origin"]["line"] == number

        return at
    prefix = query.lower()
    if len(prefix) < 4 or set(prefix) - set("0123456789abcdef"):
        raise RequestError(f"{query!r} is neither an id (4 or more hex digits) nor PATH:LINE of a source.")
    return lambda seen: (
        prefix.encode() in seen if isinstance(seen, bytes) else seen["record_id"].startswith(prefix)
    )


def _quarantined(lake: Path, path: Path, entry: Mapping[str, Any]) -> _Start:
    raw = base64.b64decode(entry["raw"])
    facts = (("raw line", _text(raw)), ("reason", entry["reason"]), ("detail", _text(entry["detail"])))
    name = path.relative_to(lake)
    hop = Hop("quarantine", name.as_posix(), facts)
    part = f"{name.parts[2]}/{path.stem}"
    return _Start(
        entry["sha256"],
        entry["source_id"],
        entry["origin"],
        part,
        raw,
        hop,
        f"quarantined: {entry['reason']}",
    )


def _follow(lake: Path, start: _Start) -> Journey:
    hops = [start.hop]
    end = start.ended or _later(lake, start, hops)
    return Journey(start.record_id, start.source_id, start.origin, tuple(hops), end)


def _later(lake: Path, start: _Start, hops: list[Hop]) -> str:
    path = lake / "quarantine" / "records" / f"{start.part}.jsonl"
    for line in path.read_bytes().splitlines() if path.exists() else ():
        entry = json.loads(line)
        if entry["origin"] == start.origin:
            facts = (("reason", entry["reason"]), ("detail", _text(entry["detail"])))
            hops.append(Hop("quarantine", path.relative_to(lake).as_posix(), facts))
            return f"quarantined: {entry['reason']}"
    for stage in _STAGES:
        if stage == "packing":
            _silver(lake, start, hops)
        removed = _removed(lake, stage, start)
        if removed is not None:
            hops.append(removed[0])
            return removed[1]
        noted = [_removed(lake, name, start) for name in NOTED.get(stage, ())]
        hops += [hop[0] for hop in noted if hop is not None]
    return _gold(lake, start, hops)


def _removed(lake: Path, stage: str, start: _Start) -> tuple[Hop, str] | None:
    path = lake / "evidence" / stage / f"{start.part}.parquet"
    for row in _rows_at(path, "removed_origin", start.origin):
        facts = [("method", row["method"])]
        if row["score"] is not None:
            facts.append(("score", f"{row['score']:g}, threshold {row['threshold']:g}"))
        if row["kept_id"]:
            origin = row["kept_origin"]
            facts.append(
                ("kept", f"{row['kept_id']} ({row['kept_source']} {origin['path']}:{origin['line']})")
            )
        if row["detail"]:
            facts.append(("detail", row["detail"]))
        if row["method"] == "near":
            facts.append(("difference", _difference(lake, start, row)))
        return Hop(stage, path.relative_to(lake).as_posix(), tuple(facts)), f"removed: {row['method']}"
    return None


def _difference(lake: Path, start: _Start, row: Mapping[str, Any]) -> str:
    """What the record that was removed has and the one that was kept has not, and the other way round."""
    spec = load_spec(lake / "spec.toml")
    sources = {source.id: source for source in spec.source}
    place = (row["kept_source"], row["kept_origin"])
    kept = next((s for s in _starts(lake, {}, row["kept_id"]) if (s.source_id, s.origin) == place), None)
    if kept is None:
        return f"not shown: {row['kept_id']} is not in bronze"
    texts = []
    for found in (start, kept):
        source = sources[found.source_id]
        texts.append(compared_text(canonical(decode_payload(found.raw), source.regime, source.map)))
    return difference(*texts)


def _silver(lake: Path, start: _Start, hops: list[Hop]) -> None:
    path = lake / "silver" / f"{start.part}.parquet"
    for row in _rows_at(path, "origin", start.origin):
        shown = (
            "regime",
            "messages",
            "prompt",
            "chosen",
            "rejected",
            "answer",
            "verifier",
            "difficulty",
            "quality",
        )
        facts = [(name, _text(_plain(row[name]))) for name in shown if row[name] is not None]
        facts.append(("token estimate", str(row["token_estimate"])))
        hops.append(Hop("silver", path.relative_to(lake).as_posix(), tuple(facts)))


def _rows_at(path: Path, column: str, origin: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    places = read_parquet(path, [column])[column].combine_chunks()
    same = pc.and_(
        pc.equal(pc.struct_field(places, "line"), origin["line"]),
        pc.equal(pc.struct_field(places, "path"), origin["path"]),
    )
    same = pc.and_(same, pc.equal(pc.struct_field(places, "offset"), origin["offset"]))
    return read_parquet(path).filter(same).to_pylist() if pc.any(same).as_py() else []


def _gold(lake: Path, start: _Start, hops: list[Hop]) -> str:
    if not (lake / "silver").exists():
        return "bronze: the lake ends here"
    silver = _rows_at(lake / "silver" / f"{start.part}.parquet", "origin", start.origin)
    if not silver:
        return "lost: in bronze but in no later file; run toolkit audit"
    regime = silver[0]["regime"]
    tokenizer = packing.load(lake / "tokenizer.json")
    for path in sorted((lake / "gold" / regime).glob("*.parquet")):
        table = pq.read_table(path, use_threads=False)
        name = path.relative_to(lake).as_posix()
        found = _packed(table, start.record_id) if regime == "sft" else _row(table, start.record_id)
        if found:
            place, ids, mask = found
            text = tokenizer.decode(ids)
            facts = (
                *place,
                ("tokens", f"{len(ids)}, of which {int(np.sum(mask))} trained"),
                ("decoded", _text(text)),
                ("trained text", _text(_trained(tokenizer, ids, mask))),
            )
            hops.append(Hop("gold", name, facts))
            return f"gold: {name}"
    return "lost: in silver but not in gold; run toolkit audit"


def _packed(table: pa.Table, record_id: str) -> tuple[list[tuple[str, str]], list[int], list[bool]] | None:
    docs = table["doc_ids"].combine_chunks()
    at = pc.index(docs.flatten(), record_id).as_py()
    if at < 0:
        return None
    offsets = docs.offsets.to_numpy()
    pack = int(np.searchsorted(offsets, at, side="right") - 1)
    row = table.slice(pack, 1).to_pylist()[0]
    inside = at - int(offsets[pack])
    start, size = row["doc_starts"][inside], row["seq_lens"][inside]
    place = [
        ("pack", f"row {pack}, {len(row['doc_ids'])} documents, {len(row['input_ids'])} tokens"),
        ("offset", f"document {inside}, tokens {start} to {start + size}"),
    ]
    return place, row["input_ids"][start : start + size], row["loss_mask"][start : start + size]


def _row(table: pa.Table, record_id: str) -> tuple[list[tuple[str, str]], list[int], list[bool]] | None:
    at = pc.index(table["id"], record_id).as_py()
    if at < 0:
        return None
    row = table.slice(at, 1).to_pylist()[0]
    if "input_ids" in row:
        return [("row", str(at))], row["input_ids"], [False] * len(row["input_ids"])
    rejected = f"{len(row['rejected_input_ids'])}, {sum(row['rejected_loss_mask'])} trained"
    place = [
        ("row", str(at)),
        ("shared prompt tokens", str(row["prompt_tokens"])),
        ("rejected tokens", rejected),
    ]
    return place, row["chosen_input_ids"], row["chosen_loss_mask"]


def _trained(tokenizer: Any, ids: list[int], mask: list[bool]) -> str:
    return tokenizer.decode([i for i, on in zip(ids, mask, strict=True) if on])


def _hint(lake: Path, root: Mapping[str, Any], query: str) -> str:
    dead = Tombstones.read(lake)
    gone = {i for ids in (*dead.sources.values(), *dead.licenses.values(), dead.ids) for i in ids}
    if any(record_id.startswith(query.lower()) for record_id in gone):
        return ": it was forgotten; only this hash is left."
    names = [file["name"] for source in root["sources"] for file in source["files"]]
    return f". Source files: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}."


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(value: str | bytes) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    safe = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:_SHOWN])
    return safe + (f" … ({len(text)} characters)" if len(text) > _SHOWN else "")
