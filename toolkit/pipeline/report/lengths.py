"""Tokens of a regime's gold, counted by length: fill, quantiles, and the share that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


class Counted:
    """Tokens of a regime's gold, by length of document and of row."""

    def __init__(self) -> None:
        self.documents, self.rows = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.trained, self.context = 0, 0

    def add(self, regime: str, path: Path) -> None:
        """Count one gold file."""
        columns = {
            "sft": ["loss_mask", "seq_lens"],
            "preference": ["chosen_loss_mask", "rejected_loss_mask"],
            "rl": ["input_ids"],
        }[regime]
        with pq.ParquetFile(path, memory_map=True) as parquet:
            metadata = parquet.schema_arrow.metadata or {}
            self.context = int(metadata.get(b"context", b"0"))
            for batch in parquet.iter_batches(batch_size=1024, columns=columns, use_threads=False):
                self._batch(regime, batch)

    def _batch(self, regime: str, batch: pa.RecordBatch) -> None:
        masks = [batch[name] for name in batch.schema.names if name.endswith("loss_mask")]
        self.trained += sum(pc.sum(mask.flatten()).as_py() or 0 for mask in masks)
        if regime == "sft":
            self.rows = _add_counts(self.rows, pc.list_value_length(batch["loss_mask"]))
            self.documents = _add_counts(self.documents, batch["seq_lens"].flatten())
        else:
            for column in batch.columns:
                self.documents = _add_counts(self.documents, pc.list_value_length(column))

    def result(self, regime: str) -> dict[str, Any]:
        """Tokens, trained share (None for rl), pack fill (None when not packed), and lengths."""
        tokens = int((self.documents * np.arange(len(self.documents))).sum())
        packs, packed = int(self.rows.sum()), regime == "sft"
        room = packs * self.context
        fills = np.repeat(np.arange(len(self.rows)), self.rows) / self.context if room else np.zeros(0)
        return {
            "tokens": tokens,
            "context": self.context,
            "trained_share": self.trained / tokens if tokens and regime != "rl" else None,
            "fill": tokens / room if packed and room else None,
            "fills": np.histogram(fills, bins=20, range=(0, 1))[0].tolist() if packed else None,
            "lengths": self.documents,
            **quantiles(self.documents),
        }


def _add_counts(counts: np.ndarray, lengths: pa.Array) -> np.ndarray:
    more = np.bincount(lengths.to_numpy(zero_copy_only=False), minlength=len(counts))
    more[: len(counts)] += counts
    return more


def quantiles(counts: np.ndarray) -> dict[str, int]:
    """Median, 90th and 99th percentile and maximum of values given as ``counts[value]``."""
    below = np.cumsum(counts)
    at = {
        name: max(1, int(np.ceil(q * below[-1]))) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }
    last = len(counts) - 1
    found = {name: min(last, int(np.searchsorted(below, rank))) for name, rank in at.items()}
    return {**found, "max": int(np.flatnonzero(counts).max(initial=0))}
