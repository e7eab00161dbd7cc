"""Inputs cut into parts by the input alone, so that each is a task for any process.

JSON lines under any compression, Parquet, Arrow tables. What is compressed, or in memory, is
unpacked into a work folder first: a part is then read from where it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import RequestError
from toolkit.ingest import Limits, Options, Span, expand, form_of, open_stream, spans_of
from toolkit.storage import sha256_bytes, sha256_file, shard_name, write_atomic, write_parquet

PART_BYTES = 32 << 20
MAX_RECORD_BYTES = 256 << 20
FORMATS = ("jsonl", "parquet")
_PACKED = {None: "none", "gz": "gz"}  # how survivors are compressed; of what is anything else, zst

Input = str | Path | pa.Table
Inputs = Input | Sequence[Input]


@dataclass(frozen=True)
class TextPart:
    """A piece of the input: row groups ``start`` to ``stop`` of a Parquet file, or bytes of JSON lines.

    ``source`` is the number of the input that it belongs to, ``name`` the path in its records'
    origin. ``line`` is the number of its first line or row, from 1; ``base`` where its first byte
    lies in the decompressed file, which is not ``start`` for a piece that was unpacked to ``path``.
    ``sha256`` is that of its bytes (of the whole file, for Parquet); ``compression`` that of what
    is written of it.
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
    compression: str = "none"
    fault: str | None = None
    detail: str = ""

    @property
    def part(self) -> str:
        """``part-00000``."""
        return f"part-{self.number:05d}"

    @property
    def source_name(self) -> str:
        """``input-0``."""
        return f"input-{self.source}"

    @property
    def output(self) -> str:
        """The name of the file of what stays of it: ``part-00000.parquet``, ``part-00000.jsonl.gz``."""
        return f"{self.part}.parquet" if self.format == "parquet" else shard_name(self.part, self.compression)

    def identity(self) -> dict[str, Any]:
        """What the part holds, as JSON data: all but the folder it lies in."""
        return {name: value for name, value in vars(self).items() if name != "path"}


def as_inputs(inputs: Inputs) -> list[Input]:
    """The inputs as a list; RequestError when there is none."""
    listed = [inputs] if isinstance(inputs, str | Path | pa.Table) else list(inputs)
    if not listed:
        raise RequestError("no input: name at least one file or table.")
    return listed


def check_apart(out: Path, inputs: Sequence[Input]) -> None:
    """RequestError if ``out`` is a file, lies in a folder that is read, or holds an input."""
    if out.exists() and not out.is_dir():
        raise RequestError(f"{out} is a file; expected a folder to write to.")
    for given in inputs:
        path = None if isinstance(given, pa.Table) else Path(given).resolve()
        if path is not None and out.resolve() in path.parents:
            raise RequestError(f"{out} holds the input {given}: give the output a folder of its own.")
        if path is not None and path in (out.resolve(), *out.resolve().parents):
            raise RequestError(f"{out} lies in the input {given}: give the output a folder outside of it.")


def text_parts(inputs: Sequence[Input], work: Path, size: int | None = None) -> list[TextPart]:
    """Cut the inputs into parts of about ``size`` bytes; what is compressed, or a table, is unpacked first.

    ``work`` is where to. An input is a file, a folder, a glob, or a table; manifests beside files are
    passed over. Memory: that of one part. Raises RequestError for an input that is not there, cannot be
    read, or is neither JSON lines nor Parquet.
    """
    size = size or PART_BYTES
    parts: list[TextPart] = []
    for source, given in enumerate(inputs):
        if isinstance(given, pa.Table):
            path = work / "input" / f"table-{source:05d}.parquet"
            write_parquet(path, given)
            parts += _of_parquet(len(parts), source, f"table-{source}", path, work, size)
            continue
        try:
            found = expand(Path.cwd(), str(given), str(given))
        except FileNotFoundError as error:
            raise RequestError(str(error)) from None
        for name, path in found:
            if name.endswith(".manifest.json"):  # beside the files of a lake
                continue
            parts += _of_file(len(parts), source, name, path, work, size)
    return parts


def _of_file(number: int, source: int, name: str, path: Path, work: Path, size: int) -> Iterator[TextPart]:
    form = form_of(name)
    if form not in FORMATS:
        raise RequestError(
            f"{path} is read as {form}; expected JSON lines or Parquet. Land it first: toolkit ingest {path} "
            "--out DIR, and give DIR/bronze."
        )
    return (_of_parquet if form == "parquet" else _of_lines)(number, source, name, path, work, size)


def _of_lines(number: int, source: int, name: str, path: Path, work: Path, size: int) -> Iterator[TextPart]:
    stream, empty = open_stream(path), True
    packed = _PACKED.get(stream.codec, "zst")
    limits = Limits(size, MAX_RECORD_BYTES)
    for span, data in spans_of(stream, "jsonl", limits, Options(name)):
        where, start = path, span.start
        if stream.codec is not None:
            where, start = work / "input" / f"part-{number:05d}.jsonl", 0
            write_atomic(where, data)
        yield _lines_part(number, source, where, name, start, span, data, packed)
        number, empty = number + 1, False
    if empty:
        yield _lines_part(number, source, path, name, 0, Span(0, 0, 1), b"", packed)


def _lines_part(
    number: int, source: int, where: Path, name: str, start: int, span: Span, data: bytes, packed: str
) -> TextPart:
    place = start, start + len(data), span.line, span.start
    digest = sha256_bytes(data)
    return TextPart(number, source, where, name, "jsonl", *place, digest, packed, span.fault, span.detail)


def _of_parquet(number: int, source: int, name: str, path: Path, _: Path, part: int) -> Iterator[TextPart]:
    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
            sizes = [(group.num_rows, group.total_byte_size) for group in groups]
        digest = sha256_file(path)
    except (pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise RequestError(f"{path} cannot be read as Parquet: {said}.") from None
    first = start = rows = size = 0
    for group, (in_group, in_bytes) in enumerate(sizes or [(0, 0)]):
        rows, size = rows + in_group, size + in_bytes
        if size >= part or group + 1 >= len(sizes):
            stop = min(group + 1, len(sizes))
            yield TextPart(number, source, path, name, "parquet", start, stop, first + 1, first, digest)
            number, first, rows, start, size = number + 1, first + rows, 0, stop, 0
