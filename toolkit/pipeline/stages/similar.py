"""The two parallel steps of dedup: bands propose pairs, texts decide how alike they are.

Each band is reduced by one job, from keys that every part left on disk by band, and each block
of candidate pairs is verified by one job, so both run on any number of workers. A position is
a record's place in the order of preference (0 = most preferred).

Blocks follow the connected components of the candidates, so that a text is read in one block,
or in few where a component is larger than a block.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit import dedup
from toolkit.pipeline.jobs import begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import Dedup, as_data
from toolkit.pipeline.stages.corpus import Corpus, save_array
from toolkit.pipeline.stages.masks import Masks
from toolkit.pipeline.stages.sketches import plan_of
from toolkit.storage import Output, PartManifest, read_array

BLOCK_BYTES = 16 << 20  # of text that one job of verification reads
CROWD = 100  # texts of a bucket that is told of
SLICE = 4 << 20  # records of a band that one job sorts, on average


@dataclass(frozen=True)
class BandJob:
    """The keys of one band, of all parts, that are ``piece`` modulo ``pieces``: which records share one."""

    corpus: Corpus
    band: int
    piece: int
    pieces: int
    masks: Masks
    settings: Dedup

    @property
    def output(self) -> Path:
        """Packed pairs of positions, uint64, as ``dedup.Pairs`` packs them."""
        return self.corpus.work / f"band-{self.band:03d}-{self.piece:04d}.npy"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        found = dedup.bucket_pairs(*self._mine())
        save_array(self.output, found.packed)
        facts = {
            "overfull_buckets": int(found.overfull),
            "skipped_pairs": int(found.skipped),
            "largest_bucket": int(found.largest),
            "crowd": self._crowd(found.crowd),
        }
        outputs = [Output.scratch(self.corpus.lake, self.output, len(found))]
        manifest = PartManifest(f"band {self.band} {self.piece}", self._key(), outputs, facts=facts)
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _crowd(self, positions: np.ndarray) -> dict[str, int]:
        """Whose texts are in the largest bucket; nothing of a small one."""
        if len(positions) < CROWD:
            return {}
        return self.corpus.count_by_source(read_array(self.corpus.work / "order.npy")[positions])

    def _mine(self) -> tuple[np.ndarray, np.ndarray]:
        """The keys uint64 and the positions int64 of the records, read part by part."""
        position = read_array(self.corpus.work / "position.npy")
        keys, places = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for part, (first, last) in enumerate(self.corpus.bounds()):
            key, place = self.corpus.keys(part, self.band), position[first:last]
            mine = np.flatnonzero((key % np.uint64(self.pieces) == self.piece) & (place >= 0))
            keys.append(key[mine])
            places.append(place[mine])
        return np.concatenate(keys), np.concatenate(places)

    def _key(self) -> str:
        inputs = {"corpus": self.corpus.digest, "masks": self.masks.digests}
        piece = [self.band, self.piece, self.pieces]
        return job_key("band", **inputs, piece=piece, settings=as_data(self.settings))


@dataclass(frozen=True)
class VerifyJob:
    """A block of candidate pairs, ``first`` to ``last``: the exact similarity of each, from the texts."""

    corpus: Corpus
    block: int
    first: int
    last: int
    pairs_sha256: str
    masks: Masks
    settings: Dedup

    @property
    def output(self) -> Path:
        """Intersection and union, and the common shingles left out of each, int32 (pairs, 4)."""
        return self.corpus.work / f"verified-{self.block:05d}.npy"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        folder = self.corpus.work
        pairs = read_array(folder / "pairs.npy")[self.first : self.last]
        positions, local = np.unique(pairs, return_inverse=True)
        records = np.asarray(read_array(folder / "order.npy")[positions])
        local = local.reshape(pairs.shape).astype(np.int64)
        save_array(self.output, measure(self.corpus, records, local, self.masks, self.settings))
        outputs = [Output.scratch(self.corpus.lake, self.output, len(pairs))]
        manifest = PartManifest(f"verify {self.block}", self._key(), outputs)
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _key(self) -> str:
        inputs = {"corpus": self.corpus.digest, "pairs": self.pairs_sha256, "block": [self.first, self.last]}
        return job_key("verify", **inputs, masks=self.masks.digests, settings=as_data(self.settings))


def measure(
    corpus: Corpus, records: np.ndarray, pairs: np.ndarray, masks: Masks, settings: Dedup
) -> np.ndarray:
    """Intersection and union of ``pairs`` int64 (p, 2) of ``records``, and what each lost: int32 (p, 4)."""
    groups = np.asarray(read_array(corpus.work / "group.npy")[records])
    hashes, offsets, masked = masks.sets(corpus.texts(records), groups, settings.shingle)
    return np.stack([*dedup.jaccard(hashes, offsets, pairs), *masked[pairs].T], axis=1).astype(np.int32)


@dataclass(frozen=True)
class Candidates:
    """The merged pairs, ascending, and the jobs that verify them; ``place[i]`` is pair i's in the blocks."""

    pairs: dedup.Pairs
    place: np.ndarray
    jobs: list[VerifyJob]

    def measured(self) -> np.ndarray:
        """What was measured of every pair, int32 (pairs, 4), once the jobs are done."""
        found = [np.zeros((0, 4), np.int32), *(read_array(job.output) for job in self.jobs)]
        return np.concatenate(found)[self.place]


def band_jobs(corpus: Corpus, settings: Dedup, masks: Masks) -> list[BandJob]:
    """A job a band, or several where the corpus is large."""
    pieces = -(-max(1, corpus.records) // SLICE)
    places = itertools.product(range(plan_of(settings).bands), range(pieces))
    return [BandJob(corpus, band, piece, pieces, masks, settings) for band, piece in places]


def candidates(
    corpus: Corpus, settings: Dedup, jobs: list[BandJob], length: np.ndarray, masks: Masks
) -> Candidates:
    """Merge the bands' pairs, order them so that texts are read once, and cut them into jobs.

    ``length`` int64: bytes of the text at each position. Pairs of two settled records are not candidates.
    """
    packed, met = dedup.merge_packed([read_array(job.output) for job in jobs])
    open_ = (packed & np.uint64(0xFFFFFFFF)) >= corpus.settled
    merged = dedup.Pairs(packed[open_], met[open_], 0, 0)
    pairs = merged.pairs
    component = dedup.components(len(length), pairs)[pairs[:, 0]]
    order = np.lexsort((pairs[:, 0], pairs[:, 1], component))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    ordered = pairs[order]
    digest = save_array(corpus.work / "pairs.npy", ordered)
    bounds = _bounds(ordered, length)
    made = [
        VerifyJob(corpus, block, first, last, digest, masks, settings)
        for block, (first, last) in enumerate(itertools.pairwise(bounds.tolist()))
    ]
    return Candidates(merged, place, made)


def _bounds(pairs: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Where blocks of pairs begin and end: each reads at most about BLOCK_BYTES, or is one pair."""
    if not len(pairs):
        return np.zeros(1, np.int64)
    new = np.ones(len(pairs), bool)
    new[1:] = pairs[1:, 1] != pairs[:-1, 1]
    read = np.cumsum(length[pairs[:, 0]] + np.where(new, length[pairs[:, 1]], 0))
    starts = np.flatnonzero(np.diff(read // BLOCK_BYTES, prepend=-1))
    return np.append(starts, len(pairs))
