"""Sketch: k small integers that stand for a set of shingles, in one of two schemes.

    affine-1   signature[j] = min over the set of (a_j x + b_j mod 2^32)
    rounds-1   signature[j] = min over the shingles that hit slot j, in the first round in which one does

    P(two signatures agree in slot j) = J, nearly;   standard error of the estimate sqrt(J(1-J)/k)

affine-1 spends k hashes a shingle; a shorter signature is a prefix of a longer one. rounds-1 spends
one hash a shingle and round, and a long text needs one round whatever k is, but a text of few
shingles needs about k ln k hashes; a shorter signature is not a prefix. Signatures of two schemes,
seeds, shingles (or, in rounds-1, two k) have nothing to do with each other. A published scheme never
changes its bits. The sketch proposes; ``verify`` measures. Methods: Broder 1997, and Broder et al.
2000 on how close linear permutations come; Dahlgaard, Knudsen, Thorup 2017.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from toolkit import kernels
from toolkit.dedup.shingle import Shingle
from toolkit.errors import RequestError
from toolkit.kernels import text_buffers
from toolkit.kernels.minhash import byte_sketch, set_sketch, word_sketch
from toolkit.kernels.overlap import agreements
from toolkit.kernels.reference import permutations, round_constants
from toolkit.kernels.rounds import byte_rounds, set_rounds, word_rounds

SCHEMES = ("affine-1", "rounds-1")
EMPTY_SLOT = 0xFFFFFFFF

_permutations = lru_cache(maxsize=16)(permutations)
_round_constants = lru_cache(maxsize=16)(round_constants)


def sketch(
    normalised: pa.Array | pa.ChunkedArray,
    shingle: Shingle | str,
    k: int = 126,
    seed: int = 1,
    scheme: str = "affine-1",
) -> np.ndarray:
    """Signatures of the normalised texts: uint32 (n, k); an empty text's slots are all EMPTY_SLOT.

    Raises RequestError for a shingle or a scheme it does not know, or k below 1.
    """
    shingle = Shingle.parse(shingle)
    data, offsets = text_buffers(normalised)
    words = shingle.unit == "word"
    _check(k, scheme)

    def on_host(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        out = np.full((len(offsets) - 1, k), EMPTY_SLOT, np.uint32)
        if scheme == "rounds-1":
            constants = _round_constants(k, seed)
            (word_rounds if words else byte_rounds)(data, offsets, shingle.n, constants, out)
        else:
            (word_sketch if words else byte_sketch)(data, offsets, shingle.n, *_permutations(k, seed), out)
        return out

    if card := kernels.door(int(offsets[-1] - offsets[0])):
        return kernels.offload.sketch(card, data, offsets, shingle.unit, shingle.n, k, seed, scheme, on_host)
    return on_host(data, offsets)


def sketch_sets(
    hashes: np.ndarray, offsets: np.ndarray, k: int = 126, seed: int = 1, scheme: str = "affine-1"
) -> np.ndarray:
    """Signatures of sets of ``shingle_sets``: those that ``sketch`` gives of texts with these shingles."""
    _check(k, scheme)

    def on_host(hashes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        out = np.full((len(offsets) - 1, k), EMPTY_SLOT, np.uint32)
        if scheme == "rounds-1":
            set_rounds(hashes, offsets, _round_constants(k, seed), out)
        else:
            set_sketch(hashes, offsets, *_permutations(k, seed), out)
        return out

    if card := kernels.door(hashes.nbytes):
        return kernels.offload.sketch(card, hashes, offsets, "set", 1, k, seed, scheme, on_host)
    return on_host(hashes, offsets)


def _check(k: int, scheme: str) -> None:
    """RequestError for a scheme it does not know, or k below 1."""
    if k < 1:
        raise RequestError(f"a signature needs at least one slot, but k is {k}")
    if scheme not in SCHEMES:
        raise RequestError(f"sketch scheme {scheme!r} is none of {', '.join(SCHEMES)}")


def agreement(signatures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Equal slots of each pair's signatures, int64[p]; divided by k, it estimates their similarity."""
    signatures, pairs = np.ascontiguousarray(signatures, np.uint32), np.ascontiguousarray(pairs, np.int64)

    def on_host() -> np.ndarray:
        out = np.empty(len(pairs), np.int64)
        agreements(signatures, pairs, out)
        return out

    card = kernels.door(pairs.nbytes)
    return kernels.offload.agreement(card, signatures, pairs, on_host) if card else on_host()
