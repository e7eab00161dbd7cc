"""Read documents back out of token tables, packed or not, under one name each.

A packed row is several documents, a preference row two sequences, an rl row one prompt. To compare
what went into packing with what came out, all are read as the same thing: a name, ids and a mask.

    sft          id            rl    id, nothing in the mask
    preference   id:chosen, id:rejected
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.packing.tokens.bits import to_flags


@dataclass(frozen=True)
class Documents:
    """Many documents as buffers: document i is ``ids[ends[i]:ends[i + 1]]``, named ``names[i]``."""

    names: pa.Array  # string [n]
    ids: np.ndarray  # int32 [tokens]
    mask: np.ndarray  # bool [tokens]
    ends: np.ndarray  # int64 [n + 1], the first 0


def documents(table: pa.Table) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (name, int32 ids, bool mask) of every document of a gold or an encoded table."""
    for block in blocks(table):
        for i, name in enumerate(block.names.to_pylist()):
            run = slice(block.ends[i], block.ends[i + 1])
            yield name, block.ids[run], block.mask[run]


def blocks(table: pa.Table) -> Iterator[Documents]:
    """Yield the documents of a table a batch at a time, as buffers."""
    for batch in table.to_batches():
        if "seq_lens" in batch.schema.names:
            lengths = batch["seq_lens"].flatten().to_numpy()
            yield _block(batch["doc_ids"].flatten(), lengths, batch["input_ids"], batch["loss_mask"])
            continue
        for prefix, suffix in (("", ""), ("chosen_", ":chosen"), ("rejected_", ":rejected")):
            if f"{prefix}input_ids" in batch.schema.names:
                yield _sequences(batch, prefix, suffix)


def _sequences(batch: pa.RecordBatch, prefix: str, suffix: str) -> Documents:
    named = f"{prefix}loss_mask" in batch.schema.names
    batch = batch.select(["id", f"{prefix}input_ids", *([f"{prefix}loss_mask"] if named else [])])
    if batch[f"{prefix}input_ids"].null_count:  # a filter copies, even if all pass
        batch = batch.filter(batch[f"{prefix}input_ids"].is_valid())
    ids = batch[f"{prefix}input_ids"]
    names = pc.binary_join_element_wise(batch["id"], suffix, "")
    return _block(names, ids.value_lengths().to_numpy(), ids, batch[f"{prefix}loss_mask"] if named else None)


def _block(names: pa.Array, lengths: np.ndarray, ids: pa.Array, mask: pa.Array | None) -> Documents:
    values = ids.flatten().to_numpy()
    trained = np.zeros(values.size, np.bool_)
    if mask is not None:
        trained = to_flags(mask.flatten())
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return Documents(names, values, trained, ends)
