"""Rows of a Parquet file as records: the object of a row's columns, in the order of the schema.

Columns are stored apart, so a row has no bytes of its own in the file: its place is its number. A
span is a range of rows, cut where about ``shard_bytes`` of decoded values have passed; measuring that
decodes all of the file once, and so finds any damage before a record is taken from it. How each type
is spelled is in ``arrow_json``.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.ingest.formats.arrow_json import encode_lines, fault, fields, finite, spelled, values
from toolkit.ingest.frames import Frames, Options
from toolkit.ingest.span import Limits, Span

BATCH_BYTES = 1 << 20
BATCH_ROWS = 4096
_LF = 10


class Damaged(ValueError):
    """No Parquet file, a damaged one, or one with a column that has no spelling in JSON."""


def cut_file(path: Path, limits: Limits) -> tuple[Span, ...]:
    """Ranges of rows, from 0, half open; none for a table without a row. Damaged if any part is.

    Memory: a page of each column and one batch of at most ``BATCH_ROWS`` rows.
    """
    spans, start, row, size = [], 0, 0, 0
    with _open(path) as file:
        _spellable(file.schema_arrow)
        expected = file.metadata.num_rows
        for batch in _batches(file, range(file.num_row_groups)):
            row += batch.num_rows
            size += batch.nbytes
            if size >= limits.shard_bytes or row == expected:
                spans.append(Span(start, row, start + 1))
                start, size = row, 0
    if row != expected:
        raise Damaged(f"{expected} rows are declared, {row} are there")
    return tuple(spans)


def frames_of(path: Path, span: Span, options: Options) -> Frames:
    """The rows of a span; ``offset`` and ``length`` are 0, ``line`` is the row's number from 1.

    Faults, each with the row as JSON and the column's name: ``json.non_finite`` (spelled NaN, Infinity),
    ``utf8.invalid`` (bytes that are not UTF-8 spelled as escaped lone surrogates, U+DC80 to U+DCFF).
    Raises Damaged, but not for a file that ``cut_file`` has read.
    """
    buffer, ends, faults = bytearray(), [np.zeros(1, np.int64)], {}
    with _open(path) as file:
        row = 0
        for batch in _rows(file, span):
            lines, wrong = _payloads(file.schema_arrow.names, batch)
            faults |= {row + number: why for number, why in wrong.items()}
            ends.append(np.flatnonzero(np.frombuffer(lines, np.uint8) == _LF) + len(buffer) + 1)
            buffer += lines
            row += batch.num_rows
    if row != span.stop - span.start:
        raise Damaged(f"rows {span.start} to {span.stop} are not all there: has the file changed?")
    bounds, place = np.concatenate(ends), np.zeros(row, np.int64)
    line = np.arange(span.start + 1, span.stop + 1, dtype=np.int64)
    data = np.frombuffer(buffer, np.uint8)
    return Frames(data, bounds[:-1], bounds[1:] - 1, line, place, place, faults)


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    """The file, read a page at a time; whatever the reader raises about it is Damaged."""
    try:
        with pq.ParquetFile(
            path, memory_map=False, buffer_size=1 << 16, pre_buffer=False, page_checksum_verification=True
        ) as file:
            yield file
    except (FileNotFoundError, PermissionError, Damaged):
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise Damaged(" ".join(str(error).split())[:200]) from error


def _batches(file: pq.ParquetFile, groups: range) -> Iterator[pa.RecordBatch]:
    for group in groups:
        about = file.metadata.row_group(group)
        each = max(about.total_byte_size, 1) // max(about.num_rows, 1) + 1
        size = max(1, min(BATCH_ROWS, BATCH_BYTES // each))
        yield from file.iter_batches(batch_size=size, row_groups=[group], use_threads=False)


def _rows(file: pq.ParquetFile, span: Span) -> Iterator[pa.RecordBatch]:
    """The rows of a span, from the row groups that hold them."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    ends = np.cumsum(sizes, dtype=np.int64)
    first = int(np.searchsorted(ends, span.start, "right"))
    last = int(np.searchsorted(ends, span.stop, "left"))
    row = int(ends[first - 1]) if first else 0
    for batch in _batches(file, range(first, min(last + 1, len(sizes)))):
        begin, stop = max(span.start - row, 0), min(span.stop - row, batch.num_rows)
        row += batch.num_rows
        if begin < stop:
            yield batch.slice(begin, stop - begin)
        if row >= span.stop:
            return


def _spellable(schema: pa.Schema) -> None:
    for field in schema:
        try:
            values(pa.array([], field.type))
        except (ValueError, NotImplementedError, pa.ArrowException) as error:
            raise Damaged(f"column {field.name!r}: {error}") from error


def _payloads(names: list[str], batch: pa.RecordBatch) -> tuple[bytearray, dict[int, tuple[str, str]]]:
    """The rows as JSON lines, and the faults among them."""
    columns = [values(column) for column in batch.columns]
    rows = list(zip(*columns, strict=True)) if columns else [()] * batch.num_rows
    try:
        suspects = [index for index, column in enumerate(batch.columns) if not finite(column)]
        faults = _faults(names, rows, suspects) if suspects else {}
        return _lines(names, rows, faults), faults
    except UnicodeEncodeError:
        faults = _faults(names, rows, range(len(names)))
        return _lines(names, rows, faults), faults


def _faults(
    names: list[str], rows: list[tuple[Any, ...]], columns: Sequence[int]
) -> dict[int, tuple[str, str]]:
    found = {}
    for number, row in enumerate(rows):
        for index in columns:
            if number not in found and (wrong := fault(row[index])):
                found[number] = wrong[0], f"column {names[index]!r}: {wrong[1]}"
    return found


def _lines(names: list[str], rows: list[tuple[Any, ...]], faults: Container[int]) -> bytearray:
    if not faults and len(set(names)) == len(names):
        return encode_lines([dict(zip(names, row, strict=True)) for row in rows])
    lines = bytearray()
    for number, row in enumerate(rows):
        found = fields(names, row)
        lines += spelled(found) + b"\n" if number in faults else encode_lines([found])
    return lines
