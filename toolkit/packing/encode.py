"""Conversations to token ids and loss masks, for all three regimes in one pass.

    record -> messages -> pieces -> ids, mask

A message is four pieces: header (``<|im_start|>`` and the role), body, stop (``<|im_end|>``),
newline. Only bodies differ, so only bodies are tokenized, many thousand in one call; the rest
is a handful of constants. A sequence is then a list of piece numbers, and a kernel copies the
pieces one after another. The mask follows from the piece, never from a search in the text.

Each piece is tokenized alone, so no token spans two pieces and each mask boundary is exact. The
cost: a body that starts with a newline keeps it apart from the header's, where a tokenizer that
saw the whole text might have merged the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import RequestError
from toolkit.packing.gather import copy_runs, list_offsets
from toolkit.packing.template import body, header
from toolkit.packing.tokenizer import Pinned
from toolkit.records.schema import ROLES

_IDS, _MASK = pa.list_(pa.int32()), pa.list_(pa.bool_())
ENCODED = pa.schema(
    [
        ("id", pa.string()),
        ("regime", pa.string()),
        ("row", pa.int64()),
        ("tokens", pa.int64()),
        ("input_ids", _IDS),
        ("loss_mask", _MASK),
        ("chosen_input_ids", _IDS),
        ("chosen_loss_mask", _MASK),
        ("rejected_input_ids", _IDS),
        ("rejected_loss_mask", _MASK),
        ("prompt_tokens", pa.int32()),
    ]
)
# records and bytes a batch: the library holds about 100 bytes a token until its list is read
ROWS, BYTES = 4096, 8 << 20
_ASSISTANT = ROLES.index("assistant")
_EMPTY, _STOP, _NEWLINE, _HEADER = 0, 1, 2, 3  # pieces that never change; one header a role
_BODY = _HEADER + len(ROLES)


@dataclass(frozen=True)
class _Pieces:
    """Token ids of all pieces of a batch: piece i is ``ids[starts[i]:][:lengths[i]]``."""

    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class _Turns:
    """Messages as parallel int64 arrays: row in the batch, and the four pieces; ``trained`` bool."""

    row: np.ndarray
    pieces: np.ndarray  # [messages, 4]
    trained: np.ndarray


def encode(table: pa.Table, pinned: Pinned) -> pa.Table:
    """Encode canonical records (``CANONICAL``) into one row each of ``ENCODED``, in order.

    sft: ``input_ids`` and ``loss_mask`` of the conversation; every assistant turn is trained, with
    its stop token. preference: prompt plus branch as two sequences, with ``prompt_tokens`` in common
    that are not trained. rl: ``input_ids`` of the prompt and the header that asks for an answer, no
    mask set. ``tokens`` counts all the tokens of the row; ``row`` is its index in ``table``; columns
    that a regime does not use are null. Raises RequestError for a regime or role it does not know.
    """
    fixed = _fixed(pinned)
    batches = [
        _encode_batch(part, row, pinned, fixed)
        for first in range(0, table.num_rows, ROWS)
        for row, part in _halve(table.slice(first, ROWS), first)
    ]
    return pa.Table.from_batches(batches, schema=ENCODED)


def _halve(table: pa.Table, first: int) -> Iterator[tuple[int, pa.Table]]:
    """Split until each part is small or one record; yield the parts with their first row."""
    if table.num_rows < 2 or table.nbytes <= BYTES:
        yield first, table
        return
    half = table.num_rows // 2
    yield from _halve(table.slice(0, half), first)
    yield from _halve(table.slice(half), first + half)


def _lengths(lists: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)


def _fixed(pinned: Pinned) -> list[list[int]]:
    texts = ["\n", *map(header, ROLES)]
    encoded = pinned.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    newline, *headers = (e.ids for e in encoded)
    return [[], [pinned.im_end], newline, *([pinned.im_start, *ids] for ids in headers)]


def _encode_batch(table: pa.Table, first: int, pinned: Pinned, fixed: list[list[int]]) -> pa.RecordBatch:
    regime = _regimes(table)
    texts: list[str] = []
    sft = _turns(table, "messages", regime == "sft", texts)
    rl = _turns(table, "prompt", regime == "rl", texts, train=False)
    prompt = _turns(table, "prompt", regime == "preference", texts, train=False)
    branches = {name: _turns(table, name, regime == "preference", texts) for name in ("chosen", "rejected")}
    pieces = _tokenize(pinned, fixed, texts)
    n, pair = table.num_rows, regime == "preference"
    main = _sequences([sft, rl, _generation(regime == "rl")], pieces, n)
    chosen, rejected = (_sequences([prompt, turns], pieces, n) for turns in branches.values())
    columns = [
        table["id"].combine_chunks(),
        table["regime"].combine_chunks(),
        pa.array(np.arange(first, first + n)),
        pa.array(main[0] + chosen[0] + rejected[0]),
        *_lists(*main, ~pair),
        *_lists(*chosen, pair),
        *_lists(*rejected, pair),
        pa.array(_row_tokens(prompt, pieces, n).astype(np.int32), mask=~pair),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ENCODED)


def _regimes(table: pa.Table) -> np.ndarray:
    regime = table["regime"].to_numpy()
    known = np.isin(regime, ["sft", "preference", "rl"])
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        raise RequestError(
            f"record {table['id'][row].as_py()!r} has the regime {regime[row]!r}; "
            "expected sft, preference or rl. Repair it where the records are made."
        )
    return regime


def _turns(table: pa.Table, name: str, keep: np.ndarray, texts: list[str], *, train: bool = True) -> _Turns:
    """Read one conversation column of the rows in ``keep``; append its bodies to ``texts``."""
    column = table[name].filter(pa.array(keep)).combine_chunks()
    row = np.repeat(np.flatnonzero(keep), _lengths(column))
    messages = column.flatten()
    role, content, calls = (pc.struct_field(messages, field) for field in ("role", "content", "tool_calls"))
    code = pc.fill_null(pc.index_in(role, pa.array(ROLES)), -1).to_numpy().astype(np.int64)
    if (code < 0).any():
        at = int(np.flatnonzero(code < 0)[0])
        record = table["id"][int(row[at])].as_py()
        raise RequestError(f"record {record!r}, column {name!r}: {_unknown_role(role[at].as_py())}")
    number = _BODY + len(texts) + np.arange(row.size)
    texts += _bodies(content, calls)
    stop, newline = np.full(row.size, _STOP), np.full(row.size, _NEWLINE)
    pieces = np.stack([_HEADER + code, number, stop, newline], axis=1)
    return _Turns(row, pieces, (code == _ASSISTANT) & train)


def _unknown_role(role: str | None) -> str:
    return f"the role {role!r} is not one of {', '.join(ROLES)}. Repair it where the records are made."


def _bodies(content: pa.Array, calls: pa.Array) -> list[str]:
    texts = pc.fill_null(content, "").to_pylist()
    if calls.null_count < len(calls):
        for i in np.flatnonzero(calls.is_valid().to_numpy(zero_copy_only=False)):
            texts[i] = body(texts[i], calls[i].as_py())
    return texts


def _generation(keep: np.ndarray) -> _Turns:
    """Return the header that asks the assistant to speak, one a row, as a message without the rest."""
    row = np.flatnonzero(keep)
    pieces = np.full((row.size, 4), _EMPTY)
    pieces[:, 0] = _HEADER + _ASSISTANT
    return _Turns(row, pieces, np.zeros(row.size, np.bool_))


def _tokenize(pinned: Pinned, fixed: list[list[int]], texts: list[str]) -> _Pieces:
    encodings = pinned.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    lengths = np.array([len(ids) for ids in fixed] + [len(e) for e in encodings], dtype=np.int64)
    # .ids is the library's only way out, one Python int a token: let each list die before the next
    lists: Iterator[list[int]] = chain(fixed, (e.ids for e in encodings))
    ids = np.fromiter(chain.from_iterable(lists), np.int32, count=int(lengths.sum()))
    return _Pieces(ids, np.cumsum(lengths) - lengths, lengths)


def _row_tokens(turns: _Turns, pieces: _Pieces, rows: int) -> np.ndarray:
    """Count the tokens of each row: int64 [rows]."""
    tokens = pieces.lengths[turns.pieces].sum(axis=1)
    return np.bincount(turns.row, weights=tokens, minlength=rows).astype(np.int64)


def _sequences(parts: list[_Turns], pieces: _Pieces, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join messages row by row: tokens of each row, then ids and mask of all rows end to end."""
    turns = _Turns(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("row", "pieces", "trained")))
    order = np.argsort(turns.row, kind="stable")
    numbers = turns.pieces[order].ravel()
    body_and_stop = np.array([False, True, True, False])
    lengths = pieces.lengths[numbers]
    ids = np.empty(int(lengths.sum()), np.int32)
    copy_runs(pieces.ids, pieces.starts[numbers], lengths, np.cumsum(lengths) - lengths, ids)
    mask = np.repeat((turns.trained[order, None] & body_and_stop).ravel(), lengths)
    return _row_tokens(turns, pieces, rows), ids, mask


def _lists(tokens: np.ndarray, ids: np.ndarray, mask: np.ndarray, used: np.ndarray) -> list[pa.ListArray]:
    offsets = list_offsets(tokens)
    return [
        pa.ListArray.from_arrays(offsets, pa.array(values), mask=pa.array(~used)) for values in (ids, mask)
    ]
