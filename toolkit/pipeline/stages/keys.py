"""The band keys of a part: each text, without what its group has in common, sketched and cut into bands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from toolkit import dedup
from toolkit.pipeline.jobs import begin, finished, job_key
from toolkit.pipeline.spec.tables import Dedup, as_data
from toolkit.pipeline.stages.corpus import Corpus
from toolkit.pipeline.stages.masks import Masks
from toolkit.pipeline.stages.sketches import plan_of, sketch_files
from toolkit.storage import Output, PartManifest, write_array

BLOCK = 16_384  # texts whose signatures are in memory at once
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class KeysJob:
    """A part and the masks of its groups."""

    corpus: Corpus
    part: int
    masks: Masks
    settings: Dedup

    @property
    def output(self) -> Path:
        """uint64 (bands, rows)."""
        return sketch_files(self.corpus.stems[self.part])[1]

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.corpus.lake, self._manifest, self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(self._manifest)
        bands = plan_of(self.settings)
        kind = self.corpus.part_kinds(self.part)
        keys = np.empty((bands.bands, len(kind)), np.uint64)
        texts, groups = self.corpus.part_texts(self.part), self.corpus.part_groups(self.part)
        for first in range(0, len(kind), BLOCK):
            block = slice(first, first + BLOCK)
            keys[:, block] = dedup.band_keys(self._signatures(texts[block], groups[block], bands.k), bands).T
        keys ^= kind.astype(np.uint64) * _GOLDEN
        write_array(self.output, keys)
        outputs = [Output.of(self.corpus.lake, self.output, len(kind))]
        stem = self.corpus.stems[self.part]
        manifest = PartManifest(f"keys {stem.parent.name}/{stem.name}", self._key(), outputs)
        manifest.write(self._manifest)
        return [manifest]

    def _signatures(self, texts: pa.Array, groups: np.ndarray, k: int) -> np.ndarray:
        settings = self.settings
        masked = np.isin(groups, list(self.masks.paths))
        if not masked.any():
            return dedup.sketch(texts, settings.shingle, k, settings.seed, settings.scheme)
        hashes, offsets, _ = self.masks.sets(texts.filter(pa.array(masked)), groups[masked], settings.shingle)
        out = np.empty((len(texts), k), np.uint32)
        out[masked] = dedup.sketch_sets(hashes, offsets, k, settings.seed, settings.scheme)
        plain = texts.filter(pa.array(~masked))
        out[~masked] = dedup.sketch(plain, settings.shingle, k, settings.seed, settings.scheme)
        return out

    @property
    def _manifest(self) -> Path:
        return self.output.with_name(f"{self.corpus.stems[self.part].name}.keys.manifest.json")

    def _key(self) -> str:
        inputs = {"part": self.corpus.identities[self.part], "masks": self.masks.digests}
        return job_key("keys", **inputs, settings=as_data(self.settings))
