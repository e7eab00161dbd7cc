"""The two parallel steps of dedup: bands propose pairs, texts decide how alike they are.

Each band is reduced by one job, from keys that every part left on disk by band, and each block
of candidate pairs is verified by one job, so both run on any number of workers. A position is
a record's place in the order of preference (0 = most preferred).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit import dedup
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import Dedup, as_data
from toolkit.pipeline.stages.corpus import Corpus, save_array
from toolkit.storage import Output, PartManifest

PAIRS_A_JOB = 25_000


@dataclass(frozen=True)
class BandJob:
    """One band of all parts: which records share a bucket."""

    corpus: Corpus
    band: int
    settings: Dedup

    @property
    def output(self) -> Path:
        """Packed pairs of positions, uint64, as ``dedup.Pairs`` packs them."""
        return self.corpus.lake / WORK / "dedup" / f"band-{self.band:03d}.npy"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        position = np.load(self.corpus.lake / WORK / "dedup" / "position.npy")
        chosen = np.flatnonzero(position >= 0)
        keys = [
            np.load(self.corpus.path(p, ".keys.npy"), mmap_mode="r") for p in range(len(self.corpus.parts))
        ]
        column = np.concatenate([part[self.band] for part in keys])[chosen]
        found = dedup.bucket_pairs(column, position[chosen])
        save_array(self.output, found.packed)
        facts = {"overfull_buckets": int(found.overfull), "skipped_pairs": int(found.skipped)}
        outputs = [Output.of(self.corpus.lake, self.output, len(found))]
        manifest = PartManifest(f"band {self.band}", self._key(), outputs, facts=facts)
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _key(self) -> str:
        return job_key("band", corpus=self.corpus.digest, band=self.band, settings=as_data(self.settings))


@dataclass(frozen=True)
class VerifyJob:
    """A block of candidate pairs: the exact similarity of each, from the texts."""

    corpus: Corpus
    block: int
    pairs_sha256: str
    settings: Dedup

    @property
    def output(self) -> Path:
        """Intersection and union sizes, int64 (pairs, 2)."""
        return self.corpus.lake / WORK / "dedup" / f"verified-{self.block:05d}.npy"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        folder = self.corpus.lake / WORK / "dedup"
        first = self.block * PAIRS_A_JOB
        pairs = np.load(folder / "pairs.npy", mmap_mode="r")[first : first + PAIRS_A_JOB]
        order = np.load(folder / "order.npy", mmap_mode="r")
        positions, local = np.unique(pairs, return_inverse=True)
        texts = self.corpus.texts(np.asarray(order[positions]))
        sets = dedup.shingle_sets(texts, dedup.Shingle.parse(self.settings.shingle))
        shared, union = dedup.jaccard(*sets, local.reshape(pairs.shape).astype(np.int64))
        save_array(self.output, np.stack([shared, union], axis=1))
        outputs = [Output.of(self.corpus.lake, self.output, len(pairs))]
        manifest = PartManifest(f"verify {self.block}", self._key(), outputs)
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _key(self) -> str:
        inputs = {"corpus": self.corpus.digest, "pairs": self.pairs_sha256, "block": self.block}
        return job_key("verify", **inputs, settings=as_data(self.settings))


def band_jobs(corpus: Corpus, settings: Dedup) -> list[BandJob]:
    """One job a band."""
    bands = dedup.plan_bands(settings.threshold, settings.recall)
    return [BandJob(corpus, band, settings) for band in range(bands.bands)]


def verify_jobs(
    corpus: Corpus, settings: Dedup, jobs: Sequence[BandJob]
) -> tuple[list[VerifyJob], dedup.Pairs]:
    """Merge the bands' pairs, write them, and cut them into jobs."""
    packed = (np.load(job.output) for job in jobs)
    merged = dedup.merge_pairs(dedup.Pairs(p, np.ones(len(p), np.uint16), 0, 0) for p in packed)
    digest = save_array(corpus.lake / WORK / "dedup" / "pairs.npy", merged.pairs)
    blocks = -(-len(merged) // PAIRS_A_JOB)
    return [VerifyJob(corpus, block, digest, settings) for block in range(blocks)], merged
