"""Content hashes: of bytes, of files, of settings, and of a set of records in any order.

The set hash is a sum modulo 2^128 over the leading 128 bits of each record's sha256.
Sums add, so a stage is checked by ``in = out + quarantined + removed`` on the hashes
just as on the counts, and a lost, repeated or swapped record shows even when the counts
agree. It guards against mistakes, not against someone who forges hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MODULUS = 1 << 128


def sha256_bytes(data: bytes | memoryview) -> str:
    """Hex sha256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex sha256 of the file at ``path``, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """Hex sha256 of ``value`` as JSON with sorted keys: the identity of settings and inputs."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256_bytes(text.encode())


@dataclass(frozen=True)
class IdHash:
    """The commutative hash of a multiset of record ids (hex sha256)."""

    value: int = 0

    @classmethod
    def of(cls, ids: Iterable[str]) -> IdHash:
        """Hash ids given as hex sha256 strings."""
        return cls(sum(int(record_id[:32], 16) for record_id in ids) % _MODULUS)

    @classmethod
    def parse(cls, text: str) -> IdHash:
        """Read the 32 hex digits that ``str`` writes."""
        return cls(int(text, 16))

    def __add__(self, other: IdHash) -> IdHash:
        return IdHash((self.value + other.value) % _MODULUS)

    def __sub__(self, other: IdHash) -> IdHash:
        return IdHash((self.value - other.value) % _MODULUS)

    def __str__(self) -> str:
        return f"{self.value:032x}"
