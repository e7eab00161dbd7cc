"""Silver text to token ids and loss masks, one job a part, under one pinned tokenizer.

What is longer than the context goes by ``[packing] over``: dropped, cut or split. What is dropped, what
a template cannot render and what has nothing to train on is removed with evidence; what is cut off a
record that stays is told in ``evidence/truncated``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit import packing
from toolkit.pipeline.jobs import WORK, begin, finished, job_key, manifest_beside
from toolkit.pipeline.plan import Pins
from toolkit.pipeline.spec.tables import TEMPLATES, Packing
from toolkit.pipeline.stages.books import removal_ledger
from toolkit.records import every_text, evidence
from toolkit.storage import (
    Group,
    Ledger,
    Output,
    PartManifest,
    read_json,
    read_parquet,
    write_atomic,
    write_ipc,
    write_json,
    write_parquet,
)

TEMPLATE = "chat_template.json"
TRAINING_BYTES = 4 << 20
# Training time grows with the square of a run without a break: runs are broken for training only.
_LONG_RUN = re.compile(r"\S{256}|\s{256}")


@dataclass(frozen=True)
class TokenizerJob:
    """The lake's ``tokenizer.json``: the user's, with what it lacked, or one trained on silver.

    Beside it, in ``chat_template.json``, the chat template and its control tokens.
    """

    lake: Path
    given: Path | None
    template: str
    pins: Pins
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
        template = packing.read_template(self.template)
        pad = template.pad
        control = tuple(dict.fromkeys([*template.tokens, pad]))
        data = self.given or packing.train(self._texts(), self.vocab_size, control)
        pinned = packing.load(data, control, pad)
        write_atomic(self.output, pinned.to_bytes())
        write_json(self.lake / TEMPLATE, asdict(template))
        facts = {
            "trained_on_silver": self.given is None,
            "given_sha256": pinned.sha256,
            "vocab_size": pinned.vocab_size,
            "control_tokens_added": list(pinned.added),
            "switched_off": list(pinned.disabled),
            "template": template.name,
            "template_sha256": template.sha256,
        }
        outputs = [
            Output.of(self.lake, self.output, pinned.vocab_size),
            Output.of(self.lake, self.lake / TEMPLATE, 0),
        ]
        manifest = PartManifest("tokenizer", self._key(), outputs, facts=facts)
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _key(self) -> str:
        source = self.pins.tokenizer or [self.vocab_size, self.silver]
        return job_key("tokenizer", source=source, template=self.pins.template or self.template)

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
    """One silver part to ids and masks, and the evidence of what is not among them."""

    lake: Path
    part: str
    silver_sha256: str
    tokenizer_sha256: str
    template_sha256: str
    settings: Packing
    folder: str = "silver"

    @property
    def source(self) -> Path:
        """Canonical records."""
        return self.lake / self.folder / f"{self.part}.parquet"

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
        table = read_parquet(self.source)
        template, pinned = pinned_at(self.lake, self.template_sha256, self.tokenizer_sha256)
        encoded = packing.encode(table, pinned, functools.partial(packing.runs_of, template=template))
        good = np.flatnonzero(~encoded["fault"].is_valid().to_numpy() & ~packing.nothing_trained(encoded))
        sound = encoded if len(good) == len(encoded) else encoded.take(pa.array(good))
        limited = packing.limit(sound, self.settings.context, self.settings.over, pinned)
        write_ipc(self.output, limited.table)
        left = np.zeros(len(table), np.int64)  # tokens of each record that are still there
        np.add.at(left, good[limited.rows], limited.own)
        stays = np.zeros(len(table), bool)
        stays[good[limited.rows]] = True
        lost = self._proof(table, encoded, np.flatnonzero(~stays))
        cut = np.where(stays, encoded["tokens"].to_numpy() - left, 0)
        outputs = [Output.scratch(self.lake, self.output, len(limited.table))]
        outputs += self._write("packing", lost) + self._write("truncated", self._cut(table, cut))
        books = self._books(encoded, stays, int(cut.sum()), limited.tokens["repeated"], lost)
        manifest = PartManifest(f"tokens {self.part}", self._key(), outputs, [books])
        manifest.write(manifest_beside(self.output))
        return [manifest]

    def _write(self, name: str, proof: pa.Table) -> list[Output]:
        path = self.lake / "evidence" / name / f"{self.part}.parquet"
        if not len(proof):
            path.unlink(missing_ok=True)
            return []
        write_parquet(path, proof)
        return [Output.of(self.lake, path, len(proof))]

    def _proof(self, table: pa.Table, encoded: pa.Table, gone: np.ndarray) -> pa.Table:
        taken = encoded.take(pa.array(gone))
        why = [_why(row, self.settings.context) for row in taken.select(_ASKED).to_pylist()]
        return evidence(
            table.take(pa.array(gone)),
            tokens=taken["tokens"],
            method=[method for method, _, _, _ in why],
            score=[score for _, score, _, _ in why],
            threshold=[threshold for _, _, threshold, _ in why],
            detail=[detail for _, _, _, detail in why],
        )

    def _cut(self, table: pa.Table, cut: np.ndarray) -> pa.Table:
        rows = np.flatnonzero(cut)
        return evidence(
            table.take(pa.array(rows)),
            tokens=cut[rows].tolist(),
            method=["truncated"] * len(rows),
            score=cut[rows].astype(float).tolist(),
            threshold=[float(self.settings.context)] * len(rows),
            detail=[json.dumps({"over": self.settings.over})] * len(rows),
        )

    def _books(self, encoded: pa.Table, stays: np.ndarray, cut: int, repeated: int, lost: pa.Table) -> Ledger:
        """In tokens; a cut record stays, and heads that were repeated are no tokens of a record."""
        after = encoded.select(["id", "tokens"]).filter(pa.array(stays))
        whole = removal_ledger("packing", encoded, after, lost, "tokens")
        out = replace(whole.records_out, size=whole.records_out.size - cut)
        removed = {**whole.removed, **({"truncated": Group(0, cut)} if cut else {})}
        overhead = {"repeated": repeated} if repeated else {}
        return replace(whole, records_out=out, removed=removed, overhead=overhead).check()

    def _key(self) -> str:
        inputs = {"part": [self.part, self.silver_sha256], "tokenizer": self.tokenizer_sha256}
        used = [self.template_sha256, self.settings.context, self.settings.over]
        return job_key("tokens", **inputs, settings=used)


_ASKED = ["tokens", "fault", "regime", "input_ids", "chosen_input_ids", "rejected_input_ids"]


def _why(row: Mapping[str, Any], context: int) -> tuple[str, float, float, str | None]:
    """(method, score, threshold, detail) of a record that did not become training data."""
    if row["fault"] is not None:
        code, _, said = row["fault"].partition(": ")
        return f"filter:{code}", 0.0, 0.0, json.dumps({"fault": said})
    longest = max(len(row[name] or ()) for name in _ASKED[3:])
    if longest > context:
        return "filter:over_context", float(longest), float(context), None
    return "filter:nothing_trained", 0.0, 1.0, None


def tokenizer_job(
    base: Path, lake: Path, settings: Packing, pins: Pins, silver: Sequence[tuple[str, str]]
) -> TokenizerJob:
    """The job that puts a tokenizer and a template into a lake; ``silver`` is (part, sha256) of each part."""
    given = None if settings.tokenizer is None else base / settings.tokenizer
    trained_on = () if given else tuple(silver)
    template = named_template(base, settings)
    return TokenizerJob(lake, given, template, pins, settings.vocab_size, trained_on)


def token_jobs(
    lake: Path,
    silver: Sequence[tuple[str, str]],
    tokenizer: PartManifest,
    settings: Packing,
    folder: str = "silver",
) -> list[TokenJob]:
    """The jobs of all parts, (name, sha256) each, by the tokenizer and the template of the lake."""
    used = tokenizer.outputs[0].sha256, tokenizer.facts["template_sha256"], settings, folder
    return [TokenJob(lake, part, sha256, *used) for part, sha256 in silver]


def named_template(base: Path, settings: Packing) -> str:
    """The template's name if it is a ready one, else the path of its file."""
    return settings.template if settings.template in TEMPLATES else str(base / settings.template)


def load_named(base: Path, settings: Packing) -> None:
    """RequestError unless the template and the tokenizer will do; what is loaded is kept for their turn."""
    template = packing.read_template(named_template(base, settings))
    if settings.tokenizer is not None:
        packing.load(base / settings.tokenizer, template.tokens, template.pad)


@functools.lru_cache(maxsize=1)
def pinned_at(lake: Path, template: str, tokenizer: str) -> tuple[packing.Template, packing.Pinned]:
    """The template and the tokenizer that lie in a lake, read once a process; the hashes tell them apart."""
    facts = read_json(lake / TEMPLATE)
    read = packing.Template(**facts | {"control": tuple(facts["control"])})
    return read, packing.load(lake / "tokenizer.json", read.tokens, read.pad)
