"""Bronze to silver to gold, and the books of every stage: all of a lake that follows from its bronze."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import GateError
from toolkit.pipeline.jobs import begin, job_key
from toolkit.pipeline.plan import EVAL_ITEMS
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import Spec, as_data
from toolkit.pipeline.stages.corpus import load_corpus
from toolkit.pipeline.stages.gold import gold_jobs
from toolkit.pipeline.stages.ingest import delivered_again
from toolkit.pipeline.stages.refine import RefineJob
from toolkit.pipeline.stages.silver import silver_jobs
from toolkit.pipeline.stages.similar import band_jobs, verify_jobs
from toolkit.pipeline.stages.tokens import TokenJob, tokenizer_job
from toolkit.pipeline.stages.verdict import decide, put_in_order
from toolkit.storage import Group, Ledger, Output, PartManifest, sha256_file

SILVER_STAGE = "silver/stage.manifest.json"


@dataclass(frozen=True)
class Bronze:
    """What is in bronze: the sources as the root manifest lists them, and their parts' manifests."""

    listing: Sequence[Mapping[str, Any]]
    manifests: Mapping[str, Sequence[PartManifest]]

    def ledger(self) -> Ledger:
        """The books of ingest, files delivered again included."""
        books = Ledger("ingest", "bytes")
        for source in self.listing:
            parts = self.manifests[source["id"]]
            books = sum((m.ledgers[0] for m in parts), books) + delivered_again(source["files"], parts)
        return books.check()


@dataclass(frozen=True)
class Built:
    """Every file of the lake, the books of every stage, and what dedup and packing report."""

    outputs: Sequence[Output]
    ledgers: Sequence[Ledger]
    facts: Mapping[str, Any]


def build(spec: Spec, bronze: Bronze, tokenizer_sha256: str | None, runner: Runner) -> Built:
    """Make silver and gold from bronze; every stage's books are checked, and joined to the next's."""
    lake = spec.lake_path
    check_rejects(spec, bronze.listing, bronze.manifests)
    refine = _refine_jobs(spec, bronze)
    silver = _silver(spec, refine, runner)
    tokenizer, tokens, gold = _gold(spec, silver, refine, tokenizer_sha256, runner)
    ledgers = [bronze.ledger(), *silver.ledgers, _total("packing", tokens, 0)]
    check_chain(ledgers)
    check_gold(ledgers[-1], gold)
    parts = [*(m for source in bronze.manifests.values() for m in source), silver, tokenizer, *tokens, *gold]
    outputs = [output for manifest in parts for output in manifest.outputs if not output.path.startswith(".")]
    if spec.decontaminate.set:
        outputs.append(Output.of(lake, lake / EVAL_ITEMS, 0))
    facts = {"dedup": dict(silver.facts), "tokenizer": dict(tokenizer.facts)}
    return Built(outputs, ledgers, {**facts, "gold": [dict(m.facts) | {"task": m.task} for m in gold]})


def check_chain(ledgers: Sequence[Ledger]) -> None:
    """GateError unless what leaves each stage is what enters the next, by count and by id hash."""
    for before, after in itertools.pairwise(ledgers):
        out, came = before.records_out, after.records_in
        if (out.records, out.ids) != (came.records, came.ids):
            raise GateError(
                f"{before.stage} passed on {out.records} records, {after.stage} took {came.records}. "
                "Nothing was published. This is a defect: keep the lake and report it."
            )


def check_gold(packed: Ledger, gold: Sequence[PartManifest]) -> None:
    """GateError unless gold holds just the records that packing passed on."""
    groups = [Group.from_dict(manifest.facts["group"]) for manifest in gold]
    found = sum(groups, Group())
    if found != packed.records_out:
        raise GateError(
            f"packing passed on {packed.records_out.records} records, gold holds {found.records} "
            f"({found.size} tokens). Nothing was published. This is a defect: keep the lake and report it."
        )


