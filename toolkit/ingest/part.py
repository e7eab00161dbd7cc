"""One bronze part in the making: traced lines, the quarantined ones, and the books of both.

    accepted + quarantined + forgotten + blank + separators + … = bytes of the spans

checked before anything is written. Sizes in the books are bytes of the raw file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toolkit.errors import GateError
from toolkit.ingest.bronze import Door, Facts
from toolkit.ingest.contract import Field
from toolkit.ingest.declared import declared_ids
from toolkit.ingest.forgotten import Forgotten
from toolkit.ingest.frames import Frames
from toolkit.ingest.quarantine import quarantine_line
from toolkit.ingest.shapes import Shapes
from toolkit.ingest.span import Span
from toolkit.ingest.validate import Judged, judge
from toolkit.kernels.json_lines import add_mod128, bronze_lines, digests, flatten, leading_u64
from toolkit.storage import Group, IdHash, Ledger, sha256_bytes


@dataclass
class Part:
    """What came of some spans; ``ids`` are the leading 128 bits of each accepted record's id."""

    door: Door
    max_bytes: int
    barred: Forgotten = field(default_factory=Forgotten)
    contract: tuple[Field, ...] = ()
    declared: str | None = None
    bronze: list[np.ndarray] = field(default_factory=list)
    ids: list[np.ndarray] = field(default_factory=list)
    quarantine: list[bytes] = field(default_factory=list)
    shapes: Shapes = field(default_factory=Shapes)
    accepted: Group = field(default_factory=Group)
    rejected: dict[str, Group] = field(default_factory=dict)
    forgotten: Group = field(default_factory=Group)
    payload_bytes: int = 0
    overhead: dict[str, int] = field(default_factory=lambda: {"blank": 0, "bom": 0, "separator": 0})

    def add(self, frames: Frames, name: str, multiline: bool = False) -> None:
        """Validate the records of a span of the file ``name`` and wrap those that are good."""
        for kind, size in frames.overhead.items():
            self.overhead[kind] = self.overhead.get(kind, 0) + size
        judged = judge(frames, self.max_bytes, self.contract)
        facts, which = self.door.facts(frames, judged)
        for row, (reason, detail) in judged.rejects.items():
            self._reject(frames, row, name, reason, detail)
        self._accept(frames, judged, name, facts, which, multiline)

    def set_aside(self, data: bytes, span: Span, name: str) -> None:
        """Quarantine a whole span under its fault."""
        assert span.fault is not None
        origin = {"path": name, "line": span.line, "offset": span.start, "length": len(data)}
        self._quarantine(origin, span.fault, span.detail, data)

    def ledger(self, size: int) -> Ledger:
        """The books in bytes; GateError unless they add up to the ``size`` of the spans."""
        removed = {"forgotten": self.forgotten} if self.forgotten.records else {}
        everything = sum([*self.rejected.values(), *removed.values()], self.accepted)
        books = Ledger("ingest", "bytes", everything, self.accepted, self.rejected, removed, self.overhead)
        found = everything.size + sum(self.overhead.values())
        if found != size:
            raise GateError(
                f"ingest: {size} bytes came in, {found} are accounted for. Nothing was published."
            )
        return books.check()

    def _accept(
        self, frames: Frames, judged: Judged, name: str, facts: Facts, which: np.ndarray, multiline: bool
    ) -> None:
        rows = np.flatnonzero(judged.good)
        start, stop, which = frames.start[rows], frames.stop[rows], which[rows]
        data = flatten(frames.data, start, stop) if multiline else frames.data
        hashes = digests(data, start, stop)
        if self.barred:
            free = self._bar(hashes, frames.length[rows], [facts.licenses[k] for k in which.tolist()])
            rows, start, stop, hashes, which = (a[free] for a in (rows, start, stop, hashes, which))
        self.shapes.add(name, frames, judged, rows)
        place = frames.line[rows], frames.offset[rows], frames.length[rows]
        path = json.dumps(name).encode()
        self.bronze.append(bronze_lines(data, start, stop, hashes, *place, path, facts.texts, which))
        ids = leading_u64(hashes)
        self.ids.append(self._with_declared(ids, data, start, stop))
        self.payload_bytes += int((stop - start).sum())
        self.accepted += Group(len(rows), int(place[2].sum()), IdHash(add_mod128(ids)))

    def _with_declared(
        self, ids: np.ndarray, data: np.ndarray, start: np.ndarray, stop: np.ndarray
    ) -> np.ndarray:
        """The ids, and beside them the hashes of what the records declare to be theirs: uint64 (n, 4)."""
        if self.declared is None:
            return ids
        payloads = (data[a:b].tobytes() for a, b in zip(start.tolist(), stop.tolist(), strict=True))
        return np.hstack([ids, declared_ids(payloads, self.door.source_id, self.declared)])

    def _bar(self, hashes: np.ndarray, length: np.ndarray, licenses: list[str | None]) -> np.ndarray:
        """Which records may enter; the others are counted as forgotten."""
        names = [row.tobytes().hex() for row in hashes]
        gone = [self.barred.covers(*pair) for pair in zip(names, licenses, strict=True)]
        free = ~np.array(gone, bool)
        self.forgotten += Group.of([n for n, out in zip(names, gone, strict=True) if out], length[~free])
        return free

    def _reject(self, frames: Frames, row: int, name: str, reason: str, detail: str) -> None:
        place = {"line": frames.line[row], "offset": frames.offset[row], "length": frames.length[row]}
        origin = {"path": name, **{key: int(value) for key, value in place.items()}}
        self._quarantine(origin, reason, detail, frames.payload(row))

    def _quarantine(self, origin: Mapping[str, Any], reason: str, detail: str, raw: bytes) -> None:
        sized = [sha256_bytes(raw)], [origin["length"]]
        if self.barred and self.barred.covers(sized[0][0], self.door.license):
            self.forgotten += Group.of(*sized)
            return
        self.quarantine.append(quarantine_line(self.door.source_id, "ingest", origin, reason, detail, raw))
        self.rejected[reason] = self.rejected.get(reason, Group()) + Group.of(*sized)
