"""Sketch, scheme ``affine-1``: k small integers that stand for a set of shingles.

    h_k(x) = a_k * x + b_k mod 2^32;   signature[k] = min of h_k over the set
    P(two signatures agree in slot k) = J, nearly;   standard error of the estimate sqrt(J(1-J)/k)

x is the high half of the 64-bit shingle identity; a_k (made odd) and b_k are the halves of the
k-th draw of splitmix64 from the seed, so a shorter signature is a prefix of a longer one. A
published scheme never changes its bits. The sketch proposes; ``verify`` measures. Method:
Broder 1997; Broder et al. 2000 on how close linear permutations come.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from toolkit.dedup.shingle import Shingle
from toolkit.errors import RequestError
from toolkit.kernels import text_buffers
from toolkit.kernels.minhash import byte_sketch, word_sketch
from toolkit.kernels.overlap import agreements
from toolkit.kernels.reference import permutations

SCHEME = "affine-1"
EMPTY_SLOT = 0xFFFFFFFF


def sketch(
    normalised: pa.Array | pa.ChunkedArray, shingle: Shingle | str, k: int = 126, seed: int = 1
) -> np.ndarray:
    """Signatures of the normalised texts: uint32 (n, k); an empty text's slots are all EMPTY_SLOT.

    Raises RequestError for a shingle it cannot read or k below 1.
    """
    shingle = Shingle.parse(shingle)
    if k < 1:
        raise RequestError(f"a signature needs at least one slot, but k is {k}")
    data, offsets = text_buffers(normalised)
    a, b = permutations(k, seed)
    out = np.full((len(offsets) - 1, k), EMPTY_SLOT, np.uint32)
    (word_sketch if shingle.unit == "word" else byte_sketch)(data, offsets, shingle.n, a, b, out)
    return out


def agreement(signatures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Equal slots of each pair's signatures, int64[p]; divided by k, it estimates their similarity."""
    out = np.empty(len(pairs), np.int64)
    agreements(np.ascontiguousarray(signatures, np.uint32), np.ascontiguousarray(pairs, np.int64), out)
    return out
