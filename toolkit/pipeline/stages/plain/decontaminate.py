"""Parts of plain files through decontamination: searched, treated by policy, what stays written."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import dedup
from toolkit.kernels.json_lines import add_mod128, leading_u64
from toolkit.pipeline.jobs import WORK
from toolkit.pipeline.stages.contamination import Leak, counted, cut_messages, leaks_of, threshold
from toolkit.pipeline.stages.plain.parts import TextPart
from toolkit.pipeline.stages.plain.rows import Rows, read_rows
from toolkit.pipeline.stages.plain.searched import record_texts, searched_texts
from toolkit.pipeline.stages.plain.survivors import write_survivors
from toolkit.storage import Group, IdHash, Ledger, Output, PartManifest, read_parquet, write_atomic, write_ipc

ITEMS = "eval_items.parquet"
FOUND_IN = pa.schema(
    [
        ("input", pa.string()),
        ("row", pa.int64()),  # line or row of the input, from 1
        ("method", pa.string()),  # contaminated (the row is gone), cut or flagged
        ("score", pa.float64()),  # words of the longest span
        ("threshold", pa.float64()),
        ("detail", pa.string()),  # the hits, as JSON text
    ]
)


@dataclass(frozen=True)
class DecontaminateJob:
    """A part of the input and where the evaluation items lie; ``items_sha256`` tells them from others."""

    out: Path
    part: TextPart
    text: str | None
    items_sha256: str
    policy: str
    ngram: int

    @property
    def proof(self) -> Path:
        """Where its evidence waits, schema FOUND_IN."""
        return self.out / WORK / f"{self.part.part}.arrow"

    @property
    def aside(self) -> Path:
        """The lines that are no records."""
        return self.out / "quarantine" / "texts" / f"{self.part.part}.jsonl"

    def done(self) -> list[PartManifest] | None:
        """See Job: a part is always made anew."""
        return None

    def run(self) -> list[PartManifest]:
        """See Job."""
        items, index = _shared(self.out / WORK / ITEMS, self.items_sha256, self.ngram)
        rows = read_rows(self.part)
        done = treat_rows(self.part, rows, self.text, index, items, self.policy)
        path = write_survivors(self.out, self.part, done.rows, done.kept, done.lines)
        write_ipc(self.proof, done.evidence)
        outputs = [] if path is None else [Output.of(self.out, path, len(done.kept))]
        if rows.quarantine:
            write_atomic(self.aside, rows.quarantine)
            aside = sum(group.records for group in rows.rejected.values())
            outputs.append(Output.of(self.out, self.aside, aside))
        else:
            self.aside.unlink(missing_ok=True)
        facts = {"leaks": done.leaks, "input": self.part.name}
        return [PartManifest(self.part.part, "", outputs, [done.ledger], facts)]


@functools.lru_cache(maxsize=1)
def _shared(path: Path, sha256: str, ngram: int) -> tuple[pa.Table, dedup.NgramIndex]:
    """The items and their index, built once in a process."""
    items = read_parquet(path)
    return items, dedup.build_index(items["text"].combine_chunks(), ngram, min(5, ngram))


@dataclass(frozen=True)
class TreatedRows:
    """The rows of a part with those that were cut in their places, or their ``lines``; which are ``kept``."""

    rows: Rows
    lines: Mapping[int, bytes]
    kept: np.ndarray
    evidence: pa.Table
    ledger: Ledger
    leaks: Mapping[str, Mapping[str, Any]]


def treat_rows(
    part: TextPart, rows: Rows, text: str | None, index: dedup.NgramIndex, items: pa.Table, policy: str
) -> TreatedRows:
    """Carry out ``policy`` on the rows that hold an item of ``index``.

    ``drop`` the row, ``cut`` a chat before the exchange that holds the first span (what is no list of
    messages is dropped), or ``flag``. The books count bytes of lines or, of tables, of texts.
    """
    fields = searched_texts(rows, text, part.name)

    def places(row: int) -> list[str]:
        return [place for place, _ in record_texts(rows.record(row), text, part.name)]

    leaks = leaks_of(dedup.find_in_fields(index, fields), items, places)
    left = {row: _cut(rows.record(row), places(row)[leaks[row].first]) for row in leaks if policy == "cut"}
    cuts = {row: one for row, one in left.items() if one is not None}
    stays = np.ones(len(rows), bool)
    stays[[row for row in leaks if policy != "flag" and row not in cuts]] = False
    sizes = rows.length if rows.table is None else _field_bytes(fields)
    after, lines, fresh = _with_cuts(rows, cuts, sizes, text)
    ids = leading_u64(rows.ids(pc.binary_join(fields, pa.scalar("\n", pa.large_string()))))
    out, gone = _group(ids, fresh, stays), _group(ids, sizes, ~stays)
    removed = {"contaminated": gone} if gone.records else {}
    if lost := int((sizes - fresh)[stays].sum()):
        removed["cut"] = Group(0, lost)
    came = sum(rows.rejected.values(), _group(ids, sizes, np.ones(len(rows), bool)))
    ledger = Ledger("decontaminate", "bytes", came, out, rows.rejected, removed).check()
    methods = ["flagged" if policy == "flag" else "cut" if row in cuts else "contaminated" for row in leaks]
    proof = _proof(part, rows, leaks, methods, index)
    return TreatedRows(after, lines, np.flatnonzero(stays), proof, ledger, counted(leaks))


def _field_bytes(fields: pa.LargeListArray) -> np.ndarray:
    """int64: the bytes of text of each row."""
    size = pc.binary_length(fields.flatten()).to_numpy().astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(size)])
    bounds = fields.offsets.to_numpy()
    return np.diff(ends[bounds - bounds[0]])


def _group(ids: np.ndarray, sizes: np.ndarray, chosen: np.ndarray) -> Group:
    return Group(int(chosen.sum()), int(sizes[chosen].sum()), IdHash(add_mod128(ids[chosen])))


def _proof(
    part: TextPart, rows: Rows, leaks: Mapping[int, Leak], methods: Sequence[str], index: dedup.NgramIndex
) -> pa.Table:
    found = list(leaks.values())
    columns = [
        [part.name] * len(found),
        [int(rows.line[row]) for row in leaks],
        methods,
        [float(leak.hits[0]["words"]) for leak in found],
        [threshold(leak, index) for leak in found],
        [leak.detail for leak in found],
    ]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, FOUND_IN.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=FOUND_IN)


def _cut(record: dict[str, Any], place: str) -> dict[str, Any] | None:
    """The record with its chat cut before the exchange that holds ``place``; None if none is left."""
    name = place.partition("[")[0]
    chat = record.get(name)
    if not isinstance(chat, list) or not all(isinstance(one, Mapping) for one in chat):
        return None
    left = cut_messages(chat, "messages" + place.removeprefix(name))
    return None if left is None else record | {name: left}


def _with_cuts(
    rows: Rows, cuts: Mapping[int, dict[str, Any]], sizes: np.ndarray, text: str | None
) -> tuple[Rows, Mapping[int, bytes], np.ndarray]:
    """The rows with the cut ones in their places, or the lines of those, and the bytes of every row."""
    if not cuts:
        return rows, {}, sizes
    sizes, cut = sizes.copy(), list(cuts)
    if rows.table is None:
        lines = {row: json.dumps(one).encode() for row, one in cuts.items()}
        sizes[cut] = [len(lines[row]) for row in cut]
        return rows, lines, sizes
    fresh = pa.Table.from_pylist(list(cuts.values()), schema=rows.table.schema)
    sizes[cut] = [_text_bytes(one, text) for one in cuts.values()]
    place = np.arange(len(rows))
    place[cut] = len(rows) + np.arange(len(cut))
    return replace(rows, table=pa.concat_tables([rows.table, fresh]).take(pa.array(place))), {}, sizes


def _text_bytes(record: Mapping[str, Any], text: str | None) -> int:
    return sum(len(one.encode("utf-8", "replace")) for _, one in record_texts(record, text, ""))
