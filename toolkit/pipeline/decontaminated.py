"""What a decontamination hands back: what was found in which row, by evaluation set."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

EVIDENCE = "evidence/decontaminated.parquet"


@dataclass(frozen=True)
class Decontaminated:
    """What was found: the books, each set's counts, and where the rows that stay are.

    ``table`` are the rows that stay (a column ``line`` for JSON lines); None when they are in a folder,
    or when no line stays. ``evidence`` is what was found in which row, schema FOUND_IN.
    """

    out: Path | None
    policy: str
    ledger: Mapping[str, Any]
    sets: Sequence[Mapping[str, Any]]
    table: pa.Table | None = field(repr=False)
    evidence: pa.Table = field(repr=False)

    def rows(self) -> list[tuple[str, int, int, int, int]]:
        """(set, items, texts without a word, items found, rows that hold one) of each set."""
        names = ("set", "items", "not_indexed", "found", "records")
        return [tuple(one[name] for name in names) for one in self.sets]

    def _counts(self) -> str:
        gone = sum(group["records"] for group in self.ledger["removed"].values())
        aside = sum(group["records"] for group in self.ledger["quarantined"].values())
        came, left = (self.ledger[name]["records"] for name in ("in", "out"))
        told = f"{came:,} rows in, {left:,} out, {gone:,} removed"
        return told + (f", {aside:,} lines set aside" if aside else "")

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
