"""Shingles: the pieces whose overlap defines how similar two texts are.

    J(A, B) = |S(A) and S(B)| / |S(A) or S(B)|,   S the set of shingles        (Broder 1997)

``word:n`` slides over words: robust to white space, cheap (one shingle a word). ``byte:n``
slides over bytes: no idea of words needed, five times the work. A larger n is stricter: one
changed word touches n shingles, so similarity falls faster. A text shorter than n is one
shingle; an empty text has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from toolkit import kernels
from toolkit.errors import RequestError
from toolkit.kernels import text_buffers
from toolkit.kernels.shingle import byte_shingles, sort_unique, word_shingles
from toolkit.kernels.word import most_words

LARGEST = 4096


@dataclass(frozen=True)
class Shingle:
    """A unit, ``word`` or ``byte``, and how many of them make one shingle."""

    unit: str
    n: int

    def __post_init__(self) -> None:
        if self.unit not in ("word", "byte") or not 1 <= self.n <= LARGEST:
            raise RequestError(
                f"shingle {self} is not 'word:n' or 'byte:n' with n from 1 to {LARGEST}, such as 'word:5'"
            )

    def __str__(self) -> str:
        return f"{self.unit}:{self.n}"

    @classmethod
    def parse(cls, text: str | Shingle) -> Shingle:
        """Read ``word:5`` or ``byte:24``; RequestError when it is neither."""
        if isinstance(text, Shingle):
            return text
        match = re.fullmatch(r"(word|byte):([0-9]{1,5})", str(text))
        if match is None:
            raise RequestError(f"shingle {text!r} is not 'word:n' or 'byte:n', such as 'word:5'")
        return cls(match[1], int(match[2]))


def shingle_sets(
    normalised: pa.Array | pa.ChunkedArray, shingle: Shingle | str
) -> tuple[np.ndarray, np.ndarray]:
    """Each text's set of shingles: (hashes uint64, sorted and unique within a text; offsets int64[n + 1]).

    Two distinct shingles share a 64-bit identity with probability 2^-64; see ``kernels.shingle``.
    """
    shingle = Shingle.parse(shingle)
    data, offsets = text_buffers(normalised)

    def on_host(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _sets(data, offsets, shingle)

    if card := kernels.door(int(offsets[-1] - offsets[0])):
        return kernels.offload.shingle_sets(card, data, offsets, shingle.unit, shingle.n, on_host)
    return on_host(data, offsets)


def _sets(data: np.ndarray, offsets: np.ndarray, shingle: Shingle) -> tuple[np.ndarray, np.ndarray]:
    words = shingle.unit == "word"
    out = np.empty(most_words(offsets) if words else int(offsets[-1] - offsets[0]), np.uint64)
    out_offsets = np.empty(len(offsets), np.int64)
    (word_shingles if words else byte_shingles)(data, offsets, shingle.n, out, out_offsets)
    kept = out[: sort_unique(out, out_offsets)]
    return (kept if 2 * len(kept) > len(out) else kept.copy()), out_offsets
