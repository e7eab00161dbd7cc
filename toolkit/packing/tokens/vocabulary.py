"""What bytes each id stands for, read from the tokenizer.json as data.

In a lossless tokenizer every id stands for fixed bytes, and the bytes of a sequence, end to end,
are the text. Two spellings of bytes exist: byte-level BPE writes each byte as one printable
character (GPT-2's alphabet: 0x20 is G with a dot), byte fallback writes ``<0x20>`` for those that
no other token covers. A token may begin in the middle of a UTF-8 character: whoever cuts a
sequence must not cut there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numba import types

from toolkit.kernels import to_text
from toolkit.kernels.block import copy
from toolkit.kernels.compile import BYTES, I32S, I64S, OUT_BYTES, kernel, pointer
from toolkit.packing.tokens.library import added_tokens, vocabulary

_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")


def byte_alphabet() -> list[str]:
    """GPT-2's character for each byte: printable Latin-1 stands for itself, the rest from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    rest = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(rest)) for byte in range(256)]


@dataclass(frozen=True)
class TokenBytes:
    """Bytes of every id: ``data[offsets[i]:offsets[i + 1]]``; none for an id without a token."""

    data: np.ndarray  # uint8
    offsets: np.ndarray  # int64 [ids + 1]

    @property
    def continues(self) -> np.ndarray:
        """Whether a token begins inside a UTF-8 character: bool [ids]."""
        first = np.append(self.data, np.uint8(0))[self.offsets[:-1]]
        return (np.diff(self.offsets) > 0) & (first & 0xC0 == 0x80)

    def text(self, ids: np.ndarray, lengths: np.ndarray) -> pa.LargeStringArray:
        """Return the text of each run of ids, unchecked: a run cut inside a character is not UTF-8.

        ``ids`` int32 [tokens], each below the number of ids; ``lengths`` int64 [runs].
        """
        sizes = np.diff(self.offsets)[ids]
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        out = np.empty(int(ends[-1]), np.uint8)
        _spell(self.data, self.offsets, np.ascontiguousarray(ids, np.int32), out)
        return to_text(out, ends[np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])])


def token_bytes(spec: Mapping[str, Any]) -> TokenBytes:
    """Read the bytes of all ids of a tokenizer.json, added tokens included."""
    decoders = {part.get("type") for part in _decoders(spec.get("decoder"))}
    table = dict.fromkeys(range(256), "\uffff") | {ord(c): chr(b) for b, c in enumerate(byte_alphabet())}
    found: dict[int, bytes] = {}
    for token, id_ in vocabulary(spec):
        found[id_] = _bytes(token, decoders, table)
    found |= {token["id"]: _utf8(token["content"]) for token in added_tokens(spec)}
    every = [found.get(i, b"") for i in range(1 + max(found, default=-1))]
    ends = np.cumsum([0, *map(len, every)], dtype=np.int64)
    return TokenBytes(np.frombuffer(b"".join(every), np.uint8), ends)


def _bytes(token: str, decoders: set[str], table: dict[int, str]) -> bytes:
    if "ByteLevel" in decoders:
        try:
            return token.translate(table).encode("latin-1")
        except UnicodeEncodeError:  # a character outside the alphabet: the library takes the token as it is
            return _utf8(token)
    fallback = _FALLBACK.fullmatch(token) if "ByteFallback" in decoders else None
    return bytes.fromhex(fallback[1]) if fallback else _utf8(token)


def _utf8(token: str) -> bytes:
    return token.encode("utf-8", "surrogatepass")


def _decoders(step: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if step:
        yield step
        for part in step.get("decoders") or []:
            yield from _decoders(part)


@kernel(types.void(BYTES, I64S, I32S, OUT_BYTES))
def _spell(data, offsets, ids, out):
    source, target, at = pointer(data), pointer(out), 0
    for id_ in ids:
        size = offsets[id_ + 1] - offsets[id_]
        copy(target, at, source, offsets[id_], size)
        at += size
