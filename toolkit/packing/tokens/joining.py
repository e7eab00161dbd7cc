r"""Many texts in few calls of the tokenizers library, at the speed of the library.

At 100 MB/s a Python object a text, in and out, costs half as much as its tokens. So many texts go
as one, each with an END behind it, which is an added token of a private copy of the tokenizer:

    text_1 END text_2 END ...        ->        ids_1 end ids_2 end ...

The library splits at added tokens before anything else, so each text is encoded as if alone. END has
no border (no prefix of it is a suffix), so joining texts makes no END of its own; a text that holds
one shows by the count of ends, and its chunk is encoded text by text. Texts in ASCII go together:
one other character would make Python hold, and the library convert, a whole chunk at twice the size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import types

from toolkit.errors import RequestError
from toolkit.kernels.block import copy
from toolkit.kernels.compile import BYTES, I32S, I64S, OUT_BYTES, OUT_FLAGS, OUT_I64S, kernel, pointer

END = "\x1f\x1e\x1d\x1c"
BATCH, CHUNK = 2 << 20, 8 << 10  # bytes: encoded in one call; handed to one thread as one text

Call = Callable[[list[str]], list[np.ndarray]]  # texts to the uint32 ids of each


@dataclass(frozen=True)
class Encoder:
    """A tokenizer, ``alone``, and a copy of it with ``END`` as the token ``end``; None if it has none."""

    alone: Call
    joined: Call | None
    end: int


def encode_places(
    encoder: Encoder, data: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode the texts ``data[starts[i]:stops[i]]``: ids of text i are ``ids[begins[i]:][:lengths[i]]``.

    ``data`` uint8, UTF-8; ``starts``, ``stops`` int64 [n]. ids int32 in no order that means anything,
    ``begins`` and ``lengths`` int64 [n]. Memory beside the result: about 20 times BATCH bytes, or as
    much for the longest text. Raises RequestError for bytes that are not UTF-8.
    """
    begins, lengths = np.empty(starts.size, np.int64), np.empty(starts.size, np.int64)
    # two bytes a token is a poor tokenizer's rate on prose; what needs more room gets it
    ids, at = np.empty(64 + int((stops - starts).sum()) // 2, np.int32), 0
    for rows, run in _runs(encoder, data, starts, stops):
        for again in (False, True):
            if again:  # a text holds an END of its own
                run = _ended(encoder, encoder.alone(_texts(data, starts, stops, rows)))
            if at + run.size > ids.size:
                ids = np.concatenate([ids[:at], np.empty(ids.size + run.size, np.int32)])
            after = _without_ends(run, encoder.end, rows, ids, at, begins, lengths)
            if after >= 0:
                break
        else:
            raise ValueError(f"the tokenizer gives a text the id {encoder.end}, which is none of its own")
        at = after
    return ids[:at], begins, lengths


_Chunk = tuple[np.ndarray, str]  # rows, and their texts with an END behind each


def _runs(
    encoder: Encoder, data: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and their ids, an end after each.

    While the library encodes a batch, on its own threads, the next is made and the last is read.
    """
    call = encoder.joined or encoder.alone
    batches = _batches(encoder, data, starts, stops)
    if one_thread():
        for batch in batches:
            yield from _read(encoder, batch, call([text for _, text in batch]))
        return
    before: list[tuple[list[_Chunk], Future]] = []
    with ThreadPoolExecutor(1) as pool:
        for batch in batches:
            before.append((batch, pool.submit(call, [text for _, text in batch])))
            if len(before) > 1:
                batch, encoded = before.pop(0)
                yield from _read(encoder, batch, encoded.result())
        for batch, encoded in before:
            yield from _read(encoder, batch, encoded.result())


def one_thread() -> bool:
    """Whether threads would be in the way: one core, or other processes that work on the others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores == 1 or os.environ.get("TOKENIZERS_PARALLELISM") == "false"


def _batches(
    encoder: Encoder, data: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> Iterator[list[_Chunk]]:
    """Cut texts into batches of chunks."""
    if encoder.joined is None:
        for rows in _windows(np.arange(starts.size), starts, stops, BATCH):
            yield [(rows[i : i + 1], text) for i, text in enumerate(_texts(data, starts, stops, rows))]
        return
    ascii_only = np.empty(starts.size, np.bool_)
    _ascii(data, starts, stops, ascii_only)
    for group in (np.flatnonzero(ascii_only), np.flatnonzero(~ascii_only)):
        for rows in _windows(group, starts, stops, BATCH):
            chunks = _windows(rows, starts, stops, CHUNK)
            yield list(zip(chunks, _joined(data, starts, stops, rows, chunks), strict=True))


def _windows(rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut rows into runs of about ``size`` bytes; a longer text is one by itself, with what led to it."""
    ends = np.cumsum(stops[rows] - starts[rows])
    if not rows.size or ends[-1] <= size:
        return [rows] if rows.size else []
    cuts = np.searchsorted(ends, np.arange(size, ends[-1], size)) + 1
    edges = [0, *np.unique(cuts).tolist(), rows.size]
    return [rows[a:b] for a, b in pairwise(edges) if a < b]


def _read(
    encoder: Encoder, batch: list[_Chunk], encoded: list[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for (rows, _), ids in zip(batch, encoded, strict=True):
        if encoder.joined is None:
            yield rows, _ended(encoder, [ids])
        else:
            yield rows, ids.astype(np.uint32, copy=False).view(np.int32)


def _ended(encoder: Encoder, each: list[np.ndarray]) -> np.ndarray:
    """The ids of texts that were encoded alone, an end after each."""
    ended = np.concatenate([part for ids in each for part in (ids, [encoder.end])])
    return ended.astype(np.uint32).view(np.int32)


def _joined(
    data: np.ndarray, starts: np.ndarray, stops: np.ndarray, rows: np.ndarray, chunks: list[np.ndarray]
) -> list[str]:
    """Join the texts of rows, an END behind each, as one string a chunk of rows."""
    end = np.frombuffer(END.encode(), np.uint8)
    ends = np.cumsum(stops[rows] - starts[rows] + end.size)
    out = np.empty(int(ends[-1]), np.uint8)
    _join(data, starts, stops, rows, end, out)
    edges = ends[np.cumsum([chunk.size for chunk in chunks]) - 1].tolist()
    return [_text(memoryview(out)[a:b]) for a, b in pairwise([0, *edges])]


def _texts(data: np.ndarray, starts: np.ndarray, stops: np.ndarray, rows: np.ndarray) -> list[str]:
    whole = memoryview(data)
    places = zip(starts[rows].tolist(), stops[rows].tolist(), strict=True)
    return [_text(whole[start:stop]) for start, stop in places]


def _text(part: memoryview) -> str:
    try:
        return str(part, "utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"a text to tokenize is not UTF-8 ({error.reason}): {bytes(part)[error.start :][:20]!r}. "
            "Repair it where the records are read."
        ) from error


@kernel(types.void(BYTES, I64S, I64S, OUT_FLAGS), inline=False)
def _ascii(data, starts, stops, out):
    """Whether each text is ASCII."""
    text = pointer(data)
    for i in range(starts.size):
        every = np.uint8(0)
        for at in range(starts[i], stops[i]):
            every |= text[at]
        out[i] = every < 0x80


@kernel(types.void(BYTES, I64S, I64S, I64S, BYTES, OUT_BYTES), inline=False)
def _join(data, starts, stops, rows, end, out):
    """Copy the texts of rows end to end, each followed by ``end``."""
    source, mark, target, at = pointer(data), pointer(end), pointer(out), 0
    for i in range(rows.size):
        size = stops[rows[i]] - starts[rows[i]]
        copy(target, at, source, starts[rows[i]], size)
        copy(target, at + size, mark, 0, end.size)
        at += size + end.size


@kernel(
    types.int64(I32S, types.int64, I64S, types.Array(types.int32, 1, "C"), types.int64, OUT_I64S, OUT_I64S),
    inline=False,
)
def _without_ends(ids, end, rows, out, at, begins, lengths):
    """Copy all ids but the ends to ``out`` from ``at`` on, note where each row's are, and return the next.

    -1 unless there are as many ends as rows; what was copied then means nothing.
    """
    begin, text = at, 0
    for id_ in ids:
        if id_ == end:
            if text == rows.size:
                return -1
            begins[rows[text]], lengths[rows[text]] = begin, at - begin
            begin, text = at, text + 1
        else:
            out[at] = id_
            at += 1
    return at if text == rows.size else -1
