"""Parts that are compared as one corpus: records numbered through, read from where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from toolkit.pipeline.jobs import WORK
from toolkit.pipeline.stages.sketches import sketch_files
from toolkit.storage import digest_json, read_array, read_ipc, sha256_bytes, write_array


@dataclass(frozen=True)
class Corpus:
    """The parts, in order; record ``starts[p] + row`` is row ``row`` of the part with ``stems[p]``.

    The first ``settled`` records stayed in an earlier run: they are preferred to all others, and stay.
    """

    lake: Path
    stems: tuple[Path, ...]
    starts: tuple[int, ...]
    settled: int
    digest: str

    @property
    def work(self) -> Path:
        """The folder of what the steps of dedup leave each other."""
        return self.lake / WORK / "dedup"

    def keys(self, part: int, band: int) -> np.ndarray:
        """The keys of a part in one band, uint64, mapped."""
        return read_array(sketch_files(self.stems[part])[1])[band]

    def take(self, records: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Rows of the parts' tables, in the order of ``records`` (global numbers)."""
        part = np.searchsorted(np.array(self.starts), records, side="right") - 1
        order = np.argsort(part, kind="stable")
        pieces = []
        for number in np.unique(part):
            rows = records[order][part[order] == number] - self.starts[number]
            pieces.append(self._table(int(number)).select(columns).take(pa.array(rows)))
        if not pieces:
            return self._table(0).select(columns).slice(0, 0)
        inverse = np.empty(len(records), np.int64)
        inverse[order] = np.arange(len(records))
        return pa.concat_tables(pieces).combine_chunks().take(pa.array(inverse))

    def texts(self, records: np.ndarray) -> pa.Array:
        """Normalised texts of ``records``."""
        column = self.take(records, ["normal"])["normal"]
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)

    def _table(self, part: int) -> pa.Table:
        return read_ipc(sketch_files(self.stems[part])[0])


def load_corpus(
    lake: Path, stems: Sequence[Path], keys: Sequence[str], held: int = 0
) -> tuple[Corpus, pa.Table]:
    """The corpus of the parts with these stems, of which the first ``held`` are settled, and their sketches.

    ``keys`` identify the contents of the parts.
    """
    sketches = [read_ipc(sketch_files(stem)[2]) for stem in stems]
    starts = np.cumsum([0, *map(len, sketches)])[:-1]
    digest = digest_json([held, *([stem.name, key] for stem, key in zip(stems, keys, strict=True))])
    settled = sum(map(len, sketches[:held]))
    corpus = Corpus(lake, tuple(stems), tuple(int(start) for start in starts), settled, digest)
    return corpus, pa.concat_tables(sketches)


def save_array(path: Path, array: np.ndarray) -> str:
    """Write an array atomically; return the sha256 of its values."""
    array = np.ascontiguousarray(array)
    write_array(path, array)
    return sha256_bytes(array.tobytes())
