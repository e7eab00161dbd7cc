"""Packing of plain files or tables: conversations in, gold that a trainer reads out.

inputs -> parts -> canonical records -> ids and masks -> packs

OUT/gold/<regime>/             packs, pairs or prompts; read them with ``toolkit.packing.open_gold``
OUT/tokenizer.json             the tokenizer in use: the one given, with what it lacked
OUT/evidence/packing/          records that are not in gold, and why; evidence/truncated/ what was cut off
OUT/quarantine/records/        lines that are no records
OUT/MANIFEST.json              every file with its sha256, and the books
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError
from toolkit.pipeline.build import check_gold
from toolkit.pipeline.jobs import WORK, job_key, manifest_beside
from toolkit.pipeline.out_folder import claim, publish, published, unpublish
from toolkit.pipeline.packed import Packed
from toolkit.pipeline.plan import Pins
from toolkit.pipeline.progress import Progress, Silent
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.reader import check_packing
from toolkit.pipeline.spec.tables import TEMPLATES, Packing, as_data
from toolkit.pipeline.stages.gold import gold_jobs
from toolkit.pipeline.stages.plain import Inputs, TextPart, as_inputs, check_apart, text_parts
from toolkit.pipeline.stages.plain.canonical import SILVER, CanonicalJob
from toolkit.pipeline.stages.tokens import token_jobs, tokenizer_job
from toolkit.pipeline.workers import Workers
from toolkit.records import REGIMES
from toolkit.storage import (
    Ledger,
    Output,
    PartManifest,
    clean_leftovers,
    drop_scratch,
    locked,
    mark_scratch,
    sha256_file,
)

PART_BYTES = 8 << 20  # small enough that a second process has work soon
_LAYERS = ("gold", "evidence", "quarantine")
_OURS = {*_LAYERS, "tokenizer.json", "tokenizer.manifest.json", "chat_template.json"}


def pack(
    inputs: Inputs,
    tokenizer: str | Path,
    out: str | Path,
    context: int = 4096,
    template: str = "chatml",
    method: str = "fewest",
    over: str = "drop",
    regime: str = "auto",
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Packed:
    """Tokenize, mask and pack ``inputs``: files, folders or globs of JSON lines and Parquet, or tables.

    ``tokenizer``: a tokenizer.json. ``template``: the chat template, a ready one by name (chatml, llama-3,
    qwen, gemma, mistral, zephyr), or the path of a Jinja file or a tokenizer_config.json. ``context``:
    tokens of a pack. ``method``: how documents are put into packs (``toolkit.packing.METHODS``). ``over``:
    what becomes of a record longer than the context: ``drop``, ``truncate_left``, ``truncate_right`` or
    ``split``. ``regime``: sft, preference, rl, or ``auto``: what each record's shape says.

    Records are read as in a lake (``toolkit.records``); a table that is a lake's silver is taken as it is.
    Raises RequestError for a wrong request, and GateError when the books do not balance; nothing is
    published then.
    """
    started = time.perf_counter()
    named, folder, given = as_inputs(inputs), Path(out).resolve(), Path(tokenizer).resolve()
    if regime not in (*REGIMES, "auto"):
        raise RequestError(f"regime is {regime!r}; expected {', '.join(REGIMES)} or auto.")
    ready = template if template in TEMPLATES else str(Path(template).resolve())
    if not given.is_file():
        raise RequestError(f"--tokenizer: no file at {given}; expected a tokenizer.json.")
    settings = Packing(context, str(given), template=ready, method=method, over=over)
    check_packing(settings, Path.cwd())
    check_apart(folder, named)
    claim(folder, "pack", _OURS)
    with Workers(workers, cluster) as pool, locked(folder):
        runner = Runner(pool, progress or Silent())
        clean_leftovers(folder)
        parts = text_parts(named, folder / WORK, PART_BYTES)
        identity = [part.identity() for part in parts]
        pins = Pins(sha256_file(given), None if settings.template in TEMPLATES else sha256_file(Path(ready)))
        used = as_data(settings) | {name: sha for name, sha in vars(pins).items() if sha}
        key = job_key("pack", parts=identity, settings=used, regime=regime)
        if (before := published(folder, key)) is not None:
            drop_scratch(folder)
            return Packed(folder, before, time.perf_counter() - started, False)
        mark_scratch(folder)
        unpublish(folder)
        manifest = _build(folder, parts, settings, pins, regime, runner) | {"key": key, "settings": used}
        runner.timings["total"] = {"seconds": round(time.perf_counter() - started, 3)}
        layers = [path for name in _LAYERS for path in (folder / name).rglob("part-*") if path.is_file()]
        publish(folder, manifest, runner.timings, layers)
        return Packed(folder, manifest, time.perf_counter() - started, True)


def _build(
    out: Path, parts: Sequence[TextPart], settings: Packing, pins: Pins, regime: str, runner: Runner
) -> dict[str, Any]:
    read = runner.stage("records", [CanonicalJob(out, part, regime, {}, "") for part in parts])
    tokenizer = runner.stage("tokenizer", [tokenizer_job(Path.cwd(), out, settings, pins, ())])[0]
    silver = [(part.part, one.outputs[0].sha256) for part, one in zip(parts, read, strict=True)]
    jobs = token_jobs(out, silver, tokenizer, settings, SILVER)
    tokens = runner.stage("tokens", jobs)
    packs = gold_jobs(out, jobs)
    gold = runner.stage("gold", packs)
    ledgers = [_total("records", "bytes", read), _total("packing", "tokens", tokens)]
    check_gold(ledgers[1], gold)
    made = [manifest for group in (read, [tokenizer], tokens, gold) for manifest in group]
    outputs = [o for one in made for o in one.outputs if not o.path.startswith(".")]
    beside = [manifest_beside(job.output) for job in packs]  # what readers of gold go by
    outputs += [Output.of(out, path, 0) for path in (out / "tokenizer.manifest.json", *beside)]
    return {
        "format": 1,
        "inputs": [[part.name, part.line, part.part] for part in parts],
        "ledgers": [ledger.to_dict() for ledger in ledgers],
        "tokenizer": dict(tokenizer.facts),
        "gold": [dict(one.facts) | {"task": one.task} for one in gold],
        "files": [vars(output) for output in sorted(outputs, key=lambda output: output.path)],
    }


def _total(stage: str, unit: str, manifests: Sequence[PartManifest]) -> Ledger:
    return sum((manifest.ledgers[0] for manifest in manifests), Ledger(stage, unit)).check()
