"""Bronze to silver to gold, and the books of every stage: all of a lake that follows from its bronze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from toolkit.errors import GateError
from toolkit.pipeline.bronze_layer import Bronze, Built, check_chain, check_rejects, door_facts
from toolkit.pipeline.compare import compare
from toolkit.pipeline.jobs import begin, job_key
from toolkit.pipeline.losses import check_losses, loss_alarms, losses_of
from toolkit.pipeline.plan import EVAL_ITEMS, Pins
from toolkit.pipeline.recovered import with_recovered
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import Spec, as_data
from toolkit.pipeline.stages.contamination import sets_found
from toolkit.pipeline.stages.corpus import load_corpus
from toolkit.pipeline.stages.gold import gold_jobs
from toolkit.pipeline.stages.identity import identity
from toolkit.pipeline.stages.refine import RefineJob
from toolkit.pipeline.stages.silver import silver_jobs
from toolkit.pipeline.stages.sketches import sketch_files
from toolkit.pipeline.stages.tokens import token_jobs, tokenizer_job
from toolkit.storage import (
    Group,
    Ledger,
    Output,
    PartManifest,
    digest_json,
    part_of,
    read_parquet,
    sha256_file,
)

SILVER_STAGE = "silver/stage.manifest.json"


def build(spec: Spec, bronze: Bronze, pins: Pins, runner: Runner) -> Built:
    """Make silver and gold from bronze; every stage's books are checked, and joined to the next's."""
    lake = spec.lake_path
    check_rejects(spec, bronze.listing, bronze.manifests)
    same = runner.alone("identity", lambda: identity(lake, spec, bronze.manifests))
    refine = _refine_jobs(spec, bronze, same)
    silver = _silver(spec, refine, runner)
    check_losses(silver.facts["inputs"], spec.dedup.max_loss)
    tokenizer, tokens, gold = _gold(spec, silver, refine, pins, runner)
    ledgers = [bronze.ledger(), same.ledgers[0], *silver.ledgers, _total("packing", tokens, 0)]
    check_chain(ledgers)
    check_gold(ledgers[-1], gold)
    ledgers = with_recovered(lake, ledgers, bronze.listing, bronze.manifests)
    made = [same, silver, tokenizer, *tokens, *gold]
    parts = [*(m for source in bronze.manifests.values() for m in source), *made]
    outputs = [output for manifest in parts for output in manifest.outputs if not output.path.startswith(".")]
    if spec.decontaminate.set:
        outputs.append(Output.of(lake, lake / EVAL_ITEMS, 0))
    told = {"dedup": dict(silver.facts), "tokenizer": dict(tokenizer.facts)}
    leaks = {"decontamination": told["dedup"].pop("decontamination")}
    facts = door_facts(lake, bronze, same) | told | leaks
    facts["alarms"] += loss_alarms(silver.facts["inputs"], silver.facts)
    return Built(outputs, ledgers, {**facts, "gold": [dict(m.facts) | {"task": m.task} for m in gold]})


def check_gold(packed: Ledger, gold: Sequence[PartManifest]) -> None:
    """GateError unless gold holds just the records that packing passed on."""
    groups = [Group.from_dict(manifest.facts["group"]) for manifest in gold]
    found = sum(groups, Group())
    wanted = replace(packed.records_out, size=packed.records_out.size + packed.overhead.get("repeated", 0))
    if found != wanted:
        raise GateError(
            f"packing passed on {packed.records_out.records} records, gold holds {found.records} "
            f"({found.size} tokens). Nothing was published. This is a defect: keep the lake and report it."
        )


def _refine_jobs(spec: Spec, bronze: Bronze, same: PartManifest) -> list[RefineJob]:
    repeats = {output.path: output.sha256 for output in same.outputs}
    lake = spec.lake_path
    by_id = {source.id: source for source in spec.source}
    items = sha256_file(lake / EVAL_ITEMS) if spec.decontaminate.set else ""
    jobs = []
    for name, parts in bronze.manifests.items():
        source = by_id[name]
        for part in parts:
            shard = part.outputs[0]
            bare = f"{name}/{part_of(shard.path)}"
            settings = (spec.quality, spec.decontaminate, spec.dedup, _group(name))
            again = repeats.get(f"evidence/identity/{bare}.parquet", "")
            read = (shard.path, shard.sha256, again, source.regime, source.map)
            jobs.append(RefineJob(lake, bare, *read, *settings, items))
    return jobs


def _group(source: str) -> int:
    """The number of a source's group of texts: the same whatever other sources there are."""
    return int(digest_json(source)[:7], 16)


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
    names = [job.part.split("/")[0] for job in refine]
    corpus, sketch = load_corpus(lake, [job.stem for job in refine], names, [job.key for job in refine])
    facts, _ = compare(corpus, sketch, spec.dedup, runner)
    found = [(name, part.facts["leaks"]) for name, part in zip(names, refined, strict=True)]
    facts["decontamination"] = sets_found(
        read_parquet(lake / EVAL_ITEMS) if spec.decontaminate.set else None, found
    )
    silver = runner.stage("silver", silver_jobs(corpus, spec.dedup, refine))
    facts["inputs"] = losses_of(names, silver)
    stages = ("records", "quality", "decontaminate")
    ledgers = [_total(name, refined, i) for i, name in enumerate(stages)] + [_total("dedup", silver, 0)]
    outputs = [o for m in (*refined, *silver) for o in m.outputs if not o.path.startswith(".")]
    if spec.dedup.index:
        keys = [sketch_files(job.stem)[1] for job in refine]
        rows = [last - first for first, last in corpus.bounds()]
        outputs += [Output.of(lake, path, count) for path, count in zip(keys, rows, strict=True)]
    manifest = PartManifest("silver stage", key, outputs, ledgers, facts)
    manifest.write(lake / SILVER_STAGE)
    return manifest


def _gold(
    spec: Spec,
    silver: PartManifest,
    refine: Sequence[RefineJob],
    pins: Pins,
    runner: Runner,
) -> tuple[PartManifest, list[PartManifest], list[PartManifest]]:
    lake = spec.lake_path
    digests = {output.path: output.sha256 for output in silver.outputs}
    parts = [(job.part, digests[f"silver/{job.part}.parquet"]) for job in refine]
    tokenizer = runner.stage("tokenizer", [tokenizer_job(spec.base, lake, spec.packing, pins, parts)])[0]
    jobs = token_jobs(lake, parts, tokenizer, spec.packing)
    tokens = runner.stage("tokens", jobs)
    return tokenizer, tokens, runner.stage("gold", gold_jobs(lake, jobs))


def _total(name: str, manifests: Sequence[PartManifest], number: int) -> Ledger:
    units = {"records": "bytes"}
    ledgers = (manifest.ledgers[number] for manifest in manifests)
    return sum(ledgers, Ledger(name, units.get(name, "tokens"))).check()
