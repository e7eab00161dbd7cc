"""Both schemes: what an estimate is worth, and what does not change it."""

import math

import numpy as np
import pyarrow as pa
import pytest

from toolkit.dedup import Bands, agreement, band_keys, sketch
from toolkit.errors import RequestError

SCHEMES = ["affine-1", "rounds-1"]
FAR = 5  # standard errors: below 1e-6 for a bell curve, so over all cases of this file below 1e-4


def pairs_of(union, shared, trials):
    """Pairs of texts of distinct words, each pair of its own words: ``shared`` in both, ``union`` in all."""
    texts, middle = [], shared + (union - shared) // 2
    for trial in range(trials):
        words = [f"w{trial}x{i}" for i in range(union)]
        texts += [" ".join(words[:middle]), " ".join(words[:shared] + words[middle:])]
    return pa.array(texts), np.arange(2 * trials).reshape(-1, 2)


CASES = [(10, shared, 2000) for shared in (1, 3, 5, 8, 9)]
CASES += [(100, shared, 1000) for shared in (10, 50, 80, 99)]
CASES += [(2000, shared, 200) for shared in (200, 1000, 1600, 1980)]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("union", "shared", "trials"), CASES)
def test_the_estimate_is_unbiased_and_varies_no_more_than_k_coins(scheme, union, shared, trials):
    texts, pairs = pairs_of(union, shared, trials)
    k, j = 128, shared / union
    error = agreement(sketch(texts, "word:1", k, 7, scheme), pairs) / k - j
    variance = j * (1 - j) / k
    # The mean of ``trials`` errors of variance J(1-J)/k, and 2^-20 for values that are equal by chance.
    assert abs(error.mean()) <= FAR * math.sqrt(variance / trials) + 2**-20
    # A sample variance varies by sqrt((kurtosis - 1) / trials) of itself; a count of k coins has
    # kurtosis 3 + (1 - 6 J (1 - J)) / (k J (1 - J)).
    kurtosis = 3 + (1 - 6 * j * (1 - j)) / (k * j * (1 - j))
    assert error.var() <= variance * (1 + FAR * math.sqrt((kurtosis - 1) / trials))


@pytest.mark.parametrize("shared", [1, 3, 5, 8, 9])
def test_rounds_vary_half_as_much_on_texts_of_few_shingles(shared):
    texts, pairs = pairs_of(10, shared, 2000)
    k, j = 128, shared / 10
    error = agreement(sketch(texts, "word:1", k, 7, "rounds-1"), pairs) / k - j
    assert error.var() <= 0.62 * j * (1 - j) / k  # 0.50 expected, five times sqrt(2 / 2000) above it


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("union", "trials"), [(20, 3000), (200, 1500), (2000, 300)])
@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8])
def test_bands_find_pairs_at_the_rate_of_the_s_curve(scheme, union, trials, similarity):
    texts, pairs = pairs_of(union, round(union * similarity), trials)
    plan = Bands(16, 6, 96, 0.0)
    keys = band_keys(sketch(texts, "word:1", plan.k, 11, scheme), plan)
    found = (keys[pairs[:, 0]] == keys[pairs[:, 1]]).any(axis=1).mean()
    expected = float(plan.probability(similarity))
    noise = FAR * math.sqrt(expected * (1 - expected) / trials)  # a share of ``trials`` coins
    if scheme == "affine-1":
        assert abs(found - expected) <= noise
    elif similarity == 0.8:  # slots of rounds-1 lean against each other, which makes the curve steeper
        assert found >= expected - noise
    else:
        assert expected - 0.02 - noise <= found <= expected + noise


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [1, 2, 40, 900])
def test_a_signature_is_that_of_the_set_whatever_the_order_and_the_repeats(scheme, size):
    rng = np.random.default_rng(size)
    words = [f"w{i}" for i in range(size)]
    shuffled = list(rng.permutation(words)) + list(rng.choice(words, 3 * size))
    one, two = sketch(pa.array([" ".join(words), " ".join(shuffled)]), "word:1", 100, 1, scheme)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_empty_texts_have_no_signature_and_one_shingle_fills_it(scheme):
    empty, one = sketch(pa.array(["", "one"]), "word:5", 1024, 1, scheme)
    assert (empty == 0xFFFFFFFF).all() and (one != 0xFFFFFFFF).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_with_nothing_in_common_agree_nowhere(scheme):
    texts, pairs = pairs_of(600, 0, 200)
    assert agreement(sketch(texts, "word:1", 256, 1, scheme), pairs).sum() <= 3


def test_the_schemes_and_their_seeds_have_nothing_in_common():
    text = pa.array([" ".join(f"w{i}" for i in range(300))])
    first = sketch(text, "word:5", 128, 1, "rounds-1")
    assert (first != sketch(text, "word:5", 128, 2, "rounds-1")).mean() > 0.99
    assert (first != sketch(text, "word:5", 128, 1, "affine-1")).mean() > 0.99


def test_a_signature_of_rounds_is_no_prefix_of_a_longer_one():
    text = pa.array([" ".join(f"w{i}" for i in range(300))])
    longer = sketch(text, "word:5", 128, 1, "rounds-1")[:, :64]
    assert (sketch(text, "word:5", 64, 1, "rounds-1") != longer).mean() > 0.9


def test_an_unknown_scheme_is_refused_by_name():
    with pytest.raises(RequestError, match=r"'minhash' is none of affine-1, rounds-1"):
        sketch(pa.array(["one"]), "word:5", 8, 1, "minhash")
