"""Bronze lines to canonical rows: what is understood becomes a row, the rest is quarantined whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from toolkit.ingest import payload_of, quarantine_line
from toolkit.records import (
    CANONICAL,
    SchemaError,
    canonical,
    compared_text,
    decode_payload,
    every_text,
    searched_fields,
)
from toolkit.storage import Group, Ledger

_CARRIED = (
    "source_id",
    "source_type",
    "source_rank",
    "origin",
    "license",
    "consent",
    "pii",
    "generator_model",
)
_OWN = ("regime", "messages", "prompt", "chosen", "rejected", "answer", "verifier", "lang", "difficulty")


@dataclass
class Canonicalised:
    """Rows of the canonical schema (``quality`` null), the texts of each row, and the books.

    ``fields`` is a list a row: the texts that decontamination searches, one by one.
    """

    table: pa.Table
    compared: pa.Array
    every: pa.Array
    fields: pa.Array
    quarantine: bytes
    ledger: Ledger


@dataclass
class _Rows:
    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in CANONICAL.names})
    compared: list[str] = field(default_factory=list)
    every: list[str] = field(default_factory=list)
    fields: list[list[str]] = field(default_factory=list)
    quarantine: list[bytes] = field(default_factory=list)
    accepted: list[tuple[str, int]] = field(default_factory=list)
    rejected: dict[str, list[tuple[str, int]]] = field(default_factory=dict)


def canonicalise(
    lines: Sequence[bytes],
    regime: str,
    mapping: Mapping[str, Sequence[str]] | None,
    repeated: Set[tuple[str, int, int]] = frozenset(),
) -> Canonicalised:
    """Project bronze ``lines`` onto ``regime`` (or ``auto``), but for those at the places ``repeated``.

    A place is (path, line, offset). Sizes in the books are bytes of the raw file.
    """
    rows = _Rows()
    for line in lines:
        head, payload = payload_of(line)
        carried = msgspec.json.decode(head)
        origin = carried["origin"]
        if repeated and (origin["path"], origin["line"], origin["offset"]) in repeated:
            continue
        try:
            value = decode_payload(payload)
            _accept(rows, carried, canonical(value, regime, mapping), origin["length"])
        except SchemaError as error:
            _reject(rows, carried, error, payload)
    arrays = [
        pa.array(rows.columns[name], kind)
        for name, kind in zip(CANONICAL.names, CANONICAL.types, strict=True)
    ]
    out = Group.of(*_unzip(rows.accepted))
    aside = {reason: Group.of(*_unzip(items)) for reason, items in rows.rejected.items()}
    ledger = Ledger("records", "bytes", sum(aside.values(), out), out, aside)
    return Canonicalised(
        pa.Table.from_arrays(arrays, schema=CANONICAL),
        pa.array(rows.compared, pa.large_string()),
        pa.array(rows.every, pa.large_string()),
        pa.array(rows.fields, pa.large_list(pa.large_string())),
        b"".join(rows.quarantine),
        ledger,
    )


def _accept(rows: _Rows, carried: dict[str, Any], record: dict[str, Any], size: int) -> None:
    every = every_text(record)
    columns = rows.columns
    columns["id"].append(carried["record_id"])
    for name in _OWN:
        columns[name].append(record.get(name))
    for name in _CARRIED:
        columns[name].append(carried[name])
    columns["logical_date"].append(carried["logical_date"])
    columns["quality"].append(None)
    columns["token_estimate"].append(token_estimate(every))
    rows.compared.append(compared_text(record))
    rows.every.append(every)
    rows.fields.append([text for _, text in searched_fields(record)])
    rows.accepted.append((carried["record_id"], size))


def token_estimate(every: str) -> int:
    """A token for every four bytes of ``every_text``, and at least one."""
    return max(1, (len(every.encode()) + 3) // 4)


def _reject(rows: _Rows, carried: dict[str, Any], error: SchemaError, payload: bytes) -> None:
    rows.quarantine.append(
        quarantine_line(
            carried["source_id"], "records", carried["origin"], error.reason, error.detail, payload
        )
    )
    rows.rejected.setdefault(error.reason, []).append((carried["record_id"], carried["origin"]["length"]))


def _unzip(items: list[tuple[str, int]]) -> tuple[list[str], list[int]]:
    return [name for name, _ in items], [size for _, size in items]
