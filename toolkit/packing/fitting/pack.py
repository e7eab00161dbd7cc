"""One door to every way of giving documents packs.

    fewest                 the default: the fewer packs of the next two
    best_fit_decreasing    least room that suffices; as good as the bound on real lengths
    first_fit_decreasing   earliest pack with room
    balanced               even in the sum of squared lengths, at 0.1 % more packs at most
    next_fit               in the order given, one pack open; for teaching

``concat_and_cut`` tears documents, so it returns pieces and stands outside; ``pack_stream`` packs data
without end.
"""

from __future__ import annotations

import numpy as np

from toolkit.errors import RequestError
from toolkit.packing.fitting.balanced import balanced
from toolkit.packing.fitting.fewest import fewest
from toolkit.packing.fitting.first_fit import first_fit_decreasing
from toolkit.packing.fitting.fit import best_fit_decreasing
from toolkit.packing.fitting.next_fit import next_fit

METHODS = {
    "fewest": fewest,
    "best_fit_decreasing": best_fit_decreasing,
    "first_fit_decreasing": first_fit_decreasing,
    "balanced": balanced,
    "next_fit": next_fit,
}


def pack(lengths: np.ndarray, capacity: int, method: str = "fewest") -> np.ndarray:
    """Give each document a pack: int64 [n] pack numbers, 0 .. packs - 1.

    ``lengths``: int [n], tokens, each in 1 .. capacity; ``method``: a key of ``METHODS``. Every method
    is deterministic and takes memory by lengths, not by tokens. Raises RequestError for an unknown
    method and for a length outside 1 .. capacity.
    """
    if method not in METHODS:
        raise RequestError(f"packing has no method {method!r}; it has {', '.join(METHODS)}.")
    return METHODS[method](lengths, capacity)
