"""The door of the lake: bytes in any state become traced bronze lines, or quarantined ones.

files -> census (spans) -> framing or extraction (frames) -> validation -> construction (part)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.ingest.bronze import Door
    from toolkit.ingest.census import Before, Census, take_census
    from toolkit.ingest.contract import parse_contract
    from toolkit.ingest.forgotten import Forgotten
    from toolkit.ingest.formats import FORMATS
    from toolkit.ingest.frames import Frames, Options
    from toolkit.ingest.landing import land, land_rows, read_spans
    from toolkit.ingest.part import Part
    from toolkit.ingest.payload import payload_of
    from toolkit.ingest.quarantine import quarantine_line
    from toolkit.ingest.readers import BRONZE_SCHEMA, batches, bronze_places, head_columns, records
    from toolkit.ingest.reading import read_records
    from toolkit.ingest.reasons import REASONS
    from toolkit.ingest.shapes import suspected_renames
    from toolkit.ingest.sources import expand, form_of
    from toolkit.ingest.span import CHANGED, Limits, Span
    from toolkit.ingest.stream import Stream, open_stream, resolve, spans_of, stream_form
    from toolkit.ingest.validate import judge

# Found at first use: whoever only asks which files there are must not wait for the kernels to load.
_HOMES = {
    "bronze": ("Door",),
    "census": ("Before", "Census", "take_census"),
    "contract": ("parse_contract",),
    "formats": ("FORMATS",),
    "frames": ("Frames", "Options"),
    "landing": ("land", "land_rows", "read_spans"),
    "forgotten": ("Forgotten",),
    "part": ("Part",),
    "payload": ("payload_of",),
    "quarantine": ("quarantine_line",),
    "readers": ("BRONZE_SCHEMA", "batches", "bronze_places", "head_columns", "records"),
    "reading": ("read_records",),
    "shapes": ("suspected_renames",),
    "sources": ("expand", "form_of"),
    "span": ("CHANGED", "Limits", "Span"),
    "stream": ("Stream", "open_stream", "resolve", "spans_of", "stream_form"),
    "reasons": ("REASONS",),
    "validate": ("judge",),
}

__all__ = [
    "BRONZE_SCHEMA",
    "CHANGED",
    "FORMATS",
    "REASONS",
    "Before",
    "Census",
    "Door",
    "Forgotten",
    "Frames",
    "Limits",
    "Options",
    "Part",
    "Span",
    "Stream",
    "batches",
    "bronze_places",
    "expand",
    "form_of",
    "head_columns",
    "judge",
    "land",
    "land_rows",
    "open_stream",
    "parse_contract",
    "payload_of",
    "quarantine_line",
    "read_records",
    "read_spans",
    "records",
    "resolve",
    "spans_of",
    "stream_form",
    "suspected_renames",
    "take_census",
]
