"""What was set aside: counted by reason, and shown line by line."""

from __future__ import annotations

import base64
import html
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError


@dataclass(frozen=True)
class Quarantine:
    """Counts by (stage, source, reason), and the lines that were asked for, each with its raw bytes."""

    counts: dict[tuple[str, str, str], int]
    lines: list[dict[str, Any]] = field(repr=False)

    def rows(self) -> list[tuple[str, str, str, int]]:
        """(stage, source, reason, lines), most first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [(*key, count) for key, count in ordered]

    def __repr__(self) -> str:
        wide = max([20, *(len(source) for _, source, _ in self.counts)])
        head = f"{'stage':<10}{'source':<{wide}}  {'reason':<26}{'lines':>8}"
        return "\n".join([head, *(f"{a:<10}{b:<{wide}}  {c:<26}{n:>8,}" for a, b, c, n in self.rows())])

    def _repr_html_(self) -> str:
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows()
        )
        return f"<table><tr><th>stage</th><th>source</th><th>reason</th><th>lines</th></tr>{body}</table>"


def quarantine(
    lake: str | Path, reason: str | None = None, source: str | None = None, limit: int = 5
) -> Quarantine:
    """Count what ``lake`` holds in quarantine and keep the first ``limit`` lines that match.

    ``reason`` is a code or the part of one before the dot. Works on an unfinished lake too.
    """
    lake = Path(lake)
    if not (lake / "spec.toml").exists():
        raise RequestError(f"{lake} is not a lake (no spec.toml).")
    counts: Counter[tuple[str, str, str]] = Counter()
    lines: list[dict[str, Any]] = []
    for entry in _entries(lake):
        if source not in (None, entry["source_id"]) or not _matches(entry["reason"], reason):
            continue
        counts[entry["stage"], entry["source_id"], entry["reason"]] += 1
        if len(lines) < limit:
            lines.append({**entry, "raw": base64.b64decode(entry["raw"])})
    return Quarantine(dict(counts), lines)


def _entries(lake: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((lake / "quarantine").rglob("*.jsonl")):
        with path.open("rb") as file:
            yield from map(json.loads, file)


def _matches(found: str, wanted: str | None) -> bool:
    return wanted is None or found == wanted or found.startswith(f"{wanted}.")
