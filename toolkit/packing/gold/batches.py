"""Packs to the arrays that a model takes: inputs, targets, and where each document ends.

A model is given ``labels`` in step with ``input_ids`` and shifts them itself: the output at position
t is compared with labels[t + 1]. So the first token of a document must not be a target. If it were,
the last token of the document before it would have to predict the start of something unrelated:

    input_ids   a0 a1 a2 b0 b1        labels   -100 a1 a2 -100 b1

Two forms. ``flattened``: all packs in one row, nothing padded, as variable-length attention wants it.
``padded``: a row a pack, one shape, for kernels that are compiled once. In both, cu_seqlens counts
through the rows as they lie in memory, and padding is a segment of its own, so that whoever goes by
cu_seqlens, by positions that start again or by seq_idx sees the same boundaries.

No attention_mask is made: given one of zeros and ones, models unpad by it and forget the boundaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import RequestError
from toolkit.packing.gold.boundaries import cu_seqlens, position_ids, seq_idx

NO_TARGET = -100  # what cross-entropy ignores, in PyTorch and in everything built on it


@dataclass(frozen=True)
class Packs:
    """Some packs as buffers: their documents end to end, in order."""

    input_ids: np.ndarray  # int32 [tokens]
    loss_mask: np.ndarray  # bool [tokens]
    seq_lens: np.ndarray  # int [documents], tokens of each
    documents: np.ndarray  # int [packs], documents of each

    @property
    def tokens(self) -> np.ndarray:
        """Tokens of each pack, int64 [packs]."""
        ends = np.concatenate([[0], np.cumsum(self.seq_lens, dtype=np.int64)])
        return np.diff(ends[np.concatenate([[0], np.cumsum(self.documents, dtype=np.int64)])])


def labels(packs: Packs) -> np.ndarray:
    """Targets, int64 [tokens]: the token where it is trained, -100 elsewhere and first in each document."""
    out = np.where(packs.loss_mask, packs.input_ids.astype(np.int64), NO_TARGET)
    out[cu_seqlens(packs.seq_lens)[:-1]] = NO_TARGET
    return out


def flattened(packs: Packs, pad_id: int = 0) -> dict[str, Any]:
    """All packs as one row. Shapes for T tokens in D documents:

    ``input_ids``, ``labels``, ``position_ids``: int64 [1, T]; ``seq_idx``: int32 [1, T], the document's
    number in the row; ``cu_seqlens``: int32 [D + 1]; ``max_seqlen``: the longest document, an int.
    No packs at all become one token ``pad_id`` that is nobody's target, so that a step can still be made;
    the mean of its losses is 0 / 0, so sum them, and divide by the targets of all ranks.
    """
    if not packs.seq_lens.size:
        return padded(packs, pad_id, 1)
    lengths = packs.seq_lens
    row = {
        "input_ids": packs.input_ids.astype(np.int64),
        "labels": labels(packs),
        "position_ids": position_ids(lengths).astype(np.int64),
        "seq_idx": seq_idx(lengths),
    }
    boundaries = {"cu_seqlens": cu_seqlens(lengths), "max_seqlen": int(lengths.max())}
    return {name: values[None] for name, values in row.items()} | boundaries


def padded(packs: Packs, pad_id: int = 0, length: int | None = None) -> dict[str, Any]:
    """A row a pack, filled up with ``pad_id`` to ``length`` (by default the longest pack's).

    As ``flattened`` with [B, L] for [1, T]: cu_seqlens count through all B·L tokens; padding is a segment
    at the end of its row, with positions of its own, seq_idx -1 and labels -100. No packs at all become
    one row of padding. Raises RequestError for a pack of more than ``length`` tokens.
    """
    tokens = packs.tokens if packs.documents.size else np.zeros(1, np.int64)
    documents = packs.documents if packs.documents.size else np.zeros(1, np.int64)
    length = max(1, int(tokens.max())) if length is None else length
    if tokens.max() > length or length < 1:
        raise RequestError(
            f"a pack of {tokens.max()} tokens does not fit in rows of {length}: give the gold's context."
        )
    ends = np.cumsum(documents)
    segments = np.insert(packs.seq_lens.astype(np.int64), ends, length - tokens)
    number = np.insert(np.arange(ends[-1]) - np.repeat(ends - documents, documents), ends, -1)
    seq = np.repeat(number.astype(np.int32), segments)
    lengths = segments[segments > 0]
    rows = {
        "input_ids": _spread(packs.input_ids, seq, pad_id),
        "labels": _spread(labels(packs), seq, NO_TARGET),
        "position_ids": position_ids(lengths).astype(np.int64),
        "seq_idx": seq,
    }
    boundaries = {"cu_seqlens": cu_seqlens(lengths), "max_seqlen": int(lengths.max())}
    return {name: values.reshape(-1, length) for name, values in rows.items()} | boundaries


def _spread(values: np.ndarray, seq: np.ndarray, fill: int) -> np.ndarray:
    out = np.full(seq.size, fill, np.int64)
    out[seq >= 0] = values
    return out


def packs_of_rows(rows: Sequence[Mapping[str, Any]]) -> Packs:
    """Gold rows as some other reader gives them (``datasets``, pandas, Python's lists) as packs.

    A pair becomes two packs of one document: first all chosen branches, then all rejected ones.
    Raises RequestError for rows without the columns of gold, or whose lengths disagree.
    """
    pairs = bool(rows) and "chosen_input_ids" in rows[0]
    sides = ("chosen_", "rejected_") if pairs else ("",)
    _expect_columns(rows, sides)
    ids = [np.asarray(row[f"{side}input_ids"], np.int32) for side in sides for row in rows]
    mask = [np.asarray(row[f"{side}loss_mask"], np.bool_) for side in sides for row in rows]
    lens = [[len(i)] for i in ids] if pairs else [np.asarray(row["seq_lens"], np.int64) for row in rows]
    sizes = zip(ids, mask, lens, strict=True)
    if any(not len(i) == len(m) == np.sum(n) or np.min(n, initial=1) < 1 for i, m, n in sizes):
        raise RequestError("input_ids, loss_mask and seq_lens of a pack differ in length: it is not gold.")
    return Packs(
        np.concatenate([np.zeros(0, np.int32), *ids]),
        np.concatenate([np.zeros(0, np.bool_), *mask]),
        np.concatenate([np.zeros(0, np.int64), *lens]),
        np.array([len(n) for n in lens], np.int64),
    )


def _expect_columns(rows: Sequence[Mapping[str, Any]], sides: Sequence[str]) -> None:
    wanted = {side + name for side in sides for name in ("input_ids", "loss_mask")}
    wanted |= {"seq_lens"} if sides == ("",) else set()
    missing = [name for row in rows[:1] for name in sorted(wanted - set(row))]
    if missing:
        raise RequestError(
            f"these rows have the columns {', '.join(rows[0])} and lack {', '.join(missing)}: they are no "
            "gold to train on. With transformers' Trainer, set remove_unused_columns=False."
        )
