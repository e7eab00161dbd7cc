"""Silver text to token ids and loss masks, one job a part, under one pinned tokenizer.

What does not fit the context is not cut: a cut conversation teaches a model to stop in the
middle of an answer. It is removed with its length as evidence.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import packing
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.spec.tables import Packing, Spec
from toolkit.pipeline.stages.books import removal_ledger
from toolkit.records import every_text, evidence
from toolkit.storage import (
    Output,
    PartManifest,
    read_parquet,
    write_atomic,
    write_ipc,
    write_parquet,
)

TRAINING_BYTES = 4 << 20
# Training time grows with the square of a run without a break: runs are broken for training only.
_LONG_RUN = re.compile(r"\S{256}|\s{256}")


@dataclass(frozen=True)
class TokenizerJob:
    """The lake's ``tokenizer.json``: the user's, with what it lacked, or one trained on silver."""

    lake: Path
    given: Path | None
    given_sha256: str | None
    vocab_size: int
    silver: tuple[tuple[str, str], ...]

    @property
    def output(self) -> Path:
        """Where the lake keeps it."""
        return self.lake / "tokenizer.json"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        data = self.given.read_bytes() if self.given else packing.train(self._texts(), self.vocab_size)
        pinned = packing.load(self.given or data)
        write_atomic(self.output, pinned.to_bytes())
        facts = {
            "trained_on_silver": self.given is None,
            "given_sha256": pinned.sha256,
            "vocab_size": pinned.vocab_size,
            "control_tokens_added": list(pinned.added),
            "switched_off": list(pinned.disabled),
        }
        outputs = [Output.of(self.lake, self.output, pinned.vocab_size)]
        manifest = PartManifest("tokenizer", self._key(), outputs, facts=facts)
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _key(self) -> str:
        source = self.given_sha256 or [self.vocab_size, self.silver]
        return job_key("tokenizer", source=source)

    def _texts(self) -> Iterator[str]:
        """Every n-th record of each part, so that about TRAINING_BYTES are read in all."""
        paths = [self.lake / "silver" / f"{part}.parquet" for part, _ in self.silver]
        sizes = [pc.sum(read_parquet(p, ["token_estimate"])["token_estimate"]).as_py() or 0 for p in paths]
        step = max(1, -(-4 * sum(sizes) // TRAINING_BYTES))
        for path in paths:
            table = read_parquet(path, ["messages", "prompt", "chosen", "rejected", "answer"])
            rows = table.take(pa.array(np.arange(0, len(table), step)))
            for row in rows.to_pylist():
                yield _LONG_RUN.sub(r"\g<0>\n", every_text(row))


@dataclass(frozen=True)
class TokenJob:
    """One silver part to ids and masks, and the evidence of what is longer than the context."""

    lake: Path
    part: str
    silver_sha256: str
    tokenizer_sha256: str
    context: int

    @property
    def output(self) -> Path:
        """Encoded rows, schema ``packing.ENCODED``."""
        return self.lake / WORK / "tokens" / f"{self.part}.arrow"

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        return finished(self.lake, manifest_beside(self.output), self._key())

    def run(self) -> list[PartManifest]:
        """See Job."""
        begin(manifest_beside(self.output))
        table = read_parquet(self.lake / "silver" / f"{self.part}.parquet")
        encoded = packing.encode(table, _pinned(self.lake / "tokenizer.json", self.tokenizer_sha256))
        over, untrained = packing.too_long(encoded, self.context), packing.nothing_trained(encoded)
        fits = pa.array(np.flatnonzero(~(over | untrained)))
        proof = self._proof(table, encoded, over, untrained)
        kept = encoded.take(fits)
        write_ipc(self.output, kept)
        outputs = [Output.of(self.lake, self.output, len(kept))]
        path = self.lake / "evidence" / "packing" / f"{self.part}.parquet"
        if len(proof):
            write_parquet(path, proof)
            outputs.append(Output.of(self.lake, path, len(proof)))
        else:
            path.unlink(missing_ok=True)
        ledger = removal_ledger("packing", encoded, kept, proof, "tokens")
        manifest = PartManifest(f"tokens {self.part}", self._key(), outputs, [ledger])
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _proof(self, table: pa.Table, encoded: pa.Table, over: np.ndarray, untrained: np.ndarray) -> pa.Table:
        rows = np.flatnonzero(over | untrained)
        tokens = encoded["tokens"].take(pa.array(rows)).to_pylist()
        return evidence(
            table.take(pa.array(rows)),
            tokens=tokens,
            method=["filter:over_context" if over[row] else "filter:nothing_trained" for row in rows],
            score=[float(count) for count in tokens],
            threshold=[float(self.context)] * len(rows),
        )

    def _key(self) -> str:
        inputs = {"part": [self.part, self.silver_sha256], "tokenizer": self.tokenizer_sha256}
        return job_key("tokens", **inputs, context=self.context)


def tokenizer_job(
    spec: Spec, tokenizer_sha256: str | None, silver: Sequence[tuple[str, str]]
) -> TokenizerJob:
    """The job that puts a tokenizer into the lake; ``silver`` is (part, sha256) of each part."""
    settings: Packing = spec.packing
    given = None if settings.tokenizer is None else spec.base / settings.tokenizer
    trained_on = () if given else tuple(silver)
    return TokenizerJob(spec.lake_path, given, tokenizer_sha256, settings.vocab_size, trained_on)


@functools.lru_cache(maxsize=1)
def _pinned(path: Path, digest: str) -> packing.Pinned:
    return packing.load(path)
