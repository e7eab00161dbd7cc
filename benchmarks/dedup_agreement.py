"""Which of two tools is right where they kept different rows: judged by the exact similarity of the texts.

The true graph has an edge for every two rows that share the threshold's part of their shingles (in our
normal form). Candidates for it are all pairs of planted kin and what a sieve for much lower similarities
finds with its own seed; each is measured exactly. Of what a tool did with a row:

    removed   right  if it resembles a row that the tool kept; else kin (planted kin was kept, but it is
              below the threshold) or false (it resembles nothing that was kept)
    kept      right  if it resembles no earlier row that the tool kept; else a miss
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import launch
from toolkit import dedup

WIDE = 0.5  # similarities from which the sieve for candidates finds nearly all
WIDE_SLOTS, WIDE_RECALL, CAP, SEED = 256, 0.999, 1_000, 77
RIGHT, KIN, FALSE, MISS = "removed rightly", "removed, planted kin below", "removed falsely", "missed"
FINE = "kept rightly"
VERDICTS = (RIGHT, KIN, FALSE, FINE, MISS)


def agreement(corpus: pa.Table, kept: dict[str, set[str]], threshold: str, shingle: str) -> dict[str, Any]:
    """A verdict on every row of each tool, and on the rows where a tool and ours differ."""
    ids = np.array(corpus["id"].to_pylist())
    pairs, near = graph(corpus, threshold, shingle)
    kin = corpus["kin"].to_numpy()
    stays = {name: np.isin(ids, list(found)) for name, found in kept.items()}
    verdicts = {name: judge(stay, pairs, near, kin) for name, stay in stays.items()}
    found: dict[str, Any] = {
        "true_pairs": int(near.sum()),
        "tools": {name: _counts(verdict) for name, verdict in verdicts.items()},
        "pairs_kept": {name: int((near & stay[pairs].all(axis=1)).sum()) for name, stay in stays.items()},
        "differ": {},
    }
    if "toolkit" in stays:
        for name in stays:
            if name != "toolkit":
                apart = np.flatnonzero(stays[name] != stays["toolkit"])
                found["differ"][name] = _differ(verdicts["toolkit"][apart], verdicts[name][apart])
    return found


def graph(corpus: pa.Table, threshold: str, shingle: str) -> tuple[np.ndarray, np.ndarray]:
    """Measured pairs int64 (p, 2), first row before second, and which of them reach the threshold."""
    texts = dedup.normalise(corpus["text"])
    plan = dedup.plan_bands(WIDE, WIDE_RECALL, WIDE_SLOTS)
    keys = dedup.band_keys(dedup.sketch(texts, shingle, plan.k, SEED), plan)
    docs = np.flatnonzero(~dedup.is_empty(texts))
    bands = (dedup.bucket_pairs(keys[docs, band], docs, CAP) for band in range(plan.bands))
    pairs = np.concatenate([dedup.merge_pairs(bands).pairs, kin_pairs(corpus["kin"].to_numpy())])
    pairs = np.unique(pairs, axis=0)
    both, union = dedup.jaccard(*dedup.shingle_sets(texts, shingle), pairs)
    return pairs, dedup.similar(both, union, threshold)


def kin_pairs(kin: np.ndarray) -> np.ndarray:
    """All pairs of rows with the same number, int64 (p, 2), first row before second."""
    order = np.argsort(kin, kind="stable")
    cuts = np.flatnonzero(np.diff(kin[order])) + 1
    made = [np.zeros((0, 2), np.int64)]
    for rows in np.split(order, cuts):
        if len(rows) > 1:
            first, second = np.triu_indices(len(rows), 1)
            made.append(np.stack([rows[first], rows[second]], axis=1))
    return np.concatenate(made)


def judge(stays: np.ndarray, pairs: np.ndarray, near: np.ndarray, kin: np.ndarray) -> np.ndarray:
    """A verdict on each row, as a number into VERDICTS."""
    first, second = pairs[near].T
    resembles = np.zeros(len(stays), bool)
    resembles[second[stays[first]]] = True
    late = resembles.copy()
    resembles[first[stays[second]]] = True
    kin_kept = np.bincount(kin[stays], minlength=int(kin.max()) + 1)[kin] > 0
    removed = np.where(resembles, 0, np.where(kin_kept, 1, 2))
    return np.where(stays, np.where(late, 4, 3), removed)


def _counts(verdict: np.ndarray) -> dict[str, int]:
    return dict(zip(VERDICTS, np.bincount(verdict, minlength=len(VERDICTS)).tolist(), strict=True))


def _differ(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    good = [np.isin(side, (0, 3)) for side in (ours, theirs)]
    return {
        "rows": len(ours),
        "both right": int((good[0] & good[1]).sum()),
        "only ours right": int((good[0] & ~good[1]).sum()),
        "only theirs right": int((~good[0] & good[1]).sum()),
        "neither right": int((~good[0] & ~good[1]).sum()),
        "theirs": _counts(theirs),
        "ours": _counts(ours),
    }


def table(found: dict[str, Any]) -> str:
    """What each tool did to the rows, and where each differs from us, as Markdown."""
    lines = [("tool", *VERDICTS, "similar pairs kept", "of")]
    for name, counts in found["tools"].items():
        cells = (f"{counts[verdict]:,}" for verdict in VERDICTS)
        lines.append((name, *cells, f"{found['pairs_kept'][name]:,}", f"{found['true_pairs']:,}"))
    ends = ("rows", "both right", "only ours right", "only theirs right", "neither right")
    apart = [("differs from ours", *ends, "theirs: false", "kin below", "missed")]
    for name, differ in found["differ"].items():
        wrong = (f"{differ['theirs'][verdict]:,}" for verdict in (FALSE, KIN, MISS))
        apart.append((name, *(f"{differ[end]:,}" for end in ends), *wrong))
    return launch.markdown(lines) + "\n\n" + launch.markdown(apart)
