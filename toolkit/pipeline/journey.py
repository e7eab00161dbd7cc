"""What a trace hands back: journeys of hops, for a terminal and for a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Hop:
    """One step: the layer, the file it was seen in, and what was seen, as (name, text) pairs."""

    layer: str
    place: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Journey:
    """All hops of one copy of a record, in order; ``end`` says where it is now."""

    record_id: str
    source_id: str
    origin: Mapping[str, Any]
    hops: tuple[Hop, ...]
    end: str

    def __repr__(self) -> str:
        origin = self.origin
        lines = [f"{self.record_id}  {self.source_id}  {origin['path']}:{origin['line']}  ->  {self.end}"]
        for hop in self.hops:
            lines.append(f"  {hop.layer:<14}{hop.place}")
            lines += [f"  {'':<14}  {name}: {text}" for name, text in hop.facts]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(hop.layer)}</td><td>{html.escape(hop.place)}</td><td>"
            + "<br>".join(f"<b>{html.escape(n)}</b> {html.escape(t)}" for n, t in hop.facts)
            + "</td></tr>"
            for hop in self.hops
        )
        return (
            f"<p><code>{self.record_id[:16]}</code> &rarr; {html.escape(self.end)}</p><table>{rows}</table>"
        )


@dataclass(frozen=True)
class Trace:
    """Every journey that a query found; ``note`` says if the file asked for had been delivered before."""

    query: str
    journeys: tuple[Journey, ...] = field(repr=False)
    note: str = ""

    def __repr__(self) -> str:
        return "\n\n".join([*([self.note] if self.note else []), *map(repr, self.journeys)])

    def _repr_html_(self) -> str:
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return note + "".join(journey._repr_html_() for journey in self.journeys)
