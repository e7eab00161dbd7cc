"""Tokens of a regime's gold, counted by length: fill and quantiles."""

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
        self.context = 0

    def add(self, regime: str, path: Path) -> None:
        """Count one gold file."""
        columns = {
            "sft": ["seq_lens"],
            "preference": ["chosen_loss_mask", "rejected_loss_mask"],
            "rl": ["input_ids"],
        }[regime]
        with pq.ParquetFile(path, memory_map=True) as parquet:
            metadata = parquet.schema_arrow.metadata or {}
            self.context = int(metadata.get(b"context", b"0"))
            for batch in parquet.iter_batches(batch_size=1024, columns=columns, use_threads=False):
                self._batch(regime, batch)

    def _batch(self, regime: str, batch: pa.RecordBatch) -> None:
        if regime == "sft":
            documents = batch["seq_lens"]
            lengths = documents.flatten().to_numpy()
            ends = np.concatenate([[0], np.cumsum(pc.list_value_length(documents).to_numpy())])
            before = np.concatenate([[0], np.cumsum(lengths)])
            self.documents = _add_counts(self.documents, lengths)
            self.rows = _add_counts(self.rows, np.diff(before[ends]))
        else:
            for column in batch.columns:
                self.documents = _add_counts(self.documents, pc.list_value_length(column).to_numpy())

    def result(self, regime: str) -> dict[str, Any]:
        """Tokens, pack fill (None when not packed), and lengths."""
        tokens = int((self.documents * np.arange(len(self.documents))).sum())
        packs, packed = int(self.rows.sum()), regime == "sft"
        room = packs * self.context
        fills = np.repeat(np.arange(len(self.rows)), self.rows) / self.context if room else np.zeros(0)
        return {
            "tokens": tokens,
            "context": self.context,
            "fill": tokens / room if packed and room else None,
            "fills": np.histogram(fills, bins=20, range=(0, 1))[0].tolist() if packed else None,
            "lengths": self.documents,
            **quantiles(self.documents),
        }


def _add_counts(counts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    more = np.bincount(lengths, minlength=len(counts))
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
