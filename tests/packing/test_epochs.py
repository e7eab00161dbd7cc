from collections import Counter
from itertools import pairwise
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import best_fit_decreasing, epoch_order, repack

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix64(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def place_by_hand(n, seed, epoch, i):
    """The scheme once more, in Python's whole numbers."""
    a = isqrt(n - 1) + 1
    b = -(-n // a)
    key = mix64(mix64(seed + GOLDEN & MASK) ^ epoch)
    while True:
        right, left = divmod(i, a)
        for r in range(16):
            f = mix64(mix64(key + (r + 1) * GOLDEN & MASK) ^ (left if r % 2 else right))
            if r % 2:
                right = (right + f % b) % b
            else:
                left = (left + f % a) % a
        i = right * a + left
        if i < n:
            return i


def test_golden_values_hold_the_scheme():
    assert epoch_order(10, seed=0, epoch=0).tolist() == [3, 7, 6, 5, 1, 4, 9, 8, 2, 0]
    assert epoch_order(1_000_000, seed=2**64 - 1, epoch=3, start=999_996).tolist() == [
        125845,
        530341,
        152057,
        696432,
    ]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 1 << 62), st.integers(0, MASK), st.integers(0, MASK), st.data())
def test_kernel_and_reference_agree(n, seed, epoch, data):
    start = data.draw(st.integers(0, n - 1))
    found = epoch_order(n, seed, epoch, start, min(n, start + 3))
    assert found.tolist() == [place_by_hand(n, seed, epoch, start + i) for i in range(found.size)]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 16, 17, 1000, 4096, 65_537])
def test_each_pack_comes_once_an_epoch(n):
    assert np.array_equal(np.sort(epoch_order(n, 1, 2)), np.arange(n))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 500), st.integers(0, MASK), st.data())
def test_any_range_is_the_slice_of_the_whole(n, epoch, data):
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    assert epoch_order(n, 5, epoch, start, stop).tolist() == epoch_order(n, 5, epoch)[start:stop].tolist()


def test_every_order_of_five_packs_is_as_likely_as_any_other():
    """Chi-squared with 119 degrees of freedom: 200 is beyond the quantile 1 - 5e-6."""
    seen = Counter(tuple(epoch_order(5, 7, epoch)) for epoch in range(12_000))
    assert len(seen) == 120
    assert sum((count - 100) ** 2 / 100 for count in seen.values()) < 200


def test_epochs_and_seeds_differ_as_shuffles_do():
    """Two shuffles agree in one place on average, and neighbours stay neighbours once."""
    orders = [epoch_order(1000, seed, epoch) for seed in range(20) for epoch in range(20)]
    agree = [(a == b).sum() for a, b in pairwise(orders)]
    follow = [(np.diff(order) == 1).sum() for order in orders]
    assert 0.8 < np.mean(agree) < 1.2
    assert 0.8 < np.mean(follow) < 1.2


REAL = np.clip(np.random.default_rng(3).lognormal(5, 1, 20_000), 1, 4096).astype(np.int64)


def members(packs):
    """Each document's companions, whatever the number of its pack."""
    groups = np.split(np.argsort(packs, kind="stable"), np.cumsum(np.bincount(packs))[:-1])
    return {tuple(group.tolist()) for group in groups}


def test_repacking_moves_documents_and_keeps_every_pack_s_lengths():
    """Packs whose lengths no other documents have stay as they are: 7 % of these."""
    packings = [repack(REAL, 4096, seed=1, epoch=epoch) for epoch in range(2)]
    same = members(packings[0]) & members(packings[1])
    assert 0 < len(same) < 0.1 * (packings[0].max() + 1)
    lengths = [sorted(tuple(sorted(REAL[list(m)])) for m in members(packs)) for packs in packings]
    assert lengths[0] == lengths[1]
    assert packings[0].max() == best_fit_decreasing(REAL, 4096).max()


def test_repacking_is_a_function_of_seed_and_epoch():
    assert np.array_equal(repack(REAL, 4096, 1, 9), repack(REAL, 4096, 1, 9))
    assert members(repack(REAL, 4096, 1, 9)) != members(repack(REAL, 4096, 2, 9))


@pytest.mark.parametrize("method", ["balanced", "first_fit_decreasing"])
def test_repacking_takes_any_method(method):
    packs = repack(REAL, 4096, 1, 1, method)
    assert np.bincount(packs, weights=REAL).max() <= 4096


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 0, 0, 5, 11), "5 .. 11 of 10"),
        ((10, 0, 0, 6, 5), "6 .. 5"),
        ((-1, 0, 0), "of -1 packs"),
        ((10, -1, 0), "seed is -1"),
        ((10, 0, 1 << 64), "epoch is 18446744073709551616"),
    ],
)
def test_what_is_out_of_range_is_named(arguments, message):
    with pytest.raises(RequestError, match=message):
        epoch_order(*arguments)


def test_repacking_refuses_what_packing_refuses():
    for lengths, message in (([5, 0], "document"), (3, "shape"), ([[1]], "shape")):
        with pytest.raises(RequestError, match=message):
            repack(np.array(lengths), 8, 0, 0)
