"""Plain chats to canonical rows, column by column: what ``canonical_rows`` makes one by one, at once.

``kernels.chat`` says which bronze lines are plain chats and reads their messages; what is known of a
record beside its payload is the same for whole runs of lines. So no Python object is made a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from toolkit.ingest import head_columns
from toolkit.kernels import to_text
from toolkit.kernels.bronze_heads import PAYLOAD
from toolkit.kernels.chat import Chats, plain_chats
from toolkit.pipeline.stages.canonical_rows import Texts, token_estimates
from toolkit.records import CANONICAL, MESSAGE, ORIGIN
from toolkit.records.schema import ROLES

_SYSTEM = ROLES.index("system")


def read_chats(
    data: np.ndarray, places: np.ndarray, regime: str, mapping: Mapping | None, json_too: bool
) -> Chats:
    """The plain chats among bronze lines; none in a regime or under a map that reads them otherwise."""
    payloads = places[:, PAYLOAD], places[:, PAYLOAD + 1]
    if mapping or regime not in ("auto", "sft"):
        none = plain_chats(data, *(ends[:0] for ends in payloads))
        return Chats(np.zeros(len(places), np.bool_), none.rows, none.roles, none.ends, none.text)
    return plain_chats(data, *payloads, json_too)


def chat_texts(chats: Chats) -> tuple[pa.LargeListArray, pa.LargeStringArray, pa.LargeStringArray]:
    """Of each chat: its texts one by one, what near-duplicates are judged on, and all text."""
    said = to_text(chats.text, chats.ends)
    counted = chats.roles != _SYSTEM
    ends = np.concatenate([[0], np.cumsum(counted)])[chats.rows]
    compared = said if counted.all() else said.take(pa.array(np.flatnonzero(counted)))
    fields = pa.LargeListArray.from_arrays(pa.array(chats.rows), said)
    return fields, Texts.joined(ends, compared), Texts.joined(chats.rows, said)


def chat_rows(data: np.ndarray, places: np.ndarray, chats: Chats, every: pa.LargeStringArray) -> pa.Table:
    """The chats as rows of schema ``CANONICAL`` (``quality`` null); ``places`` are theirs alone."""
    head = head_columns(data, places)
    rows = len(places)
    columns = {field.name: pa.nulls(rows, field.type) for field in CANONICAL}
    columns |= {field.name: head[field.name].cast(field.type) for field in CANONICAL if field.name in head}
    columns["id"] = head["record_id"].cast(pa.string())
    columns["regime"] = pa.repeat(pa.scalar("sft", pa.string()), rows)
    columns["messages"] = _messages(chats)
    columns["origin"] = pa.StructArray.from_arrays(
        [head[field.name].cast(field.type) for field in ORIGIN], fields=list(ORIGIN)
    )
    columns["token_estimate"] = token_estimates(every)
    return pa.Table.from_arrays([columns[name] for name in CANONICAL.names], schema=CANONICAL)


def _messages(chats: Chats) -> pa.ListArray:
    role = pa.DictionaryArray.from_arrays(pa.array(chats.roles), pa.array(ROLES)).cast(pa.string())
    content = to_text(chats.text, chats.ends).cast(pa.string())
    calls = pa.nulls(len(role), pa.string())
    messages = pa.StructArray.from_arrays([role, content, calls], fields=list(MESSAGE))
    return pa.ListArray.from_arrays(pa.array(chats.rows, pa.int32()), messages)
