"""The id that a record declares in a field of its own, as 128 bits that no other source's ids meet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np

from toolkit.ingest.validate import value_of


def declared_ids(payloads: Iterable[bytes], source_id: str, name: str) -> np.ndarray:
    """Hash the field ``name`` (dots go down) of each record: uint64 (n, 2), zeros where there is none.

    Equal values of one source have equal hashes: ``7`` and ``"7"`` are two ids. Only an integer of
    more than 4,300 digits has that of the text of its digits.
    """
    found = [_hash(source_id, _value(value_of(payload), name.split("."))) for payload in payloads]
    return np.frombuffer(b"".join(found), ">u8").astype(np.uint64).reshape(-1, 2)


def _value(value: object, path: list[str]) -> object:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _hash(source_id: str, value: object) -> bytes:
    if value is None:
        return bytes(16)
    text = json.dumps(value, sort_keys=True)
    key = f"{source_id}\0{type(value).__name__}\0{text}"
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
