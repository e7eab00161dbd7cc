"""Plain files and tables in independent parts: their rows as they came, and the texts in each row.

For verbs that do one stage on data of no lake: Parquet, JSON lines (plain, gz, zst, bz2) and Arrow
tables. Parts are cut by the input alone, so that each is a task for any process: some row groups,
some rows of a table, about PART_BYTES of lines, or all of a compressed file, which has no inside
to begin at. A part is read a batch at a time, so memory is that of a batch and not of a part.

The texts of a row are those of the field that was asked for (a dotted path); else of ``text``, else
of ``messages``, else of all fields. A field may hold text, or lists and objects with text in them:
every string counts but roles, and text that is JSON also as what it spells (``records.texts_in``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import RequestError
from toolkit.ingest import expand, form_of
from toolkit.kernels.json_lines import count_newlines
from toolkit.records import texts_in
from toolkit.storage import writing

PART_BYTES = 64 << 20
BATCH_BYTES = 4 << 20
FIELDS = pa.large_list(pa.large_string())
LINE = "line"  # the column that holds the lines of a JSON lines file, byte for byte
_DEFAULTS = ("text", "messages")
_CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_MARK = b"\xef\xbb\xbf"
_JSON = r"^[ \t\r\n]*[\[{]"
_MAY_BE_JSON = frozenset("[{ \t\r\n")
_decode = msgspec.json.Decoder().decode

Input = str | Path | pa.Table
Inputs = Input | Sequence[Input]


@dataclass(frozen=True)
class TextPart:
    """A piece of one input; ``start`` and ``stop`` count its bytes, row groups or rows.

    ``first`` is the number of its first line or row, from 1; ``suffix`` that of a file of its format.
    """

    number: int
    name: str
    suffix: str
    start: int
    stop: int
    first: int = 1
    path: Path | None = None
    table: pa.Table | None = field(default=None, compare=False, repr=False)

    @property
    def codec(self) -> str | None:
        """What Arrow calls the compression of the file."""
        return next((codec for end, codec in _CODECS.items() if self.suffix.endswith(end)), None)


@dataclass(frozen=True)
class Rows:
    """Some rows of a part: ``table`` as they came, ``numbers`` int64 (from 1), ``sizes`` int64 in bytes.

    ``fields`` is a large_list of large_string a row. A table of JSON lines has one column, ``line``.
    """

    table: pa.Table
    numbers: np.ndarray
    sizes: np.ndarray
    fields: pa.Array
    text: str | None
    is_lines: bool = False

    def joined(self) -> pa.Array:
        """One text a row, its fields a line each."""
        return pc.binary_join(self.fields, pa.scalar("\n", pa.large_string()))

    def record(self, row: int) -> dict[str, Any]:
        """A row as Python data."""
        found = self.table.slice(row, 1).to_pylist()[0]
        return _object(found[LINE], LINE, int(self.numbers[row])) if self.is_lines else found

    def places(self, row: int) -> list[str]:
        """The place of each of a row's fields: ``messages[1].content`` and the like."""
        record = self.record(row)
        return [place for place, _ in row_texts(record, self.text, "")]


@dataclass(frozen=True)
class Texts:
    """Inputs, and the field of each row that is looked at. Make it with ``open_texts``."""

    pieces: tuple[TextPart, ...]
    text: str | None

    def parts(self) -> tuple[TextPart, ...]:
        """All parts, in the order of the inputs; each can be read in another process."""
        return self.pieces

    def batches(self, part: TextPart) -> Iterator[Rows]:
        """The rows of a part, some at a time.

        Raises RequestError for a line that is no JSON object, a row without the field that was asked
        for, and a file that cannot be read.
        """
        with _reading(part):
            yield from (_lines if part.suffix.startswith(".jsonl") else _columns)(part, self.text)

    def read(self, part: TextPart) -> Rows:
        """All rows of a part at once."""
        found = list(self.batches(part))
        if len(found) == 1:
            return found[0]
        lines, none = part.suffix.startswith(".jsonl"), np.zeros(0, np.int64)
        tables = [rows.table for rows in found] or [pa.table({LINE: pa.array([], pa.large_binary())})]
        columns = ([none, *(getattr(rows, name) for rows in found)] for name in ("numbers", "sizes"))
        fields = pa.concat_arrays([rows.fields for rows in found] or [pa.array([], FIELDS)])
        return Rows(pa.concat_tables(tables), *map(np.concatenate, columns), fields, self.text, lines)


def open_texts(inputs: Inputs, text: str | None = None) -> Texts:
    """Cut ``inputs`` (paths of files, folders or globs, Arrow tables, or a list of these) into parts.

    Raises RequestError when there is none, or one is neither Parquet nor JSON lines nor a table.
    """
    listed = [inputs] if isinstance(inputs, str | Path | pa.Table) else list(inputs)
    pieces = [piece for number, one in enumerate(listed) for piece in _pieces(one, number)]
    if not pieces:
        raise RequestError("no input: name at least one file or table.")
    return Texts(tuple(replace(piece, number=number) for number, piece in enumerate(pieces)), text)


