"""Conversations to token ids and loss masks, for all three regimes in one pass.

    record -> messages -> runs (the chat template) -> ids, mask (the tokenizer)

sft is the conversation; rl the prompt and the header that asks for an answer, nothing trained.
preference is two sequences, prompt + chosen and prompt + rejected: the prompt is rendered with
each branch, because a template may say it differently before different answers, and is trained
in neither. What the two share is then checked on the tokens: all that comes before the first
trained one. What cannot be encoded is not lost: its row says why (``fault``) and has no ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import RequestError
from toolkit.packing.chat.conversations import runs_of
from toolkit.packing.chat.runs import Runs
from toolkit.packing.chat.template import READY
from toolkit.packing.tokens.bits import to_bits
from toolkit.packing.tokens.encode_runs import encode_runs, same_runs
from toolkit.packing.tokens.gather import list_offsets
from toolkit.packing.tokens.tokenizer import Pinned

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
        ("fault", pa.string()),  # "code: detail" of a record that cannot be encoded
    ]
)
ROWS, BYTES = 4096, 8 << 20  # records and bytes of a batch

# (messages, *, generation, frozen) -> Runs, as ``conversations.runs_of`` with a template
RunsOf = Callable[..., Runs]
_CHATML = partial(runs_of, template=READY["chatml"])


@dataclass(frozen=True)
class _Sequences:
    """Encoded sequences of some rows of a batch; ``faults`` by place in ``rows``."""

    rows: np.ndarray
    ids: np.ndarray
    mask: np.ndarray
    lengths: np.ndarray
    faults: dict[int, str]


def encode(table: pa.Table, pinned: Pinned, runs_of: RunsOf = _CHATML) -> pa.Table:
    """Encode canonical records (``CANONICAL``) into one row each of ``ENCODED``, in order.

    sft: ``input_ids`` and ``loss_mask`` of the conversation. preference: prompt plus branch as two
    sequences; ``prompt_tokens`` come before the first trained one, the same in both. rl: ``input_ids``
    of the prompt and the header that asks for an answer, no mask set. ``tokens`` counts all the tokens
    of the row; ``row`` is its index in ``table``; columns that a regime does not use are null.
    ``runs_of`` is the chat template; ``pinned`` was loaded with its control tokens. Faults: those of
    ``runs_of``, and ``preference.prompt`` where the branches do not answer the same prompt. Raises
    RequestError for a regime it does not know.
    """
    batches = [
        _encode_batch(part, row, pinned, runs_of)
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


def _encode_batch(table: pa.Table, first: int, pinned: Pinned, runs_of: RunsOf) -> pa.RecordBatch:
    regime = _regimes(table)
    n, pair = table.num_rows, regime == "preference"
    sft, rl = np.flatnonzero(regime == "sft"), np.flatnonzero(regime == "rl")
    talk, ask = _column(table, "messages", sft), _column(table, "prompt", rl)
    main = [
        _encode(runs_of(talk), sft, pinned),
        _encode(runs_of(ask, generation=True, frozen=_lengths(ask)), rl, pinned),
    ]
    chosen, rejected, prompt = _pairs(table, np.flatnonzero(pair), pinned, runs_of)
    faults = np.full(n, None, object)
    for part in (*main, chosen, rejected):
        for place, fault in part.faults.items():
            faults[part.rows[place]] = fault
    prompt_tokens = np.zeros(n, np.int32)
    prompt_tokens[pair] = prompt
    fine = np.equal(faults, None)
    sequences = [_by_row(parts, n) for parts in (main, [chosen], [rejected])]
    columns = [
        table["id"].combine_chunks(),
        table["regime"].combine_chunks(),
        pa.array(np.arange(first, first + n)),
        pa.array(sum(part.lengths for part in sequences)),
        *_lists(sequences[0], ~pair & fine),
        *_lists(sequences[1], pair & fine),
        *_lists(sequences[2], pair & fine),
        pa.array(prompt_tokens, mask=~(pair & fine)),
        pa.array(faults, pa.string()),
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


def _column(table: pa.Table, name: str, rows: np.ndarray) -> pa.ListArray:
    column = table[name].combine_chunks()
    return column if rows.size == table.num_rows else column.take(pa.array(rows))


def _lengths(lists: pa.ListArray) -> np.ndarray:
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _encode(runs: Runs, rows: np.ndarray, pinned: Pinned) -> _Sequences:
    faults = {place: f"{code}: {detail}" for place, (code, detail) in runs.faults.items()}
    return _Sequences(rows, *encode_runs(runs, pinned, tuple(pinned.control.values())), faults)


def _pairs(
    table: pa.Table, rows: np.ndarray, pinned: Pinned, runs_of: RunsOf
) -> tuple[_Sequences, _Sequences, np.ndarray]:
    """Encode both branches of pairs in one go, and count the prompt's tokens: int64 [pairs]."""
    prompt, n = _column(table, "prompt", rows), rows.size
    whole = [joined_lists(prompt, _column(table, name, rows)) for name in ("chosen", "rejected")]
    both = _encode(runs_of(pa.concat_arrays(whole), frozen=np.tile(_lengths(prompt), 2)), rows, pinned)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(both.lengths)])
    heads, untrained = _heads(both.mask, ends)
    same = heads[:n] == heads[n:]
    same &= same_runs(both.ids, ends[:n], ends[n : 2 * n], np.where(same, heads[:n], 0))
    faults = {}
    for i in np.flatnonzero(~same & ~untrained[:n] & ~untrained[n:]).tolist():
        faults[i] = (
            f"preference.prompt: the tokens before the first trained one, {heads[i]} of chosen and "
            f"{heads[n + i]} of rejected, are not the same: the branches do not answer the same prompt"
        )
    for place, fault in sorted(both.faults.items(), reverse=True):
        faults[place % n] = f"{fault} (prompt and {'chosen' if place < n else 'rejected'})"
    keep = np.ones(2 * n, np.bool_)
    for i in faults:
        keep[[i, n + i]] = False
    tokens, lengths = np.repeat(keep, both.lengths), both.lengths * keep
    ids, mask, edge = both.ids[tokens], both.mask[tokens], int(lengths[:n].sum())
    chosen = _Sequences(rows, ids[:edge], mask[:edge], lengths[:n], faults)
    rejected = _Sequences(rows, ids[edge:], mask[edge:], lengths[n:], {})
    return chosen, rejected, np.minimum(heads[:n], heads[n:])