def check_rejects(
    spec: Spec, listing: Sequence[Mapping[str, Any]], manifests: Mapping[str, Sequence[PartManifest]]
) -> None:
    """GateError when a source has more rejects than the spec allows."""
    for source in listing:
        books = sum((m.ledgers[0] for m in manifests[source["id"]]), Ledger("ingest", "bytes"))
        rejected = sum(group.records for group in books.quarantined.values())
        limit = spec.ingest.max_reject_share
        if rejected > limit * books.records_in.records:
            worst = max(books.quarantined, key=lambda reason: books.quarantined[reason].records)
            raise GateError(
                f"source {source['id']!r}: {rejected} of {books.records_in.records} lines were rejected, "
                f"most of them {worst}; ingest.max_reject_share allows {limit:.2%}. Nothing was published. "
                f"See them with: toolkit quarantine {spec.lake_path}"
            )


def _refine_jobs(spec: Spec, bronze: Bronze) -> list[RefineJob]:
    lake = spec.lake_path
    by_id = {source.id: source for source in spec.source}
    items = sha256_file(lake / EVAL_ITEMS) if spec.decontaminate.set else ""
    jobs = []
    for name, parts in bronze.manifests.items():
        source = by_id[name]
        for part in parts:
            shard = part.outputs[0]
            bare = shard.path.removeprefix("bronze/").removesuffix(".jsonl.zst")
            settings = (spec.quality, spec.decontaminate, spec.dedup)
            jobs.append(RefineJob(lake, bare, shard.sha256, source.regime, source.map, *settings, items))
    return jobs


def _silver(spec: Spec, refine: Sequence[RefineJob], runner: Runner) -> PartManifest:
    """The silver stage as one manifest: skipped whole when nothing it depends on has changed."""
    lake = spec.lake_path
    parts = [[job.part, job.key] for job in refine]
    key = job_key("silver stage", parts=parts, settings=as_data(spec.dedup))
    fresh = PartManifest.fresh(lake, lake / SILVER_STAGE, key)
    if fresh is not None:
        return fresh
    begin(lake / SILVER_STAGE)
    refined = runner.stage("refine", refine)
    corpus, sketch = load_corpus(lake, refine)
    order, representative = put_in_order(corpus, sketch)
    bands = band_jobs(corpus, spec.dedup)
    proposed = runner.stage("bands", bands)
    blocks, candidates = verify_jobs(corpus, spec.dedup, bands)
    runner.stage("verify", blocks)
    facts = decide(corpus, spec.dedup, order, representative, candidates, len(blocks))
    for name in ("overfull_buckets", "skipped_pairs"):
        facts[name] = sum(manifest.facts[name] for manifest in proposed)
    silver = runner.stage("silver", silver_jobs(corpus, spec.dedup, refine))
    names = ("records", "quality", "decontaminate")
    ledgers = [_total(name, refined, i) for i, name in enumerate(names)] + [_total("dedup", silver, 0)]
    outputs = [o for m in (*refined, *silver) for o in m.outputs if not o.path.startswith(".")]
    manifest = PartManifest("silver stage", key, outputs, ledgers, facts)
    manifest.write(lake / SILVER_STAGE)
    return manifest


def _gold(
    spec: Spec,
    silver: PartManifest,
    refine: Sequence[RefineJob],
    tokenizer_sha256: str | None,
    runner: Runner,
) -> tuple[PartManifest, list[PartManifest], list[PartManifest]]:
    lake = spec.lake_path
    digests = {output.path: output.sha256 for output in silver.outputs}
    parts = [(job.part, digests[f"silver/{job.part}.parquet"]) for job in refine]
    tokenizer = runner.stage("tokenizer", [tokenizer_job(spec, tokenizer_sha256, parts)])[0]
    used = tokenizer.outputs[0].sha256
    jobs = [TokenJob(lake, part, digest, used, spec.packing.context) for part, digest in parts]
    tokens = runner.stage("tokens", jobs)
    return tokenizer, tokens, runner.stage("gold", gold_jobs(lake, jobs))


def _total(name: str, manifests: Sequence[PartManifest], number: int) -> Ledger:
    units = {"records": "bytes"}
    ledgers = (manifest.ledgers[number] for manifest in manifests)
    return sum(ledgers, Ledger(name, units.get(name, "tokens"))).check()
