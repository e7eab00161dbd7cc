"""A quarantined line: the exact bytes, where they came from, and why they were set aside."""

from __future__ import annotations

import base64
import json

from toolkit.storage import sha256_bytes


def quarantine_line(
    source_id: str, stage: str, origin: dict[str, object], reason: str, detail: str, raw: bytes
) -> bytes:
    """One JSON line; ``raw`` is kept whole in base64, ``sha256`` identifies it."""
    entry = {
        "source_id": source_id,
        "stage": stage,
        "origin": origin,
        "reason": reason,
        "detail": detail,
        "raw": base64.b64encode(raw).decode(),
        "sha256": sha256_bytes(raw),
    }
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
