"""The refined parts as one corpus: records numbered through, read from where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from toolkit.pipeline.jobs import WORK
from toolkit.pipeline.stages.refine import RefineJob
from toolkit.storage import digest_json, read_ipc, sha256_bytes, writing


@dataclass(frozen=True)
class Corpus:
    """The refined parts, in order; record ``starts[p] + row`` is row ``row`` of part ``p``."""

    lake: Path
    parts: tuple[str, ...]
    starts: tuple[int, ...]
    digest: str

    def path(self, part: int, suffix: str = ".arrow") -> Path:
        """A file of part number ``part``."""
        return self.lake / WORK / "refined" / f"{self.parts[part]}{suffix}"

    def take(self, records: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Rows of the refined tables, in the order of ``records`` (global numbers)."""
        part = np.searchsorted(np.array(self.starts), records, side="right") - 1
        order = np.argsort(part, kind="stable")
        pieces = []
        for number in np.unique(part):
            rows = records[order][part[order] == number] - self.starts[number]
            pieces.append(read_ipc(self.path(int(number))).select(columns).take(pa.array(rows)))
        if not pieces:
            return read_ipc(self.path(0)).select(columns).slice(0, 0)
        inverse = np.empty(len(records), np.int64)
        inverse[order] = np.arange(len(records))
        return pa.concat_tables(pieces).combine_chunks().take(pa.array(inverse))

    def texts(self, records: np.ndarray) -> pa.Array:
        """Normalised texts of ``records``."""
        column = self.take(records, ["normal"])["normal"]
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def load_corpus(lake: Path, jobs: Sequence[RefineJob]) -> tuple[Corpus, pa.Table]:
    """The corpus of the refined parts, and their sketches as one table."""
    sketches = [read_ipc(job.sketch) for job in jobs]
    starts = np.cumsum([0, *map(len, sketches)])[:-1]
    digest = digest_json([[job.part, job.key] for job in jobs])
    parts = tuple(job.part for job in jobs)
    return Corpus(lake, parts, tuple(int(s) for s in starts), digest), pa.concat_tables(sketches)


def save_array(path: Path, array: np.ndarray) -> str:
    """Write an array atomically; return the sha256 of its values."""
    array = np.ascontiguousarray(array)
    with writing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)
    return sha256_bytes(array.tobytes())
