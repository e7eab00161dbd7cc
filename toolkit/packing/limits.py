"""Which encoded records cannot become training data: longer than the context, or nothing to learn.

A record is never cut to fit: a cut conversation ends in the middle of an answer and teaches the
model to stop there. It is named here instead, so that whoever calls can record its removal.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SEQUENCES = {"": ("sft", "rl"), "chosen_": ("preference",), "rejected_": ("preference",)}


def too_long(encoded: pa.Table, context: int) -> np.ndarray:
    """Say which rows do not fit: bool [rows], True if a sequence has more than ``context`` tokens.

    sft: the conversation; preference: either branch with its prompt; rl: the prompt.
    """
    out = np.zeros(encoded.num_rows, np.bool_)
    for prefix in _SEQUENCES:
        out |= pc.fill_null(pc.list_value_length(encoded[f"{prefix}input_ids"]), 0).to_numpy() > context
    return out


def nothing_trained(encoded: pa.Table) -> np.ndarray:
    """Say which sft and preference rows have a sequence without a trained token: bool [rows]."""
    regime = encoded["regime"].to_numpy()
    out = np.zeros(encoded.num_rows, np.bool_)
    for prefix, regimes in _SEQUENCES.items():
        used = np.isin(regime, [r for r in regimes if r != "rl"])
        out |= used & (_trained_tokens(encoded[f"{prefix}loss_mask"]) == 0)
    return out


def _trained_tokens(masks: pa.ChunkedArray) -> np.ndarray:
    """Count the set elements of each list: int64 [rows]."""
    counts = [np.zeros(0, np.int64)]
    for chunk in masks.chunks:
        before = np.concatenate([[0], np.cumsum(chunk.values.to_numpy(zero_copy_only=False))])
        counts.append(np.diff(before[chunk.offsets.to_numpy()]))
    return np.concatenate(counts)
