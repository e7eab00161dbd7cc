"""Decontamination alone, for people with a pipeline of their own: plain files or tables in and out.

Each row is searched for the items of evaluation sets as ``dedup.ngrams`` looks for them. What is
left has the input's format, part for part, and the evidence and the books lie beside it:

    DIR/part-00000.jsonl                 the rows that stay
    DIR/evidence/decontaminated.parquet  what was found in which row, schema FOUND_IN
    DIR/quarantine/texts/                lines that are no records
    DIR/ledger.json                      in = out + quarantined + removed; each set's hash, items and hits
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import RequestError
from toolkit.pipeline.decontaminated import EVIDENCE, Decontaminated
from toolkit.pipeline.jobs import WORK
from toolkit.pipeline.plan import eval_files, set_sha256
from toolkit.pipeline.progress import Progress, Silent
from toolkit.pipeline.run import make_folder
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import POLICIES, EvalSet
from toolkit.pipeline.stages.contamination import sets_found
from toolkit.pipeline.stages.eval_items import EvalFiles, read_eval_items
from toolkit.pipeline.stages.plain import Input, Inputs, as_inputs, check_apart, read_survivors, text_parts
from toolkit.pipeline.stages.plain.decontaminate import FOUND_IN, ITEMS, DecontaminateJob
from toolkit.pipeline.workers import Workers, device_of
from toolkit.storage import (
    Ledger,
    PartManifest,
    clean_leftovers,
    drop_scratch,
    locked,
    mark_scratch,
    read_ipc,
    sha256_file,
    write_json,
    write_parquet,
    writing,
)

LEDGER = "ledger.json"


def decontaminate(
    inputs: Inputs,
    against: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    text: str | None = None,
    ngram: int = 13,
    policy: str = "drop",
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    gpu_memory: str | int | None = None,
) -> Decontaminated:
    """Take the items of the evaluation sets in ``against`` (files, folders, globs) out of ``inputs``.

    ``inputs``: Parquet or JSON lines files, Arrow tables, or a list of these; ``text``: the field that
    is searched (a dotted path; by default ``text``, else ``messages``, else all fields). ``policy``:
    ``drop`` the row, ``cut`` a chat before the exchange that holds the first span (what is no list
    of messages is dropped), or ``flag``. Without ``out`` nothing is written, and the rows that stay
    come as one table. ``device`` and ``gpu_memory``: see ``kernels.pick``. Raises RequestError for a
    wrong request or an unreadable input.
    """
    if policy not in POLICIES:
        raise RequestError(f"policy is {policy!r}; expected one of {', '.join(POLICIES)}.")
    if not 2 <= ngram <= 100:
        raise RequestError(f"ngram is {ngram}; expected 2 to 100.")
    named, sets = as_inputs(inputs), _sets(against)
    files = eval_files(Path.cwd(), sets)
    items = read_eval_items(sets, files)
    if not len(items):
        raise RequestError(f"{', '.join(files)}: the evaluation sets hold no text.")
    stated = {"text": text, "policy": policy, "ngram": ngram}
    picked = device_of(device, gpu_memory, workers, cluster)
    with Workers(workers, cluster, device=picked) as pool:
        runner = Runner(pool, progress or Silent())
        if out is not None:
            return _to_folder(Path(out), named, items, files, stated, runner)
        with tempfile.TemporaryDirectory() as folder:
            return _in_memory(_to_folder(Path(folder), named, items, files, stated, runner))


def _sets(against: str | Path | Sequence[str | Path]) -> list[EvalSet]:
    """A set a path, named as its file or folder is, or by the path where two have one name."""
    paths = [str(path) for path in ([against] if isinstance(against, str | Path) else against)]
    if not paths:
        raise RequestError("no evaluation set: name at least one with --against.")
    names = [Path(path).name for path in paths]
    named = dict(zip(paths, names, strict=True))  # a path given twice is one set
    return [EvalSet(name if names.count(name) == 1 else path, path) for path, name in named.items()]


def _in_memory(done: Decontaminated) -> Decontaminated:
    assert done.out is not None
    try:
        table = read_survivors(done.out)
    except pa.ArrowException as error:
        raise RequestError(f"the inputs make no single table ({error}); name a folder with out.") from error
    return Decontaminated(None, done.policy, done.ledger, done.sets, table, done.evidence)


def _to_folder(
    out: Path,
    inputs: Sequence[Input],
    items: pa.Table,
    files: Mapping[str, EvalFiles],
    stated: dict[str, Any],
    runner: Runner,
) -> Decontaminated:
    check_apart(out, inputs)
    _check_folder(out)
    make_folder(out)
    with locked(out):
        clean_leftovers(out)
        (out / LEDGER).unlink(missing_ok=True)
        parts = text_parts(inputs, out / WORK)
        mark_scratch(out)
        write_parquet(out / WORK / ITEMS, items)
        held = sha256_file(out / WORK / ITEMS)
        jobs = [
            DecontaminateJob(out, part, stated["text"], held, stated["policy"], stated["ngram"])
            for part in parts
        ]
        manifests = runner.stage("decontaminate", jobs)
        with writing(out / EVIDENCE) as temporary, pq.ParquetWriter(temporary, FOUND_IN) as file:
            for job in jobs:
                file.write_table(read_ipc(job.proof))
        ledger = sum((one.ledgers[0] for one in manifests), Ledger("decontaminate", "bytes")).check()
        leaks = [(one.facts["input"], one.facts["leaks"]) for one in manifests]
        sets = _sets_of(items, files, leaks)
        _sweep(out, manifests)
        written = [
            {"input": part.name, "from": part.line, **vars(output)}
            for part, one in zip(parts, manifests, strict=True)
            for output in one.outputs
        ]
        books = {"ledger": ledger.to_dict(), "sets": sets, "parts": written}
        write_json(out / LEDGER, stated | books)
        drop_scratch(out)
    evidence = pq.read_table(out / EVIDENCE)
    return Decontaminated(out, stated["policy"], ledger.to_dict(), sets, None, evidence)


def _sets_of(items: pa.Table, files: Mapping[str, EvalFiles], found: Sequence[Any]) -> list[dict[str, Any]]:
    """``sets_found``, with the sha256 of each set."""
    named = {name: [[file, sha] for file, _, sha in listed] for name, listed in files.items()}
    return [one | {"sha256": set_sha256(named[one["set"]])} for one in sets_found(items, found)]


def _check_folder(out: Path) -> None:
    """RequestError unless ``out`` is new, empty or was written by this verb."""
    ours = (out / LEDGER).exists() or (out / WORK).exists()
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise RequestError(f"--out: {out} is not empty; choose another folder.")


def _sweep(out: Path, manifests: Sequence[PartManifest]) -> None:
    """Remove parts of an earlier call that this one did not write."""
    named = {out / output.path for one in manifests for output in one.outputs}
    for path in _parts_in(out):
        if path not in named:
            path.unlink()


def _parts_in(out: Path) -> Iterator[Path]:
    yield from out.glob("part-*")
    yield from (out / "quarantine").rglob("part-*")
