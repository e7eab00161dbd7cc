"""Canonical records on their way into Arrow: appended one by one, as flat columns.

A conversation is not kept as a list of dicts but as what Arrow stores: ends of the rows, and roles,
contents and calls of all messages one after another. The texts that later stages ask for come
of the same pass: each text once, and for every row where its own begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.records import CANONICAL, CONVERSATIONS, MESSAGE, ORIGIN, VERIFIER, beside_turns

_OWN = ("regime", "answer", "lang", "difficulty")
_CARRIED = (
    "source_id",
    "source_type",
    "source_rank",
    "license",
    "consent",
    "pii",
    "generator_model",
    "logical_date",
)


class Origin(msgspec.Struct):
    """Where a payload lay: a file's name, line, byte offset and length in bytes."""

    path: str
    line: int
    offset: int
    length: int


class Head(msgspec.Struct):
    """What a bronze line says of its payload, but for ``run_id`` and ``schema_version``."""

    record_id: str
    source_id: str
    source_type: str
    source_rank: int
    origin: Origin
    license: str | None
    consent: bool | None
    pii: str | None
    generator_model: str | None
    logical_date: str


class _Conversation:
    """One column of conversations; null where a row has none."""

    def __init__(self) -> None:
        self.ends: list[int] = [0]
        self.valid: list[bool] = []
        self.role: list[str] = []
        self.content: list[str] = []
        self.calls: list[str | None] = []

    def add(self, turns: list[dict[str, Any]] | None) -> None:
        for turn in turns or ():
            self.role.append(turn["role"])
            self.content.append(turn["content"])
            self.calls.append(turn["tool_calls"])
        self.ends.append(len(self.role))
        self.valid.append(turns is not None)

    def array(self) -> pa.ListArray:
        texts = [pa.array(values, pa.string()) for values in (self.role, self.content, self.calls)]
        messages = pa.StructArray.from_arrays(texts, fields=list(MESSAGE))
        missing = pa.array(~np.array(self.valid, np.bool_))
        return pa.ListArray.from_arrays(pa.array(self.ends, pa.int32()), messages, mask=missing)


class Texts:
    """A list of texts a row."""

    def __init__(self) -> None:
        self.ends: list[int] = [0]
        self.texts: list[str] = []

    def end_row(self) -> None:
        """What comes now is of the next row."""
        self.ends.append(len(self.texts))

    def lists(self) -> pa.LargeListArray:
        """The texts of each row."""
        return pa.LargeListArray.from_arrays(
            pa.array(self.ends, pa.int64()), pa.array(self.texts, pa.large_string())
        )

    def lines(self) -> pa.LargeStringArray:
        """The texts of each row, one to a line."""
        return self.joined(np.array(self.ends), pa.array(self.texts, pa.large_string()))

    @staticmethod
    def none(rows: int) -> pa.LargeListArray:
        """No text in any of some rows."""
        return pa.LargeListArray.from_arrays(
            pa.array(np.zeros(rows + 1, np.int64)), pa.array([], pa.large_string())
        )

    @staticmethod
    def joined(ends: np.ndarray, texts: pa.LargeStringArray) -> pa.LargeStringArray:
        """Row i has ``texts[ends[i]:ends[i + 1]]``, one to a line."""
        lists = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), texts)
        return pc.binary_join(lists, pa.scalar("\n", pa.large_string()))


class Rows:
    """Canonical rows (``quality`` null) and their texts, in order."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self._own: dict[str, list[Any]] = {name: [] for name in _OWN}
        self._conversations = {name: _Conversation() for name in CONVERSATIONS}
        self._verifiers: list[Mapping[str, str] | None] = []
        self._compared, self._every = Texts(), Texts()

    def add(self, head: Head, record: Mapping[str, Any]) -> None:
        """Append the canonical ``record`` of the bronze line that begins with ``head``."""
        self.heads.append(head)
        for name, values in self._own.items():
            values.append(record.get(name))
        compared, every = self._compared.texts, self._every.texts
        for name, column in self._conversations.items():
            turns = record.get(name)
            column.add(turns)
            for turn in turns or ():
                said = [turn["content"]]
                if turn["tool_calls"] is not None:
                    said.append(turn["tool_calls"])
                every += said
                if turn["role"] != "system":
                    compared += said
        self._verifiers.append(record.get("verifier"))
        every += beside_turns(record)
        self._compared.end_row()
        self._every.end_row()

    def table(self, every: pa.LargeStringArray) -> pa.Table:
        """The rows, schema ``CANONICAL``; ``every`` as ``self.every`` gives it."""
        columns = {name: pa.array(values, CANONICAL.field(name).type) for name, values in self._own.items()}
        columns |= {name: column.array() for name, column in self._conversations.items()}
        for name in _CARRIED:
            kept = [getattr(head, name) for head in self.heads]
            columns[name] = pa.array(kept, CANONICAL.field(name).type)
        columns["id"] = pa.array([head.record_id for head in self.heads], pa.string())
        columns["origin"] = self._origins()
        columns["verifier"] = pa.array(self._verifiers, VERIFIER)
        columns["quality"] = pa.nulls(len(self.heads), CANONICAL.field("quality").type)
        columns["token_estimate"] = token_estimates(every)
        return pa.Table.from_arrays([columns[name] for name in CANONICAL.names], schema=CANONICAL)

    def compared(self) -> pa.LargeStringArray:
        """What near-duplicates are judged on: ``records.compared_text`` of each row."""
        return self._compared.lines()

    def every(self) -> pa.LargeStringArray:
        """All text: ``records.every_text`` of each row."""
        return self._every.lines()

    def _origins(self) -> pa.StructArray:
        origins = [head.origin for head in self.heads]
        columns = [pa.array([getattr(o, f.name) for o in origins], f.type) for f in ORIGIN]
        return pa.StructArray.from_arrays(columns, fields=list(ORIGIN))


def token_estimates(every: pa.LargeStringArray) -> pa.Array:
    """A token for every four bytes of ``every_text``, and at least one: int32."""
    sizes = pc.binary_length(every).to_numpy()
    return pa.array(np.maximum(1, (sizes + 3) // 4).astype(np.int32))
