"""Decontamination alone, for people with a pipeline of their own: plain files or tables in and out.

Each row is searched in the texts that ``texts`` finds in it, for the items of evaluation sets as
``dedup.ngrams`` looks for them. With a folder to write to, what is left has the input's format, part
for part, and the evidence and the books lie beside it:

    DIR/part-00000.jsonl                 the rows that stay
    DIR/evidence/decontaminated.parquet  what was found in which row, schema FOUND_IN
    DIR/ledger.json                      in = out + removed; each set's hash, items and hits
"""

from __future__ import annotations

import functools
import hashlib
import html
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit import dedup
from toolkit.errors import RequestError
from toolkit.pipeline.jobs import WORK
from toolkit.pipeline.plan import eval_files, set_sha256
from toolkit.pipeline.progress import Progress, Silent
from toolkit.pipeline.run import make_folder
from toolkit.pipeline.runner import Runner
from toolkit.pipeline.spec.tables import POLICIES, EvalSet
from toolkit.pipeline.stages.contamination import (
    Leak,
    counted,
    cut_messages,
    leaks_of,
    sets_found,
    threshold,
)
from toolkit.pipeline.stages.eval_items import EvalFiles, read_eval_items
from toolkit.pipeline.texts import LINE, Inputs, Rows, TextPart, Texts, open_texts, row_texts, sink
from toolkit.pipeline.workers import Workers
from toolkit.storage import (
    Group,
    Ledger,
    Output,
    PartManifest,
    clean_leftovers,
    locked,
    read_ipc,
    read_parquet,
    sha256_file,
    write_ipc,
    write_json,
    write_parquet,
    writing,
)

LEDGER = "ledger.json"
EVIDENCE = "evidence/decontaminated.parquet"
FOUND_IN = pa.schema(
    [
        ("input", pa.string()),
        ("row", pa.int64()),  # line or row of the input, from 1
        ("method", pa.string()),  # contaminated (the row is gone), cut or flagged
        ("score", pa.float64()),  # words of the longest span
        ("threshold", pa.float64()),
        ("detail", pa.string()),  # the hits, as JSON text
    ]
)


@dataclass(frozen=True)
class Decontaminated:
    """What was found: the books, each set's counts, and where the rows that stay are.

    ``table`` (a column ``line`` for JSON lines) and ``evidence`` are at hand with or without a folder.
    """

    out: Path | None
    policy: str
    ledger: Mapping[str, Any]
    sets: Sequence[Mapping[str, Any]]
    held: Mapping[str, pa.Table] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> pa.Table | None:
        """The rows that stay; None when they are in a folder."""
        return self.held.get("table")

    @property
    def evidence(self) -> pa.Table:
        """What was found in which row, schema FOUND_IN."""
        return self.held["evidence"] if self.out is None else read_parquet(self.out / EVIDENCE)

    def rows(self) -> list[tuple[str, int, int, int, int]]:
        """(set, items, texts without a word, items found, rows that hold one) of each set."""
        names = ("set", "items", "not_indexed", "found", "records")
        return [tuple(one[name] for name in names) for one in self.sets]

    def _counts(self) -> str:
        gone = sum(group["records"] for group in self.ledger["removed"].values())
        came, left = (self.ledger[name]["records"] for name in ("in", "out"))
        return f"{came:,} rows in, {left:,} out, {gone:,} removed"

    def __repr__(self) -> str:
        lines = [f"{'evaluation set':<24}{'items':>10}{'no words':>10}{'found':>10}{'rows':>10}"]
        for number, row in enumerate(self.rows()):
            lines.append(f"{row[0]:<24}" + "".join(f"{count:>10,}" for count in row[1:]))
            for name, one in self.sets[number]["sources"].items():
                lines.append(f"  in {name:<39}{one['found']:>10,}{one['records']:>10,}")
        where = "" if self.out is None else f": {self.out}"
        return "\n".join([*lines, f"{self._counts()} ({self.policy}){where}"])

    def _repr_html_(self) -> str:
        names = ("evaluation set", "items", "texts without a word", "items found", "rows")
        head = "".join(f"<th>{name}</th>" for name in names)
        cells = ("".join(f"<td>{html.escape(str(value))}</td>" for value in row) for row in self.rows())
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{self._counts()}</p>"


