"""What was set aside: counted by reason, shown line by line, and sent through again when it is repaired."""

from __future__ import annotations

import base64
import html
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import GateError, RequestError
from toolkit.pipeline.deliveries import read_deliveries
from toolkit.pipeline.edits import export_line
from toolkit.pipeline.recovered import recovered
from toolkit.pipeline.repairs import drop_repairs, write_repairs
from toolkit.pipeline.spec.reader import load_spec
from toolkit.storage import PartManifest, locked
from toolkit.storage.atomic import PREFIX as LEFTOVER

if TYPE_CHECKING:
    from toolkit.pipeline.progress import Progress
    from toolkit.pipeline.result import Run
    from toolkit.pipeline.spec.tables import Spec


@dataclass(frozen=True)
class Quarantine:
    """Counts by (stage, source, reason), and the lines that were asked for, each with its raw bytes."""

    counts: dict[tuple[str, str, str], int]
    lines: list[dict[str, Any]] = field(repr=False)
    recovered: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, str, str, int, int]]:
        """(stage, source, reason, lines, of which recovered), most first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [(*key, count, self.recovered.get(key, 0)) for key, count in ordered]

    def __repr__(self) -> str:
        wide = max([20, *(len(source) for _, source, _ in self.counts)])
        head = f"{'stage':<10}{'source':<{wide}}  {'reason':<26}{'lines':>8}{'recovered':>11}"
        rows = (f"{a:<10}{b:<{wide}}  {c:<26}{n:>8,}{r:>11,}" for a, b, c, n, r in self.rows())
        return "\n".join([head, *rows])

    def _repr_html_(self) -> str:
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows()
        )
        names = ("stage", "source", "reason", "lines", "recovered")
        head = "".join(f"<th>{name}</th>" for name in names)
        return f"<table><tr>{head}</tr>{body}</table>"


def quarantine(
    lake: str | Path, reason: str | None = None, source: str | None = None, limit: int | None = 5
) -> Quarantine:
    """Count what ``lake`` holds in quarantine and keep the first ``limit`` lines that match (None: all).

    ``reason`` is a code or the part of one before the dot. Works on an unfinished lake too.
    """
    lake = _lake(lake)
    counts: Counter[tuple[str, str, str]] = Counter()
    lines: list[dict[str, Any]] = []
    for entry in _entries(lake):
        if source not in (None, entry["source_id"]) or not _matches(entry["reason"], reason):
            continue
        counts[entry["stage"], entry["source_id"], entry["reason"]] += 1
        if limit is None or len(lines) < limit:
            lines.append({**entry, "raw": base64.b64decode(entry["raw"])})
    return Quarantine(dict(counts), lines, _recovered(lake, counts))


def replay(
    lake: str | Path,
    fixed: str | Path,
    workers: int | None = None,
    device: str | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Send the repaired lines of ``fixed`` through the lake's stages; what they repair counts as recovered.

    A line of ``fixed`` is a JSON object with the ``sha256`` of a quarantined line and its repaired
    ``text``, or a ``record``; ``export`` writes such lines. With the ``origin`` it was exported with
    it repairs the line at that place alone. Of several that repair one line otherwise the first
    counts, and the run's ``notes`` name the others. Raises RequestError for a line that
    repairs nothing, and GateError when a gate or the books refuse the lake with the repairs: these
    are taken back then, so that they stand in no later run's way. After a kill or any other error
    they stay in the lake, and whatever run comes next lands them.
    """
    lake = _lake(lake).resolve()
    spec = load_spec(lake / "spec.toml")
    if spec.lake_path != lake:  # the lake's folder has moved
        spec = replace(spec, lake=replace(spec.lake, path=str(lake)))
    with locked(lake):
        written, left_out = write_repairs(
            lake, Path(fixed), _entries(lake), {source.id for source in spec.source}
        )
    try:
        return replace(_run(spec, workers, device, cluster, progress), notes=tuple(left_out))
    except GateError:
        with locked(lake):
            drop_repairs(lake, written)
        raise


def _run(
    spec: Spec, workers: int | None, device: str | None, cluster: str | None, progress: Progress | None
) -> Run:
    from toolkit.pipeline.ingest import ingest_spec
    from toolkit.pipeline.run import run

    if spec.lake.layer == "bronze":
        return ingest_spec(spec, workers, cluster, progress)
    return run(spec, workers, device, cluster, progress)


def export(lake: str | Path, reason: str | None = None, source: str | None = None) -> Iterator[str]:
    """The matching lines, a JSON object each, for people to edit and to give to ``replay``."""
    for entry in _entries(_lake(lake)):
        if source in (None, entry["source_id"]) and _matches(entry["reason"], reason):
            yield export_line(entry)


def _lake(lake: str | Path) -> Path:
    if not (Path(lake) / "spec.toml").exists():
        raise RequestError(f"{lake} is not a lake (no spec.toml).")
    return Path(lake)


def _recovered(lake: Path, counts: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str, str], int]:
    """How many of the counted lines came through repaired, as the root manifest's parts tell."""
    found: dict[tuple[str, str, str], int] = {}
    for source, given in read_deliveries(lake).items():
        manifests = [
            PartManifest.read(lake / "bronze" / f"{part}.manifest.json") for part in given.part_names(source)
        ]
        known = [manifest for manifest in manifests if manifest is not None]
        for stage, groups in recovered(lake, given.listing(), known).items():
            found |= {(stage, source, reason): group.records for reason, group in groups.items()}
    return {key: count for key, count in found.items() if key in counts}


def _entries(lake: Path) -> Iterator[dict[str, Any]]:
    """Every quarantined line; what a killed writer left behind is none."""
    paths = (lake / "quarantine").rglob("*.jsonl")
    for path in sorted(path for path in paths if not path.name.startswith(LEFTOVER)):
        with path.open("rb") as file:
            yield from map(json.loads, file)


def _matches(found: str, wanted: str | None) -> bool:
    return wanted is None or found == wanted or found.startswith(f"{wanted}.")
