"""What a packing hands back: the books, how full the packs are, and where gold lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.storage import Ledger


@dataclass(frozen=True)
class Packed:
    """What came of a packing: where it lies, its manifest, and how long this call took."""

    out: Path
    manifest: Mapping[str, Any] = field(repr=False)
    seconds: float
    worked: bool

    @property
    def ledgers(self) -> list[Ledger]:
        """The books: what was read, in bytes, and what became gold, in tokens."""
        return [Ledger.from_dict(ledger) for ledger in self.manifest["ledgers"]]

    @property
    def gold(self) -> dict[str, dict[str, int]]:
        """For each regime the ``rows`` of gold, their ``tokens``, and the ``trained`` ones."""
        found: dict[str, dict[str, int]] = {}
        for part in self.manifest["gold"]:
            counts = found.setdefault(part["task"].split()[1], {"rows": 0, "tokens": 0, "trained": 0})
            for name in counts:
                counts[name] += part[name]
        return found

    def __repr__(self) -> str:
        read, books = self.ledgers
        aside = sum(group.records for group in read.quarantined.values())
        lines = [
            f"{read.records_in.records:,} records in, {books.records_out.records:,} in gold"
            + (f", {aside:,} lines set aside" if aside else ""),
            *(
                f"  {name}: {group.records:,} records, {group.size:,} tokens"
                for name, group in books.removed.items()
            ),
        ]
        context = self.manifest["settings"]["context"]
        for regime, counts in self.gold.items():
            share = counts["trained"] / max(1, counts["tokens"])
            told = f"{regime}: {counts['rows']:,} rows, {counts['tokens']:,} tokens, {share:.1%} trained"
            full = counts["tokens"] / max(1, counts["rows"] * context)
            lines.append(told + (f", packs {full:.2%} full" if regime == "sft" else ""))
        took = f"{self.seconds:.1f} s" if self.worked else f"nothing to do, {self.seconds:.1f} s"
        return "\n".join([*lines, f"{self.out} ({took})"])
