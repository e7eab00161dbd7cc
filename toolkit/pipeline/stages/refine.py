"""One bronze part to clean rows and their sketches: canonical form, gates, decontamination.

Three stages, one pass: each keeps books of its own, and what it removes is evidence of its
own. The rows that remain wait in the work folder for dedup, which alone needs to see them all.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import dedup
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.plan import EVAL_ITEMS
from toolkit.pipeline.spec.tables import Decontaminate, Dedup, Quality, as_data
from toolkit.pipeline.stages.books import leading, removal_ledger
from toolkit.pipeline.stages.canonicalise import canonicalise
from toolkit.pipeline.stages.contamination import Treated, treat
from toolkit.pipeline.stages.eval_items import SCHEMA
from toolkit.pipeline.stages.identity import repeated
from toolkit.pipeline.stages.sketches import group_of, sketch_files, write_rows
from toolkit.quality import gate, measure
from toolkit.records import QUALITY, REGIMES
from toolkit.storage import (
    Ledger,
    Output,
    PartManifest,
    read_parquet,
    read_shard_bytes,
    write_atomic,
    write_parquet,
)

SCORES = [field.name for field in QUALITY]


@dataclass(frozen=True)
class RefineJob:
    """A bronze part and the settings it is refined with."""

    lake: Path
    part: str
    shard: str
    bronze_sha256: str
    repeats_sha256: str
    regime: str
    mapping: Mapping[str, Sequence[str]]
    quality: Quality
    decontaminate: Decontaminate
    dedup: Dedup
    group: int
    eval_items: str

    @property
    def stem(self) -> Path:
        """Where the clean rows wait for dedup, or stay; see ``sketches``."""
        return self.lake / ("index" if self.dedup.index else f"{WORK}/refined") / self.part

    @property
    def key(self) -> str:
        """See job_key."""
        return job_key(
            "refine",
            part=[self.part, self.bronze_sha256, self.repeats_sha256],
            regime=[self.regime, as_data(self.mapping)],
            settings=[as_data(self.quality), as_data(self.decontaminate), as_data(self.dedup), self.group],
            eval_items=self.eval_items,
        )

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.lake, manifest_beside(self.stem), self.key)

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.stem))
        lines = read_shard_bytes(self.lake / self.shard)
        again = self.lake / "evidence" / "identity" / f"{self.part}.parquet"
        gone = repeated(again) if self.repeats_sha256 else set()
        read = canonicalise(lines, self.regime, self.mapping, gone, searched=bool(self.decontaminate.set))
        outputs = self._lines("quarantine/records", read.quarantine, read.ledger)
        table, rows, bad, gates = self._gates(read.table, read.compared)
        outputs += self._proof("quality", bad)
        taken = pa.array(rows)
        treated = self._decontaminate(table, read.compared.take(taken), read.fields.take(taken))
        for stage, proof in {"decontaminate": treated.removed, **treated.noted}.items():
            outputs += self._proof(stage, proof)
        self._sketch(treated.table, treated.compared)
        rows = treated.table
        described = Output.of if self.dedup.index else Output.scratch
        outputs += [described(self.lake, path, len(rows)) for path in sketch_files(self.stem)[::2]]
        manifest = PartManifest(
            f"refine {self.part}",
            self.key,
            outputs,
            [read.ledger.check(), gates, treated.ledger],
            {"leaks": treated.leaks},
        )
        manifest.write(manifest_beside(self.stem))
        return [manifest]

    def _gates(self, table: pa.Table, texts: pa.Array) -> tuple[pa.Table, np.ndarray, pa.Table, Ledger]:
        table = table.set_column(table.schema.get_field_index("quality"), "quality", measure(texts))
        settings = self.quality
        minimum = {
            "chars": settings.min_chars,
            "words": settings.min_words,
            "alpha_share": settings.min_alpha_share,
        }
        passed, proof = gate(table, minimum, settings.deny_licenses, settings.deny_generators)
        rows = np.flatnonzero(passed)
        kept = table.take(pa.array(rows))
        return kept, rows, proof, removal_ledger("quality", table, kept, proof)

    def _decontaminate(self, table: pa.Table, compared: pa.Array, fields: pa.Array) -> Treated:
        settings, items, index = self.decontaminate, SCHEMA.empty_table(), None
        if settings.set:
            items = _eval_items(self.lake / EVAL_ITEMS, self.eval_items)
            sizes = (settings.ngram, settings.short_min, settings.used_short_ngram)
            index = _eval_index(self.eval_items, *sizes, self.lake)
        return treat(table, compared, fields, settings.policy, index, items)

    def _sketch(self, table: pa.Table, texts: pa.Array) -> None:
        regime = pc.index_in(table["regime"], pa.array(REGIMES)).to_numpy().astype(np.int8)
        order = np.ascontiguousarray(leading(table["id"])[:, 0])
        scores = {f"quality.{name}": pc.struct_field(table["quality"], name).to_numpy() for name in SCORES}
        facts = {"rank": table["source_rank"].to_numpy(), **scores}
        group = group_of(self.group, np.zeros(len(table), bool), self.dedup)
        write_rows(self.stem, table, texts, regime, group, order, facts, self.dedup)

    def _proof(self, stage: str, proof: pa.Table) -> list[Output]:
        path = self.lake / "evidence" / stage / f"{self.part}.parquet"
        if not len(proof):
            path.unlink(missing_ok=True)
            return []
        write_parquet(path, proof)
        return [Output.of(self.lake, path, len(proof))]

    def _lines(self, folder: str, lines: bytes, ledger: Ledger) -> list[Output]:
        path = self.lake / folder / f"{self.part}.jsonl"
        if not lines:
            path.unlink(missing_ok=True)
            return []
        write_atomic(path, lines)
        return [Output.of(self.lake, path, sum(group.records for group in ledger.quarantined.values()))]


@functools.lru_cache(maxsize=1)
def _eval_items(path: Path, digest: str) -> pa.Table:
    return read_parquet(path)


@functools.lru_cache(maxsize=1)
def _eval_index(digest: str, ngram: int, short_min: int, short_ngram: int, lake: Path) -> dedup.NgramIndex:
    texts = _eval_items(lake / EVAL_ITEMS, digest)["text"].combine_chunks()
    return dedup.build_index(texts, ngram, short_min, short_ngram)
