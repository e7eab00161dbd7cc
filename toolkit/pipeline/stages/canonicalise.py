"""Bronze lines to canonical rows: what is understood becomes a row, the rest is quarantined whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from toolkit.ingest import payload_of, quarantine_line
from toolkit.pipeline.stages.canonical_rows import Head, Rows
from toolkit.records import SchemaError, canonical, decode_payload, searched_texts
from toolkit.storage import Group, Ledger

_head = msgspec.json.Decoder(Head).decode


@dataclass
class Canonicalised:
    """Rows of the canonical schema (``quality`` null), the texts of each row, and the books.

    ``fields`` is a list a row: the texts that decontamination searches, one by one; empty unless asked for.
    """

    table: pa.Table
    compared: pa.Array
    every: pa.Array
    fields: pa.Array
    quarantine: bytes
    ledger: Ledger


@dataclass
class _Set:
    """The records set aside: their lines, and (id, bytes) of each by reason."""

    lines: list[bytes] = field(default_factory=list)
    reasons: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def add(self, head: Head, error: SchemaError, payload: bytes) -> None:
        origin = msgspec.structs.asdict(head.origin)
        where = head.source_id, "records", origin
        self.lines.append(quarantine_line(*where, error.reason, error.detail, payload))
        self.reasons.setdefault(error.reason, []).append((head.record_id, head.origin.length))


def canonicalise(
    lines: Sequence[bytes],
    regime: str,
    mapping: Mapping[str, Sequence[str]] | None,
    repeated: Set[tuple[str, int, int]] = frozenset(),
    *,
    searched: bool = True,
) -> Canonicalised:
    """Project bronze ``lines`` onto ``regime`` (or ``auto``), but for those at the places ``repeated``.

    A place is (path, line, offset). Sizes in the books are bytes of the raw file. ``searched`` asks
    for ``fields``.
    """
    rows, aside = Rows(), _Set()
    fields: list[list[str]] = []
    for line in lines:
        about, payload = payload_of(line)
        head = _head(about)
        if repeated and (head.origin.path, head.origin.line, head.origin.offset) in repeated:
            continue
        try:
            record = canonical(decode_payload(payload), regime, mapping)
        except SchemaError as error:
            aside.add(head, error, payload)
            continue
        rows.add(head, record)
        fields.append(searched_texts(record) if searched else [])
    every = rows.every()
    out = Group.of([head.record_id for head in rows.heads], [head.origin.length for head in rows.heads])
    gone = {reason: Group.of(*zip(*items, strict=True)) for reason, items in aside.reasons.items()}
    ledger = Ledger("records", "bytes", sum(gone.values(), out), out, gone)
    asked = pa.array(fields, pa.large_list(pa.large_string()))
    return Canonicalised(rows.table(every), rows.compared(), every, asked, b"".join(aside.lines), ledger)
