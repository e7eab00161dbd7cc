"""Tables of lists as Parquet, at the speed of their compression.

Parquet says of every value whether it begins a list (repetition level) and whether it is there (definition
level). A general writer works out both value by value; with whole lists they are runs, known from lengths:

    [[7, 8, 9], [5]]      values 7 8 9 5    repetition 0 1 1 0 = 1 x 0, 2 x 1, 1 x 0    definition 4 x 3

Numbers of few kinds, as token ids are, go as 16-bit places in a dictionary of those that occur, and masks as
bits. Pages are cut between rows. It is Parquet as any reader knows it, with zstd and without statistics:
nobody asks for the least token. A table that holds anything else (prompts of rl) goes by Arrow's writer.
Source of the format: apache/parquet-format, README.md, Encodings.md and parquet.thrift.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types

from toolkit.kernels.block import copy
from toolkit.kernels.compile import BYTES, I32S, I64S, OUT_BYTES, OUT_FLAGS, kernel, pointer
from toolkit.packing.tokens.bits import to_bits, to_flags
from toolkit.storage import ROW_GROUP, write_parquet, writing
from toolkit.storage.thrift import Value, binary, i32, i64, many, struct, varint

PAGE = 1 << 20  # values of a page, about, and bytes of a page of texts
KINDS = 1 << 16  # of numbers in a dictionary
_MAGIC = b"PAR1"
_TYPE = {pa.bool_(): 0, pa.int32(): 1, pa.string(): 6}
_PLAIN, _RLE, _DICTIONARY, _ZSTD = 0, 3, 8, 6
_OPTIONAL, _REPEATED = 1, 2
_CODEC = pa.Codec("zstd")


@dataclass(frozen=True)
class _Column:
    """A column of a row group: its values, end to end, and where each row's begin in them."""

    path: tuple[str, ...]
    kind: pa.DataType
    values: pa.Array
    ends: np.ndarray  # int64 [rows + 1]; a column of one value a row: 0, 1, 2, ...

    @property
    def weights(self) -> np.ndarray:
        """What pages are cut by, before each row and after the last, int64 [rows + 1]: values, or bytes."""
        if self.kind != pa.string() or not len(self.values):
            return self.ends
        offsets = np.frombuffer(self.values.buffers()[1], np.int32)[self.values.offset + self.ends]
        return offsets.astype(np.int64) - int(offsets[0]) + 4 * self.ends

    @property
    def listed(self) -> bool:
        return len(self.path) > 1


def write_gold(path: Path, table: pa.Table) -> None:
    """Write a gold table to ``path``, atomically; equal rows give equal bytes, however they are chunked.

    Memory beside the table: a row group (``ROW_GROUP`` rows) twice. Raises ValueError for a row whose
    texts fill a page of 2 GiB.
    """
    if not _is_plain(table):
        write_parquet(path, table)
        return
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(_MAGIC)
        groups = [_group(table.slice(row, ROW_GROUP), file) for row in range(0, table.num_rows, ROW_GROUP)]
        footer = _footer(table, groups)
        file.write(footer + len(footer).to_bytes(4, "little") + _MAGIC)


def _is_plain(table: pa.Table) -> bool:
    """Whether the table has rows, and its columns are int32, string or bool, or lists of one; no nulls."""
    if not table.num_rows or not table.num_columns or not all(map(_plain_field, table.schema)):
        return False
    chunks = [chunk for column in table.columns for chunk in column.chunks]
    return not any(c.null_count or (pa.types.is_list(c.type) and c.flatten().null_count) for c in chunks)


def _plain_field(field: pa.Field) -> bool:
    inner = field.type.value_field if pa.types.is_list(field.type) else field
    return field.nullable and inner.nullable and inner.type in _TYPE


def _footer(table: pa.Table, groups: list[Value]) -> bytes:
    arrow = base64.b64encode(table.schema.serialize())  # as Arrow keeps its own types and metadata
    kept = {**(table.schema.metadata or {}), b"ARROW:schema": arrow}
    about = {
        1: i32(2),
        2: many(_schema(table.schema)),
        3: i64(table.num_rows),
        4: many(groups),
        5: many([struct({1: binary(key), 2: binary(value)}) for key, value in kept.items()]),
        6: binary(b"toolkit"),
    }
    return struct(about)[1]


