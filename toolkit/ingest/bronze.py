"""A bronze line: provenance around the payload's own bytes.

The payload is never decoded and encoded again: it is the last field, copied verbatim, so
numbers, key order, escapes and spacing arrive as they were sent. Everything else is known
from the spec and the place of the line; there is no clock in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from toolkit.errors import ToolkitError

SCHEMA_VERSION = 1

_PAYLOAD = b',"payload":'
# One character before the @ is enough: a run of them would be scanned again from each of its places.
_EMAIL = re.compile(rb"[\w.+-]@[\w-]+\.\w")


@dataclass(frozen=True)
class Door:
    """What the spec says of a source, carried by each of its records."""

    source_id: str
    source_type: str
    source_rank: int
    license: str | None
    consent: bool | None
    pii: str | None
    logical_date: str
    run_id: str

    def line(self, record_id: str, name: bytes, where: tuple[int, int], payload: bytes, value: Any) -> bytes:
        """One bronze line; ``where`` is (line number, byte offset), ``name`` the file's JSON text."""
        number, offset = where
        origin = b'{"path":%b,"line":%d,"offset":%d,"length":%d}' % (name, number, offset, len(payload))
        own = self._own(value, payload)
        head = b'{"record_id":"%b","origin":%b,%b' % (record_id.encode(), origin, own)
        return b"%b%b%b}\n" % (head, _PAYLOAD, payload)

    def license_of(self, value: Any) -> str | None:
        """A record's own ``license`` if it states one, else its source's."""
        own = value.get("license")
        return own if isinstance(own, str) and own.strip() and _is_text(own) else self.license

    def _own(self, value: Any, payload: bytes) -> bytes:
        model = value.get("generator_model") or value.get("model")
        model = model if isinstance(model, str) and _is_text(model) else None
        pii = self.pii or ("suspected" if b"@" in payload and _EMAIL.search(payload) else None)
        return _facts(self, self.license_of(value), pii, model)


@lru_cache(maxsize=4096)
def _facts(door: Door, license: str | None, pii: str | None, model: str | None) -> bytes:
    facts = {
        "source_id": door.source_id,
        "source_type": door.source_type,
        "source_rank": door.source_rank,
        "license": license,
        "consent": door.consent,
        "pii": pii,
        "generator_model": model,
        "logical_date": door.logical_date,
        "run_id": door.run_id,
        "schema_version": SCHEMA_VERSION,
    }
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=False)[1:-1].encode()


def payload_of(line: bytes) -> tuple[bytes, bytes]:
    """Split a bronze line (no line end) into (provenance as JSON, payload bytes)."""
    # No provenance field can hold the marker: inside a JSON string its quotes would be escaped.
    cut = line.find(_PAYLOAD)
    if cut < 0 or not line.endswith(b"}"):
        raise ToolkitError(f"not a bronze line: {line[:80]!r}")
    return line[:cut] + b"}", line[cut + len(_PAYLOAD) : -1]


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)