def decontaminate(
    inputs: Inputs,
    against: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    text: str | None = None,
    ngram: int = 13,
    policy: str = "drop",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Decontaminated:
    """Take the items of the evaluation sets in ``against`` (files, folders, globs) out of ``inputs``.

    ``inputs``: Parquet or JSON lines files, Arrow tables, or a list of these; ``text``: the field that
    is searched (a dotted path; by default ``text``, else ``messages``, else all fields). ``policy``:
    ``drop`` the row, ``cut`` a chat before the exchange that holds the first span (what is no list
    of messages is dropped), or ``flag``. Without ``out`` the rows that stay come as one table. Raises
    RequestError for a wrong request or an unreadable input.
    """
    if policy not in POLICIES:
        raise RequestError(f"policy is {policy!r}; expected one of {', '.join(POLICIES)}.")
    if not 2 <= ngram <= 100:
        raise RequestError(f"ngram is {ngram}; expected 2 to 100.")
    if out is None and workers is not None:
        raise RequestError("workers need out: without it, this process does the work.")
    texts = open_texts(inputs, text)
    sets = _sets(against)
    files = eval_files(Path.cwd(), sets)
    items = read_eval_items(sets, files)
    if not len(items):
        raise RequestError(f"{', '.join(files)}: the evaluation sets hold no text.")
    settings = (policy, ngram)
    if out is None:
        return _in_memory(texts, items, files, *settings)
    with Workers(workers) as pool:
        return _to_folder(Path(out), texts, items, files, settings, Runner(pool, progress or Silent()))


def _sets(against: str | Path | Sequence[str | Path]) -> list[EvalSet]:
    """A set a path, named as its file or folder is, or by the path where two have one name."""
    paths = [str(path) for path in ([against] if isinstance(against, str | Path) else against)]
    if not paths:
        raise RequestError("no evaluation set: name at least one with --against.")
    names = [Path(path).name for path in paths]
    named = dict(zip(paths, names, strict=True))  # a path given twice is one set
    return [EvalSet(name if names.count(name) == 1 else path, path) for path, name in named.items()]


def _index(items: pa.Table, ngram: int) -> dedup.NgramIndex:
    return dedup.build_index(items["text"].combine_chunks(), ngram, min(5, ngram))


@dataclass(frozen=True)
class _Done:
    """A batch after its treatment."""

    table: pa.Table
    evidence: pa.Table
    ledger: Ledger
    leaks: Mapping[str, Mapping[str, Any]]


def _treat(part: TextPart, rows: Rows, index: dedup.NgramIndex, items: pa.Table, policy: str) -> _Done:
    leaks = leaks_of(dedup.find_in_fields(index, rows.fields), items, rows.places)
    left = {row: _cut(rows, row, leak.first) for row, leak in leaks.items() if policy == "cut"}
    cuts = {row: one for row, one in left.items() if one is not None}
    kept = np.ones(len(rows.table), bool)
    kept[[row for row in leaks if policy != "flag" and row not in cuts]] = False
    table, sizes = _with_cuts(rows, cuts)
    ids = [hashlib.sha256(f"{part.name}:{number}".encode()).hexdigest() for number in rows.numbers.tolist()]
    groups = [_group(ids, rows.sizes, np.ones(len(ids), bool)), _group(ids, sizes, kept)]
    removed = {"contaminated": _group(ids, rows.sizes, ~kept)} if not kept.all() else {}
    if lost := int((rows.sizes - sizes)[kept].sum()):
        removed["cut"] = Group(0, lost)
    ledger = Ledger("decontaminate", "bytes", *groups, removed=removed).check()
    methods = ["flagged" if policy == "flag" else "cut" if row in cuts else "contaminated" for row in leaks]
    proof = _proof(part, rows, leaks, methods, index)
    return _Done(table.filter(pa.array(kept)), proof, ledger, counted(leaks))


def _group(ids: Sequence[str], sizes: np.ndarray, chosen: np.ndarray) -> Group:
    at = np.flatnonzero(chosen).tolist()
    return Group.of([ids[row] for row in at], sizes[chosen].tolist())


def _proof(
    part: TextPart, rows: Rows, leaks: Mapping[int, Leak], methods: Sequence[str], index: dedup.NgramIndex
) -> pa.Table:
    found = list(leaks.values())
    columns = [
        [part.name] * len(found),
        [int(rows.numbers[row]) for row in leaks],
        methods,
        [float(leak.hits[0]["words"]) for leak in found],
        [threshold(leak, index) for leak in found],
        [leak.detail for leak in found],
    ]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, FOUND_IN.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=FOUND_IN)


