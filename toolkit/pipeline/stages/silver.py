"""The verdict carried out: what stays becomes silver, what goes becomes evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.books import removal_ledger
from toolkit.pipeline.stages.corpus import Corpus
from toolkit.pipeline.stages.refine import RefineJob
from toolkit.pipeline.stages.verdict import EXACT, KEPT, METHODS
from toolkit.records import CANONICAL, evidence
from toolkit.storage import Output, PartManifest, digest_json, read_ipc, sha256_bytes, write_parquet


@dataclass(frozen=True)
class SilverJob:
    """A refined part and the verdict on its rows: silver, and the evidence of what went."""

    corpus: Corpus
    part: int
    verdict_digest: str
    refine_key: str
    settings: Dedup

    @property
    def name(self) -> str:
        """``source/part-00000``."""
        return self.corpus.parts[self.part]

    @property
    def output(self) -> Path:
        """The silver part."""
        return self.corpus.lake / "silver" / f"{self.name}.parquet"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        lake = self.corpus.lake
        table = read_ipc(self.corpus.path(self.part)).select(CANONICAL.names)
        verdict = read_ipc(lake / WORK / "dedup" / "verdict.arrow").slice(
            self.corpus.starts[self.part], len(table)
        )
        method = verdict["method"].to_numpy()
        kept = table.take(pa.array(np.flatnonzero(method == KEPT)))
        gone = pa.array(np.flatnonzero(method != KEPT))
        proof = self._proof(table.take(gone), verdict.take(gone))
        write_parquet(self.output, kept)
        outputs = [Output.of(lake, self.output, len(kept))]
        path = lake / "evidence" / "dedup" / f"{self.name}.parquet"
        if len(proof):
            write_parquet(path, proof)
            outputs.append(Output.of(lake, path, len(proof)))
        else:
            path.unlink(missing_ok=True)
        ledger = removal_ledger("dedup", table, kept, proof)
        manifest = PartManifest(f"silver {self.name}", self._key(), outputs, [ledger])
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _proof(self, gone: pa.Table, verdict: pa.Table) -> pa.Table:
        kept = self.corpus.take(verdict["kept_by"].to_numpy(), ["id", "source_id", "origin"])
        shared, union = verdict["shared"].to_numpy(), verdict["union"].to_numpy()
        method = verdict["method"].to_pylist()
        return evidence(
            gone,
            method=[METHODS[m] for m in method],
            score=(shared / np.maximum(union, 1)).tolist(),
            threshold=[1.0 if m == EXACT else self.settings.threshold for m in method],
            kept_id=kept["id"],
            kept_source=kept["source_id"],
            kept_origin=kept["origin"],
            detail=[self._detail(row) for row in verdict.to_pylist()],
        )

    def _detail(self, row: dict[str, Any]) -> str:
        if row["method"] == EXACT:
            return json.dumps({"compared": "normalised text, byte for byte"})
        facts = {"shingle": self.settings.shingle, "intersection": row["shared"], "union": row["union"]}
        return json.dumps({**facts, "bands_met": row["bands_met"]})

    def _key(self) -> str:
        return job_key("silver", refined=self.refine_key, verdict=self.verdict_digest)


def silver_jobs(corpus: Corpus, settings: Dedup, jobs: Sequence[RefineJob]) -> list[SilverJob]:
    """One job a part; its key holds the verdict on its rows and who they were removed for."""
    verdict = read_ipc(corpus.lake / WORK / "dedup" / "verdict.arrow")
    ends = [*corpus.starts[1:], len(verdict)]
    made = []
    for number, (start, end) in enumerate(zip(corpus.starts, ends, strict=True)):
        rows = verdict.slice(start, end - start)
        gone = rows.filter(pc.not_equal(rows["method"], KEPT))
        kept = corpus.take(gone["kept_by"].to_numpy(), ["id", "source_id", "origin"])
        measured = [rows[name].to_numpy() for name in ("method", "shared", "union", "bands_met")]
        facts = [sha256_bytes(np.ascontiguousarray(column).tobytes()) for column in measured]
        digest = digest_json([facts, kept.to_pylist()])
        made.append(SilverJob(corpus, number, digest, jobs[number].key, settings))
    return made
