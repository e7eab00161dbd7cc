"""normalise, sketch, bands, pairs, verify, choose: against all pairs compared by hand."""

import math
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from toolkit import dedup
from toolkit.dedup import (
    Shingle,
    agreement,
    band_keys,
    bucket_pairs,
    choose,
    is_empty,
    jaccard,
    merge_pairs,
    normalise,
    plan_bands,
    shingle_sets,
    similar,
    sketch,
)
from toolkit.errors import RequestError

WORDS = [f"{a}{b}" for a in ("re", "un", "co", "tra", "mi", "\u0434\u043e", "\u00e9") for b in range(90)]
HAN = [chr(c) for c in range(0x4E00, 0x4E00 + 600)]


def candidates(normalised, shingle, threshold, cap=32, seed=1):
    plan = plan_bands(threshold)
    docs = np.flatnonzero(~is_empty(normalised))
    keys = band_keys(sketch(normalised, shingle, plan.k, seed), plan)
    return merge_pairs(bucket_pairs(keys[docs, band], docs, cap) for band in range(plan.bands))


def run(texts, shingle="word:5", threshold=0.8, cap=32, seed=1):
    """The verified pairs, and who removed whom."""
    normalised = normalise(pa.array(texts))
    found = candidates(normalised, shingle, threshold, cap, seed).pairs
    shared, union = jaccard(*shingle_sets(normalised, shingle), found)
    near = similar(shared, union, threshold)
    return found[near], choose(len(texts), found[near], shared[near], union[near])


def planted(rng, bases=330):
    """About 2,000 texts: bases, and variants of each by insertion in front, substitution, quotes, case."""
    texts = []
    for _ in range(bases):
        han = rng.random() < 0.2
        pool, join = (HAN, "") if han else (WORDS, " ")
        words = list(rng.choice(pool, rng.integers(60, 250)))
        words[5] = words[5] if han else "don't"
        texts.append(join.join(words))
        texts.append(join.join([rng.choice(pool), *words]))
        texts.append(join.join(words).replace("'", "\u2019").upper())
        for changes in rng.integers(1, 6, 3):
            other = list(words)
            for at in rng.integers(0, len(words), changes):
                other[at] = rng.choice(pool)
            texts.append(join.join(other))
    texts += ["", " \u3000", "tiny", "Tiny "]
    rng.shuffle(texts)
    return texts


def python_shingles(text, n):
    words = []
    for run_ in text.split(" "):
        words += list(run_) if run_ and run_[0] in HAN_SET else [run_] if run_ else []
    return {tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))} if words else set()


HAN_SET = set(HAN)


def brute_pairs(texts, threshold_num, threshold_den, n=5):
    """All pairs at or above the threshold, from Python sets of tuples through an inverted index."""
    sets = [python_shingles(t, n) for t in normalise(pa.array(texts)).to_pylist()]
    holders, shared = {}, {}
    for doc, pieces in enumerate(sets):
        for piece in pieces:
            for other in holders.setdefault(piece, []):
                shared[other, doc] = shared.get((other, doc), 0) + 1
            holders[piece].append(doc)
    return {
        (a, b)
        for (a, b), both in shared.items()
        if both * threshold_den >= threshold_num * (len(sets[a]) + len(sets[b]) - both)
    }


def test_the_chain_finds_the_planted_pairs_and_only_true_ones():
    texts = planted(np.random.default_rng(11))
    truth = brute_pairs(texts, 4, 5)
    found = {tuple(p) for p in run(texts)[0].tolist()}
    assert found <= truth  # precision is exact: everything was verified
    # Each pair is found with probability >= 0.995, and pairs of a cluster are not independent, so
    # the bound counts clusters of 15 pairs at worst: 4 standard errors below the planned recall.
    floor = 0.995 - 4 * math.sqrt(0.995 * 0.005 * 15 / len(truth))
    assert len(truth) > 1000 and len(found) / len(truth) >= max(0.985, floor)
    assert len(found) / len(truth) >= 0.995  # what this seed gives, held


def test_what_is_removed_resembles_what_stays_and_a_second_run_removes_nothing():
    texts = planted(np.random.default_rng(5), bases=60)
    pairs, kept_by = run(texts)
    assert {(int(kept_by[i]), i) for i in np.flatnonzero(kept_by >= 0)} <= {tuple(p) for p in pairs.tolist()}
    kept = [t for t, by in zip(texts, kept_by, strict=True) if by == -1]
    assert len(kept) < len(texts) and (run(kept)[1] == -1).all()


def test_the_order_of_rows_changes_numbers_but_not_the_pairs():
    texts = planted(np.random.default_rng(7), bases=40)
    shuffle = np.random.default_rng(1).permutation(len(texts))
    straight = {frozenset(p) for p in run(texts)[0].tolist()}
    shuffled = {frozenset(shuffle[p].tolist()) for p in run([texts[i] for i in shuffle])[0]}
    assert straight == shuffled


