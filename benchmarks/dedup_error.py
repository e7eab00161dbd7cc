"""How far a sketch's estimate is from the truth, against what theory says of k independent coins.

    E[estimate - J] = 0        Var[estimate - J] = J (1 - J) / k

and how many of the pairs at a similarity share a band, against 1 - (1 - J^rows)^bands. Pairs of texts of
distinct words, each pair of its own words, so that J is exact and no pair depends on another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

SCHEMES = ("affine-1", "rounds-1")
SHARED = (0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.99)
K, SEED = 128, 7
Row = dict[str, Any]


def error(trials: int) -> list[Row]:
    """One row a scheme, union and similarity; of texts of 2,000 shingles a seventh of the pairs."""
    rows: list[Row] = []
    for union in (10, 100, 2_000):
        pairs = trials if union < 2_000 else max(1, trials // 7)
        for shared in sorted({round(union * j) for j in SHARED} - {0, union}):
            rows += [_row(scheme, union, shared, pairs) for scheme in SCHEMES]
    return rows


def _row(scheme: str, union: int, shared: int, trials: int) -> Row:
    from toolkit.dedup import Bands, agreement, band_keys, sketch

    texts, pairs = _pairs(union, shared, trials)
    similarity, plan = shared / union, Bands(16, 6, 96, 0.0)
    off = agreement(sketch(texts, "word:1", K, SEED, scheme), pairs) / K - similarity
    keys = band_keys(sketch(texts, "word:1", plan.k, SEED, scheme), plan)
    met = (keys[pairs[:, 0]] == keys[pairs[:, 1]]).any(axis=1).mean()
    variance = similarity * (1 - similarity) / K
    return {
        "scheme": scheme, "union": union, "similarity": similarity, "pairs": trials,
        "mean_error_in_se": float(off.mean() / np.sqrt(variance / trials)),
        "variance_over_theory": float(off.var() / variance),
        "candidates": float(met), "candidates_in_theory": 1 - (1 - similarity**plan.rows) ** plan.bands,
    }  # fmt: skip


def _pairs(union: int, shared: int, trials: int) -> tuple[pa.Array, np.ndarray]:
    texts, middle = [], shared + (union - shared) // 2
    for trial in range(trials):
        words = [f"w{trial}x{i}" for i in range(union)]
        texts += [" ".join(words[:middle]), " ".join(words[:shared] + words[middle:])]
    return pa.array(texts), np.arange(2 * trials).reshape(-1, 2)


def table(rows: list[Row]) -> str:
    """As Markdown: each number of both schemes beside theory."""
    lines = [
        "| shingles in the union | J | variance over theory: " + " | ".join(SCHEMES) + " | candidates: "
        + " | ".join(SCHEMES) + " | theory |",
        "| ---: |" + " ---: |" * 6,
    ]  # fmt: skip
    for one, two in zip(rows[::2], rows[1::2], strict=True):
        varies = " | ".join(f"{row['variance_over_theory']:.2f}" for row in (one, two))
        met = " | ".join(f"{row['candidates']:.1%}" for row in (one, two))
        theory = f"{one['candidates_in_theory']:.1%}"
        lines.append(f"| {one['union']:,} | {one['similarity']:.2f} | {varies} | {met} | {theory} |")
    return "\n".join(lines)
