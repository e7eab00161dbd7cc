"""Bronze lines to canonical rows: what is understood becomes a row, the rest is quarantined whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pyarrow as pa

from toolkit.ingest import bronze_places, head_columns, payload_of, quarantine_line
from toolkit.kernels.bronze_heads import ID, PAYLOAD
from toolkit.pipeline.stages.books import group
from toolkit.pipeline.stages.canonical_rows import Head, Rows, Texts
from toolkit.pipeline.stages.chat_columns import chat_rows, chat_texts, in_order, read_chats
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
    lines: bytes,
    regime: str,
    mapping: Mapping[str, Sequence[str]] | None,
    repeated: Set[tuple[str, int, int]] = frozenset(),
    *,
    searched: bool = True,
) -> Canonicalised:
    """Project bronze ``lines`` onto ``regime`` (or ``auto``), but for those at the places ``repeated``.

    A place is (path, line, offset). Sizes in the books are bytes of the raw file. ``searched`` asks
    for ``fields``. Plain chats are read by columns, all others one by one, with the same result.
    """
    data = np.frombuffer(lines, np.uint8)
    places = bronze_places(data, repeated)
    chats = read_chats(data, places[:, PAYLOAD], places[:, PAYLOAD + 1], regime, mapping, not searched)
    few, aside = Rows(), _Set()
    fields, at = Texts(), []
    for row in np.flatnonzero(~chats.plain).tolist():
        about, payload = payload_of(_line(data, places[row]))
        head = _head(about)
        try:
            record = canonical(decode_payload(payload), regime, mapping)
        except SchemaError as error:
            aside.add(head, error, payload)
            continue
        few.add(head, record)
        fields.texts += searched_texts(record) if searched else []
        fields.end_row()
        at.append(row)
    said, compared, every = chat_texts(chats)
    every_of_few = few.every()
    order = pa.array(np.argsort(np.concatenate([np.flatnonzero(chats.plain), np.array(at, np.int64)])))
    table = chat_rows(head_columns(data, places[chats.plain]), chats, every)
    table, compared, every, asked = (
        in_order(one, other, order)
        for one, other in (
            (table, few.table(every_of_few)),
            (compared, few.compared()),
            (every, every_of_few),
            (said if searched else Texts.none(len(said)), fields.lists()),
        )
    )
    out = group(table["id"], table["origin"].combine_chunks().field("length"))
    gone = {reason: Group.of(*zip(*items, strict=True)) for reason, items in aside.reasons.items()}
    ledger = Ledger("records", "bytes", sum(gone.values(), out), out, gone)
    return Canonicalised(table, compared, every, asked, b"".join(aside.lines), ledger)


def _line(data: np.ndarray, place: np.ndarray) -> bytes:
    start = place[ID] - len(b'{"record_id":"')
    return data[start : place[PAYLOAD + 1] + 1].tobytes()
