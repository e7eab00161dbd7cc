"""What a dedup hands back: the books, what was found, and where the survivors are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from toolkit.storage import Ledger


@dataclass(frozen=True)
class Deduped:
    """What came of a dedup: where it lies, its manifest, and how long this call took."""

    out: Path | None
    manifest: Mapping[str, Any] = field(repr=False)
    survivors: pa.Table | None = field(repr=False)
    evidence: pa.Table = field(repr=False)
    timings: Mapping[str, Any] = field(repr=False)
    seconds: float
    worked: bool

    @property
    def ledgers(self) -> list[Ledger]:
        """The books: what was read, and what dedup let pass."""
        return [Ledger.from_dict(ledger) for ledger in self.manifest["ledgers"]]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Bands, candidates, verified pairs, what chains would have cost, and more."""
        return self.manifest["dedup"]

    def __repr__(self) -> str:
        read, books = self.ledgers
        gone = {name: group.records for name, group in books.removed.items()}
        facts = self.facts
        aside = sum(group.records for group in read.quarantined.values())
        lines = [
            f"{books.records_in.records:,} records in, {books.records_out.records:,} out: "
            f"{gone.get('exact', 0):,} exact and {gone.get('near', 0):,} near-duplicates removed"
            + (f", {aside:,} lines set aside" if aside else ""),
            f"{facts['copies_after_normalising']:,} of {facts['copies']:,} copies equal only when normalised",
            f"bands {facts['bands']} x {facts['rows']}, recall {facts['recall_at_threshold']} at the "
            f"threshold; {facts['candidate_pairs']:,} candidate pairs, {facts['verified_pairs']:,} similar",
            f"connected components would have removed {facts['texts_components_would_remove']:,} texts where "
            f"verified choice removes {facts['texts_removed']:,}",
        ]
        steps = (f"{name} {took['seconds']:.1f}" for name, took in self.timings.items())
        lines.append(f"seconds: {', '.join(steps)}")
        lines += [f"alarm: {line}" for line in self.manifest["alarms"]]
        took = f"{self.seconds:.1f} s" if self.worked else f"nothing to do, {self.seconds:.1f} s"
        return "\n".join([*lines, f"{self.out or 'in memory'} ({took})"])
