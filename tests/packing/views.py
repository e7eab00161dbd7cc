"""What a model is shown: documents alone (the oracle), a packed batch, and packed batches that leak.

A view is (ids, positions, labels, may_look): three int64 [tokens], and bool [tokens, tokens], True where
the row's token may look at the column's.
"""

from itertools import pairwise

import numpy as np


def causal(tokens):
    return np.tril(np.ones((tokens, tokens), bool))


def alone(document):
    """One document by itself, straight from its tokens and mask: nothing of the toolkit is involved."""
    ids = np.array(document["ids"], np.int64)
    labels = np.where(document["mask"], ids, -100)
    return ids, np.arange(len(ids)), labels, causal(len(ids))


def by_cu_seqlens(batch):
    """A batch as variable-length attention sees it: a causal square for each segment, nothing else."""
    ends = batch["cu_seqlens"]
    may_look = np.zeros((ends[-1], ends[-1]), bool)
    for start, stop in pairwise(ends):
        may_look[start:stop, start:stop] = causal(stop - start)
    return *(batch[name].reshape(-1) for name in ("input_ids", "position_ids", "labels")), may_look


def by_seq_idx(batch):
    """A batch of one row as layers that go by seq_idx see it: look back at tokens of one's own number."""
    ids, positions, labels, _ = by_cu_seqlens(batch)
    number = batch["seq_idx"][0]
    return ids, positions, labels, causal(len(ids)) & (number[:, None] == number[None, :])


def no_boundaries(batch):
    """Leak: every token looks at all before it, its own document's or not."""
    ids, positions, labels, _ = by_cu_seqlens(batch)
    return ids, positions, labels, causal(len(ids))


def positions_run_on(batch):
    """Leak: positions do not start again with each document."""
    ids, _, labels, may_look = by_cu_seqlens(batch)
    return ids, np.arange(len(ids)), labels, may_look


def first_tokens_are_targets(batch, masks):
    """Leak: labels straight from the mask, so a document's last token answers for the next one's first."""
    ids, positions, _, may_look = by_cu_seqlens(batch)
    return ids, positions, np.where(masks, ids, -100), may_look


def leaks(batch, packs):
    masks = np.concatenate([d["mask"] for pack in packs for d in pack])
    return {
        "no boundaries": no_boundaries(batch),
        "positions run on": positions_run_on(batch),
        "first tokens are targets": first_tokens_are_targets(batch, masks),
    }
