"""The one text that a record is compared by.

It is the field that is named (dots lead into objects), a string or a list of messages. Where none is
named it is ``text``, and without that the conversation: what ``records.compared_text`` says of chats,
pairs and prompts. A record without either has the empty text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from toolkit.ingest.validate import value_of
from toolkit.kernels import text_buffers, to_text
from toolkit.pipeline.stages.plain.rows import Rows, at
from toolkit.records import SchemaError, canonical, compared_text

_Found = tuple[str, bool] | None
_NOTHING = object()
BLOCK = 16_384  # rows that are Python data at once


@dataclass(frozen=True)
class Compared:
    """The text of each of n records.

    ``texts`` large_string, of which ``conversation`` bool[n] were rendered from messages; ``without``
    records have no such field.
    """

    texts: pa.LargeStringArray
    conversation: np.ndarray
    without: int


def compared_texts(rows: Rows, text: str | None) -> Compared:
    """The text that each record is compared by; what is no Unicode text is compared as U+FFFD."""
    column = None if rows.table is None else _column(rows.table, text)
    if column is not None:
        return Compared(to_text(*text_buffers(column)), np.zeros(len(rows), bool), 0)
    found = [_block(rows, slice(first, first + BLOCK), text) for first in range(0, max(1, len(rows)), BLOCK)]
    texts = pa.concat_arrays([one.texts for one in found])
    said = np.concatenate([one.conversation for one in found])
    return Compared(texts, said, sum(one.without for one in found))


def _block(rows: Rows, block: slice, text: str | None) -> Compared:
    """Some rows at a time: as Python data a part would take ten times its bytes."""
    if rows.table is None:
        return _of(_of_lines(rows.raw(block), text))
    return _of([_text_of(record, text) for record in rows.records(block)])


def _column(table: pa.Table, text: str | None) -> pa.ChunkedArray | None:
    """The column that is the text as it stands, if there is one."""
    name = "text" if text is None else text
    if name in table.column_names and table[name].type in (pa.string(), pa.large_string()):
        return table[name]
    return None


def _of_lines(lines: Sequence[bytes], text: str | None) -> list[_Found]:
    """One decoder for the one field that is wanted: the rest of a line is passed over."""
    first, *rest = ("text" if text is None else text).split(".")
    decode = msgspec.json.Decoder(msgspec.defstruct("Line", [("value", Any, None)], rename={"value": first}))
    found: list[_Found] = []
    for line in lines:
        try:
            value = decode.decode(line).value
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = value_of(line).get(first)  # valid all the same, such as a lone surrogate that is escaped
        plain = isinstance(value, str) and not rest
        found.append((value, False) if plain else _text_of(value_of(line), text))
    return found


def _of(found: Sequence[_Found]) -> Compared:
    values = ["" if one is None else one[0] for one in found]
    said = np.array([one is not None and one[1] for one in found], bool)
    try:
        texts = pa.array(values, pa.large_string())
    except UnicodeEncodeError:
        texts = pa.array([value.encode("utf-8", "replace").decode() for value in values], pa.large_string())
    return Compared(to_text(*text_buffers(texts)), said, found.count(None))


def _text_of(record: Mapping[str, Any], text: str | None) -> _Found:
    """The text of one record and whether it was a conversation; None if it has neither."""
    value = at(record, "text" if text is None else text, _NOTHING)
    if isinstance(value, str):
        return value, False
    try:
        if text is None:
            return compared_text(canonical(dict(record), "auto", None)), True
        if isinstance(value, list):
            return compared_text(canonical({"messages": value}, "sft", None)), True
    except SchemaError:
        pass
    return ("", False) if value is None else None
