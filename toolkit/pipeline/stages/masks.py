"""The common shingles of each group of texts, counted part by part; see ``dedup.common``.

    slots of every part -> suspects of every part -> a mask for each group

A group is a source, or its conversations. Two jobs a part, so any number of workers counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from toolkit import dedup
from toolkit.pipeline.jobs import begin, finished, job_key, manifest_beside
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import Dedup, as_data
from toolkit.pipeline.stages.corpus import Corpus, save_array
from toolkit.pipeline.stages.sketches import common_share
from toolkit.storage import Output, PartManifest, read_array, read_ipc, write_ipc


@dataclass(frozen=True)
class SlotJob:
    """A part: in how many texts of each of its groups a shingle of each slot is."""

    corpus: Corpus
    part: int
    groups: tuple[int, ...]
    settings: Dedup

    @property
    def output(self) -> Path:
        """uint32 (groups, slots)."""
        return self.corpus.work / f"slots-{self.part:05d}.npy"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        found = [
            dedup.slot_counts(_sets(self.corpus, self.part, group, self.settings)) for group in self.groups
        ]
        save_array(self.output, np.stack(found))
        return _written(self.corpus, self.output, f"slots {self.part}", self._key())

    def _key(self) -> str:
        inputs = {"corpus": self.corpus.digest, "part": self.part, "groups": list(self.groups)}
        return job_key("slots", **inputs, settings=as_data(self.settings))


@dataclass(frozen=True)
class SuspectJob:
    """A part: the shingles that may be common in each of its groups, and in how many texts they are."""

    corpus: Corpus
    part: int
    groups: tuple[int, ...]
    texts: tuple[int, ...]
    slots_sha256: str
    settings: Dedup

    @property
    def output(self) -> Path:
        """A table of group, shingle and count."""
        return self.corpus.work / f"suspects-{self.part:05d}.arrow"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        share, tables = common_share(self.settings), []
        for group, texts in zip(self.groups, self.texts, strict=True):
            slots = read_array(self.corpus.work / f"slots-of-{group:05d}.npy")
            hashes, counts = dedup.shingle_counts(
                _sets(self.corpus, self.part, group, self.settings), slots, texts, share
            )
            tables.append(
                pa.table({"group": np.full(len(hashes), group), "shingle": hashes, "count": counts})
            )
        write_ipc(self.output, pa.concat_tables(tables))
        return _written(self.corpus, self.output, f"suspects {self.part}", self._key())

    def _key(self) -> str:
        inputs = {"corpus": self.corpus.digest, "part": self.part, "slots": self.slots_sha256}
        return job_key(
            "suspects", **inputs, groups=[self.groups, self.texts], settings=as_data(self.settings)
        )


@dataclass(frozen=True)
class Masks:
    """Where the mask of each group lies that has one, and the hash of its shingles."""

    paths: dict[int, Path]
    digests: dict[int, str]

    def sets(
        self, texts: pa.Array, groups: np.ndarray, shingle: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each text's set as ``shingle_sets`` gives it, without the mask of its group; and what each lost."""
        hashes, offsets = dedup.shingle_sets(texts, shingle)
        masked = np.zeros(len(texts), np.int64)
        for group in np.intersect1d(groups, list(self.paths)).tolist():
            theirs = groups == group
            mask = np.array(read_array(self.paths[group]))
            kept, ends, lost = dedup.without((hashes, offsets), mask, theirs)
            hashes, offsets, masked = kept, ends, masked + lost
        return hashes, offsets, masked


def find_masks(
    corpus: Corpus, group: np.ndarray, length: np.ndarray, held: Masks, settings: Dedup, runner: Runner
) -> tuple[Masks, list[dict[str, Any]]]:
    """The masks of the groups of ``held`` and of all others that are large enough, and what they leave out.

    ``group`` int32 and ``length`` int64 are those of every record; settled ones have masks or none.
    """
    mine = group[corpus.settled :][length[corpus.settled :] > 0]
    names, sizes = np.unique(mine[mine >= 0], return_counts=True)
    texts = {int(name): int(size) for name, size in zip(names, sizes, strict=True) if size >= dedup.LEAST}
    if not texts:
        return held, []
    jobs = []
    for part, (first, last) in enumerate(corpus.bounds()):
        here = tuple(name for name in np.unique(group[first:last]).tolist() if name in texts)
        if here and first >= corpus.settled:
            jobs.append(SlotJob(corpus, part, here, settings))
    runner.stage("slots", jobs)
    digests = _sum_slots(corpus, jobs)
    asked = [
        SuspectJob(
            corpus, job.part, job.groups, tuple(texts[name] for name in job.groups),
            "".join(digests[name] for name in job.groups), settings,
        )
        for job in jobs
    ]  # fmt: skip
    runner.stage("suspects", asked)
    return _masks(corpus, asked, texts, held, settings)


def _sum_slots(corpus: Corpus, jobs: Sequence[SlotJob]) -> dict[int, str]:
    sums: dict[int, np.ndarray] = {}
    for job in jobs:
        for group, counts in zip(job.groups, read_array(job.output), strict=True):
            sums[group] = sums[group] + counts if group in sums else np.array(counts)
    return {
        group: save_array(corpus.work / f"slots-of-{group:05d}.npy", sums[group]) for group in sorted(sums)
    }


def _masks(
    corpus: Corpus, jobs: Sequence[SuspectJob], texts: dict[int, int], held: Masks, settings: Dedup
) -> tuple[Masks, list[dict[str, Any]]]:
    found = pa.concat_tables([read_ipc(job.output) for job in jobs])
    group, shingle, count = (found[name].to_numpy() for name in ("group", "shingle", "count"))
    paths, digests, facts = dict(held.paths), dict(held.digests), []
    for name in sorted(texts):
        rows = group == name
        mask = dedup.common_shingles([(shingle[rows], count[rows])], texts[name], common_share(settings))
        facts.append({"group": name, "texts": texts[name], "common_shingles": len(mask)})
        if len(mask):
            paths[name] = corpus.work / f"mask-{name:05d}.npy"
            digests[name] = save_array(paths[name], mask)
    return Masks(paths, digests), facts


def _sets(corpus: Corpus, part: int, group: int, settings: Dedup) -> tuple[np.ndarray, np.ndarray]:
    """The sets of the texts of a group in a part."""
    texts, groups = corpus.part_texts(part), corpus.part_groups(part)
    return dedup.shingle_sets(texts.filter(pa.array(groups == group)), settings.shingle)


def _written(corpus: Corpus, path: Path, task: str, key: str) -> list[PartManifest]:
    manifest = PartManifest(task, key, [Output.of(corpus.lake, path, 0)])
    manifest.write(manifest_beside(path))
    return [manifest]
