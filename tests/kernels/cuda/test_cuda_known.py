"""The golden digests hold through a door, and so does dedup from raw text to survivors."""

import numpy as np
import pyarrow as pa
import pytest
from hostile import BACKWARD, FORWARD, needs_compiler

from toolkit import dedup
from toolkit.errors import GateError
from toolkit.kernels import text_buffers
from toolkit.kernels.cuda import known
from toolkit.kernels.cuda.bands import band_keys
from toolkit.kernels.cuda.choose import choose
from toolkit.kernels.cuda.normalise import normalise_ascii
from toolkit.kernels.cuda.rounds import rounds
from toolkit.kernels.cuda.sets import shingle_sets
from toolkit.kernels.cuda.sketch import minhash
from toolkit.kernels.cuda.verify import jaccard

pytestmark = needs_compiler


def test_the_known_answers_are_the_cpus():
    assert known.known_answer(FORWARD)


def test_a_kernel_that_differs_is_named(monkeypatch):
    monkeypatch.setitem(known.DIGESTS, "byte_rounds", "0" * 16)
    with pytest.raises(GateError, match="byte_rounds gives b27cb6ffb785203f on host"):
        known.known_answer(FORWARD)


def variants():
    """Texts of 5 to 60 words, most of them in a few versions that differ by a word or by case and space."""
    rng, texts = np.random.default_rng(11), ["", " \t", "one"]
    words = [f"word{i}" for i in range(400)]
    for _ in range(40):
        text = rng.choice(words, rng.integers(5, 60)).tolist()
        for version in range(rng.integers(1, 5)):
            changed = text.copy()
            if version:
                changed[rng.integers(len(text))] = str(rng.choice(words))
            texts.append("  ".join(changed).title() if version % 2 else " ".join(changed) + "\n")
    return pa.array(texts, pa.large_string())


def near(plan, texts, keys, sets, overlaps, chosen):
    """Survivors of the chain, given its steps."""
    docs = np.flatnonzero(~dedup.is_empty(texts))
    found = dedup.merge_pairs(dedup.bucket_pairs(keys[docs, b], docs) for b in range(plan.bands))
    both, union = overlaps(*sets, found.pairs)
    similar = dedup.similar(both, union, "0.6")
    return chosen(len(texts), found.pairs[similar], both[similar], union[similar]).tolist()


@pytest.mark.parametrize(("scheme", "sketch"), [("affine-1", minhash), ("rounds-1", rounds)])
@pytest.mark.parametrize(("unit", "n"), [("word", 3), ("byte", 24)])
def test_dedup_through_a_door_removes_what_the_cpu_removes(scheme, sketch, unit, n):
    door, raw, plan = BACKWARD, variants(), dedup.plan_bands(0.6)
    texts = dedup.normalise(raw)
    shingle = f"{unit}:{n}"
    keys = dedup.band_keys(dedup.sketch(texts, shingle, plan.k, 1, scheme), plan)
    on_cpu = near(plan, texts, keys, dedup.shingle_sets(texts, shingle), dedup.jaccard, dedup.choose)
    data, offsets, flags = normalise_ascii(door, *text_buffers(raw))
    assert not flags.any()
    keys = band_keys(door, sketch(door, data, offsets, unit, n, plan.k, 1), plan.bands, plan.rows)
    through = near(
        plan,
        texts,
        keys,
        shingle_sets(door, data, offsets, unit, n),
        lambda *of: jaccard(door, *of),
        lambda *of: choose(door, *of)[0],
    )
    assert through == on_cpu
    assert sum(kept >= 0 for kept in on_cpu) > 10
