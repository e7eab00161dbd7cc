"""What a dump turned out to be."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path


@dataclass(frozen=True, repr=False)
class Synth:
    """The result of ``synth``.

    ``bytes`` are those of the training files, decompressed, both copies of the file delivered
    twice included; ``files`` maps every file to its bytes on disk; ``sources`` maps a source to
    its records; ``planted`` maps a kind of plant, and ``malformed`` a reason, to its rows of truth.
    """

    out: Path
    records: int
    seed: int
    bytes: int
    files: dict[str, int]
    sources: dict[str, int]
    planted: dict[str, int]
    malformed: dict[str, int]

    def _tables(self) -> list[tuple[str, dict[str, int]]]:
        return [
            ("records by source", self.sources),
            ("planted (truth.parquet)", self.planted),
            ("malformed by reason", self.malformed),
            ("bytes on disk by file", self.files),
        ]

    def _title(self) -> str:
        size = f"{self.bytes / 1e6:.1f} MB of lines"
        return (
            f"Synth {self.out}: {self.records:,} records, {size}, {len(self.files)} files, seed {self.seed}"
        )

    def __repr__(self) -> str:
        lines = [self._title()]
        for title, rows in self._tables():
            lines.append(f"  {title}")
            lines += [f"    {name:<40} {count:>12,}" for name, count in sorted(rows.items())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{escape(self._title())}</b></p>"]
        for title, rows in self._tables():
            body = "".join(
                f"<tr><td>{escape(name)}</td><td style='text-align:right'>{count:,}</td></tr>"
                for name, count in sorted(rows.items())
            )
            parts.append(f"<table><caption>{escape(title)}</caption>{body}</table>")
        return "".join(parts)
