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

from toolkit import dedup
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.plan import EVAL_ITEMS
from toolkit.pipeline.spec.tables import Decontaminate, Dedup, Quality, as_data
from toolkit.pipeline.stages.books import removal_ledger
from toolkit.pipeline.stages.canonicalise import canonicalise
from toolkit.pipeline.stages.contamination import Treated, treat
from toolkit.pipeline.stages.eval_items import SCHEMA
from toolkit.pipeline.stages.identity import repeated
from toolkit.quality import gate, measure
from toolkit.records import REGIMES
from toolkit.storage import (
    Ledger,
    Output,
    PartManifest,
    read_parquet,
    read_shard,
    write_atomic,
    write_ipc,
    write_parquet,
    writing,
)

SKETCH = pa.schema(
    [
        ("exact_high", pa.uint64()),
        ("exact_low", pa.uint64()),
        ("order_id", pa.uint64()),
        ("rank", pa.int32()),
        ("length", pa.int64()),
        ("regime", pa.int8()),
    ]
)


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
    eval_items: str

    @property
    def refined(self) -> Path:
        """Clean rows, with the compared text normalised as column ``normal``."""
        return self.lake / WORK / "refined" / f"{self.part}.arrow"

    @property
    def keys(self) -> Path:
        """Band keys, uint64 (bands, rows), so that one band's keys lie together."""
        return self.lake / WORK / "refined" / f"{self.part}.keys.npy"

    @property
    def sketch(self) -> Path:
        """What dedup must know of each row, schema SKETCH."""
        return self.lake / WORK / "refined" / f"{self.part}.sketch.arrow"

    @property
    def key(self) -> str:
        """See job_key."""
        return job_key(
            "refine",
            part=[self.part, self.bronze_sha256, self.repeats_sha256],
            regime=[self.regime, as_data(self.mapping)],
            settings=[as_data(self.quality), as_data(self.decontaminate), as_data(self.dedup)],
            eval_items=self.eval_items,
        )

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.lake, manifest_beside(self.refined), self.key)

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.refined))
        lines = read_shard(self.lake / self.shard)
        again = self.lake / "evidence" / "identity" / f"{self.part}.parquet"
        gone = repeated(again) if self.repeats_sha256 else set()
        read = canonicalise(lines, self.regime, self.mapping, gone)
        outputs = self._lines("quarantine/records", read.quarantine, read.ledger)
        table, rows, bad, gates = self._gates(read.table, read.compared)
        outputs += self._proof("quality", bad)
        taken = pa.array(rows)
        treated = self._decontaminate(table, read.compared.take(taken), read.fields.take(taken))
        for stage, proof in {"decontaminate": treated.removed, **treated.noted}.items():
            outputs += self._proof(stage, proof)
        self._sketch(treated.table, treated.compared)
        rows = treated.table
        outputs += [Output.of(self.lake, path, len(rows)) for path in (self.refined, self.keys, self.sketch)]
        manifest = PartManifest(
            f"refine {self.part}",
            self.key,
            outputs,
            [read.ledger.check(), gates, treated.ledger],
            {"leaks": treated.leaks},
        )
        manifest.write(manifest_beside(self.refined))
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
        settings = self.dedup
        normal = dedup.normalise(texts)
        bands = dedup.plan_bands(settings.threshold, settings.recall)
        shingle = dedup.Shingle.parse(settings.shingle)
        regime = pa.compute.index_in(table["regime"], pa.array(REGIMES)).to_numpy().astype(np.int8)
        keys = dedup.band_keys(dedup.sketch(normal, shingle, bands.k, settings.seed), bands)
        keys ^= (regime.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))[:, None]
        exact = dedup.exact_ids(normal)
        write_ipc(self.refined, table.append_column("normal", normal.cast(pa.large_string())))
        with writing(self.keys) as temporary, temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(keys.T))
        columns = [
            exact[:, 0],
            exact[:, 1],
            np.array([int(name[:16], 16) for name in table["id"].to_pylist()], np.uint64),
            table["source_rank"].to_numpy(),
            pa.compute.binary_length(normal).to_numpy().astype(np.int64),
            regime,
        ]
        write_ipc(self.sketch, pa.Table.from_arrays([pa.array(c) for c in columns], schema=SKETCH))

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
