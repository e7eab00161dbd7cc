"""Prove from the files alone that nothing was lost: every hash, every count, every ledger again.

    files      every file the root manifest names has its sha256; no layer holds another file
    bronze     record_id = sha256(payload) for every line; lines and bytes are what ingest wrote
    identity   counted by method, in bytes of the raw files
    quarantine sha256 = sha256(raw) for every line, counted by reason
    evidence   counted by method, in tokens, and hashed; of what was cut, the tokens
    silver     what records, quality, decontaminate and dedup left over
    gold       the documents and tokens of silver, less what packing removed

Nothing is believed because a ledger says so: ledgers are rebuilt from rows and compared.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from toolkit import packing
from toolkit.errors import RequestError, ToolkitError
from toolkit.ingest import payload_of
from toolkit.pipeline.deliveries import unbalanced
from toolkit.pipeline.gold_files import gold_ids
from toolkit.pipeline.plan import LAYERS
from toolkit.pipeline.publish import MANIFEST, read_root, spec_digest
from toolkit.pipeline.spec.reader import load_spec
from toolkit.storage import (
    Group,
    IdHash,
    Ledger,
    PartManifest,
    digest_json,
    part_of,
    read_array,
    read_parquet,
    read_shard,
    sha256_bytes,
    sha256_file,
    shards,
)

_NAMED_AT_ROOT = {MANIFEST, "spec.toml", "timings.json", "report.html"}
_CUT = {"decontaminate": "cut", "packing": "truncated"}
_STAGES = ("identity", "quality", "decontaminate", "dedup", "packing")


@dataclass
class Audit:
    """What an audit looked at and what it found wrong: ``ok`` is true when nothing was."""

    lake: Path
    files: int = 0
    records: int = 0
    checks: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything agreed."""
        return not self.problems

    def expect(self, true: bool, problem: str) -> None:
        """Count a check; note ``problem`` when it fails."""
        self.checks += 1
        if not true:
            self.problems.append(problem)

    def __repr__(self) -> str:
        head = f"{self.lake}: {self.files} files, {self.records:,} records, {self.checks:,} checks: "
        return (
            head
            + ("nothing is missing and nothing has changed" if self.ok else "FAILED")
            + "".join(f"\n  {problem}" for problem in self.problems)
            + ("" if self.ok else "\nTo repair: delete what is named and run the lake's spec again.")
        )


def audit(lake: str | Path) -> Audit:
    """Check a lake; the result lists every problem with the file it is in. RequestError: not a lake."""
    lake = Path(lake)
    manifest = read_root(lake)
    found = Audit(lake)
    own = {key: value for key, value in manifest.items() if key != "sha256"}
    found.expect(digest_json(own) == manifest.get("sha256"), f"{MANIFEST}: its bytes have changed")
    before = len(found.problems)
    _try(found, _files, manifest)
    if len(found.problems) == before:  # damaged files are named; their rows would only repeat it
        _try(found, _part_manifests, manifest)
        _try(found, _books, manifest)
    return found


