"""Plain chats to canonical rows, column by column: what ``canonical_rows`` makes one by one, at once.

``kernels.chat`` says which bronze lines are plain chats and reads their messages; what is known of a
record beside its payload is the same for whole runs of lines. So no Python object is made a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from toolkit.kernels import to_text
from toolkit.kernels.chat import Chats, plain_chats
from toolkit.pipeline.stages.canonical_rows import Texts, token_estimates
from toolkit.records import CANONICAL, MESSAGE, ORIGIN
from toolkit.records.schema import ROLES

Rows = TypeVar("Rows", pa.Table, pa.Array)
_SYSTEM = ROLES.index("system")


def read_chats(
    data: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    regime: str,
    mapping: Mapping[str, Sequence[str]] | None,
    json_too: bool = True,
) -> Chats:
    """The plain chats among payloads; none in a regime or under a map that reads them otherwise."""
    if mapping or regime not in ("auto", "sft"):
        none = plain_chats(data, start[:0], stop[:0])
        return Chats(np.zeros(len(start), np.bool_), none.rows, none.roles, none.ends, none.text)
    return plain_chats(data, start, stop, json_too)


def chat_texts(chats: Chats) -> tuple[pa.LargeListArray, pa.LargeStringArray, pa.LargeStringArray]:
    """Of each chat: its texts one by one, what near-duplicates are judged on, and all text."""
    said = to_text(chats.text, chats.ends)
    counted = chats.roles != _SYSTEM
    ends = np.concatenate([[0], np.cumsum(counted)])[chats.rows]
    compared = said if counted.all() else said.take(pa.array(np.flatnonzero(counted)))
    fields = pa.LargeListArray.from_arrays(pa.array(chats.rows), said)
    return fields, Texts.joined(ends, compared), Texts.joined(chats.rows, said)


def chat_rows(head: Mapping[str, pa.Array], chats: Chats, every: pa.LargeStringArray) -> pa.Table:
    """The chats as rows of schema ``CANONICAL`` (``quality`` null).

    ``head`` are the columns of ``ingest.head_columns`` for them alone; a column that it lacks is null.
    """
    columns = {field.name: pa.nulls(len(every), field.type) for field in CANONICAL}
    columns |= {field.name: head[field.name].cast(field.type) for field in CANONICAL if field.name in head}
    columns["id"] = head["record_id"].cast(pa.string())
    columns["regime"] = pa.repeat(pa.scalar("sft", pa.string()), len(every))
    columns["messages"] = _messages(chats)
    place = [head[field.name].cast(field.type) for field in ORIGIN]
    columns["origin"] = pa.StructArray.from_arrays(place, fields=list(ORIGIN))
    columns["token_estimate"] = token_estimates(every)
    return pa.Table.from_arrays([columns[name] for name in CANONICAL.names], schema=CANONICAL)


def in_order(one: Rows, other: Rows, order: pa.Array) -> Rows:
    """Rows of both, as ``order`` takes them from the first and then the other; nothing moves for nothing."""
    if not len(one) or not len(other):
        return one if len(one) else other
    both = [one, other]
    return (pa.concat_tables(both) if isinstance(one, pa.Table) else pa.concat_arrays(both)).take(order)


def _messages(chats: Chats) -> pa.ListArray:
    role = pa.DictionaryArray.from_arrays(pa.array(chats.roles), pa.array(ROLES)).cast(pa.string())
    content = to_text(chats.text, chats.ends).cast(pa.string())
    calls = pa.nulls(len(role), pa.string())
    messages = pa.StructArray.from_arrays([role, content, calls], fields=list(MESSAGE))
    return pa.ListArray.from_arrays(pa.array(chats.rows, pa.int32()), messages)
