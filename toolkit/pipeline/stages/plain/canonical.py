"""Parts of plain files as canonical records: what they would be in a lake's silver, without its gates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from toolkit.ingest import quarantine_line
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import as_data
from toolkit.pipeline.stages.canonical_rows import Head, Origin, Rows
from toolkit.pipeline.stages.plain.parts import TextPart
from toolkit.pipeline.stages.plain.rows import Rows as PlainRows
from toolkit.pipeline.stages.plain.rows import read_rows
from toolkit.records import CANONICAL, SchemaError, canonical, decode_payload
from toolkit.storage import Group, Ledger, Output, PartManifest, write_atomic, write_parquet

SILVER = f"{WORK}/silver"
_BLOCK = 16_384  # rows that are Python data at once


@dataclass(frozen=True)
class CanonicalJob:
    """A part of the input, and the regime and fields that it is read by."""

    out: Path
    part: TextPart
    regime: str
    mapping: Mapping[str, Sequence[str]]
    date: str

    @property
    def output(self) -> Path:
        """Schema ``CANONICAL``."""
        return self.out / SILVER / f"{self.part.part}.parquet"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.out, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        found = read_rows(self.part)
        rows, lines, gone = Rows(), [found.quarantine] if found.quarantine else [], dict(found.rejected)
        table = _as_it_is(found.table)
        if table is None:
            for head, payload, record in self._records(found):
                if isinstance(record, SchemaError):
                    lines.append(_entry(head, record, payload))
                    size = Group.of([head.record_id], [head.origin.length])
                    gone[record.reason] = gone.get(record.reason, Group()) + size
                else:
                    rows.add(head, record)
            table = rows.table(rows.every())
        write_parquet(self.output, table)
        outputs = [Output.of(self.out, self.output, len(table))]
        outputs += self._aside(b"".join(lines), sum(group.records for group in gone.values()))
        manifest = PartManifest(f"records {self.part.part}", self._key(), outputs, [_books(table, gone)])
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _records(self, found: PlainRows) -> Iterator[tuple[Head, bytes, dict | SchemaError]]:
        for first in range(0, len(found), _BLOCK):
            block = slice(first, first + _BLOCK)
            if found.table is None:
                payloads = found.raw(block)
            else:
                payloads = [msgspec.json.encode(row, enc_hook=str) for row in found.records(block)]
            for row, payload in enumerate(payloads, start=first):
                head = self._head(found, row, payload)
                try:
                    record = canonical(decode_payload(payload), self.regime, self.mapping or None)
                except SchemaError as error:
                    yield head, payload, error
                else:
                    yield head, payload, record

    def _head(self, found: PlainRows, row: int, payload: bytes) -> Head:
        place = (int(column[row]) for column in (found.line, found.offset, found.length))
        return Head(
            record_id=hashlib.sha256(payload).hexdigest(),
            source_id=self.part.source_name,
            source_type="public_dataset",
            source_rank=100,
            origin=Origin(self.part.name, *place),
            license=None,
            consent=None,
            pii=None,
            generator_model=None,
            logical_date=self.date,
        )

    def _aside(self, lines: bytes, rows: int) -> list[Output]:
        path = self.out / "quarantine" / "records" / f"{self.part.part}.jsonl"
        if not lines:
            path.unlink(missing_ok=True)
            return []
        write_atomic(path, lines)
        return [Output.of(self.out, path, rows)]

    def _key(self) -> str:
        how = {"regime": self.regime, "map": as_data(self.mapping), "date": self.date}
        return job_key("records of a file", part=self.part.identity(), **how)


def _as_it_is(table: pa.Table | None) -> pa.Table | None:
    """A table that is silver already, as it stands; None if it is not."""
    if table is None or not set(CANONICAL.names) <= set(table.column_names):
        return None
    try:
        return table.select(CANONICAL.names).cast(CANONICAL)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        return None


def _entry(head: Head, error: SchemaError, payload: bytes) -> bytes:
    origin = msgspec.structs.asdict(head.origin)
    return quarantine_line(head.source_id, "records", origin, error.reason, error.detail, payload)


def _books(table: pa.Table, gone: Mapping[str, Group]) -> Ledger:
    sizes = table["origin"].combine_chunks().field("length").fill_null(0).to_pylist()
    out = Group.of(table["id"].to_pylist(), sizes)
    return Ledger("records", "bytes", sum(gone.values(), out), out, dict(gone)).check()