def _try(found: Audit, step: Any, manifest: Mapping[str, Any]) -> None:
    """Take a step; what cannot even be read is a problem like any other."""
    try:
        step(found, manifest)
    except (ToolkitError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        found.problems.append(f"{type(error).__name__}: {error}")


def _files(found: Audit, manifest: Mapping[str, Any]) -> None:
    named = {file["path"] for file in manifest["files"]}
    for file in manifest["files"]:
        path = found.lake / file["path"]
        found.files += 1
        if not path.is_file():
            found.expect(False, f"{file['path']}: missing")
        else:
            found.expect(sha256_file(path) == file["sha256"], f"{file['path']}: its bytes have changed")
    named |= _NAMED_AT_ROOT
    for path in sorted(found.lake.rglob("*")):
        name = path.relative_to(found.lake).as_posix()
        if path.is_file() and name not in named and name.split("/")[0] in LAYERS:
            found.expect(False, f"{name}: in the lake, but no manifest names it")
    found.expect(_same_spec(found.lake, manifest), "spec.toml: not the spec this lake was built from")


def _same_spec(lake: Path, manifest: Mapping[str, Any]) -> bool:
    try:
        return spec_digest(load_spec(lake / "spec.toml")) == manifest["spec_sha256"]
    except ToolkitError:
        return False


def _part_manifests(found: Audit, manifest: Mapping[str, Any]) -> None:
    root = {file["path"]: file for file in manifest["files"]}
    for name in root:
        if not name.endswith(".manifest.json") or not (found.lake / name).is_file():
            continue
        try:
            outputs = json.loads((found.lake / name).read_bytes())["outputs"]
        except (ValueError, KeyError):
            found.expect(False, f"{name}: not a manifest")
            continue
        for output in outputs:
            same = root.get(output["path"], {}).get("sha256") == output["sha256"]
            found.expect(same, f"{name}: disagrees with {MANIFEST} on {output['path']}")


def _books(found: Audit, manifest: Mapping[str, Any]) -> None:
    ledgers = {ledger["stage"]: Ledger.from_dict(ledger) for ledger in manifest["ledgers"]}
    for ledger in ledgers.values():
        found.expect(
            ledger.records_in == ledger.accounted, f"{MANIFEST}: stage {ledger.stage} does not balance"
        )
    ingest = ledgers["ingest"]
    found.records = ingest.records_in.records
    _same(found, "bronze", _bronze(found), ingest.records_out)
    for stage in ("ingest", "records"):
        if stage in ledgers:
            aside = ledgers[stage].quarantined
            _by_reason(found, f"quarantine/{stage}", _quarantine(found, stage), aside)
    for stage in _STAGES:
        if stage in ledgers:
            gone = _evidence(found, stage) | _cut(found, _CUT.get(stage))
            _by_reason(found, f"evidence/{stage}", gone, ledgers[stage].removed)
    _chain(found, ledgers)
    _sources(found, manifest, ingest)
    if "packing" in ledgers:  # a lake of ``toolkit ingest`` ends with bronze
        silver = _table_group(found.lake / "silver", "id", "token_estimate")
        _same(found, "silver", silver, ledgers["dedup"].records_out)
        _gold(found, manifest, ledgers["packing"])


def _bronze(found: Audit) -> Group:
    total = Group()
    for path in shards(found.lake / "bronze"):
        ids, sizes = [], []
        name = path.relative_to(found.lake)
        for number, line in enumerate(read_shard(path), start=1):
            head, payload = payload_of(line)
            facts = json.loads(head)
            record_id = facts["record_id"]
            found.expect(
                record_id == sha256_bytes(payload), f"{name}:{number}: record_id is not its payload's hash"
            )
            ids.append(record_id)
            sizes.append(facts["origin"]["length"])
        index = path.with_name(f"{part_of(path)}.ids.npy")
        listed = [f"{high:016x}{low:016x}" for high, low in read_array(index)[:, :2].tolist()]
        same = listed == [record_id[:32] for record_id in ids]
        found.expect(same, f"{index.relative_to(found.lake)}: not the ids of {name}")
        total += Group.of(ids, sizes)
    return total


def _quarantine(found: Audit, stage: str) -> dict[str, Group]:
    groups: dict[str, Group] = defaultdict(Group)
    for path in sorted((found.lake / "quarantine" / stage).rglob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            entry = json.loads(line)
            raw = base64.b64decode(entry["raw"])
            name = path.relative_to(found.lake)
            found.expect(
                sha256_bytes(raw) == entry["sha256"], f"{name}:{number}: sha256 is not its raw bytes' hash"
            )
            groups[entry["reason"]] += Group.of([entry["sha256"]], [entry["origin"]["length"]])
    return groups


def _evidence(found: Audit, stage: str) -> dict[str, Group]:
    groups: dict[str, Group] = defaultdict(Group)
    for path in sorted((found.lake / "evidence" / stage).rglob("*.parquet")):
        table = read_parquet(path, ["removed_id", "removed_origin", "tokens", "method", "score", "threshold"])
        for row in table.to_pylist():
            size = row["removed_origin"]["length"] if stage == "identity" else row["tokens"]
            groups[row["method"]] += Group.of([row["removed_id"]], [size])
            if row["method"] == "near":
                name = path.relative_to(found.lake)
                enough = row["score"] >= row["threshold"]
                found.expect(enough, f"{name}: {row['removed_id'][:12]} was removed below the threshold")
    return groups


def _cut(found: Audit, name: str | None) -> dict[str, Group]:
    """The tokens that were cut from records that stay, as the evidence of that name has them."""
    paths = sorted((found.lake / "evidence" / name).rglob("*.parquet")) if name else []
    cut = sum(sum(read_parquet(path, ["tokens"])["tokens"].to_pylist()) for path in paths)
    return {str(name): Group(0, cut)} if cut else {}


def _table_group(folder: Path, id_column: str, size_column: str) -> Group:
    total = Group()
    for path in sorted(folder.rglob("*.parquet")):
        table = read_parquet(path, [id_column, size_column])
        total += Group.of(table[id_column].to_pylist(), table[size_column].to_pylist())
    return total


def _gold(found: Audit, manifest: Mapping[str, Any], ledger: Ledger) -> None:
    facts = {item["task"]: item for item in manifest["gold"]}
    ids, tokens, documents = IdHash(), 0, 0
    canaries: set[bytes] = set()
    for path in sorted((found.lake / "gold").rglob("*.parquet")):
        name = path.relative_to(found.lake)
        table = pq.read_table(path, use_threads=False)
        regime, number = path.parent.name, int(path.stem.removeprefix("part-"))
        stated = facts.get(f"gold {regime} {number}", {})
        canaries.add((table.schema.metadata or {}).get(b"canaries", b""))
        same = str(packing.tokens_hash(table)) == stated.get("tokens_hash")
        found.expect(same, f"{name}: its documents are not those that were packed")
        names, count = gold_ids(table)
        ids, tokens, documents = ids + IdHash.of(names), tokens + count, documents + len(names)
    for stored in canaries:
        _canaries(found, stored)
    own = tokens - ledger.overhead.get("repeated", 0)
    _same(found, "gold", Group(documents, own, ids), ledger.records_out)


def _canaries(found: Audit, stored: bytes) -> None:
    """Whether the lake's tokenizer, in the library that is installed, gives known texts the ids they had."""
    try:
        packing.check_canaries(stored, packing.load(found.lake / "tokenizer.json"))
    except RequestError as error:
        found.expect(False, f"tokenizer.json: {error}")


def _sources(found: Audit, manifest: Mapping[str, Any], ingest: Ledger) -> None:
    size = sum(file["size"] - file["start"] for source in manifest["sources"] for file in source["files"])
    counted = ingest.records_in.size + sum(ingest.overhead.values())
    found.expect(size == counted, f"{MANIFEST}: sources hold {size} bytes, ingest accounts for {counted}")
    for source in manifest["sources"]:
        paths = sorted((found.lake / "bronze" / source["id"]).glob("*.manifest.json"))
        parts = [part for part in map(PartManifest.read, paths) if part is not None]
        problems = unbalanced(source["files"], parts)
        found.expect(not problems, f"{MANIFEST}: {source['id']}, {'; '.join(problems)}")


def _chain(found: Audit, ledgers: Mapping[str, Ledger]) -> None:
    order = list(ledgers.values())
    for before, after in itertools.pairwise(order):
        out, came = before.records_out, after.records_in
        same = (out.records, out.ids) == (came.records, came.ids)
        found.expect(same, f"{MANIFEST}: {after.stage} took other records than {before.stage} passed on")


def _by_reason(found: Audit, where: str, rows: Mapping[str, Group], books: Mapping[str, Group]) -> None:
    for reason in sorted({*rows, *books}):
        _same(found, f"{where} ({reason})", rows.get(reason, Group()), books.get(reason, Group()))


def _same(found: Audit, where: str, rows: Group, books: Group) -> None:
    found.expect(rows == books, f"{where}: {_words(rows)} in the files, {_words(books)} in the ledger")


def _words(group: Group) -> str:
    return f"{group.records} records of size {group.size} (ids {str(group.ids)[:8]})"
