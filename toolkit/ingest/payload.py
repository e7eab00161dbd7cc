"""A bronze line taken apart again: what is known of a record, and its own bytes."""

from __future__ import annotations

from toolkit.errors import ToolkitError

_PAYLOAD = b',"payload":'


def payload_of(line: bytes) -> tuple[bytes, bytes]:
    """Split a bronze line (no line end) into (provenance as JSON, payload bytes)."""
    # No provenance field can hold the marker: inside a JSON string its quotes would be escaped.
    cut = line.find(_PAYLOAD)
    if cut < 0 or not line.endswith(b"}"):
        raise ToolkitError(f"not a bronze line: {line[:80]!r}")
    return line[:cut] + b"}", line[cut + len(_PAYLOAD) : -1]