def _inner(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_list(kind) else kind


def _schema(schema: pa.Schema) -> list[Value]:
    """The tree of columns in depth-first order, as Parquet lists it."""
    out = [struct({4: binary(b"schema"), 5: i32(len(schema))})]
    for field in schema:
        name = field.name.encode()
        if pa.types.is_list(field.type):
            listed = {6: i32(3), 10: struct({3: struct({})})}
            out.append(struct({3: i32(_OPTIONAL), 4: binary(name), 5: i32(1), **listed}))
            out.append(struct({3: i32(_REPEATED), 4: binary(b"list"), 5: i32(1)}))
            name = b"element"
        kind = _inner(field.type)
        text = {6: i32(0), 10: struct({1: struct({})})} if kind == pa.string() else {}
        out.append(struct({1: i32(_TYPE[kind]), 3: i32(_OPTIONAL), 4: binary(name), **text}))
    return out


def _group(table: pa.Table, file: BinaryIO) -> Value:
    """Write a row group; return what the footer says of it."""
    first, chunks, size = file.tell(), [], 0
    for field, column in zip(table.schema, table.columns, strict=True):
        chunk, bytes_ = _chunk(_column(field.name, column), file)
        chunks.append(chunk)
        size += bytes_
    return struct(
        {1: many(chunks), 2: i64(size), 3: i64(table.num_rows), 5: i64(first), 6: i64(file.tell() - first)}
    )


def _column(name: str, column: pa.ChunkedArray) -> _Column:
    array = column.combine_chunks()
    if not pa.types.is_list(array.type):
        return _Column((name,), array.type, array, np.arange(len(array) + 1))
    offsets = array.offsets.to_numpy().astype(np.int64)
    ends = offsets - offsets[0]
    return _Column((name, "list", "element"), array.type.value_type, array.flatten(), ends)


def _chunk(column: _Column, file: BinaryIO) -> tuple[Value, int]:
    """Write a column's pages; return what the footer says of them, and their bytes before compression."""
    first, plain, values, about = file.tell(), 0, 0, {}
    encoding = _PLAIN
    places = _places(column.values) if column.kind == pa.int32() else None
    if places is not None:
        encoding, (kinds, places) = _DICTIONARY, places
        head = {7: struct({1: i32(kinds.size), 2: i32(_PLAIN)})}
        plain += _page(file, 2, head, kinds.tobytes())
        about = {11: i64(first)}
    data_at = file.tell()
    for start, stop in _pages(column.weights):
        begin, end = int(column.ends[start]), int(column.ends[stop])
        sizes = np.diff(column.ends[start : stop + 1])
        entries = int(np.maximum(sizes, 1).sum())
        data = (
            _data(column.values.slice(begin, end - begin)) if places is None else _packed(places[begin:end])
        )
        head = {5: struct({1: i32(entries), 2: i32(encoding), 3: i32(_RLE), 4: i32(_RLE)})}
        plain += _page(file, 0, head, _levels(sizes, column.listed) + data)
        values += entries
    used = [_RLE, _PLAIN, *([_DICTIONARY] if encoding else [])]
    meta = {
        1: i32(_TYPE[column.kind]),
        2: many([i32(one) for one in used]),
        3: many([binary(part.encode()) for part in column.path]),
        4: i32(_ZSTD),
        5: i64(values),
        6: i64(plain),
        7: i64(file.tell() - first),
        9: i64(data_at),
        **about,
    }
    return struct({2: i64(first), 3: struct(meta)}), plain


def _page(file: BinaryIO, kind: int, head: dict[int, Value], data: bytes) -> int:
    """Write a page; return its bytes before compression, header included."""
    packed = _CODEC.compress(data, asbytes=True)
    _, header = struct({1: i32(kind), 2: i32(len(data)), 3: i32(len(packed)), **head})
    file.write(header + packed)
    return len(header) + len(data)


def _pages(weights: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cut rows into pages that weigh about PAGE."""
    rows = weights.size - 1
    cuts = np.searchsorted(weights, np.arange(PAGE, weights[-1], PAGE))
    edges = [0, *np.unique(cuts[(cuts > 0) & (cuts < rows)]).tolist(), rows]
    yield from pairwise(edges)


def _levels(sizes: np.ndarray, listed: bool) -> bytes:
    """The levels of rows that hold ``sizes`` int64 [rows] values each."""
    if not listed:
        return _runs([1], [sizes.size])
    first = np.stack([np.zeros(sizes.size, np.int64), np.ones(sizes.size, np.int64)], axis=1)
    rest = np.stack([np.ones(sizes.size, np.int64), np.maximum(sizes, 1) - 1], axis=1)
    there = np.where(sizes > 0, 3, 1)
    return _runs(first.ravel(), rest.ravel()) + _runs(there, np.maximum(sizes, 1))


def _runs(values: Sequence[int] | np.ndarray, counts: Sequence[int] | np.ndarray) -> bytes:
    """Each value below 256 as often as its count says, in runs, behind the bytes they take."""
    values, counts = np.asarray(values), np.asarray(counts, np.int64)
    values, counts = values[counts > 0], counts[counts > 0]
    begins = np.flatnonzero(np.diff(values, prepend=-1))
    heads = np.add.reduceat(counts, begins)[:, None] << 1 >> np.arange(0, 35, 7)  # a varint's sevens
    used = np.ones((begins.size, 6), bool)
    used[:, 1:5] = heads[:, 1:] > 0
    out = np.empty(used.shape, np.uint8)
    out[:, :5] = heads & 0x7F
    out[:, :4] |= np.where(heads[:, 1:] > 0, 0x80, 0).astype(np.uint8)
    out[:, 5] = values[begins]
    data = out[used].tobytes()
    return len(data).to_bytes(4, "little") + data


def _places(values: pa.Array) -> tuple[np.ndarray, np.ndarray] | None:
    """The kinds of numbers, int32, and each number's place among them, uint16; None if it saves nothing."""
    numbers = values.to_numpy()
    if numbers.size < KINDS or numbers.min() < 0 or (most := int(numbers.max())) >= numbers.size:
        return None
    seen = np.zeros(most + 1, np.bool_)
    _mark(numbers, seen)
    kinds = np.flatnonzero(seen).astype(np.int32)
    if kinds.size > KINDS:
        return None
    place = pa.array((np.cumsum(seen) - 1).astype(np.uint16))
    return kinds, pc.take(place, values, boundscheck=False).to_numpy()


@kernel(types.void(I32S, OUT_FLAGS), inline=False)
def _mark(numbers, seen):
    """Set the flag of each number."""
    for number in numbers:
        seen[number] = True


def _packed(places: np.ndarray) -> bytes:
    """Places of 16 bits as one run of packed eights, the last filled up."""
    eights = -(-places.size // 8)
    rest = bytes(16 * eights - places.nbytes)
    return bytes([16]) + varint(eights << 1 | 1) + places.tobytes() + rest


def _data(values: pa.Array) -> bytes:
    """Values one after another, as PLAIN has them."""
    if pa.types.is_boolean(values.type):
        return to_bits(to_flags(values)).buffers()[1].to_pybytes()
    if pa.types.is_int32(values.type):
        return values.to_numpy().tobytes()
    return _texts(values)


def _texts(values: pa.Array) -> bytes:
    """Texts, each behind its length, int32."""
    if not len(values):
        return b""
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    out = np.empty(int(ends[-1] - ends[0]) + 4 * len(values), np.uint8)
    _behind_lengths(np.frombuffer(data or b"", np.uint8), ends, out)
    return out.tobytes()


@kernel(types.void(BYTES, I64S, OUT_BYTES), inline=False)
def _behind_lengths(data, ends, out):
    source, target, at = pointer(data), pointer(out), 0
    for i in range(ends.size - 1):
        size = ends[i + 1] - ends[i]
        for k in range(4):
            target[at + k] = np.uint8(size >> (8 * k) & 0xFF)
        copy(target, at + 4, source, ends[i], size)
        at += 4 + size
