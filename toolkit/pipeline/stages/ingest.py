"""Raw bytes to bronze: one part a span, with its quarantine beside it.

A plain file gives one job a span. A compressed file can only be read from its start, so its
spans are one job that writes part after part; finished parts are read past, not written again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.ingest import Census, Door, Forgotten, Span, ingest_bytes, read_span, spans_of_stream
from toolkit.pipeline.jobs import begin, job_key
from toolkit.pipeline.plan import Plan, PlannedSource
from toolkit.pipeline.spec.tables import Ingest, Spec
from toolkit.pipeline.tombstones import Tombstones
from toolkit.storage import Ledger, Output, PartManifest, write_atomic, write_jsonl_zst


@dataclass(frozen=True)
class IngestJob:
    """The spans of one file (or one of them) and the number of the first part they give."""

    lake: Path
    path: Path
    census: Census
    spans: tuple[Span, ...]
    first_part: int
    door: Door
    settings: Ingest
    forgotten: Forgotten

    def done(self) -> list[PartManifest] | None:
        """See Job."""
        found = [self._fresh(i) for i in range(len(self.spans))]
        return None if None in found else found

    def run(self) -> list[PartManifest]:
        """See Job."""
        return [self._fresh(i) or self._write(i, data) for i, data in enumerate(self._data())]

    def part(self, number: int) -> str:
        """The name of the part that span ``number`` of this job gives: ``source/part-00000``."""
        return f"{self.door.source_id}/part-{self.first_part + number:05d}"

    def _data(self) -> Iterator[bytes]:
        if self.census.codec is None:
            return (read_span(self.path, span.start, span.stop) for span in self.spans)
        return spans_of_stream(self.path, self.census.codec, [span.stop for span in self.spans])

    def _fresh(self, number: int) -> PartManifest | None:
        path = self.lake / "bronze" / f"{self.part(number)}.manifest.json"
        return PartManifest.fresh(self.lake, path, self._key(self.spans[number]))

    def _key(self, span: Span) -> str:
        return job_key(
            "ingest",
            file=[self.census.name, self.census.sha256],
            span=[span.start, span.stop, span.line],
            door=vars(self.door),
            max_line_bytes=self.settings.max_line_bytes,
        )

    def _write(self, number: int, data: bytes) -> PartManifest:
        begin(self.lake / "bronze" / f"{self.part(number)}.manifest.json")
        span = self.spans[number]
        part = ingest_bytes(
            data, span, self.census.name, self.door, self.settings.max_line_bytes, self.forgotten
        )
        ledger = part.ledger(len(data))
        facts = {"file": self.census.name, "span": [span.start, span.stop, span.line]}
        name = self.part(number)
        return write_bronze(self.lake, name, self._key(span), part.bronze, part.quarantine, ledger, facts)


def write_bronze(
    lake: Path,
    name: str,
    key: str,
    bronze: bytes | bytearray,
    quarantine: bytes | bytearray,
    ledger: Ledger,
    facts: Mapping[str, Any],
) -> PartManifest:
    """Write a part's shard, its quarantine if any, and then its manifest."""
    shard = lake / "bronze" / f"{name}.jsonl.zst"
    aside = lake / "quarantine" / "ingest" / f"{name}.jsonl"
    write_jsonl_zst(shard, bronze)
    outputs = [Output.of(lake, shard, ledger.records_out.records)]
    if quarantine:
        write_atomic(aside, quarantine)
        outputs.append(Output.of(lake, aside, sum(g.records for g in ledger.quarantined.values())))
    else:
        aside.unlink(missing_ok=True)
    manifest = PartManifest(f"ingest {name}", key, outputs, [ledger], facts)
    manifest.write(lake / "bronze" / f"{name}.manifest.json")
    return manifest


def ingest_jobs(spec: Spec, plan: Plan, logical_date: str, tombstones: Tombstones) -> list[IngestJob]:
    """The jobs of the whole plan, in the order of the spec; parts are numbered within a source."""
    lake = spec.lake_path
    jobs: list[IngestJob] = []
    for item in plan.sources:
        jobs += _source_jobs(lake, item, spec.ingest, item.door(logical_date), tombstones.forgotten())
    return jobs


def _source_jobs(
    lake: Path, item: PlannedSource, settings: Ingest, door: Door, forgotten: Forgotten
) -> Iterator[IngestJob]:
    number = 0
    for file in item.files:
        if file.same_as is not None:
            continue
        spans = file.census.spans
        groups = [spans] if file.census.codec and spans else [(span,) for span in spans]
        for group in groups:
            yield IngestJob(lake, file.path, file.census, group, number, door, settings, forgotten)
            number += len(group)


def delivered_again(files: Sequence[Mapping[str, Any]], manifests: Sequence[PartManifest]) -> Ledger:
    """The books of a source's files whose bytes it had delivered before, under another name.

    ``files`` are the source's files as the root manifest lists them, ``manifests`` those of its
    parts. Nothing of a repeated file enters: its books are those of the first delivery, all of
    it moved to ``removed``.
    """
    books = Ledger("ingest", "bytes")
    for file in files:
        if file["same_as"] is not None:
            parts = [m.ledgers[0] for m in manifests if m.facts["file"] == file["same_as"]]
            first = sum(parts, Ledger("ingest", "bytes"))
            removed = {"delivered_again": first.records_in} if first.records_in.records else {}
            books += Ledger("ingest", "bytes", first.records_in, removed=removed, overhead=first.overhead)
    return books
