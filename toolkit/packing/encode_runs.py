"""Runs to token ids and masks: tokenize each distinct text once, then copy.

    runs -> distinct texts -> the library, in batches bounded by bytes -> ids of each
         -> a kernel writes ids and mask run by run, control tokens by number

A run is tokenized alone, so no token spans a control token or an edge of the mask. Runs repeat:
headers, newlines, system prompts, the prompt that two branches share. Finding the repeats costs
one hash of the text, about 2 GB/s, and what is found is not tokenized again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numba import types

from toolkit.kernels import text_buffers
from toolkit.kernels.alike import alike
from toolkit.kernels.block import copy
from toolkit.kernels.compile import BYTES, I32S, I64S, OUT_BYTES, OUT_FLAGS, kernel, pointer
from toolkit.packing.runs import Runs
from toolkit.packing.tokenizer import Pinned

_OUT_I32S = types.Array(types.int32, 1, "C")


def encode_runs(
    runs: Runs, pinned: Pinned, control: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode sequences: ids int32 and mask bool [tokens], end to end; tokens of each, int64 [sequences].

    ``control``: ids of the template's control tokens, in the order that ``runs.control`` counts. A token
    is trained if its run is. Method: each text run is encoded as if alone (``Library.encode``).
    Memory beside the result: the ids of all distinct runs.
    """
    texts = np.flatnonzero(runs.control < 0)
    number, ids, begins, lengths = _distinct(runs.texts, texts, pinned)
    # piece i: control token i, which begins at -1 - i to say so, then the distinct texts
    begins = np.concatenate([-1 - np.arange(len(control)), begins])
    lengths = np.concatenate([np.ones(len(control), np.int64), lengths])
    piece = runs.control.astype(np.int64)
    piece[texts] = len(control) + number
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[piece])])
    out, mask = np.empty(int(ends[-1]), np.int32), np.empty(int(ends[-1]), np.bool_)
    own = np.array(control, np.int32)
    trained = np.ascontiguousarray(runs.trained).view(np.uint8)
    _write(ids, own, begins[piece], ends, trained, out, mask.view(np.uint8))
    return out, mask, np.diff(ends[runs.ends])


def _distinct(
    texts: pa.LargeStringArray, rows: np.ndarray, pinned: Pinned
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Number the texts of rows by first appearance; encode each once: number, ids, begins, lengths."""
    data, offsets = text_buffers(texts)
    starts, stops = offsets[:-1][rows], offsets[1:][rows]
    number, first = alike(data, np.stack([starts, stops], axis=1)[:, None, :])
    return number, *pinned.library.encode_places(data, starts[first], stops[first])


@kernel(types.void(I32S, I32S, I64S, I64S, BYTES, _OUT_I32S, OUT_BYTES), inline=False)
def _write(ids, control, starts, ends, trained, out, mask):
    """Write ids and mask of runs, each from ``starts`` in ``ids``, or below 0 one of ``control``."""
    source, target, flags = pointer(ids), pointer(out), pointer(mask)
    for i in range(starts.size):
        start, at, size = starts[i], ends[i], ends[i + 1] - ends[i]
        if start < 0:
            target[at] = control[-1 - start]
        else:
            copy(target, at, source, start, 4 * size)
        for k in range(at, at + size):
            flags[k] = trained[i]


@kernel(types.void(I32S, I64S, I64S, I64S, OUT_FLAGS), inline=False)
def _compare(ids, starts, others, lengths, out):
    for i in range(starts.size):
        out[i] = True
        for k in range(lengths[i]):
            if ids[starts[i] + k] != ids[others[i] + k]:
                out[i] = False
                break


def same_runs(ids: np.ndarray, starts: np.ndarray, others: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Whether ``ids[starts[i]:][:lengths[i]]`` equals ``ids[others[i]:][:lengths[i]]``: bool [n]."""
    out = np.empty(starts.size, np.bool_)
    _compare(ids, starts, others, lengths, out)
    return out
