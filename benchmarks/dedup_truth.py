"""Recall and precision against texts compared one with one, and what must not change the result.

Three ways to know the truth, from wide to deep. All pairs that share any shingle are found by sorting
the shingles of all texts and measured exactly (``every_pair``): nothing else can be similar. All planted
pairs, and as many random ones, are measured a second time by plain Python sets of words, written from the
README and sharing no code with the kernels (``reference``). And of a part of the texts, every pair is
measured by them (``by_hand``).
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import toolkit
from benchmarks.dedup_agreement import kin_pairs
from benchmarks.dedup_texts import plant
from toolkit import dedup
from toolkit.storage import sha256_file

THRESHOLD, SHINGLE = "0.8", "word:5"
ALONE = [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x9FFF), (0xF900, 0xFAFF),
         (0x20000, 0x3FFFF)]  # fmt: skip
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
TO_SPACE = str.maketrans(SPACES, " " * len(SPACES))
Facts = dict[str, Any]


def truth(texts: int, by_hand: int, workers: int) -> Facts:
    """What was found on a planted corpus of so many texts."""
    corpus = plant(texts, seed=5)
    start = time.perf_counter()
    found = toolkit.dedup(corpus, threshold=float(THRESHOLD), shingle=SHINGLE, workers=workers)
    facts: Facts = {"texts": texts, "seconds": time.perf_counter() - start, "workers": workers}
    kept = np.isin(np.array(corpus["id"].to_pylist()), found.survivors["id"].to_pylist())
    pairs, both, union = every_pair(corpus["text"])
    near = pairs[dedup.similar(both, union, THRESHOLD)]
    facts |= _against(near, kept) | _candidates(corpus["text"], near)
    facts |= _reference(corpus, pairs, both, union) | _evidence(corpus, found.evidence)
    facts |= _by_hand(corpus.slice(0, by_hand), workers) | _unchanged(corpus, found, workers)
    return facts


def every_pair(texts: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of rows that share a shingle, int64 (p, 2), with intersection and union.

    A shingle in more than 1,000 texts would make too many pairs; none of a planted corpus is.
    """
    hashes, offsets = dedup.shingle_sets(dedup.normalise(texts), SHINGLE)
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.argsort(hashes, kind="stable")
    ordered, row = hashes[order], row[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    lengths = np.diff(np.append(starts, len(ordered)))
    if len(lengths) and lengths.max() > 1_000:
        raise ValueError(f"a shingle is in {lengths.max():,} texts: too common to compare all that have it")
    made = [np.zeros((0, 2), np.int64)]
    for length in np.unique(lengths[lengths > 1]).tolist():
        rows = row[starts[lengths == length][:, None] + np.arange(length)]
        first, second = np.triu_indices(length, 1)
        packed = np.stack([rows[:, first].ravel(), rows[:, second].ravel()], axis=1)
        made.append(np.unique(packed, axis=0))
    pairs = np.unique(np.concatenate(made), axis=0)
    return pairs, *dedup.jaccard(hashes, offsets, pairs)


def _against(near: np.ndarray, kept: np.ndarray) -> Facts:
    """Of all similar pairs those of which both stay are missed; who went must resemble one who stayed."""
    first, second = near.T
    resembles = np.zeros(len(kept), bool)
    resembles[second[kept[first]]] = True
    resembles[first[kept[second]]] = True
    missed = int((kept[first] & kept[second]).sum())
    return {
        "similar_pairs": len(near),
        "similar_pairs_kept": missed,
        "recall": 1 - missed / max(1, len(near)),
        "removed": int((~kept).sum()),
        "removed_falsely": int((~kept & ~resembles).sum()),
        "precision": 1 - (~kept & ~resembles).sum() / max(1, (~kept).sum()),
        "clusters": _clusters(near, kept),
    }


def _clusters(near: np.ndarray, kept: np.ndarray) -> dict[str, int]:
    """Clusters in which all resemble all, and in how many of them not one but none or several stay."""
    root = dedup.components(len(kept), near)
    sizes, edges = np.bincount(root, minlength=len(kept)), np.bincount(root[near[:, 0]], minlength=len(kept))
    whole = np.flatnonzero((sizes > 1) & (edges == sizes * (sizes - 1) // 2))
    stay = np.bincount(root[kept], minlength=len(kept))[whole]
    return {"whole": len(whole), "with none": int((stay == 0).sum()), "with several": int((stay > 1).sum())}


def _candidates(texts: pa.ChunkedArray, near: np.ndarray) -> Facts:
    """What the sieve alone finds of the similar pairs, whose texts differ; beside what theory expects."""
    normalised = dedup.normalise(texts)
    plan = dedup.plan_bands(float(THRESHOLD))
    keys = dedup.band_keys(dedup.sketch(normalised, SHINGLE, plan.k), plan)
    met = (keys[near[:, 0]] == keys[near[:, 1]]).any(axis=1)
    return {"sieve_recall": float(met.mean()) if len(met) else 1.0, "expected_at_threshold": plan.recall}


def _reference(corpus: pa.Table, pairs: np.ndarray, both: np.ndarray, union: np.ndarray) -> Facts:
    """Planted pairs and random ones measured by plain Python: how many differ from the kernels."""
    texts = corpus["text"].to_pylist()
    measured = {tuple(pair): (b, u) for pair, b, u in zip(pairs.tolist(), both, union, strict=True)}
    planted = kin_pairs(corpus["kin"].to_numpy()).tolist()
    draw = random.Random(3)
    cross = [sorted(draw.sample(range(len(texts)), 2)) for _ in planted]
    wrong = 0
    for left, right in [*planted, *cross]:
        a, b = shingles(texts[left]), shingles(texts[right])
        shared = len(a & b)
        expected = measured.get((left, right), (0, len(a | b)))
        wrong += (shared, len(a | b)) != tuple(map(int, expected))
    return {"measured_again": len(planted) + len(cross), "measured_otherwise": wrong}


def _evidence(corpus: pa.Table, evidence: pa.Table) -> Facts:
    """Every removal's score measured again from the two texts that the evidence names, in plain Python."""
    texts = corpus["text"].to_pylist()
    wrong = below = 0
    for row in evidence.select(["removed_origin", "kept_origin", "method", "score"]).to_pylist():
        gone, stayed = (texts[row[end]["line"] - 1] for end in ("removed_origin", "kept_origin"))
        a, b = shingles(gone), shingles(stayed)
        score = Fraction(len(a & b), len(a | b)) if a | b else Fraction(0)
        wrong += abs(float(score) - row["score"]) > 1e-12
        below += row["method"] == "near" and score < Fraction(THRESHOLD)
    return {"evidence": len(evidence), "evidence_with_another_score": wrong, "evidence_below": below}


def _by_hand(corpus: pa.Table, workers: int) -> Facts:
    """Every pair of a few texts, by plain Python alone."""
    found = toolkit.dedup(corpus, threshold=float(THRESHOLD), shingle=SHINGLE, workers=workers)
    kept = set(found.survivors["id"].to_pylist())
    ids, sets = corpus["id"].to_pylist(), [shingles(text) for text in corpus["text"].to_pylist()]
    holders = defaultdict(list)
    for row, found_in in enumerate(sets):
        for shingle in found_in:
            holders[shingle].append(row)
    shared: Counter[tuple[int, int]] = Counter()
    for rows in holders.values():
        shared.update(itertools.combinations(rows, 2))
    near = [pair for pair, both in shared.items() if _near(both, sets[pair[0]], sets[pair[1]])]
    missed = sum(ids[left] in kept and ids[right] in kept for left, right in near)
    return {"by_hand": len(ids), "by_hand_pairs": len(near), "by_hand_missed": missed}


def _near(both: int, left: set, right: set) -> bool:
    return Fraction(both, len(left) + len(right) - both) >= Fraction(THRESHOLD)


def _unchanged(corpus: pa.Table, found: Any, workers: int) -> Facts:
    """Again on what survived; on the rows shuffled; and with another number of workers, to the byte."""
    settings = {"threshold": float(THRESHOLD), "shingle": SHINGLE}
    again = toolkit.dedup(found.survivors, workers=workers, **settings).survivors
    order = np.random.default_rng(9).permutation(len(corpus))
    shuffled = toolkit.dedup(corpus.take(pa.array(order)), workers=workers, **settings).survivors
    texts = sorted(found.survivors["text"].to_pylist())
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for count in (1, 2, 3):
            out = Path(folder) / str(count)
            toolkit.dedup(corpus, out, workers=count, **settings)
            made.append(
                {p.relative_to(out).as_posix(): sha256_file(p) for p in out.rglob("*") if _is_result(p)}
            )
    return {
        "idempotent": len(again) == len(texts),
        "same_when_shuffled": sorted(shuffled["text"].to_pylist()) == texts,
        "same_bytes_by_1_2_3_workers": made[0] == made[1] == made[2],
    }


def _is_result(path: Path) -> bool:
    return path.is_file() and path.name not in (".lock", "timings.json")  # how long it took differs


def shingles(text: str, n: int = 5) -> set[tuple[str, ...]]:
    """The set of word shingles of a text, from the definitions in the README."""
    words = reference_words(text)
    if not words:
        return set()
    return {tuple(words[at : at + n]) for at in range(max(1, len(words) - n + 1))}


def reference_words(text: str) -> Sequence[str]:
    """The words of a text, normalised: code point by code point, no library of ours."""
    composed = unicodedata.normalize("NFC", text)
    lowered = "".join(low if len(low := char.lower()) == 1 else "i" for char in composed)
    spaced = unicodedata.normalize("NFC", lowered).translate(TO_SPACE)
    parted = "".join(f" {c} " if c > "\u0dff" and _alone(ord(c)) else c for c in spaced)
    return parted.split(" ") if "  " not in parted else [word for word in parted.split(" ") if word]


def _alone(code: int) -> bool:
    return any(first <= code <= last for first, last in ALONE)


def table(facts: Facts) -> str:
    """Every fact on a line of its own."""
    lines = ["| found | |", "| --- | ---: |"]
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        lines.append(
            f"| {name.replace('_', ' ')} | {f'{value:.6g}' if isinstance(value, float) else shown} |"
        )
    return "\n".join(lines)
