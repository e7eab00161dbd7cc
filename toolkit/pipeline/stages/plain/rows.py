"""The rows of a part: a table, or lines with their places; what is no record is set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import ToolkitError
from toolkit.ingest import Options, Span, judge, quarantine_line
from toolkit.ingest.formats import jsonl
from toolkit.ingest.validate import value_of
from toolkit.kernels import text_buffers
from toolkit.kernels.json_lines import digests
from toolkit.pipeline.stages.plain.parts import MAX_RECORD_BYTES, TextPart
from toolkit.storage import Group, sha256_bytes

ALL = slice(None)


@dataclass(frozen=True)
class Rows:
    """The n records of a part, in order.

    ``line``, ``offset``, ``length`` int64[n]: their origin; 0 bytes at 0 for a row of a table.
    ``table`` holds those rows whole; of lines, record i is ``data[start[i] : start[i] + length[i]]``.
    ``quarantine`` are the entries of lines that are no records, ``rejected`` their counts by reason.
    """

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

    def record(self, row: int) -> dict[str, Any]:
        """A row as Python data."""
        if self.table is not None:
            return self.table.slice(row, 1).to_pylist()[0]
        assert self.start is not None
        return value_of(self.data[self.start[row] : self.start[row] + self.length[row]])

    def raw(self, block: slice | np.ndarray = ALL) -> list[bytes]:
        """Lines as they came, without their ends."""
        assert self.start is not None
        starts, ends = self.start[block], (self.start + self.length)[block]
        return [self.data[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]

    def ids(self, texts: pa.LargeStringArray) -> np.ndarray:
        """The sha256 of each line, or of the text of each row of a table, uint8 (n, 32)."""
        if self.start is not None:
            return digests(np.frombuffer(self.data, np.uint8), self.start, self.start + self.length)
        data, offsets = text_buffers(texts)
        return digests(data, offsets[:-1], offsets[1:])

    def number(self, name: str) -> np.ndarray:
        """A field of numbers (dots lead into objects), float64[n]; NaN where a record has none."""
        if self.table is not None and name in self.table.column_names:
            values = self.table[name].to_pylist()
        else:
            values = [at(record, name) for record in self.records()]
        good = [float(v) if type(v) in (int, float) and abs(v) < 1e300 else float("nan") for v in values]
        return np.array(good, np.float64)

    def records(self, block: slice = ALL) -> list[dict[str, Any]]:
        """Rows as Python data."""
        if self.table is None:
            return [value_of(line) for line in self.raw(block)]
        first, last, _ = block.indices(len(self))
        return self.table.slice(first, last - first).to_pylist()


def at(record: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The value of a field, whose dots lead into objects; ``default`` if there is none."""
    value: Any = record
    for step in [name] if name in record else name.split("."):
        value = value.get(step, default) if isinstance(value, Mapping) else default
    return value


def read_rows(part: TextPart) -> Rows:
    """The records of a part. Raises ToolkitError when it is not what it was when it was cut."""
    if part.format == "parquet":
        return _of_table(part)
    return _of_lines(part) if part.fault is None else _set_aside(part)


def lines_at(part: TextPart, origin: pa.ChunkedArray) -> Rows:
    """The lines of a part that were found good before, by their origins."""
    line, offset, length = (pc.struct_field(origin, name).to_numpy() for name in ("line", "offset", "length"))
    return Rows(line, offset, length, None, _bytes_of(part), offset - part.base)


def _of_table(part: TextPart) -> Rows:
    try:
        with pq.ParquetFile(part.path) as file:
            table = file.read_row_groups(list(range(part.start, part.stop)), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise ToolkitError(f"{part.path}: row groups {part.start} to {part.stop}: {said}") from None
    nothing = np.zeros(len(table), np.int64)
    return Rows(part.line + np.arange(len(table)), nothing, nothing, table)


def _of_lines(part: TextPart) -> Rows:
    data = _bytes_of(part)
    frames = jsonl.frames(data, Span(part.base, part.base + len(data), part.line), Options(part.name))
    judged = judge(frames, MAX_RECORD_BYTES)
    rows = np.flatnonzero(judged.good)
    aside, gone = [], {}
    for row, (reason, detail) in judged.rejects.items():
        raw = frames.payload(row)
        place = (int(column[row]) for column in (frames.line, frames.offset, frames.length))
        aside.append(_entry(part, *place, reason, detail, raw))
        gone[reason] = gone.get(reason, Group()) + Group.of([sha256_bytes(raw)], [len(raw)])
    place = frames.line[rows], frames.offset[rows], frames.length[rows]
    return Rows(*place, None, data, frames.start[rows], b"".join(aside), gone)


def _set_aside(part: TextPart) -> Rows:
    """A part that cannot be read as lines at all."""
    data, none = _bytes_of(part), np.empty(0, np.int64)
    assert part.fault is not None
    entry = _entry(part, part.line, part.base, len(data), part.fault, part.detail, data)
    gone = {part.fault: Group.of([sha256_bytes(data)], [len(data)])}
    return Rows(none, none, none, None, b"", none, entry, gone)


def _bytes_of(part: TextPart) -> bytes:
    with part.path.open("rb") as file:
        file.seek(part.start)
        data = file.read(part.stop - part.start)
    if sha256_bytes(data) != part.sha256:
        raise ToolkitError(f"{part.path} changed while it was read: run the same command again.")
    return data


def _entry(
    part: TextPart, line: int, offset: int, length: int, reason: str, detail: str, raw: bytes
) -> bytes:
    origin = {"path": part.name, "line": line, "offset": offset, "length": length}
    return quarantine_line(part.source_name, "texts", origin, reason, detail, raw)
