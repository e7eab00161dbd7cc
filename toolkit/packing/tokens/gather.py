"""Copy many short runs of tokens, scattered over files and buffers, into one buffer.

Both encoding and packing end in the same step: a list of runs (where each starts, how long it
is) and an output that holds them one after another. Arrow's own ``take`` on lists joins all
chunks first, which for memory-mapped token files means reading the whole corpus to write one
part of it. Here each run is copied once, straight from the buffer where it lies:

    out[p_i : p_i + n_i] = source[s_i : s_i + n_i]        p_i = n_0 + ... + n_(i-1)

Masks are bits in Arrow and bytes here: eight times the memory of the part at hand, for
plain indexing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

from toolkit.errors import RequestError
from toolkit.kernels.compile import kernel


def _readonly(dtype: numba.types.Type) -> numba.types.Array:
    return numba.types.Array(dtype, 1, "C", readonly=True)


_INT64 = _readonly(numba.int64)


@kernel(
    numba.void(_readonly(numba.int32), _INT64, _INT64, _INT64, numba.int32[::1]),
    inline=False,
)
def copy_runs(source, starts, lengths, targets, out):
    """Copy int32 ``source[starts[i]:][:lengths[i]]`` to ``out[targets[i]:]`` for every i."""
    for i in range(starts.size):
        start, target = starts[i], targets[i]
        for j in range(lengths[i]):
            out[target + j] = source[start + j]


@kernel(
    numba.void(_readonly(numba.uint8), _INT64, _INT64, _INT64, numba.uint8[::1]),
    inline=False,
)
def copy_bit_runs(source, starts, lengths, targets, out):
    """Copy runs of bits (least significant first, as Arrow packs them) to bytes 0 or 1."""
    for i in range(starts.size):
        start, target = starts[i], targets[i]
        for j in range(lengths[i]):
            bit = start + j
            out[target + j] = (source[bit >> 3] >> (bit & 7)) & 1


def gather(
    tables: Sequence[pa.Table], which_table: np.ndarray, which_row: np.ndarray, column: str = "input_ids"
) -> tuple[np.ndarray, np.ndarray]:
    """Read one list column of chosen rows: ``values`` of all rows end to end, and their ``lengths``.

    Row i of the result is row ``which_row[i]`` of ``tables[which_table[i]]`` (both int [rows]); rows
    may repeat and come in any order. ``values``: int32 for a list<int32> column, bool for list<bool>;
    ``lengths``: int64 [rows]. A null list has length 0. Reads only the rows asked for, so memory is
    that of the result, whatever the size of the memory-mapped tables behind it.
    Raises IndexError for a row outside its table.
    """
    runs = _runs(tables, which_table, which_row, column)
    targets = np.cumsum(runs.lengths) - runs.lengths
    out = np.empty(int(runs.lengths.sum()), np.bool_ if runs.bits else np.int32)
    _copy(runs, targets, out)
    return out, runs.lengths


def gather_into(
    tables: Sequence[pa.Table],
    which_table: np.ndarray,
    which_row: np.ndarray,
    column: str,
    lengths: np.ndarray,
    targets: np.ndarray,
    out: np.ndarray,
) -> None:
    """As ``gather``, with row i at ``out[targets[i]:]``, where somebody has room for ``lengths[i]`` values.

    ``lengths`` and ``targets`` int64 [rows]; ``out`` int32 or bool, as the column. Raises ValueError for
    a row of another length, or one for which there is no room.
    """
    runs, targets = _runs(tables, which_table, which_row, column), np.ascontiguousarray(targets, np.int64)
    if not np.array_equal(runs.lengths, lengths):
        raise ValueError(f"{column}: a row is not as long as it was said to be")
    fits = (targets >= 0) & (targets + runs.lengths <= out.size) & (runs.bits == (out.dtype == np.bool_))
    if not fits.all():
        raise ValueError(f"{column}: there is no room for a row where it is to be put")
    _copy(runs, targets, out)


@dataclass(frozen=True)
class _Runs:
    """Where the rows asked for lie: a chunk and the places that it fills, and ``starts`` in its values."""

    groups: list[tuple[pa.Array, np.ndarray]]
    starts: np.ndarray  # int64 [rows]
    lengths: np.ndarray  # int64 [rows]

    @property
    def bits(self) -> bool:
        return any(pa.types.is_boolean(chunk.type.value_type) for chunk, _ in self.groups)


def _runs(tables: Sequence[pa.Table], which_table: np.ndarray, which_row: np.ndarray, column: str) -> _Runs:
    groups, starts, lengths = [], np.zeros(len(which_row), np.int64), np.zeros(len(which_row), np.int64)
    for chunk, places, rows in _by_chunk(tables, which_table, which_row, column):
        offsets = chunk.offsets.to_numpy()
        starts[places] = offsets[rows]
        lengths[places] = offsets[rows + 1] - offsets[rows]
        groups.append((chunk, places))
    return _Runs(groups, starts, lengths)


def _copy(runs: _Runs, targets: np.ndarray, out: np.ndarray) -> None:
    bits = runs.bits
    for chunk, places in runs.groups:
        if len(chunk.values):
            source, shift = _buffer(chunk.values, bits)
            copy = copy_bit_runs if bits else copy_runs
            into = out.view(np.uint8) if bits else out
            copy(source, runs.starts[places] + shift, runs.lengths[places], targets[places], into)


def gather_text(
    tables: Sequence[pa.Table], which_table: np.ndarray, which_row: np.ndarray, column: str = "id"
) -> pa.Array:
    """Read one text column of chosen rows, in the order asked for (arguments as ``gather``)."""
    groups = list(_by_chunk(tables, which_table, which_row, column))
    parts = [chunk.take(pa.array(rows)) for chunk, _, rows in groups]
    back = np.empty(len(which_row), np.int64)
    back[np.concatenate([np.zeros(0, np.int64), *(places for _, places, _ in groups)])] = np.arange(back.size)
    return pa.chunked_array(parts, pa.string()).combine_chunks().take(pa.array(back))


def list_offsets(lengths: np.ndarray) -> pa.Array:
    """Return the Arrow offsets, int32 [n + 1], of lists with these lengths (int64 [n])."""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    if ends[-1] > np.iinfo(np.int32).max:
        raise RequestError(
            f"one part would hold {ends[-1]:,} tokens and Arrow lists end at 2,147,483,647: put fewer "
            "packs or records into a part."
        )
    return pa.array(ends.astype(np.int32))


def _by_chunk(
    tables: Sequence[pa.Table], which_table: np.ndarray, which_row: np.ndarray, column: str
) -> Iterator[tuple[pa.Array, np.ndarray, np.ndarray]]:
    """Yield each chunk that is needed, the places in the result it fills, and its rows for them."""
    which_table, which_row = np.asarray(which_table, np.int64), np.asarray(which_row, np.int64)
    sizes = np.array([table.num_rows for table in tables], dtype=np.int64)
    if which_row.size and ((which_row < 0) | (which_row >= sizes[which_table])).any():
        raise IndexError("a row asked for lies outside its table")
    chunks = [chunk for table in tables for chunk in table.column(column).chunks]
    ends = np.cumsum(np.array([0, *map(len, chunks)], dtype=np.int64))
    rows = (np.cumsum(sizes) - sizes)[which_table] + which_row
    chunk_of = np.searchsorted(ends[1:], rows, side="right")
    order = np.argsort(chunk_of, kind="stable")
    numbers, firsts = np.unique(chunk_of[order], return_index=True)
    for number, places in zip(numbers, np.split(order, firsts[1:]), strict=False):
        yield chunks[number], places, rows[places] - ends[number]


def _buffer(values: pa.Array, bits: bool) -> tuple[np.ndarray, int]:
    """Return the values where they lie, and the index in them of the array's first element."""
    if not bits:
        return values.to_numpy(), 0
    return np.frombuffer(values.buffers()[1], np.uint8), values.offset