def _cut(rows: Rows, row: int, first: int) -> dict[str, Any] | None:
    """The row with its chat cut before the exchange that holds field ``first``; None if none is left."""
    record, place = rows.record(row), rows.places(row)[first]
    name = place.partition("[")[0]
    chat = record.get(name)
    if not isinstance(chat, list) or not all(isinstance(one, Mapping) for one in chat):
        return None
    left = cut_messages(chat, "messages" + place.removeprefix(name))
    return None if left is None else record | {name: left}


def _with_cuts(rows: Rows, cuts: Mapping[int, dict[str, Any]]) -> tuple[pa.Table, np.ndarray]:
    """The rows with the cut ones in their places, and the bytes of each."""
    if not cuts:
        return rows.table, rows.sizes
    sizes = rows.sizes.copy()
    if rows.is_lines:
        lines = [json.dumps(one).encode() for one in cuts.values()]
        fresh = pa.table({LINE: pa.array(lines, pa.large_binary())})
        sizes[list(cuts)] = [len(line) for line in lines]
    else:
        fresh = pa.Table.from_pylist(list(cuts.values()), schema=rows.table.schema)
        sizes[list(cuts)] = [_text_bytes(one, rows.text) for one in cuts.values()]
    place = np.arange(len(rows.table))
    place[list(cuts)] = len(rows.table) + np.arange(len(cuts))
    return pa.concat_tables([rows.table, fresh]).take(pa.array(place)), sizes


def _text_bytes(record: Mapping[str, Any], text: str | None) -> int:
    return sum(len(one.encode("utf-8", "replace")) for _, one in row_texts(record, text, ""))


def _in_memory(
    texts: Texts, items: pa.Table, files: Mapping[str, EvalFiles], policy: str, ngram: int
) -> Decontaminated:
    index, done = _index(items, ngram), []
    for part in texts.parts():
        done += [(part, _treat(part, rows, index, items, policy)) for rows in texts.batches(part)]
    try:
        table = pa.concat_tables([one.table for _, one in done], promote_options="default")
    except pa.ArrowException as error:
        raise RequestError(f"the inputs make no single table ({error}); name a folder with out.") from error
    ledger = sum((one.ledger for _, one in done), Ledger("decontaminate", "bytes")).check()
    evidence = pa.concat_tables([FOUND_IN.empty_table(), *(one.evidence for _, one in done)])
    found = _sets_of(items, files, [(part.name, one.leaks) for part, one in done])
    held = {"table": table, "evidence": evidence}
    return Decontaminated(None, policy, ledger.to_dict(), found, held)


def _sets_of(items: pa.Table, files: Mapping[str, EvalFiles], found: Sequence[Any]) -> list[dict[str, Any]]:
    """``sets_found``, with the sha256 of each set."""
    named = {name: [[file, sha] for file, _, sha in listed] for name, listed in files.items()}
    return [one | {"sha256": set_sha256(named[one["set"]])} for one in sets_found(items, found)]


