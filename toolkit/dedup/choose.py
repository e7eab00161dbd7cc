"""Choose: what stays, what goes, and because of whom.

Documents come in order of preference, 0 first. One is removed if and only if a kept one was
verified similar: the lexicographically first maximal independent set of the graph of verified
pairs. What goes resembles what stays, and no two that stay are a verified pair. Connected
components, the usual choice, follow chains: A like B like C removes C though it is nothing like
A, and has shrunk a templated set of 859,092 rows to 2. They are here to count that cost.
"""

from __future__ import annotations

import numpy as np

from toolkit import kernels
from toolkit.errors import RequestError
from toolkit.kernels import graph


def _checked(n: int, pairs: np.ndarray) -> np.ndarray:
    pairs = np.ascontiguousarray(pairs, np.int64).reshape(-1, 2)
    if len(pairs) and not (pairs.min() >= 0 and pairs.max() < n and (pairs[:, 0] < pairs[:, 1]).all()):
        raise RequestError(f"pairs must be (preferred, other) with 0 <= preferred < other < {n}")
    return pairs


def choose(n: int, pairs: np.ndarray, intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """For each of n documents: -1 if it is kept, else the kept document that removes it. int64[n].

    ``pairs`` int64 (p, 2) are the verified ones, (preferred, other), with their exact intersection
    and union. Of several kept documents the most similar is named, ties to the most preferred.
    """
    pairs = _checked(n, pairs)
    intersection = np.ascontiguousarray(intersection, np.int64)
    union = np.ascontiguousarray(union, np.int64)
    if not len(pairs) == len(intersection) == len(union):
        raise RequestError(f"{len(pairs)} pairs but {len(intersection)} intersections, {len(union)} unions")

    def on_host() -> np.ndarray:
        kept_by = np.full(n, -1, np.int64)
        graph.choose(pairs, np.lexsort((pairs[:, 0], pairs[:, 1])), intersection, union, kept_by)
        return kept_by

    card = kernels.door(pairs.nbytes)
    return kernels.offload.choice(card, n, pairs, intersection, union, on_host) if card else on_host()


def components(n: int, pairs: np.ndarray) -> np.ndarray:
    """The most preferred document of each one's connected component, int64[n]; its own number if first.

    What this would cost: ``(components(n, pairs) != arange(n)).sum() - (choose(...) >= 0).sum()``.
    """
    pairs = _checked(n, pairs)

    def on_host() -> np.ndarray:
        parent = np.arange(n, dtype=np.int64)
        graph.components(pairs, parent)
        return parent

    card = kernels.door(pairs.nbytes)
    return kernels.offload.components(card, n, pairs, on_host) if card else on_host()
