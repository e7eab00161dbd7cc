"""The door of the lake: bytes in any state become traced bronze lines, or quarantined ones."""

from toolkit.ingest.bronze import Door, payload_of
from toolkit.ingest.census import Census, Span, take_census
from toolkit.ingest.part import Forgotten, Part, ingest_bytes
from toolkit.ingest.quarantine import quarantine_line
from toolkit.ingest.sources import blocks, codec_of, expand, read_span, spans_of_stream
from toolkit.ingest.validate import REASONS, diagnose

__all__ = [
    "REASONS",
    "Census",
    "Door",
    "Forgotten",
    "Part",
    "Span",
    "blocks",
    "codec_of",
    "diagnose",
    "expand",
    "ingest_bytes",
    "payload_of",
    "quarantine_line",
    "read_span",
    "spans_of_stream",
    "take_census",
]
