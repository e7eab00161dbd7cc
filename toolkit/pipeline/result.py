"""What a run hands back: a table for people, in a terminal and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.pipeline.publish import REPORT

SHOWN = 10


@dataclass(frozen=True)
class Run:
    """A finished lake: where it is, its root manifest, how long this call took, and what it left out."""

    lake: Path
    manifest: Mapping[str, Any] = field(repr=False)
    seconds: float
    worked: bool
    notes: tuple[str, ...] = ()

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.lake / REPORT

    def rows(self) -> list[tuple[str, int, int, int, int]]:
        """(stage, records in, out, quarantined, removed) of every stage."""
        return [
            (
                ledger["stage"],
                ledger["in"]["records"],
                ledger["out"]["records"],
                sum(group["records"] for group in ledger["quarantined"].values()),
                sum(group["records"] for group in ledger["removed"].values()),
            )
            for ledger in self.manifest["ledgers"]
        ]

    def alarms(self) -> list[str]:
        """What a person should look at, a line each; of more than ten, the first ten and a count."""
        told = [alarm["message"] for alarm in self.manifest.get("alarms", ())]
        more = len(told) - SHOWN
        return told if more <= 0 else [*told[:SHOWN], f"and {more:,} more: see the report"]

    def __repr__(self) -> str:
        lines = [f"{'stage':<15}{'in':>12}{'out':>12}{'quarantined':>13}{'removed':>10}"]
        lines += [f"{s:<15}{i:>12,}{o:>12,}{q:>13,}{r:>10,}" for s, i, o, q, r in self.rows()]
        lines += [f"alarm: {line}" for line in self.alarms()]
        lines += [f"note: {line}" for line in self.notes]
        took = f"{self.seconds:.1f} s" if self.worked else f"nothing to do, {self.seconds:.1f} s"
        return "\n".join([*lines, f"lake {self.lake} ({took})"])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("stage", "in", "out", "quarantined", "removed"))
        cells = ("".join(f"<td>{_cell(value)}</td>" for value in row) for row in self.rows())
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        alarms = "".join(f"<li>{html.escape(line)}</li>" for line in self.alarms())
        listed = f"<p>Alarms</p><ul>{alarms}</ul>" if alarms else ""
        notes = "".join(f"<p>{html.escape(line)}</p>" for line in self.notes)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{listed}{notes}"


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else html.escape(value)
