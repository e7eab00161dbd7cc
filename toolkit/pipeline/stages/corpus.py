"""Parts that are compared as one corpus: records numbered through, read from where they lie."""

from __future__ import annotations

import itertools
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

    ``sources[p]`` names what the part is of, for people, and ``identities[p]`` what it holds.
    Groups are numbered by each run for itself: ``first_groups[p]`` is added to those of a part.
    The first ``settled`` records stayed in an earlier run: they are preferred to all others, and stay.
    """

    lake: Path
    stems: tuple[Path, ...]
    sources: tuple[str, ...]
    identities: tuple[str, ...]
    starts: tuple[int, ...]
    first_groups: tuple[int, ...]
    settled: int
    records: int
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

    def count_by_source(self, records: np.ndarray) -> dict[str, int]:
        """How many of these records are of each source."""
        counts: dict[str, int] = {}
        part = np.searchsorted(np.array(self.starts), records, side="right") - 1
        for number, count in zip(*np.unique(part, return_counts=True), strict=True):
            name = self.sources[number]
            counts[name] = counts.get(name, 0) + int(count)
        return counts

    def bounds(self) -> list[tuple[int, int]]:
        """The first record of each part, and the one after its last."""
        return list(itertools.pairwise([*self.starts, self.records]))

    def part_texts(self, part: int) -> pa.Array:
        """Normalised texts of a part."""
        column = self._table(part)["normal"]
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)

    def part_kinds(self, part: int) -> np.ndarray:
        """The kinds of a part's records, int8."""
        return read_ipc(sketch_files(self.stems[part])[2])["kind"].to_numpy()

    def part_groups(self, part: int) -> np.ndarray:
        """The groups of a part's records, int32, as they are numbered here."""
        groups = read_ipc(sketch_files(self.stems[part])[2])["group"].to_numpy()
        return np.where(groups < 0, groups, groups + self.first_groups[part])

    def groups(self) -> np.ndarray:
        """The groups of all records, int32."""
        return np.concatenate([self.part_groups(part) for part in range(len(self.stems))])

    def _table(self, part: int) -> pa.Table:
        return read_ipc(sketch_files(self.stems[part])[0])


def load_corpus(
    lake: Path,
    stems: Sequence[Path],
    sources: Sequence[str],
    keys: Sequence[str],
    held: int = 0,
    groups: Sequence[int] | None = None,
) -> tuple[Corpus, pa.Table]:
    """The corpus of the parts with these stems, of which the first ``held`` are settled, and their sketches.

    ``keys`` identify the contents of the parts; ``groups`` are their ``first_groups``, else 0.
    """
    groups = [0] * len(stems) if groups is None else groups
    sketches = [read_ipc(sketch_files(stem)[2]) for stem in stems]
    starts = np.cumsum([0, *map(len, sketches)])[:-1]
    named = ([stem.name, key, first] for stem, key, first in zip(stems, keys, groups, strict=True))
    digest = digest_json([held, *named])
    settled = sum(map(len, sketches[:held]))
    first, records = tuple(int(start) for start in starts), sum(map(len, sketches))
    corpus = Corpus(
        lake, tuple(stems), tuple(sources), tuple(keys), first, tuple(groups), settled, records, digest
    )
    return corpus, pa.concat_tables(sketches)


def save_array(path: Path, array: np.ndarray) -> str:
    """Write an array atomically; return the sha256 of its values."""
    array = np.ascontiguousarray(array)
    write_array(path, array)
    return sha256_bytes(array.tobytes())