def joined_lists(one: pa.ListArray, two: pa.ListArray) -> pa.ListArray:
    """Join two columns of lists row by row; a null list counts as empty."""
    sizes = np.stack([_lengths(one), _lengths(two)], axis=1)
    starts = np.cumsum(sizes, axis=0) - sizes + [0, sizes[:, 0].sum()]
    values = pa.concat_arrays([one.flatten(), two.flatten()])
    return pa.ListArray.from_arrays(
        list_offsets(sizes.sum(axis=1)), values.take(pa.array(_places(starts.ravel(), sizes.ravel())))
    )


def _places(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Indices of runs, one after another: ``starts[i] .. starts[i] + sizes[i]``."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def _heads(mask: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens before the first trained one of each sequence, and whether it has none at all."""
    trained = np.append(np.flatnonzero(mask), mask.size)
    first = np.minimum(trained[np.searchsorted(trained, ends[:-1])], ends[1:])
    return first - ends[:-1], first == ends[1:]


def _by_row(parts: list[_Sequences], rows: int) -> _Sequences:
    """Put the sequences of several parts in the order of their rows; a row without one is empty."""
    order = np.argsort(np.concatenate([part.rows for part in parts]), kind="stable")
    sizes = np.concatenate([part.lengths for part in parts])
    used = [part for part in parts if part.ids.size] or parts[:1]
    ids, mask = (_end_to_end([getattr(part, name) for part in used]) for name in ("ids", "mask"))
    if (np.diff(order) < 0).any():
        at = _places((np.cumsum(sizes) - sizes)[order], sizes[order])
        ids, mask = ids[at], mask[at]
    lengths = np.zeros(rows, np.int64)
    for part in parts:
        lengths[part.rows] = part.lengths
    return _Sequences(np.arange(rows), ids, mask, lengths, {})


def _end_to_end(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)  # which would copy


def _lists(sequences: _Sequences, used: np.ndarray) -> list[pa.ListArray]:
    offsets, unused = list_offsets(sequences.lengths), pa.array(~used)
    values = (pa.array(sequences.ids), to_bits(sequences.mask))
    return [pa.ListArray.from_arrays(offsets, v, mask=unused) for v in values]
