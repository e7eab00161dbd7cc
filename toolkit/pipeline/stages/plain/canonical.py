"""Parts of plain files as canonical records: what they would be in a lake's silver, without its gates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from toolkit.ingest import quarantine_line
from toolkit.kernels import to_text
from toolkit.kernels.json_lines import digests
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import as_data
from toolkit.pipeline.stages.canonical_rows import Head, Origin, Rows
from toolkit.pipeline.stages.chat_columns import chat_rows, chat_texts, in_order, read_chats
from toolkit.pipeline.stages.plain.parts import TextPart
from toolkit.pipeline.stages.plain.rows import Rows as PlainRows
from toolkit.pipeline.stages.plain.rows import read_rows
from toolkit.records import CANONICAL, SchemaError, canonical, decode_payload
from toolkit.storage import Group, Ledger, Output, PartManifest, write_atomic, write_parquet

SILVER = f"{WORK}/silver"
_TYPE, _RANK = "public_dataset", 100
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
        lines, gone = [found.quarantine] if found.quarantine else [], dict(found.rejected)
        table = _as_it_is(found.table)
        if table is None:
            table = self._canonical(found, lines, gone)
        write_parquet(self.output, table)
        outputs = [Output.of(self.out, self.output, len(table))]
        outputs += self._aside(b"".join(lines), sum(group.records for group in gone.values()))
        manifest = PartManifest(f"records {self.part.part}", self._key(), outputs, [_books(table, gone)])
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _canonical(self, found: PlainRows, lines: list[bytes], gone: dict[str, Group]) -> pa.Table:
        """Plain chats by columns, all others one by one; what is refused goes to ``lines`` and ``gone``."""
        data = np.frombuffer(found.data, np.uint8)
        start = np.zeros(len(found), np.int64) if found.start is None else found.start
        regime = self.regime if found.table is None else "none"  # rows of a table are no payloads
        chats = read_chats(data, start, start + found.length, regime, self.mapping)
        plain, few, at = np.flatnonzero(chats.plain), Rows(), []
        for row, head, payload, record in self._records(found, np.flatnonzero(~chats.plain)):
            if isinstance(record, SchemaError):
                lines.append(_entry(head, record, payload))
                size = Group.of([head.record_id], [head.origin.length])
                gone[record.reason] = gone.get(record.reason, Group()) + size
            else:
                few.add(head, record)
                at.append(row)
        every = chat_texts(chats)[2]
        table = chat_rows(self._heads(found, plain), chats, every)
        order = pa.array(np.argsort(np.concatenate([plain, np.array(at, np.int64)])))
        return in_order(table, few.table(few.every()), order)

    def _records(
        self, found: PlainRows, rows: np.ndarray
    ) -> Iterator[tuple[int, Head, bytes, dict | SchemaError]]:
        for first in range(0, len(rows), _BLOCK):
            some = rows[first : first + _BLOCK]
            if found.table is None:
                payloads = found.raw(some)
            else:
                payloads = [
                    msgspec.json.encode(row, enc_hook=str) for row in found.table.take(some).to_pylist()
                ]
            for row, payload in zip(some.tolist(), payloads, strict=True):
                head = self._head(found, row, payload)
                try:
                    record = canonical(decode_payload(payload), self.regime, self.mapping or None)
                except SchemaError as error:
                    yield row, head, payload, error
                else:
                    yield row, head, payload, record

    def _heads(self, found: PlainRows, rows: np.ndarray) -> dict[str, pa.Array]:
        """What ``_head`` says, of many lines at once."""
        same = {"path": self.part.name, "source_id": self.part.source_name, "source_type": _TYPE}
        same |= {"source_rank": _RANK, "logical_date": self.date}
        ids = np.zeros((0, 32), np.uint8)
        if len(rows):
            start = found.start[rows]
            ids = digests(np.frombuffer(found.data, np.uint8), start, start + found.length[rows])
        hexed = np.frombuffer(ids.tobytes().hex().encode(), np.uint8)
        columns = {name: pa.repeat(pa.scalar(value), len(rows)) for name, value in same.items()}
        columns["record_id"] = to_text(hexed, np.arange(len(rows) + 1, dtype=np.int64) * 64)
        return columns | {name: pa.array(getattr(found, name)[rows]) for name in ("line", "offset", "length")}

    def _head(self, found: PlainRows, row: int, payload: bytes) -> Head:
        place = (int(column[row]) for column in (found.line, found.offset, found.length))
        return Head(
            record_id=hashlib.sha256(payload).hexdigest(),
            source_id=self.part.source_name,
            source_type=_TYPE,
            source_rank=_RANK,
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
    out = Group.of(table["id"].to_pylist(), sizes)  # ids of a table may be any text
    return Ledger("records", "bytes", sum(gone.values(), out), out, dict(gone)).check()
