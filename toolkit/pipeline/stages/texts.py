"""Texts to compare, from tables and from files of JSON lines or Parquet: cut into parts by the input alone.

A part is read by itself in any process: its rows, the text that each is judged by, and where
each lies. What is no record is set aside. A record is written out again as it came: the bytes
of its line, or its row with all columns.

The text of a record is the field that is named (dots lead into objects), a string or a list of
messages. Where none is named it is ``text``, and without that the conversation: what
``records.compared_text`` says of chats, pairs and prompts. A record without either has the
empty text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import RequestError, ToolkitError
from toolkit.ingest import (
    Limits,
    Options,
    Span,
    expand,
    form_of,
    judge,
    open_stream,
    quarantine_line,
    spans_of,
)
from toolkit.ingest.formats import jsonl
from toolkit.ingest.validate import value_of
from toolkit.kernels import text_buffers, to_text
from toolkit.kernels.json_lines import digests
from toolkit.records import SchemaError, canonical, compared_text
from toolkit.storage import Group, sha256_bytes, sha256_file, write_atomic, write_parquet

PART_BYTES = 32 << 20
MAX_RECORD_BYTES = 256 << 20
FORMATS = ("jsonl", "parquet")
_LIMITS = Limits(PART_BYTES, MAX_RECORD_BYTES)


@dataclass(frozen=True)
class TextPart:
    """A piece of the input: row groups ``start`` to ``stop`` of a Parquet file, or bytes of JSON lines.

    ``source`` is the number of the input that it belongs to, ``name`` the path in its records'
    origin. ``line`` is the number of its first line or row, from 1; ``base`` where its first byte
    lies in the decompressed file, which is not ``start`` for a piece that was unpacked to ``path``.
    ``sha256`` is that of its bytes (of the whole file, for Parquet).
    """

    number: int
    source: int
    path: Path
    name: str
    format: str
    start: int
    stop: int
    line: int
    base: int
    sha256: str
    fault: str | None = None
    detail: str = ""

    @property
    def part(self) -> str:
        """``part-00000``."""
        return f"part-{self.number:05d}"

    def identity(self) -> dict[str, Any]:
        """What the part holds, as JSON data: all but the folder it lies in."""
        return {name: value for name, value in vars(self).items() if name != "path"}


@dataclass(frozen=True)
class TextRows:
    """The n records of a part, in order.

    ``texts`` large_string, of which ``conversation`` bool[n] were rendered from messages. ``ids``
    uint8 (n, 32): the sha256 of a record's line, or of the text of a table's row. ``line``,
    ``offset``, ``length`` int64[n]: its origin; 0 bytes at 0 for a row of a table. ``table`` holds
    those rows whole, ``data`` and ``start`` int64[n] the lines.
    """

    texts: pa.LargeStringArray
    conversation: np.ndarray
    ids: np.ndarray
    line: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    table: pa.Table | None = None
    data: bytes = b""
    start: np.ndarray | None = None
    quarantine: bytes = b""
    rejected: Mapping[str, Group] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.line)

    def number(self, name: str) -> np.ndarray:
        """A field of numbers (dots lead into objects), float64[n]; NaN where a record has none."""
        if self.table is not None and name in self.table.column_names:
            values = self.table[name].to_pylist()
        elif self.table is not None:
            values = [_field(row, name) for row in self.table.to_pylist()]
        else:
            values = [_field(value_of(line), name) for line in self.lines(np.arange(len(self))).splitlines()]
        good = [float(v) if type(v) in (int, float) and abs(v) < 1e300 else float("nan") for v in values]
        return np.array(good, np.float64)

    def lines(self, rows: np.ndarray) -> bytes:
        """Some records of a file of JSON lines, each as it came and ended by LF."""
        assert self.start is not None
        ends = self.start + self.length
        pairs = zip(self.start[rows].tolist(), ends[rows].tolist(), strict=True)
        return b"".join([self.data[first:end] + b"\n" for first, end in pairs])


def text_parts(inputs: Sequence[str | Path | pa.Table], work: Path) -> list[TextPart]:
    """Cut the inputs into parts; what is compressed, or a table in memory, is unpacked into ``work``.

    An input is a file, a folder, a glob, or a table. Memory: that of one part. Raises RequestError
    for an input that is not there, cannot be read, or is neither JSON lines nor Parquet.
    """
    parts: list[TextPart] = []
    for source, given in enumerate(inputs):
        if isinstance(given, pa.Table):
            path = work / "input" / f"table-{source:05d}.parquet"
            write_parquet(path, given)
            parts += _of_parquet(len(parts), source, f"table-{source}", path)
            continue
        try:
            found = expand(Path.cwd(), str(given), str(given))
        except FileNotFoundError as error:
            raise RequestError(str(error)) from None
        for name, path in found:
            parts += _of_file(len(parts), source, name, path, work)
    return parts


def _of_file(number: int, source: int, name: str, path: Path, work: Path) -> list[TextPart]:
    form = form_of(name)
    if form not in FORMATS:
        raise RequestError(
            f"{path} is read as {form}; expected JSON lines or Parquet. Land it first: toolkit ingest {path} "
            "--out DIR, and give DIR/bronze."
        )
    if form == "parquet":
        return _of_parquet(number, source, name, path)
    parts = []
    stream = open_stream(path)
    for span, data in spans_of(stream, "jsonl", _LIMITS, Options(name)):
        where, start, base = path, span.start, span.start
        if stream.codec is not None:
            where, start = work / "input" / f"part-{number + len(parts):05d}.jsonl", 0
            write_atomic(where, data)
        parts.append(
            TextPart(
                number + len(parts),
                source,
                where,
                name,
                "jsonl",
                start,
                start + len(data),
                span.line,
                base,
                sha256_bytes(data),
                span.fault,
                span.detail,
            )
        )
    if not parts:
        return [TextPart(number, source, path, name, "jsonl", 0, 0, 1, 0, sha256_bytes(b""))]
    return parts


def _of_parquet(number: int, source: int, name: str, path: Path) -> list[TextPart]:
    parts, start, row, size = [], 0, 0, 0
    try:
        with pq.ParquetFile(path) as file:
            digest, groups = sha256_file(path), file.metadata.num_row_groups
            if not groups:
                parts.append(TextPart(number, source, path, name, "parquet", 0, 0, 1, 0, digest))
            for group in range(groups):
                size += file.metadata.row_group(group).total_byte_size
                if size >= PART_BYTES or group == groups - 1:
                    place = number + len(parts)
                    parts.append(
                        TextPart(place, source, path, name, "parquet", start, group + 1, row + 1, row, digest)
                    )
                    row += sum(file.metadata.row_group(g).num_rows for g in range(start, group + 1))
                    start, size = group + 1, 0
    except (pa.ArrowInvalid, OSError) as error:
        raise RequestError(f"{path} cannot be read as Parquet: {error}") from None
    return parts


def read_part(part: TextPart, text: str | None, texts: bool = True) -> TextRows:
    """The records of a part and, with ``texts``, the text of each; lines that are none are set aside."""
    if part.format == "parquet":
        return _table_rows(part, text, texts)
    return _line_rows(part, text, texts) if part.fault is None else _set_aside(part)


def _table_rows(part: TextPart, text: str | None, wanted: bool) -> TextRows:
    with pq.ParquetFile(part.path) as file:
        table = file.read_row_groups(list(range(part.start, part.stop)), use_threads=False)
    column, said = _column(table, text), np.zeros(len(table), bool)
    if not wanted:
        column = pa.array([""] * len(table), pa.large_string())
    elif column is None:
        column, said = _as_texts([_text_of(row, text) for row in table.to_pylist()])
    texts = to_text(*text_buffers(column))
    data, offsets = text_buffers(texts)
    nothing = np.zeros(len(table), np.int64)
    ids = digests(data, offsets[:-1], offsets[1:])
    return TextRows(texts, said, ids, part.line + np.arange(len(table)), nothing, nothing, table)


def _column(table: pa.Table, text: str | None) -> pa.ChunkedArray | None:
    """The column that is the text as it stands, if there is one."""
    name = "text" if text is None else text
    if name in table.column_names and table[name].type in (pa.string(), pa.large_string()):
        return table[name]
    return None


def _bytes_of(part: TextPart) -> bytes:
    with part.path.open("rb") as file:
        file.seek(part.start)
        data = file.read(part.stop - part.start)
    if sha256_bytes(data) != part.sha256:
        raise ToolkitError(f"{part.path} changed while it was read: run the same command again.")
    return data


def _line_rows(part: TextPart, text: str | None, wanted: bool) -> TextRows:
    data = _bytes_of(part)
    frames = jsonl.frames(data, Span(part.base, part.base + len(data), part.line), Options(part.name))
    judged = judge(frames, MAX_RECORD_BYTES)
    rows = np.flatnonzero(judged.good)
    start, stop = frames.start[rows], frames.stop[rows]
    texts, said = _texts_of_lines(data, start, stop, text) if wanted else _as_texts([])
    aside, gone = [], {}
    for row, (reason, detail) in judged.rejects.items():
        raw = frames.payload(row)
        place = (int(column[row]) for column in (frames.line, frames.offset, frames.length))
        aside.append(_entry(part, *place, reason, detail, raw))
        gone[reason] = gone.get(reason, Group()) + Group.of([sha256_bytes(raw)], [len(raw)])
    place = frames.line[rows], frames.offset[rows], frames.length[rows]
    ids = digests(frames.data, start, stop)
    return TextRows(texts, said, ids, *place, None, data, start, b"".join(aside), gone)


def _set_aside(part: TextPart) -> TextRows:
    """A part that cannot be read as lines at all."""
    data, none = _bytes_of(part), np.empty(0, np.int64)
    entry = _entry(part, part.line, part.base, len(data), part.fault, part.detail, data)
    gone = {part.fault: Group.of([sha256_bytes(data)], [len(data)])}
    return TextRows(
        *_as_texts([]), np.empty((0, 32), np.uint8), none, none, none, None, b"", none, entry, gone
    )


def _entry(
    part: TextPart, line: int, offset: int, length: int, reason: str, detail: str, raw: bytes
) -> bytes:
    origin = {"path": part.name, "line": line, "offset": offset, "length": length}
    return quarantine_line(f"input-{part.source}", "texts", origin, reason, detail, raw)


def _texts_of_lines(
    data: bytes, start: np.ndarray, stop: np.ndarray, text: str | None
) -> tuple[pa.LargeStringArray, np.ndarray]:
    """One decoder for the one field that is wanted: the rest of a line is passed over."""
    first, *rest = ("text" if text is None else text).split(".")
    decode = msgspec.json.Decoder(msgspec.defstruct("Line", [("value", Any, None)], rename={"value": first}))
    found = []
    for a, b in zip(start.tolist(), stop.tolist(), strict=True):
        line = data[a:b]
        try:
            value = decode.decode(line).value
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = value_of(line).get(first)  # valid all the same, such as a lone surrogate that is escaped
        plain = isinstance(value, str) and not rest
        found.append((value, False) if plain else _text_of(value_of(line), text))
    return _as_texts(found)


def _as_texts(found: Sequence[tuple[str, bool]]) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Texts, and which of them were conversations; what is no Unicode text is compared as U+FFFD."""
    values, said = [value for value, _ in found], np.array([said for _, said in found], bool)
    try:
        return pa.array(values, pa.large_string()), said
    except UnicodeEncodeError:
        clean = [value.encode("utf-8", "replace").decode() for value in values]
        return pa.array(clean, pa.large_string()), said


def _text_of(record: Mapping[str, Any], text: str | None) -> tuple[str, bool]:
    """The text of one record, the empty one if it has none, and whether it was a conversation."""
    value = _field(record, "text" if text is None else text)
    if isinstance(value, str):
        return value, False
    try:
        if text is None:
            return compared_text(canonical(dict(record), "auto", None)), True
        if isinstance(value, list):
            return compared_text(canonical({"messages": value}, "sft", None)), True
    except SchemaError:
        pass
    return "", False


def _field(record: Mapping[str, Any], name: str) -> Any:
    value: Any = record
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
