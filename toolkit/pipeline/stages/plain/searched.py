"""All the texts in a record that count, each with its place.

They are those of the field that is named (dots lead into objects); else of ``text``, else of
``messages``, else of all fields. A field may hold text, or lists and objects with text in them: every
string counts but roles, and text that is JSON also as what it spells (``records.texts_in``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import RequestError
from toolkit.ingest.validate import value_of
from toolkit.pipeline.stages.plain.rows import Rows
from toolkit.records import texts_in

FIELDS = pa.large_list(pa.large_string())
_DEFAULTS = ("text", "messages")
_JSON = r"^[ \t\r\n]*[\[{]"
_MAY_BE_JSON = frozenset("[{ \t\r\n")
_decode = msgspec.json.Decoder().decode


def searched_texts(rows: Rows, text: str | None, name: str) -> pa.LargeListArray:
    """The texts in each row, large_list of large_string.

    RequestError for a row of the input ``name`` without the field that was asked for.
    """
    if rows.table is not None:
        return _of_table(rows.table, text, name)
    wanted, found = text or "text", []
    for number, line in zip(rows.line.tolist(), rows.raw(), strict=True):
        try:
            record = _decode(line)
        except (msgspec.MsgspecError, ValueError):
            record = value_of(line)
        value = record.get(wanted)
        if type(value) is str and value and value[0] not in _MAY_BE_JSON:
            found.append([value])
        else:
            found.append([one for _, one in record_texts(record, text, f"{name}:{number}")])
    return _listed(found)


def record_texts(record: Mapping[str, Any], path: str | None, place: str) -> Iterator[tuple[str, str]]:
    """(place, text) of the texts of a record that count; ``place`` is its own, for an error."""
    chosen = path or next((known for known in _DEFAULTS if known in record), None)
    if chosen is None:
        return (pair for key, value in record.items() for pair in texts_in(value, str(key)))
    value: Any = record
    for step in [chosen] if chosen in record else chosen.split("."):
        if not isinstance(value, Mapping) or step not in value:
            has = list(value)[:20] if isinstance(value, Mapping) else []
            raise RequestError(_no_field(place, chosen, has))
        value = value[step]
    return texts_in(value, chosen)


def _listed(values: list[list[str]]) -> pa.LargeListArray:
    try:
        return pa.array(values, FIELDS)
    except UnicodeEncodeError:  # a lone surrogate that JSON spelled
        return pa.array([[one.encode("utf-8", "replace") for one in row] for row in values], FIELDS)


def _of_table(table: pa.Table, text: str | None, name: str) -> pa.LargeListArray:
    names = table.schema.names
    chosen = text or next((known for known in _DEFAULTS if known in names), None)
    if chosen is None:
        return _listed([[one for _, one in record_texts(row, None, name)] for row in table.to_pylist()])
    column = _column(table, chosen, name)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        whole = column.cast(pa.large_string()).fill_null("").combine_chunks()
        if not pc.any(pc.match_substring_regex(whole, _JSON)).as_py():
            offsets = pa.array(np.arange(len(whole) + 1), pa.int64())
            return pa.LargeListArray.from_arrays(offsets, whole)
    return _listed([[one for _, one in texts_in(value, chosen)] for value in column.to_pylist()])


def _column(table: pa.Table, path: str, name: str) -> pa.ChunkedArray:
    has = table.schema.names
    first, *rest = [path] if path in has else path.split(".")
    if first not in has:
        raise RequestError(_no_field(name, path, has))
    column = table[first]
    for step in rest:
        has = [one.name for one in column.type] if pa.types.is_struct(column.type) else []
        if step not in has:
            raise RequestError(_no_field(name, path, has))
        column = pc.struct_field(column, step)
    return column


def _no_field(place: str, path: str, has: Sequence[str]) -> str:
    where = "there" if "." in path else "it"
    return f"{place}: no field {path!r}; {where} has {', '.join(map(str, has)) or 'none'}. Name another."
