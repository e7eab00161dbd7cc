"""Which encoded records cannot become training data, and what can be done about those too long.

A cut conversation ends in the middle of an answer and teaches a model to stop there, so the
default is to drop: the record goes, whole, with its length as evidence. The other policies:

    truncate_right   the first C tokens           truncate_left   the last C tokens
    split            pieces of at most C tokens; each after the first begins with the record's head
                     (what comes before its first trained token, at most C/2), repeated untrained

A cut never falls inside a UTF-8 character. A piece without a trained token is not training data
and is dropped. Pairs stay pairs: both branches lose the same start or each its own end. A prompt
(rl) has no end to spare. Where a policy cannot be applied the record is dropped. Counted by token:

    in = kept + truncated + dropped        (repeated heads are counted apart)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types

from toolkit.errors import RequestError
from toolkit.kernels.block import population
from toolkit.kernels.compile import BYTES, I64S, OUT_I64S, kernel
from toolkit.packing.tokens.cuts import Sequences, parts, sequences, split
from toolkit.packing.tokens.tokenizer import Pinned

Policy = Literal["drop", "truncate_left", "truncate_right", "split"]
LEAST_CONTEXT = 16
_SEQUENCES = {"": ("sft", "rl"), "chosen_": ("preference",), "rejected_": ("preference",)}


@dataclass(frozen=True)
class Limited:
    """Records that fit, and what it cost."""

    table: pa.Table  # like the encoded one; pieces of a split record are named id#1, id#2, ...
    rows: np.ndarray  # int64, row of the encoded table that each row comes from
    dropped: np.ndarray  # int64, rows of the encoded table of which nothing is left
    tokens: dict[str, int]  # in, kept, truncated, dropped, repeated
    own: np.ndarray  # int64, tokens of each row that are the record's and not a repeated head


def too_long(encoded: pa.Table, context: int) -> np.ndarray:
    """Say which rows do not fit: bool [rows], True if a sequence has more than ``context`` tokens.

    sft: the conversation; preference: either branch with its prompt; rl: the prompt.
    """
    return np.max([_lengths(encoded, prefix) for prefix in _SEQUENCES], axis=0) > context


def nothing_trained(encoded: pa.Table) -> np.ndarray:
    """Say which sft and preference rows have a sequence without a trained token: bool [rows]."""
    regime = encoded["regime"].to_numpy()
    out = np.zeros(encoded.num_rows, np.bool_)
    for prefix, regimes in _SEQUENCES.items():
        used = np.isin(regime, [r for r in regimes if r != "rl"])
        out |= used & (_trained_tokens(encoded[f"{prefix}loss_mask"]) == 0)
    return out


def limit(encoded: pa.Table, context: int, policy: Policy, pinned: Pinned) -> Limited:
    """Make every sequence of ``encoded`` at most ``context`` tokens long.

    Rows that fit come through as they are, in order. Raises RequestError for a context below 16 and
    for a policy it does not know.
    """
    if policy not in get_args(Policy) or context < LEAST_CONTEXT:
        raise RequestError(
            f"over-long records: policy {policy!r} with a context of {context} tokens; expected one of "
            f"{', '.join(get_args(Policy))} and at least {LEAST_CONTEXT} tokens."
        )
    long, tokens = too_long(encoded, context), encoded["tokens"].to_numpy()
    rows = np.arange(encoded.num_rows)
    if not long.any():
        counts = _counts(policy, tokens, rows[:0], int(tokens.sum()), 0)
        return Limited(encoded, rows, rows[:0], counts, tokens)
    at = [sequences(encoded, prefix, pinned.bytes_of.continues) for prefix in _SEQUENCES]
    regime = encoded["regime"].to_numpy()
    plan = [_whole(np.flatnonzero(~long), at)]
    if policy == "split":
        plan.append(_split(np.flatnonzero(long & (regime == "sft")), at, context))
    elif policy == "truncate_right":
        plan.append(_truncate_right(np.flatnonzero(long & (regime != "rl")), at, context))
    elif policy == "truncate_left":
        plan.append(_truncate_left(np.flatnonzero(long), at, context, encoded, regime))
    return _apply(encoded, policy, at, _joined(plan))


@dataclass(frozen=True)
class _Plan:
    """Rows to come, in any order: of which row, its head, and begin and end in each column pair."""

    rows: np.ndarray  # int64 [n]
    head: np.ndarray  # int64 [n], tokens of the record's start put before an sft piece
    begin: np.ndarray  # int64 [n, 3]
    end: np.ndarray
    piece: np.ndarray  # bool [n], a piece of a split record


def _joined(plan: list[_Plan]) -> _Plan:
    """Put the rows of several plans in the order of the records, and pieces in that of their text."""
    names = ("rows", "head", "begin", "end", "piece")
    rows, head, begin, end, piece = (np.concatenate([getattr(p, name) for p in plan]) for name in names)
    order = np.lexsort([begin[:, 0], rows])
    return _Plan(rows[order], head[order], begin[order], end[order], piece[order])


def _whole(rows: np.ndarray, at: list[Sequences]) -> _Plan:
    begin, end = (np.stack([getattr(s, name)[rows] for s in at], axis=1) for name in ("starts", "stops"))
    return _Plan(rows, np.zeros(rows.size, np.int64), begin, end, np.zeros(rows.size, np.bool_))


def _split(rows: np.ndarray, at: list[Sequences], context: int) -> _Plan:
    rows, head, begin, end = split(rows, at[0], context)
    plan = _whole(rows, at)
    plan.begin[:, 0], plan.end[:, 0] = begin, end
    return _Plan(rows, head, plan.begin, plan.end, np.ones(rows.size, np.bool_))


def _truncate_right(rows: np.ndarray, at: list[Sequences], context: int) -> _Plan:
    plan, keep = _whole(rows, at), np.ones(rows.size, np.bool_)
    for k, part in enumerate(at):
        cut = np.minimum(plan.begin[:, k] + context, plan.end[:, k])
        plan.end[:, k] = part.clean(cut, rows, -1)
        keep &= part.null[rows] | part.any_trained(plan.begin[:, k], plan.end[:, k])
    return _only(plan, keep)


def _truncate_left(
    rows: np.ndarray, at: list[Sequences], context: int, encoded: pa.Table, regime: np.ndarray
) -> _Plan:
    plan, keep = _whole(rows, at), np.ones(rows.size, np.bool_)
    excess = (plan.end - plan.begin).max(axis=1) - context
    for k, part in enumerate(at):
        used = ~part.null[rows]
        plan.begin[used, k] = part.clean(plan.begin[used, k] + excess[used], rows[used], 1)
        keep &= ~used | (regime[rows] == "rl") | part.any_trained(plan.begin[:, k], plan.end[:, k])
    # branches share their prompt: what goes must be prompt in both
    prompt = encoded["prompt_tokens"].fill_null(0).to_numpy()[rows]
    gone = plan.begin[:, 1] - at[1].starts[rows]
    keep &= (regime[rows] != "preference") | (gone <= prompt)
    return _only(plan, keep)


def _only(plan: _Plan, keep: np.ndarray) -> _Plan:
    return _Plan(plan.rows[keep], plan.head[keep], plan.begin[keep], plan.end[keep], plan.piece[keep])


def _apply(encoded: pa.Table, policy: Policy, at: list[Sequences], plan: _Plan) -> Limited:
    table = encoded.take(pa.array(plan.rows))
    none = np.zeros(plan.rows.size, np.int64)
    for k, prefix in enumerate(_SEQUENCES):
        lists = parts(at[k], plan.rows, none if k else plan.head, plan.begin[:, k], plan.end[:, k])
        for name, column in zip(("input_ids", "loss_mask"), lists, strict=True):
            table = _replaced(table, f"{prefix}{name}", column)
    kept = (plan.end - plan.begin).sum(axis=1)
    table = _replaced(table, "tokens", pa.array(kept + plan.head))
    gone = pa.array((plan.begin[:, 1] - at[1].starts[plan.rows]).astype(np.int32))
    table = _replaced(table, "prompt_tokens", pc.subtract(table["prompt_tokens"], gone))
    table = _replaced(table, "id", _names(table["id"].combine_chunks(), plan))
    tokens = encoded["tokens"].to_numpy()
    dropped = np.setdiff1d(np.arange(tokens.size), plan.rows)
    counts = _counts(policy, tokens, dropped, int(kept.sum()), int(plan.head.sum()))
    return Limited(table, plan.rows, dropped, counts, kept)


def _replaced(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), column)


def _names(ids: pa.StringArray, plan: _Plan) -> pa.StringArray:
    first = np.concatenate([[True], plan.rows[1:] != plan.rows[:-1]])[: plan.rows.size]
    place = np.arange(plan.rows.size)
    number = place - np.maximum.accumulate(np.where(first, place, 0)) + 1
    named = pc.binary_join_element_wise(ids, pa.array(number).cast(pa.string()), "#")
    return pc.if_else(pa.array(plan.piece), named, ids)


def _counts(
    policy: Policy, tokens: np.ndarray, dropped: np.ndarray, kept: int, repeated: int
) -> dict[str, int]:
    total, gone = int(tokens.sum()), int(tokens[dropped].sum())
    rest = total - kept - gone
    truncated = rest if policy.startswith("truncate") else 0
    counts = {"truncated": truncated, "dropped": gone + rest - truncated, "repeated": repeated}
    return {"in": total, "kept": kept, **counts}


def _lengths(encoded: pa.Table, prefix: str) -> np.ndarray:
    return pc.fill_null(pc.list_value_length(encoded[f"{prefix}input_ids"]), 0).to_numpy()


def _trained_tokens(masks: pa.ChunkedArray) -> np.ndarray:
    """Count the set elements of each list: int64 [rows]."""
    counts = [np.zeros(0, np.int64)]
    for chunk in masks.chunks:
        ends, bits = chunk.offsets.to_numpy().astype(np.int64), chunk.values.buffers()[1]
        counts.append(np.zeros(len(chunk), np.int64))
        if bits is not None and ends[-1] > ends[0]:
            _count_bits(np.frombuffer(bits, np.uint8), ends + chunk.values.offset, counts[-1])
    return np.concatenate(counts)


@kernel(types.void(BYTES, I64S, OUT_I64S), inline=False)
def _count_bits(bits, ends, out):
    """Count the bits (least significant first, as Arrow packs them) from each of ``ends`` to the next."""
    for row in range(len(out)):
        at, stop, found = ends[row], ends[row + 1], 0
        while at < stop and at & 7:
            found += (bits[at >> 3] >> (at & 7)) & 1
            at += 1
        while at + 8 <= stop:
            found += population(np.uint64(bits[at >> 3]))
            at += 8
        while at < stop:
            found += (bits[at >> 3] >> (at & 7)) & 1
            at += 1
        out[row] = found
