"""Two ways to read the graph of verified pairs: greedy by preference, and connected components."""

from __future__ import annotations

from numba import types

from toolkit.kernels.compile import I64S, OUT_I64S, PAIRS, kernel


@kernel(types.void(PAIRS, I64S, I64S, I64S, OUT_I64S))
def choose(pairs, by_loser, shared, union, kept_by):
    """Fill ``kept_by`` int64[n], -1 at first; ``by_loser`` orders ``pairs`` by (right, left).

    When a document's turn comes every preferred one is settled, so one pass is enough. Among
    its kept neighbours the most similar wins: shared/union compared by cross products, exactly.
    """
    best = 0  # the pair that removed the current loser; read only after it was set for this loser
    for at in range(len(by_loser)):
        p = by_loser[at]
        winner, loser = pairs[p, 0], pairs[p, 1]
        if kept_by[winner] != -1:
            continue
        if kept_by[loser] == -1 or shared[p] * union[best] > shared[best] * union[p]:
            kept_by[loser], best = winner, p


@kernel(types.void(PAIRS, OUT_I64S))
def components(pairs, parent):
    """Union-find over ``parent`` int64[n], 0..n-1 at first; ends as each one's smallest fellow member."""
    for p in range(len(pairs)):
        a, b = pairs[p, 0], pairs[p, 1]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a < b:
            parent[b] = a
        else:
            parent[a] = b
    for i in range(len(parent)):
        parent[i] = parent[parent[i]]  # parents are smaller and already flat