def _pieces(one: Input, number: int) -> Iterator[TextPart]:
    if isinstance(one, pa.Table):
        yield from _table_pieces(one, f"table {number}")
        return
    try:
        named = expand(Path.cwd(), str(one), str(one))
    except FileNotFoundError:
        raise RequestError(f"no Parquet or JSON lines file at {one}.") from None
    for name, path in named:
        form = form_of(name)
        if form not in ("parquet", "jsonl") or name.lower().endswith(".xz"):
            raise RequestError(
                f"{name} is {form}: expected Parquet or JSON lines (gz, zst or bz2 at most). "
                "Land other formats with: toolkit ingest"
            )
        yield from (_group_pieces if form == "parquet" else _line_pieces)(name, path)


def _table_pieces(table: pa.Table, name: str) -> Iterator[TextPart]:
    step = max(1, int(PART_BYTES * len(table) // max(1, table.nbytes)))
    for start in range(0, max(1, len(table)), step):
        stop = min(start + step, len(table))
        yield TextPart(0, name, ".parquet", start, stop, start + 1, None, table.slice(start, stop - start))


def _group_pieces(name: str, path: Path) -> Iterator[TextPart]:
    part = TextPart(0, name, ".parquet", 0, 0, 1, path)
    with _reading(part), pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    size, first, row = 0, 1, 1
    for number, group in enumerate(groups):
        size, row = size + group.total_byte_size, row + group.num_rows
        if size >= PART_BYTES or number + 1 == len(groups):
            part = replace(part, stop=number + 1, first=first)
            yield part
            size, first, part = 0, row, replace(part, start=number + 1)
    if not groups:
        yield part


def _line_pieces(name: str, path: Path) -> Iterator[TextPart]:
    packed = next((end for end in _CODECS if name.lower().endswith(end)), "")
    size, start, line = path.stat().st_size, 0, 1
    part = TextPart(0, name, f".jsonl{packed}", 0, size, 1, path)
    if packed or size <= PART_BYTES:
        yield part
        return
    with _reading(part), path.open("rb") as file:
        while start < size:
            data = file.read(PART_BYTES) + file.readline()
            yield replace(part, start=start, stop=start + len(data), first=line)
            start, line = start + len(data), line + count_newlines(np.frombuffer(data, np.uint8))


@contextmanager
def _reading(part: TextPart) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        said = " ".join(str(error).split())[:200]
        raise RequestError(f"cannot read {part.name}: {said}. Check the file, or leave it out.") from error


def _columns(part: TextPart, text: str | None) -> Iterator[Rows]:
    row = part.first
    for batch in [part.table] if part.table is not None else _row_groups(part):
        if len(batch) or part.stop == part.start:
            numbers = np.arange(row, row + len(batch))
            fields = _table_fields(batch, text, part.name)
            yield Rows(batch, numbers, _field_bytes(fields), fields, text)
            row += len(batch)


def _row_groups(part: TextPart) -> Iterator[pa.Table]:
    with pq.ParquetFile(part.path) as file:
        if part.stop == part.start:
            yield file.schema_arrow.empty_table()
        for number in range(part.start, part.stop):
            group = file.metadata.row_group(number)
            rows = max(1, BATCH_BYTES * group.num_rows // max(1, group.total_byte_size))
            for batch in file.iter_batches(rows, [number], use_threads=False):
                yield pa.Table.from_batches([batch])


def _field_bytes(fields: pa.Array) -> np.ndarray:
    """int64: the bytes of text of each row."""
    size = pc.binary_length(fields.flatten()).to_numpy().astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(size)])
    bounds = fields.offsets.to_numpy() - fields.offsets[0].as_py()
    return np.diff(ends[bounds])


def _table_fields(table: pa.Table, text: str | None, name: str) -> pa.Array:
    names = table.schema.names
    chosen = text or next((known for known in _DEFAULTS if known in names), None)
    if chosen is not None:
        column = _column(table, chosen, name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.combine_chunks().cast(pa.large_string()).fill_null("")
            if not pc.any(pc.match_substring_regex(column, _JSON)).as_py():
                offsets = pa.array(np.arange(len(column) + 1), pa.int64())
                return pa.LargeListArray.from_arrays(offsets, column)
        values = ([text for _, text in texts_in(value, chosen)] for value in column.to_pylist())
    else:
        values = ([text for _, text in row_texts(row, None, name)] for row in table.to_pylist())
    return pa.array(values, FIELDS)


def _column(table: pa.Table, path: str, name: str) -> pa.ChunkedArray:
    whole = path in table.schema.names
    steps = [path] if whole else path.split(".")
    has = table.schema.names
    if steps[0] not in has:
        raise RequestError(_no_field(name, path, has))
    column = table[steps[0]]
    for step in steps[1:]:
        has = [one.name for one in column.type] if pa.types.is_struct(column.type) else []
        if step not in has:
            raise RequestError(_no_field(name, path, has))
        column = pc.struct_field(column, step)
    return column


def _no_field(place: str, path: str, has: Sequence[str]) -> str:
    where = "there" if "." in path else "it"
    return f"{place}: no field {path!r}; {where} has {', '.join(map(str, has)) or 'none'}. Name another."


def _lines(part: TextPart, text: str | None) -> Iterator[Rows]:
    number = part.first
    for data in _blocks(part):
        lines, numbers, values = [], [], []
        for line in data.removesuffix(b"\n").split(b"\n"):
            if line.strip(b" \t\r"):
                record = _object(line, part.name, number)
                value = record.get(text or "text")
                if type(value) is str and value and value[0] not in _MAY_BE_JSON:
                    values.append([value])
                else:
                    found = row_texts(record, text, f"{part.name}:{number}")
                    values.append([one for _, one in found])
                lines.append(line)
                numbers.append(number)
            number += 1
        sizes = np.array([len(line) for line in lines], np.int64)
        table = pa.table({LINE: pa.array(lines, pa.large_binary())})
        yield Rows(table, np.array(numbers, np.int64), sizes, _listed(values), text, True)


def _listed(values: list[list[str]]) -> pa.Array:
    try:
        return pa.array(values, FIELDS)
    except UnicodeEncodeError:  # a lone surrogate that JSON spelled
        return pa.array([[one.encode("utf-8", "replace") for one in row] for row in values], FIELDS)


def _blocks(part: TextPart) -> Iterator[bytes]:
    """Whole lines of a part, about BATCH_BYTES at a time, without a byte order mark."""
    with part.path.open("rb") as raw:
        file: Any = raw if part.codec is None else pa.CompressedInputStream(raw, part.codec)
        raw.seek(part.start)
        left = part.stop - part.start if part.codec is None else 1 << 62
        rest, first = b"", part.start == 0
        while left > 0 and (data := file.read(min(BATCH_BYTES, left))):
            left -= len(data)
            end = data.rfind(b"\n") + 1
            whole, rest = (rest + data[:end], data[end:]) if end else (b"", rest + data)
            if whole:
                yield whole.removeprefix(_MARK) if first else whole
                first = False
        if rest:
            yield rest.removeprefix(_MARK) if first else rest


def _object(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        value = _decode(line)
    except (msgspec.MsgspecError, ValueError):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"{name}:{number}: not JSON ({error}). {_ADVICE}") from None
    if not isinstance(value, dict):
        found = type(value).__name__
        raise RequestError(f"{name}:{number}: expected a JSON object, found {found}. {_ADVICE}")
    return value


_ADVICE = "Mend the line, or run toolkit ingest first: it sets such lines aside."


def row_texts(record: Mapping[str, Any], path: str | None, place: str) -> Iterator[tuple[str, str]]:
    """(place, text) of the texts of a row that count."""
    chosen = path or next((known for known in _DEFAULTS if known in record), None)
    if chosen is None:
        return (pair for key, value in record.items() for pair in texts_in(value, str(key)))
    value: Any = record
    for step in [chosen] if chosen in record else chosen.split("."):
        if not isinstance(value, Mapping) or step not in value:
            has = list(value) if isinstance(value, Mapping) else []
            raise RequestError(_no_field(place, chosen, has[:20]))
        value = value[step]
    return texts_in(value, chosen)


class Sink:
    """Where the rows that stay are written, in the format they came in. Use ``sink``."""

    def __init__(self, part: TextPart, raw: BinaryIO) -> None:
        self.part, self.raw = part, raw
        self.parquet: pq.ParquetWriter | None = None
        self.file: Any = raw if part.codec is None else pa.CompressedOutputStream(raw, part.codec)

    def write(self, table: pa.Table) -> None:
        """Write rows of a ``Rows.table``."""
        if self.part.suffix == ".parquet":
            self.parquet = self.parquet or pq.ParquetWriter(self.raw, table.schema, compression="zstd")
            self.parquet.write_table(table)
        elif len(table):
            self.file.write(b"\n".join([*table[LINE].to_pylist(), b""]))

    def close(self) -> None:
        """Finish the file."""
        if self.parquet is not None:
            self.parquet.close()
        elif self.file is not self.raw:
            self.file.close()


@contextmanager
def sink(part: TextPart, path: Path) -> Iterator[Sink]:
    """Write rows of a part to ``path``, which appears when all of them are written."""
    with writing(path) as temporary, temporary.open("wb") as raw:
        made = Sink(part, raw)
        yield made
        made.close()
