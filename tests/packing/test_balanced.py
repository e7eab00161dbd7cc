import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.packing.test_fit import jobs
from tests.packing.test_methods import SETS
from toolkit.packing import balanced, balanced_reference, best_fit_decreasing, least_spread

LONG = np.clip(np.random.default_rng(0).lognormal(8, 1, 200_000), 1, 32768).astype(np.int64)


def spread(packs, lengths):
    low, high = np.percentile(np.bincount(packs, weights=lengths.astype(float) ** 2), [1, 99])
    return high / low


@settings(max_examples=200, deadline=None)
@given(jobs())
def test_kernel_and_reference_agree(job):
    assert balanced(*job).tolist() == balanced_reference(*job).tolist()


@pytest.mark.parametrize("capacity", [64, 1000, 4096])
@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_kernel_and_reference_agree_on_sets_that_are_evened_out(capacity, sigma):
    draws = np.random.default_rng(capacity).lognormal(np.log(capacity / 8), sigma, 300)
    lengths = np.clip(draws, 1, capacity).astype(np.int64)
    packs = balanced(lengths, capacity)
    assert np.array_equal(packs, balanced_reference(lengths, capacity))
    assert not np.array_equal(packs, best_fit_decreasing(lengths, capacity))


@pytest.mark.parametrize("name", SETS)
def test_at_most_a_thousandth_more_packs_than_best_fit_and_never_less_even(name):
    capacity, lengths = SETS[name]
    best, even = best_fit_decreasing(lengths, capacity), balanced(lengths, capacity)
    assert even.max() + 1 <= (best.max() + 1) * 1.001
    assert spread(even, lengths) <= spread(best, lengths) * 1.02


def test_where_no_document_is_long_the_packs_are_nearly_equal():
    lengths = np.random.default_rng(1).integers(1, 1000, 50_000)
    assert (
        spread(balanced(lengths, 4096), lengths)
        < 1.05
        < 5
        < spread(best_fit_decreasing(lengths, 4096), lengths)
    )


def test_long_tails_come_near_the_bound_from_forty_times():
    """A document of 32,768 tokens costs its pack C^2 and 6 % of packs hold one: 3 is out of reach."""
    packs = balanced(LONG, 32768)
    bound = least_spread(LONG, 32768, packs.max() + 1)
    assert spread(best_fit_decreasing(LONG, 32768), LONG) > 35
    assert 4.2 < bound < spread(packs, LONG) < 1.12 * bound


def every_packing(lengths, capacity):
    """All ways to put documents into packs, as lists of packs."""
    if not lengths:
        yield []
        return
    first, *rest = lengths
    for packs in every_packing(rest, capacity):
        yield [[first], *packs]
        for i, other in enumerate(packs):
            if sum(other) + first <= capacity:
                yield [*packs[:i], [first, *other], *packs[i + 1 :]]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 20).flatmap(
        lambda c: st.tuples(st.lists(st.integers(1, c), min_size=2, max_size=6), st.just(c))
    )
)
@example(([10, 10, 1, 1], 10))
def test_no_packing_at_all_is_more_even_than_the_bound(job):
    lengths, capacity = job
    for packs in every_packing(lengths, capacity):
        low, high = np.percentile([sum(x * x for x in pack) for pack in packs], [1, 99])
        assert high / low >= least_spread(np.array(lengths), capacity, len(packs)) * (1 - 1e-9)
