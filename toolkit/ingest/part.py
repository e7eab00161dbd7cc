"""One span of raw lines to one bronze shard, its quarantine and its books.

    accepted + quarantined + forgotten + blank + separators + byte-order mark = span

in bytes, checked before anything is written. A line ends at LF; a CR before it belongs to
the separator; a byte-order mark is one only at the start of a file.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import GateError
from toolkit.ingest.bronze import Door
from toolkit.ingest.census import Span
from toolkit.ingest.quarantine import quarantine_line
from toolkit.ingest.validate import diagnose, parse
from toolkit.storage import Group, Ledger, sha256_bytes


@dataclass(frozen=True)
class Forgotten:
    """What must not enter again: hashes of lines, and licences."""

    ids: Set[str] = frozenset()
    licenses: Set[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.ids or self.licenses)

    def covers(self, record_id: str, license: str | None) -> bool:
        """Whether a line with this sha256 and this licence must stay out."""
        return record_id in self.ids or license in self.licenses


@dataclass
class Part:
    """The outcome of a span: bronze lines, quarantine lines, and the ledger of both."""

    bronze: bytearray = field(default_factory=bytearray)
    quarantine: bytearray = field(default_factory=bytearray)
    accepted: list[tuple[str, int]] = field(default_factory=list)
    rejected: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    forgotten: list[tuple[str, int]] = field(default_factory=list)
    overhead: dict[str, int] = field(default_factory=lambda: {"blank": 0, "bom": 0, "separator": 0})

    def ledger(self, size: int) -> Ledger:
        """The books in bytes; GateError unless they add up to the span's ``size``."""
        quarantined = {reason: _group(lines) for reason, lines in self.rejected.items()}
        removed = {"forgotten": _group(self.forgotten)} if self.forgotten else {}
        out = _group(self.accepted)
        everything = sum([*quarantined.values(), *removed.values()], out)
        ledger = Ledger("ingest", "bytes", everything, out, quarantined, removed, self.overhead).check()
        found = everything.size + sum(self.overhead.values())
        if found != size:
            raise GateError(
                f"ingest: {size} bytes came in, {found} are accounted for. Nothing was published."
            )
        return ledger


def ingest_bytes(
    data: bytes, span: Span, name: str, door: Door, max_line: int, forgotten: Forgotten | None = None
) -> Part:
    """Frame, validate and wrap the lines of one span of the file called ``name``."""
    part, path = Part(), json.dumps(name).encode()
    position = _byte_order_mark(data, span, part)
    number = span.line
    while position < len(data):
        end = data.find(b"\n", position)
        stop, after = (len(data), len(data)) if end < 0 else (end, end + 1)
        if stop > position and data[stop - 1] == 0x0D and end >= 0:
            stop -= 1
        line = data[position:stop]
        part.overhead["separator"] += after - stop
        if line.strip(b" \t\r"):
            _one(
                part,
                line,
                (number, span.start + position),
                (name, path),
                door,
                max_line,
                forgotten or Forgotten(),
            )
        else:
            part.overhead["blank"] += len(line)
        position, number = after, number + 1
    return part


def _one(
    part: Part,
    line: bytes,
    where: tuple[int, int],
    name: tuple[str, bytes],
    door: Door,
    max_line: int,
    barred: Forgotten,
) -> None:
    sized = (sha256_bytes(line), len(line))
    verdict: Any = _examine(line, max_line)
    good = isinstance(verdict, dict)
    if barred and barred.covers(sized[0], door.license_of(verdict) if good else door.license):
        part.forgotten.append(sized)
    elif good:
        part.bronze += door.line(sized[0], name[1], where, line, verdict)
        part.accepted.append(sized)
    else:
        origin = {"path": name[0], "line": where[0], "offset": where[1], "length": len(line)}
        part.quarantine += quarantine_line(door.source_id, "ingest", origin, *verdict, line)
        part.rejected.setdefault(verdict[0], []).append(sized)


def _examine(line: bytes, max_line: int) -> dict[str, Any] | tuple[str, str]:
    if len(line) > max_line:
        return "json.too_long", f"{len(line)} bytes, {max_line} allowed"
    return parse(line) or diagnose(line)


def _byte_order_mark(data: bytes, span: Span, part: Part) -> int:
    if span.start == 0 and data.startswith(codecs.BOM_UTF8):
        part.overhead["bom"] = len(codecs.BOM_UTF8)
    return part.overhead["bom"]


def _group(lines: list[tuple[str, int]]) -> Group:
    return Group.of([record_id for record_id, _ in lines], [size for _, size in lines])