def test_empty_texts_are_duplicates_of_nothing_and_short_ones_of_their_equals():
    pairs, kept_by = run(["", " ", "hi there", "\t", "Hi  there", "hi you", None])
    assert pairs.tolist() == [[2, 4]] and kept_by.tolist() == [-1, -1, -1, -1, 2, -1, -1]


def test_one_word_in_front_of_a_200_word_text_is_found():
    rng = np.random.default_rng(2)
    bases = [" ".join(rng.choice(WORDS, 200)) for _ in range(100)]
    _, kept_by = run(bases + ["extra " + b for b in bases])
    assert (kept_by[100:] == np.arange(100)).all()


@pytest.mark.parametrize("shingle", ["word:5", "byte:24"])
def test_a_curly_apostrophe_does_not_derail_the_estimate(shingle):
    rng = np.random.default_rng(3)
    words = list(rng.choice(WORDS[:450], 4000))
    plain = " ".join(words)
    curly = normalise(pa.array([plain, " ".join([*words[:2], "it\u2019s", *words[3:]])]))
    pair = np.array([[0, 1]])
    shared, union = jaccard(*shingle_sets(curly, shingle), pair)
    assert shared[0] / union[0] > 0.99
    assert agreement(sketch(curly, shingle), pair)[0] / 126 > 0.93


@pytest.mark.parametrize("shingle", ["word:5", "byte:24"])
def test_the_estimate_is_within_its_binomial_bound(shingle):
    rng = np.random.default_rng(4)
    texts = []
    for share in np.repeat(np.linspace(0.02, 0.98, 25), 8):
        words = rng.choice(WORDS, 400)
        cut = int(400 * share)
        texts += [" ".join(words), " ".join([*words[:cut], *rng.choice(WORDS, 400 - cut)])]
    normalised = normalise(pa.array(texts))
    pairs = np.arange(len(texts)).reshape(-1, 2)
    shared, union = jaccard(*shingle_sets(normalised, shingle), pairs)
    k = 512
    error = agreement(sketch(normalised, shingle, k), pairs) / k - shared / union
    # Hoeffding: P(|error| > e) <= 2 exp(-2 k e^2) for one pair; over all pairs, below 1e-6.
    assert np.abs(error).max() <= math.sqrt(math.log(2 * len(pairs) / 1e-6) / (2 * k))
    # The mean error of 200 pairs: 4.9 standard errors of a mean of variance <= 1/(4k).
    assert abs(error.mean()) <= 4.9 * 0.5 / math.sqrt(k * len(pairs))


def test_exact_jaccard_is_that_of_python_sets():
    texts = normalise(pa.array(planted(np.random.default_rng(8), bases=12)))
    pairs = np.array([(i, j) for j in range(len(texts)) for i in range(j)])
    shared, union = jaccard(*shingle_sets(texts, "word:5"), pairs)
    sets = [python_shingles(t, 5) for t in texts.to_pylist()]
    assert shared.tolist() == [len(sets[i] & sets[j]) for i, j in pairs]
    assert union.tolist() == [len(sets[i] | sets[j]) for i, j in pairs]


def test_twenty_thousand_near_copies_end_in_bounded_time():
    rng = np.random.default_rng(9)
    words = list(rng.choice(WORDS, 100))
    texts = [" ".join([*words, f"serial{i}"]) for i in range(20_000)]
    began = time.perf_counter()
    _, kept_by = run(texts, cap=8)
    assert (kept_by[1:] == 0).all() and kept_by[0] == -1
    assert time.perf_counter() - began < 30


def test_other_seeds_give_other_signatures_and_a_shorter_one_is_a_prefix():
    text = pa.array(["one two three four five six"])
    assert (sketch(text, "word:5", 64) == sketch(text, "word:5")[:, :64]).all()
    assert (sketch(text, "word:5", 64, seed=2) != sketch(text, "word:5", 64)).any()


@pytest.mark.parametrize("bad", ["word", "word:0", "char:5", "word:-1", "byte:99999", "", "word:5 ", None])
def test_shingles_that_make_no_sense_are_refused(bad):
    with pytest.raises(RequestError, match="such as 'word:5'"):
        Shingle.parse(bad)


def test_a_shingle_prints_as_it_is_read():
    assert str(Shingle.parse("byte:24")) == "byte:24"


def test_the_example_in_the_readme_runs():
    readme = (Path(dedup.__file__).parent / "README.md").read_text(encoding="utf-8")
    scope = {}
    exec(readme.split("```python")[1].split("```")[0], scope)
    assert scope["kept_by"].tolist() == [-1, 0, -1]
