"""The texts of the evaluation sets, read once and handed to every job as one small table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from toolkit.errors import RequestError
from toolkit.ingest import Limits, Options, form_of, read_records
from toolkit.pipeline.spec.tables import EvalSet
from toolkit.records import texts_in

SCHEMA = pa.schema(
    [("set", pa.string()), ("item", pa.int64()), ("field", pa.string()), ("text", pa.large_string())]
)

EvalFiles = Sequence[tuple[str, Path, str]]  # name, path, sha256
_LIMITS = Limits(8 << 20, 1 << 30)


def read_eval_items(sets: Sequence[EvalSet], files: Mapping[str, EvalFiles]) -> pa.Table:
    """One row a text: its set, its item (line of the set's files, from 0), its field.

    Without ``fields`` every text of an item counts, at any depth, but for roles. Raises RequestError
    for a line that is no JSON object, or an item without a named field: a set that cannot be read
    whole would let its items leak.
    """
    rows = [row for item in sets for row in _set_rows(item, files[item.id])]
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    return pa.Table.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA
    )


def _set_rows(item: EvalSet, files: EvalFiles) -> Iterator[tuple[str, int, str, str]]:
    number = 0
    for name, path, _ in files:
        for place, payload in _payloads(name, path):
            for field, text in _texts(payload, item.fields, place):
                yield item.id, number, field, text
            number += 1


def _payloads(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    """(place, payload) of every item of a file of any format."""
    for _, frames in read_records(path, form_of(name), _LIMITS, Options(name)):
        for row, (reason, detail) in frames.faults.items():
            raise RequestError(f"evaluation set, {name}:{frames.line[row]}: {reason} ({detail}).")
        for row, line in enumerate(frames.line.tolist()):
            yield f"{name}:{line}", frames.payload(row)


def _texts(line: bytes, fields: Sequence[str], place: str) -> Iterator[tuple[str, str]]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise RequestError(f"evaluation set, {place}: not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise RequestError(f"evaluation set, {place}: not an object.")
    for name in fields or value:
        if name not in value:
            raise RequestError(f"evaluation set, {place}: no field {name!r}; it has {', '.join(value)}.")
        for _, text in texts_in(value[name], name):
            yield name, text.encode("utf-8", "replace").decode()