@dataclass(frozen=True)
class DecontaminateJob:
    """A part of the input, treated and written."""

    out: Path
    texts: Texts
    part: TextPart
    items_key: str
    policy: str
    ngram: int

    @property
    def path(self) -> Path:
        """Where its rows are written."""
        return self.out / f"part-{self.part.number:05d}{self.part.suffix}"

    @property
    def found(self) -> Path:
        """Where its evidence waits."""
        return self.out / WORK / f"part-{self.part.number:05d}.arrow"

    def done(self) -> list[PartManifest] | None:
        """See Job: a part is always made anew."""
        return None

    def run(self) -> list[PartManifest]:
        """See Job."""
        items, index = _shared(self.out / WORK / ITEMS, self.items_key, self.ngram)
        ledger, leaks, proof = Ledger("decontaminate", "bytes"), [], [FOUND_IN.empty_table()]
        with sink(self.part, self.path) as file:
            for rows in self.texts.batches(self.part):
                done = _treat(self.part, rows, index, items, self.policy)
                file.write(done.table)
                ledger += done.ledger
                proof.append(done.evidence)
                leaks.append(done.leaks)
        write_ipc(self.found, pa.concat_tables(proof))
        output = Output.of(self.out, self.path, ledger.records_out.records)
        facts = {"leaks": leaks, "input": self.part.name}
        return [PartManifest(self.path.name, "", [output], [ledger.check()], facts)]


ITEMS = "eval_items.parquet"


@functools.lru_cache(maxsize=1)
def _shared(path: Path, key: str, ngram: int) -> tuple[pa.Table, dedup.NgramIndex]:
    """The items and their index; ``key`` tells those of one call from those of another."""
    items = read_parquet(path)
    return items, _index(items, ngram)


def _to_folder(
    out: Path,
    texts: Texts,
    items: pa.Table,
    files: Mapping[str, EvalFiles],
    settings: tuple[str, int],
    runner: Runner,
) -> Decontaminated:
    _check_folder(out, texts)
    make_folder(out)
    with locked(out):
        clean_leftovers(out)
        (out / LEDGER).unlink(missing_ok=True)
        write_parquet(out / WORK / ITEMS, items)
        key = sha256_file(out / WORK / ITEMS)
        jobs = [DecontaminateJob(out, texts, part, key, *settings) for part in texts.parts()]
        manifests = runner.stage("decontaminate", jobs)
        with writing(out / EVIDENCE) as temporary, pq.ParquetWriter(temporary, FOUND_IN) as file:
            for job in jobs:
                file.write_table(read_ipc(job.found))
        ledger = sum((one.ledgers[0] for one in manifests), Ledger("decontaminate", "bytes")).check()
        leaks = [(one.facts["input"], leak) for one in manifests for leak in one.facts["leaks"]]
        sets = _sets_of(items, files, leaks)
        _sweep(out, {job.path for job in jobs})
        _write_books(out, texts, settings, ledger, sets, manifests)
        shutil.rmtree(out / WORK, ignore_errors=True)
    return Decontaminated(out, settings[0], ledger.to_dict(), sets)


def _check_folder(out: Path, texts: Texts) -> None:
    """RequestError unless ``out`` is new, empty or was written by this verb, and holds no input."""
    if out.exists() and not out.is_dir():
        raise RequestError(f"--out: {out} is a file; expected a folder.")
    for part in texts.parts():
        if part.path is not None and part.path.resolve().parent == out.resolve():
            raise RequestError(f"--out: {out} holds the input {part.name}; choose another folder.")
    ours = (out / LEDGER).exists() or (out / WORK / ITEMS).exists()
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise RequestError(f"--out: {out} is not empty; choose another folder.")


def _sweep(out: Path, named: set[Path]) -> None:
    """Remove parts of an earlier call that this one did not write."""
    for path in _parts_in(out):
        if path not in named:
            path.unlink()


def _parts_in(out: Path) -> Iterator[Path]:
    return (path for path in sorted(out.glob("part-*")) if path.suffixes[0] in (".parquet", ".jsonl"))


def _write_books(
    out: Path,
    texts: Texts,
    settings: tuple[str, int],
    ledger: Ledger,
    sets: Sequence[Mapping[str, Any]],
    manifests: Sequence[PartManifest],
) -> None:
    parts = [
        {"input": one.facts["input"], "from": part.first, **vars(one.outputs[0])}
        for part, one in zip(texts.parts(), manifests, strict=True)
    ]
    stated = {"text": texts.text, "policy": settings[0], "ngram": settings[1]}
    write_json(out / LEDGER, {**stated, "ledger": ledger.to_dict(), "sets": list(sets), "parts": parts})
