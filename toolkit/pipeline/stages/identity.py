"""Who is who across the whole lake: what came twice is named in evidence and left out from here on.

Bronze keeps every line. Payloads are compared among the sources that are read alike (same
regime, same map): the same line may be a chat in one source and a prompt with a verifier in
another. Among equal payloads the first stays, in the order (rank, source, part, line); for an
id that its source declares, the payload that was delivered last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.ingest.repeats import Repeats, find_repeats
from toolkit.pipeline.jobs import begin, job_key
from toolkit.pipeline.spec.tables import Source, Spec, as_data
from toolkit.pipeline.stages.heads import Heads, by_part, gathered
from toolkit.records import EVIDENCE
from toolkit.storage import (
    Group,
    Ledger,
    Output,
    PartManifest,
    digest_json,
    part_of,
    read_array,
    read_parquet,
    write_parquet,
)

MANIFEST = "evidence/identity/stage.manifest.json"
Place = tuple[str, int, int]  # path, line, offset
METHODS = ("duplicate_id", "duplicate_payload")
KEPT_BYTES = 32 << 20  # of lists of ids


@dataclass(frozen=True)
class Held:
    """A bronze part: its name, its shard, its list of ids with its sha256, and how it is read."""

    name: str
    shard: str
    ids: str
    digest: str
    scope: int


def identity(lake: Path, spec: Spec, manifests: Mapping[str, Sequence[PartManifest]]) -> PartManifest:
    """Find what came twice, write the evidence, and return the stage's manifest with its books."""
    held = list(_held(spec, manifests))
    key = job_key("identity", parts=[[part.name, part.digest, part.scope] for part in held])
    if (fresh := PartManifest.fresh(lake, lake / MANIFEST, key)) is not None:
        return fresh
    begin(lake / MANIFEST)
    found = find_repeats(_Ids(lake, held), [part.scope for part in held])
    outputs, removed = [], dict.fromkeys(METHODS, Group())
    for name, table in _evidence(lake, held, found):
        path = lake / "evidence" / "identity" / f"{name}.parquet"
        write_parquet(path, table)
        outputs.append(Output.of(lake, path, len(table)))
        for method in METHODS:
            removed[method] += sized_group(table.filter(pc.equal(table["method"], method)))
    came = sum((m.ledgers[0].records_out for parts in manifests.values() for m in parts), Group())
    removed = {method: group for method, group in removed.items() if group.records}
    left = came - sum(removed.values(), Group())
    manifest = PartManifest(
        "identity", key, outputs, [Ledger("identity", "bytes", came, left, removed=removed).check()]
    )
    manifest.write(lake / MANIFEST)
    return manifest


class _Ids(Sequence[np.ndarray]):
    """The lists of ids of the parts, each read when it is looked at: mapped, they would all stay resident.

    The first ones, up to KEPT_BYTES, are kept, so that a small lake is read once.
    """

    def __init__(self, lake: Path, held: Sequence[Held]) -> None:
        self.paths = [lake / part.ids for part in held]
        self.kept: dict[int, np.ndarray] = {}
        self.room = KEPT_BYTES

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> np.ndarray:
        if number in self.kept:
            return self.kept[number]
        found = np.array(read_array(self.paths[number]))
        if found.nbytes <= self.room:
            self.kept[number], self.room = found, self.room - found.nbytes
        return found


def sized_group(proof: pa.Table) -> Group:
    """The records that some evidence removes, in bytes of their raw files."""
    sizes = pc.struct_field(proof["removed_origin"].combine_chunks(), "length").to_pylist()
    return Group.of(proof["removed_id"].to_pylist(), sizes)


def repeated(path: Path) -> set[Place]:
    """The places of the records that the evidence at ``path`` removes from its part."""
    origins = read_parquet(path, ["removed_origin"])["removed_origin"].to_pylist()
    return {(origin["path"], origin["line"], origin["offset"]) for origin in origins}


def _held(spec: Spec, manifests: Mapping[str, Sequence[PartManifest]]) -> Iterator[Held]:
    """The parts in the order of preference."""
    order = {source.id: (source.rank, number) for number, source in enumerate(spec.source)}
    by_id = {source.id: source for source in spec.source}
    for name in sorted(manifests, key=order.__getitem__):
        for manifest in manifests[name]:
            shard, ids = manifest.outputs[:2]
            part = f"{name}/{part_of(shard.path)}"
            yield Held(part, shard.path, ids.path, ids.sha256, _scope(by_id[name]))


def _scope(source: Source) -> int:
    """A number that sources share whose payloads are read alike."""
    return int(digest_json([source.regime, as_data(source.map)])[:15], 16)


def _evidence(lake: Path, held: Sequence[Held], found: Repeats) -> Iterator[tuple[str, pa.Table]]:
    """The evidence of each part that loses records, by the part's name."""
    if not len(found):
        return
    part = np.concatenate([found.part, found.kept_part])
    row = np.concatenate([found.row, found.kept_row])
    with gathered(lake, [one.shard for one in held], part, row) as heads:
        for mine in by_part(found.part):
            yield held[int(found.part[mine.start])].name, _proof(held, found, heads, mine)


def _proof(held: Sequence[Held], found: Repeats, heads: Heads, mine: slice) -> pa.Table:
    """The evidence of one part."""
    gone = heads.of(found.part[mine], found.row[mine])
    kept = heads.of(found.kept_part[mine], found.kept_row[mine])
    rows = []
    for (facts, size), (other, _), part, same in zip(
        gone, kept, found.kept_part[mine].tolist(), found.same[mine].tolist(), strict=True
    ):
        rows.append(
            {
                "removed_id": facts["record_id"],
                "removed_source": facts["source_id"],
                "removed_origin": facts["origin"],
                "tokens": max(1, (size + 3) // 4),
                "method": METHODS[same],
                "score": 1.0 if same else None,
                "threshold": 1.0 if same else None,
                "kept_id": other["record_id"],
                "kept_source": other["source_id"],
                "kept_origin": other["origin"],
                "detail": json.dumps({"part": held[part].name}),
            }
        )
    return pa.Table.from_pylist(rows, EVIDENCE)
