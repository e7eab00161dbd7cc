"""Where the documents of a pack begin and end, in the three forms that trainers ask for.

A pack is several documents in one row, and attention must not cross from one to the next. One
fact, the lengths, is stored; each form follows from it. For documents of 3 and 2 tokens:

    position_ids  0 1 2 0 1     rotary embeddings start again
    cu_seqlens    0 3 5         variable-length attention kernels
    seq_idx       0 0 0 1 1     linear attention and state-space layers, which ignore positions
"""

from __future__ import annotations

import numpy as np

from toolkit.errors import RequestError


def cu_seqlens(seq_lens: np.ndarray) -> np.ndarray:
    """Cumulative lengths, int32 [documents + 1], from int [documents] tokens: 0 first, total last.

    Raises RequestError for more than 2,147,483,647 tokens, which no kernel's int32 can count.
    """
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(seq_lens, dtype=np.int64)])
    if ends[-1] > np.iinfo(np.int32).max:
        raise RequestError(
            f"one batch would hold {ends[-1]:,} tokens and cu_seqlens end at 2,147,483,647: "
            "take fewer packs at a time."
        )
    return ends.astype(np.int32)


def position_ids(seq_lens: np.ndarray) -> np.ndarray:
    """Position of each token in its own document, int32 [tokens]."""
    ends = cu_seqlens(seq_lens)
    return np.arange(ends[-1], dtype=np.int32) - np.repeat(ends[:-1], seq_lens)


def seq_idx(seq_lens: np.ndarray) -> np.ndarray:
    """Number of the document that each token belongs to, int32 [tokens], from 0 in each pack."""
    return np.repeat(np.arange(len(seq_lens), dtype=np.int32), seq_lens)
