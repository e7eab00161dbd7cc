"""Parts of encoded sequences, as places in their buffers: where they may be cut, and their copies.

A part of a record is ``head`` first tokens of it and then those from ``begin`` to ``end``. All places
count from the start of the column's buffer. A cut is clean if the token behind it does not begin
inside a UTF-8 character. The nearest clean cut is mostly a token or two away, but it need not be:
merges cross characters, and a run of emoji may be tokens that all begin inside one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import types

from toolkit.kernels.compile import I32S, I64S, OUT_I64S, kernel
from toolkit.packing.tokens.bits import to_arrow, to_flags
from toolkit.packing.tokens.gather import copy_runs, list_offsets

_FLAGS = types.Array(types.boolean, 1, "C", readonly=True)


@dataclass(frozen=True)
class Sequences:
    """One column pair of an encoded table: row i has ``ids[starts[i]:stops[i]]``, none if null."""

    ids: np.ndarray  # int32
    mask: np.ndarray  # bool
    starts: np.ndarray  # int64 [rows]
    stops: np.ndarray
    null: np.ndarray  # bool [rows]
    trained: np.ndarray  # int64, places of the trained tokens
    inside: np.ndarray  # bool [ids of the vocabulary]: begins inside a character

    def any_trained(self, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether a token from ``begin`` to ``end`` is trained: bool, as their shape."""
        return np.searchsorted(self.trained, begin) < np.searchsorted(self.trained, end)

    def heads(self, rows: np.ndarray) -> np.ndarray:
        """Place of the first trained token of each row, or its end: int64."""
        places = np.append(self.trained, np.iinfo(np.int64).max)
        return np.minimum(places[np.searchsorted(self.trained, self.starts[rows])], self.stops[rows])

    def clean(self, cut: np.ndarray, rows: np.ndarray, step: int) -> np.ndarray:
        """Move cuts to the nearest clean place down (``step`` -1) or up (1), a row's edge at the last."""
        cut = np.array(cut, np.int64)
        _clean(cut, self.starts[rows], self.stops[rows], step, self.ids, self.inside)
        return cut


def sequences(encoded: pa.Table, prefix: str, inside: np.ndarray) -> Sequences:
    """Read one column pair (``prefix`` "", "chosen_" or "rejected_") as buffers."""
    ids, mask = (_chunk(encoded, f"{prefix}{name}") for name in ("input_ids", "loss_mask"))
    null = ids.is_null().to_numpy(zero_copy_only=False)
    stops = np.cumsum(np.where(null, 0, np.diff(ids.offsets.to_numpy().astype(np.int64))))
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])[: stops.size]
    trained = to_flags(mask.flatten())
    return Sequences(ids.flatten().to_numpy(), trained, starts, stops, null, np.flatnonzero(trained), inside)


def _chunk(table: pa.Table, name: str) -> pa.ListArray:
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def split(rows: np.ndarray, at: Sequences, context: int) -> tuple[np.ndarray, ...]:
    """Cut rows into trained pieces of at most ``context`` tokens: row, head (tokens), begin, end of each.

    A piece that does not begin its record has the record's head before it.
    """
    starts, stops = at.starts[rows], at.stops[rows]
    heads = at.clean(np.minimum(at.heads(rows), starts + context // 2), rows, -1) - starts
    most = int((stops - starts).sum())
    which, begin, end = (np.empty(most, np.int64) for _ in range(3))
    n = _split(starts, stops, heads, context, at.ids, at.inside, which, begin, end)
    which, begin, end = which[:n], begin[:n], end[:n]
    head = np.where(begin > starts[which], heads[which], 0)
    keep = at.any_trained(begin, end) & (head + end - begin <= context)
    return rows[which[keep]], head[keep], begin[keep], end[keep]


@kernel(types.void(OUT_I64S, I64S, I64S, types.int64, I32S, _FLAGS), inline=False)
def _clean(cut, starts, stops, step, ids, inside):
    for i in range(cut.size):
        while starts[i] < cut[i] < stops[i] and inside[ids[cut[i]]]:
            cut[i] += step


@kernel(types.int64(I64S, I64S, I64S, types.int64, I32S, _FLAGS, OUT_I64S, OUT_I64S, OUT_I64S), inline=False)
def _split(starts, stops, heads, context, ids, inside, which, begin, end):
    """Cut rows cleanly; a piece in which no clean cut comes in time is too long."""
    count = 0
    for row in range(starts.size):
        at, room = starts[row], context
        while at < stops[row]:
            stop = min(at + room, stops[row])
            while at < stop < stops[row] and inside[ids[stop]]:
                stop -= 1
            if stop == at:
                stop = min(at + room, stops[row])
                while stop < stops[row] and inside[ids[stop]]:
                    stop += 1
            which[count], begin[count], end[count] = row, at, stop
            count += 1
            at, room = stop, context - heads[row]
    return count


def parts(
    at: Sequences, rows: np.ndarray, head: np.ndarray, begin: np.ndarray, end: np.ndarray
) -> tuple[pa.ListArray, pa.ListArray]:
    """Copy parts of rows: lists of ids and of masks; the head is never trained, a null row stays null."""
    starts = np.stack([at.starts[rows], begin], axis=1).ravel()
    sizes = np.stack([head, end - begin], axis=1).ravel()
    targets = np.cumsum(sizes) - sizes
    ids = np.empty(int(sizes.sum()), np.int32)
    copy_runs(at.ids, starts, sizes, targets, ids)
    mask = at.mask[np.repeat(starts - targets, sizes) + np.arange(ids.size)]
    offsets, null = list_offsets(head + end - begin), pa.array(at.null[rows])
    ids, mask = (pa.ListArray.from_arrays(offsets, to_arrow(v), mask=null) for v in (ids, mask))
    return ids, mask
