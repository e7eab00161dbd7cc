"""Dedup of plain files or tables: survivors, evidence and books out, and an index for the next delivery.

inputs -> parts -> sketches -> bands -> candidates -> verified pairs -> survivors, evidence

OUT/part-00000.jsonl or .parquet   what stays, record by record as it came
OUT/evidence/duplicates.parquet    what went, for whom it went, and the similarity that was measured
OUT/quarantine/texts/              lines that are no records
OUT/index/                         sketches and normalised texts of the survivors, for ``against``
OUT/MANIFEST.json                  every file with its sha256, the books, and what was found
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import RequestError
from toolkit.pipeline.compare import compare
from toolkit.pipeline.deduped import Deduped
from toolkit.pipeline.jobs import WORK, job_key
from toolkit.pipeline.losses import check_losses, loss_alarms, losses_of
from toolkit.pipeline.out_folder import TIMINGS, claim, publish, published, unpublish
from toolkit.pipeline.progress import Progress, Silent
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.settled import INDEX, Settled, mask_name, read_settled, settings_data
from toolkit.pipeline.spec.reader import check_dedup
from toolkit.pipeline.spec.tables import Dedup, as_data
from toolkit.pipeline.stages.corpus import load_corpus
from toolkit.pipeline.stages.plain import (
    Input,
    Inputs,
    TextPart,
    as_inputs,
    check_apart,
    read_survivors,
    text_parts,
)
from toolkit.pipeline.stages.plain.dedup import SurvivorJob, TextJob
from toolkit.pipeline.stages.proof import verdict_digests
from toolkit.pipeline.workers import Workers, device_of
from toolkit.records import EVIDENCE
from toolkit.storage import (
    Ledger,
    Output,
    PartManifest,
    clean_leftovers,
    drop_scratch,
    locked,
    mark_scratch,
    read_array,
    read_json,
    write_array,
    writing,
)

EVIDENCE_PATH = "evidence/duplicates.parquet"


def dedup(
    inputs: Inputs,
    out: str | Path | None = None,
    text: str | None = None,
    threshold: float = 0.8,
    recall: float = 0.995,
    shingle: str = "word:5",
    against: str | Path | Sequence[str | Path] = (),
    keep: str | Sequence[str] = "rank,length,id",
    chains: bool = False,
    common: float | None = None,
    max_loss: float = 1.0,
    slots: int = 128,
    scheme: str = "affine-1",
    seed: int = 1,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    gpu_memory: str | int | None = None,
) -> Deduped:
    """Remove the duplicates of ``inputs``: files, folders or globs of JSON lines and Parquet, or tables.

    Two records are duplicates whose texts are equal after normalising, or of which at least
    ``threshold`` of the shingles are shared; the one that ``keep`` prefers stays: ``rank`` is the
    order of the inputs, ``length`` and any field of numbers the larger the better. ``text`` names
    the field that is compared; without it ``text``, else the conversation. The folders ``against``
    are those of earlier calls: what survived there stays, and new records are compared with it too.
    ``common`` is the share of an input's texts from which on a shingle is a template's and left out
    of the comparison: 0.1 for conversations and 0 for other texts, where none is given.
    ``max_loss`` is the largest share that one input may lose. Without ``out`` nothing is written,
    and the survivors of tables are ``.survivors``. ``device``: see ``kernels.pick``; ``gpu_memory``
    is what all processes may use of a card.

    Raises RequestError for a wrong request, and GateError when an input loses more than ``max_loss``
    or the books do not balance; nothing is published then.
    """
    started = time.perf_counter()
    named = as_inputs(inputs)
    held = [against] if isinstance(against, str | Path) else list(against)
    order = keep.split(",") if isinstance(keep, str) else keep
    preferred = tuple(name.strip() for name in order)
    settings = Dedup(threshold, shingle, recall, seed, slots, scheme, common, preferred, chains, max_loss)
    check_dedup(settings)
    folders = [Path(folder).resolve() for folder in held]
    picked = device_of(device, gpu_memory, workers, cluster)
    with Workers(workers, cluster, device=picked) as pool:
        runner = Runner(pool, progress or Silent())
        if out is not None:
            return _into(Path(out).resolve(), named, text, settings, folders, runner, started)
        with tempfile.TemporaryDirectory() as folder:
            return _in_memory(_into(Path(folder), named, text, settings, folders, runner, started))


def _in_memory(found: Deduped) -> Deduped:
    assert found.out is not None
    survivors, evidence = read_survivors(found.out), pa.concat_tables([found.evidence]).combine_chunks()
    return Deduped(None, found.manifest, survivors, evidence, found.timings, found.seconds, found.worked)


def _into(
    out: Path,
    inputs: Sequence[Input],
    text: str | None,
    settings: Dedup,
    against: Sequence[Path],
    runner: Runner,
    started: float,
) -> Deduped:
    held, digests = read_settled(against, settings)
    if out in against:
        raise RequestError(f"{out} cannot be held against itself: give the new texts a folder of their own.")
    check_apart(out, inputs)
    claim(out, "dedup", {INDEX})
    with locked(out):
        clean_leftovers(out)
        parts = text_parts(inputs, out / WORK)
        key = job_key(
            "dedup", parts=[part.identity() for part in parts], text=text,
            settings=as_data(settings), against=digests,
        )  # fmt: skip
        if (before := published(out, key)) is not None:
            drop_scratch(out)
            return _result(out, before, started, False)
        mark_scratch(out)
        unpublish(out)
        manifest = _build(out, parts, text, settings, held, runner) | {"key": key, "against": digests}
        written = [*out.glob("part-*"), *(out / INDEX).glob("*"), *(out / "quarantine").rglob("part-*")]
        publish(out, manifest, runner.timings, written)
        return _result(out, manifest, started, True)


def _build(
    out: Path,
    parts: Sequence[TextPart],
    text: str | None,
    settings: Dedup,
    held: Settled,
    runner: Runner,
) -> dict[str, Any]:
    jobs = [TextJob(out, part, text, settings) for part in parts]
    read = runner.stage("texts", jobs)
    _check_field(read, text)
    corpus, sketch = load_corpus(
        out,
        [*held.stems, *(job.stem for job in jobs)],
        [*("settled" for _ in held.stems), *(part.source_name for part in parts)],
        [*held.keys, *(job.key for job in jobs)],
        len(held.stems),
        [*held.groups, *([held.next_group] * len(jobs))],
    )
    facts, masks = compare(corpus, sketch, settings, runner, held.masks)
    digests = verdict_digests(corpus)[len(held.stems) :]
    survivors = [
        SurvivorJob(out, job.part, corpus, len(held.stems) + i, digests[i], job.key, settings)
        for i, job in enumerate(jobs)
    ]
    made = runner.stage("survivors", survivors)
    ledgers = [_total("texts", "bytes", read), _total("dedup", "tokens", made)]
    losses = losses_of([part.source_name for part in parts], made)
    check_losses(losses, settings.max_loss)
    _join_evidence(out, [job.proof for job in survivors])
    new_masks = [group for group in sorted(masks.paths) if group >= held.next_group]
    index = [out / INDEX / mask_name(group - held.next_group) for group in new_masks]
    for group, path in zip(new_masks, index, strict=True):
        write_array(path, read_array(masks.paths[group]))
    outputs = [
        output
        for manifest in (*read, *made)
        for output in manifest.outputs
        if not output.path.startswith(".")
    ]
    outputs += [Output.of(out, path, 0) for path in index]
    outputs.append(
        Output.of(out, out / EVIDENCE_PATH, sum(group.records for group in ledgers[1].removed.values()))
    )
    return {
        "format": 1,
        "settings": settings_data(settings, text),
        "ledgers": [ledger.to_dict() for ledger in ledgers],
        "dedup": facts,
        "inputs": losses,
        "alarms": [alarm["message"] for alarm in loss_alarms(losses, facts)],
        "masks": {str(group - held.next_group): masks.digests[group] for group in new_masks},
        "index": [job.part.part for job in survivors if (out / INDEX / f"{job.part.part}.keys.npy").exists()],
        "files": [vars(output) for output in sorted(outputs, key=lambda output: output.path)],
    }


def _check_field(read: Sequence[PartManifest], text: str | None) -> None:
    """RequestError if no record of any input has what is to be compared."""
    records = sum(manifest.ledgers[0].records_out.records for manifest in read)
    if 0 < records == sum(manifest.facts["without"] for manifest in read):
        wanted = "a text or a conversation" if text is None else f"a text in {text!r}"
        raise RequestError(f"none of the {records:,} records has {wanted}: name the field with --text.")


def _total(stage: str, unit: str, manifests: Sequence[PartManifest]) -> Ledger:
    return sum((manifest.ledgers[0] for manifest in manifests), Ledger(stage, unit)).check()


def _join_evidence(out: Path, pieces: Sequence[Path]) -> None:
    with (
        writing(out / EVIDENCE_PATH) as temporary,
        pq.ParquetWriter(temporary, EVIDENCE, compression="zstd") as file,
    ):
        for piece in pieces:
            with pq.ParquetFile(piece) as source:
                for batch in source.iter_batches(use_threads=False):
                    file.write_batch(batch)


def _result(out: Path, manifest: Mapping[str, Any], started: float, worked: bool) -> Deduped:
    evidence, timings = pq.read_table(out / EVIDENCE_PATH), read_json(out / TIMINGS)
    return Deduped(out, manifest, None, evidence, timings, time.perf_counter() - started, worked)
