"""Encoded records to gold, one table a regime: packs for sft, pairs for preference, prompts for rl.

Packs are fitted over the whole regime from lengths alone; each gold part is then a range of
packs (or of rows), gathered from the mapped token files by one job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import packing
from toolkit.pipeline.gold_files import gold_ids, trained_tokens
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import Packing, as_data
from toolkit.pipeline.stages.corpus import save_array
from toolkit.pipeline.stages.tokens import TokenJob, pinned_at
from toolkit.records import REGIMES
from toolkit.storage import (
    Group,
    IdHash,
    Output,
    PartManifest,
    digest_json,
    read_ipc,
    read_parquet,
)

TOKENS_A_PART = 1 << 22
ROWS_A_PART = 1 << 13
MAPPED = 64 << 20  # bytes of token files


@dataclass(frozen=True)
class GoldJob:
    """Rows ``start`` to ``stop`` of a regime's gold table."""

    lake: Path
    regime: str
    number: int
    start: int
    stop: int
    parts: tuple[str, ...]
    content: str
    template_sha256: str
    tokenizer_sha256: str
    settings: Packing
    silver: str = "silver"

    @property
    def output(self) -> Path:
        """The gold part."""
        return self.lake / "gold" / self.regime / f"part-{self.number:05d}.parquet"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        starts = np.asarray(self._array("starts")[self.start : self.stop + 1])
        places = np.asarray(self._array("places")[starts[0] : starts[-1]])
        table = self._table(places, starts)
        template, pinned = pinned_at(self.lake, self.template_sha256, self.tokenizer_sha256)
        how = PACKING[self.regime] | {"over": self.settings.over}
        if self.regime == "sft":
            how["method"] = self.settings.method
        marked = packing.with_metadata(table, pinned, self.settings.context, how, template)
        packing.write_gold(self.output, marked)
        outputs = [Output.of(self.lake, self.output, len(table))]
        ids, tokens = gold_ids(table)
        group = Group(len(ids), tokens, IdHash.of(ids))
        facts = {
            "tokens_hash": str(packing.tokens_hash(table)),
            "group": group.to_dict(),
            "rows": len(table),
            "tokens": tokens,
            "trained": trained_tokens(table),
        }
        manifest = PartManifest(f"gold {self.regime} {self.number}", self._key(), outputs, facts=facts)
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _table(self, places: np.ndarray, starts: np.ndarray) -> pa.Table:
        used, table_of = np.unique(places[:, 0], return_inverse=True)
        paths = [self.lake / WORK / "tokens" / f"{self.parts[i]}.arrow" for i in used]
        if self.regime == "sft":
            return self._packs(paths, table_of, places[:, 1], starts)
        pieces = []
        for number, path in enumerate(paths):
            rows = read_ipc(path).take(pa.array(places[table_of == number, 1]))
            if self.regime == "preference":
                pieces.append(packing.preference_table(rows))
            else:
                silver = self.lake / self.silver / f"{self.parts[used[number]]}.parquet"
                pieces.append(packing.rl_table(read_parquet(silver), rows))
        return pa.concat_tables(pieces)

    def _packs(
        self, paths: Sequence[Path], table_of: np.ndarray, rows: np.ndarray, starts: np.ndarray
    ) -> pa.Table:
        """Gold rows of these documents; a few files are mapped at a time, while their rows are copied."""
        lengths = np.asarray(self._array("lengths")[starts[0] : starts[-1]])
        begins = np.cumsum(lengths) - lengths
        ids, mask = np.empty(int(lengths.sum()), np.int32), np.empty(int(lengths.sum()), np.bool_)
        group_of = np.cumsum([path.stat().st_size for path in paths]) // MAPPED
        names, order = [], []
        for number in np.unique(group_of):
            mine = np.flatnonzero(group_of[table_of] == number)
            first, last = np.searchsorted(group_of, [number, number + 1])
            which = [read_ipc(path) for path in paths[first:last]], table_of[mine] - first, rows[mine]
            packing.gather_into(*which, "input_ids", lengths[mine], begins[mine], ids)
            packing.gather_into(*which, "loss_mask", lengths[mine], begins[mine], mask)
            names.append(packing.gather_text(*which))
            order.append(mine)
        names = pa.chunked_array(names).take(pa.array(np.argsort(np.concatenate(order)))).combine_chunks()
        return packing.packed_table(ids, mask, names, lengths, starts)

    def _array(self, name: str) -> np.ndarray:
        """What ``gold_jobs`` saved of the regime."""
        return np.load(self.lake / WORK / "gold" / f"{self.regime}.{name}.npy", mmap_mode="r")

    def _key(self) -> str:
        inputs = {"content": self.content, "rows": [self.start, self.stop]}
        used = [self.template_sha256, self.tokenizer_sha256, as_data(self.settings)]
        return job_key(f"gold {self.regime}", **inputs, used=used)


PACKING = {
    "sft": {"of": "all documents of the regime"},
    "preference": {"method": "one pair a row"},
    "rl": {"method": "one prompt a row"},
}


def gold_jobs(lake: Path, jobs: Sequence[TokenJob]) -> list[GoldJob]:
    """Fit the packs and cut each regime's gold into jobs; regimes without a record give none."""
    made: list[GoldJob] = []
    for regime, (places, lengths) in _records(jobs).items():
        if not len(places):
            continue
        order, starts, size = _rows(regime, lengths, jobs[0].settings)
        folder = lake / WORK / "gold"
        save_array(folder / f"{regime}.places.npy", places[order])
        save_array(folder / f"{regime}.lengths.npy", lengths[order])
        save_array(folder / f"{regime}.starts.npy", starts)
        holders = np.unique(places[:, 0])
        content = digest_json([[jobs[number].part, jobs[number].silver_sha256] for number in holders])
        rows = len(starts) - 1
        for number, start in enumerate(range(0, rows, size)):
            made.append(
                GoldJob(
                    lake,
                    regime,
                    number,
                    start,
                    min(rows, start + size),
                    tuple(job.part for job in jobs),
                    content,
                    jobs[0].template_sha256,
                    jobs[0].tokenizer_sha256,
                    jobs[0].settings,
                    jobs[0].folder,
                )
            )
    return made


def _rows(regime: str, lengths: np.ndarray, settings: Packing) -> tuple[np.ndarray, np.ndarray, int]:
    """(order of the documents, where each gold row starts in it, gold rows a part)."""
    if regime == "sft":
        order, starts = packing.pack_order(packing.pack(lengths, settings.context, settings.method))
        return order, starts, max(1, TOKENS_A_PART // settings.context)
    return np.arange(len(lengths)), np.arange(len(lengths) + 1), ROWS_A_PART


def _records(jobs: Sequence[TokenJob]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(part, row) of each regime's encoded records, int64 (n, 2), and their lengths in tokens."""
    found = {regime: ([np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]) for regime in REGIMES}
    for number, job in enumerate(jobs):
        encoded = read_ipc(job.output).select(["regime", "tokens"])
        tokens = encoded["tokens"].to_numpy()
        for regime, (places, lengths) in found.items():
            rows = np.flatnonzero(pc.equal(encoded["regime"], regime).to_numpy().astype(bool))
            places.append(np.stack([np.full(len(rows), number), rows], axis=1))
            lengths.append(tokens[rows])
    return {regime: (np.concatenate(p), np.concatenate(n)) for regime, (p, n) in found.items()}
