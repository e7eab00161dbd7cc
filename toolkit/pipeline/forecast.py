"""What a dedup is about to do, told before it starts: the sieve, what it lets through, what that needs."""

from __future__ import annotations

import numpy as np

from toolkit import dedup
from toolkit.pipeline.spec.tables import Dedup
from toolkit.pipeline.stages.corpus import Corpus
from toolkit.pipeline.stages.sketches import plan_of

SAMPLE = 1_000  # texts whose sketches are compared with each other
_SHOWN = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Resident bytes of the first process as measured (benchmarks/LOG.md): of anything, of a text, of a candidate.
_BASE, _HELD, _PAIR = 400 << 20, 135, 118


def forecast(corpus: Corpus, length: np.ndarray, settings: Dedup) -> str:
    """The S-curve, the expected candidates among strangers, memory and disk; ``length`` int64 of each text.

    Candidates are estimated from the sketches of a sample, whose pairs stand for all pairs; true
    duplicates come on top, at most as many pairs as the sieve lets a bucket have.
    """
    bands = plan_of(settings)
    curve = ", ".join(f"{s}: {float(bands.probability(s)):.1%}" for s in _SHOWN)
    texts = int((length > 0).sum())
    expected = _share(corpus, settings) * texts * (texts - 1) / 2
    memory = _BASE + _HELD * len(length) + _PAIR * expected
    disk = int(length.sum()) + 8 * bands.bands * len(length)
    return (
        f"sieve: {bands.bands} bands x {bands.rows} rows, recall {bands.recall:.2%} at {settings.threshold}\n"
        f"a pair becomes a candidate at similarity {curve}\n"
        f"{texts:,} texts of {length.sum() / 1e6:,.1f} MB: about {expected:,.0f} candidates that are no "
        f"duplicates, {memory / 1e6:,.0f} MB of memory for all at once, {disk / 1e6:,.0f} MB of work files"
    )


def _share(corpus: Corpus, settings: Dedup) -> float:
    """The share of pairs of different texts that the sieve is expected to let through."""
    rng = np.random.default_rng(settings.seed)
    chosen = np.sort(rng.choice(corpus.records, min(SAMPLE, corpus.records), replace=False))
    bands = plan_of(settings)
    texts = corpus.texts(chosen)
    signatures = dedup.sketch(texts, settings.shingle, bands.k, settings.seed, settings.scheme)
    full = np.flatnonzero(~dedup.is_empty(texts))
    left, right = np.triu_indices(len(full), 1)
    if not len(left):
        return 0.0
    equal = dedup.agreement(signatures, np.stack([full[left], full[right]], axis=1)) / bands.k
    strangers = equal < settings.threshold / 2
    return float(bands.probability(equal[strangers]).sum() / len(left))
