"""The verdict carried out: what stays becomes silver, what goes becomes evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from toolkit.pipeline.jobs import begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.books import removal_ledger
from toolkit.pipeline.stages.corpus import Corpus
from toolkit.pipeline.stages.proof import part_verdict, proof_of, verdict_digests
from toolkit.pipeline.stages.refine import RefineJob
from toolkit.pipeline.stages.sketches import sketch_files
from toolkit.records import CANONICAL
from toolkit.storage import Output, PartManifest, read_ipc, write_parquet


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
        stem = self.corpus.stems[self.part]
        return f"{stem.parent.name}/{stem.name}"

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
        table = read_ipc(sketch_files(self.corpus.stems[self.part])[0]).select(CANONICAL.names)
        verdict = part_verdict(self.corpus, self.part)
        gone = verdict["row"].to_numpy()
        kept = table.take(pa.array(np.delete(np.arange(len(table)), gone)))
        proof = proof_of(self.corpus, table.take(pa.array(gone)), verdict, self.settings)
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

    def _key(self) -> str:
        return job_key("silver", refined=self.refine_key, verdict=self.verdict_digest)


def silver_jobs(corpus: Corpus, settings: Dedup, jobs: Sequence[RefineJob]) -> list[SilverJob]:
    """One job a part; its key holds the verdict on its rows and who they were removed for."""
    digests = verdict_digests(corpus)
    return [SilverJob(corpus, i, digests[i], job.key, settings) for i, job in enumerate(jobs)]
