"""Every way of packing, by claims that hold for all, and each against an obvious reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.packing.test_fit import fewest_packs, jobs
from toolkit.errors import RequestError
from toolkit.packing import (
    METHODS,
    balanced,
    best_fit_decreasing,
    concat_and_cut,
    fewest,
    fewest_packs_bound,
    first_fit_decreasing,
    next_fit,
    pack,
)
from toolkit.packing.fitting.amounts import add, discard, least, levels_of

RNG = np.random.default_rng(5)
SETS = {
    "all equal": (4096, np.full(20_000, 700)),
    "a million of one length": (4096, np.full(1_000_000, 1)),
    "all full": (8, np.full(1000, 8)),
    "powers of two": (4096, 2 ** RNG.integers(0, 13, 50_000)),
    "uniform": (4096, RNG.integers(1, 4097, 50_000)),
    "log-normal, 4,096": (4096, np.clip(RNG.lognormal(6, 1, 50_000), 1, 4096).astype(np.int64)),
    "log-normal, 32,768": (32768, np.clip(RNG.lognormal(8, 1, 50_000), 1, 32768).astype(np.int64)),
    "two heaps": (4096, np.where(RNG.random(20_000) < 0.5, 30, 3000)),
    "one": (16, np.array([5])),
}


def first_fit_by_looking(lengths, capacity):
    """Look at every pack for every document."""
    rooms, pack_of = [], np.empty(len(lengths), np.int64)
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        where = next((p for p, room in enumerate(rooms) if room >= lengths[i]), len(rooms))
        if where == len(rooms):
            rooms.append(capacity)
        rooms[where] -= lengths[i]
        pack_of[i] = where
    return pack_of


def next_fit_by_looking(lengths, capacity):
    pack_of, packs = [], [[]]
    for length in lengths.tolist():
        if sum(packs[-1]) + length > capacity:
            packs.append([])
        packs[-1].append(length)
        pack_of.append(len(packs) - 1)
    return pack_of


@settings(max_examples=200, deadline=None)
@given(jobs())
def test_first_fit_is_what_looking_at_every_pack_gives(job):
    assert first_fit_decreasing(*job).tolist() == first_fit_by_looking(*job).tolist()


@settings(max_examples=100, deadline=None)
@given(jobs())
def test_next_fit_is_what_looking_gives(job):
    assert next_fit(*job).tolist() == next_fit_by_looking(*job)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=100, deadline=None)
@given(jobs())
def test_every_document_has_a_pack_no_pack_is_empty_or_too_full(method, job):
    lengths, capacity = job
    packs = pack(lengths, capacity, method)
    assert (packs.shape, packs.dtype) == (lengths.shape, np.int64)
    used = np.bincount(packs, weights=lengths)
    assert (used > 0).all() and (used <= capacity).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SETS)
def test_sets_of_every_kind_are_packed_whole_and_never_over_capacity(method, name):
    capacity, lengths = SETS[name]
    packs = pack(lengths, capacity, method)
    used = np.bincount(packs, weights=lengths)
    assert packs.shape == lengths.shape and packs.min() == 0
    assert used.min() > 0 and used.max() <= capacity and used.sum() == lengths.sum()
    assert packs.max() + 1 >= fewest_packs_bound(lengths, capacity)


@pytest.mark.parametrize("name", SETS)
def test_the_default_is_never_worse_than_first_fit_decreasing(name):
    capacity, lengths = SETS[name]
    assert pack(lengths, capacity).max() <= first_fit_decreasing(lengths, capacity).max()


@pytest.mark.parametrize("name", ["a million of one length", "powers of two", "log-normal, 4,096"])
def test_fill_is_within_two_hundredths_of_a_percent_of_the_bound_where_sizes_allow_it(name):
    capacity, lengths = SETS[name]
    bound = -(-lengths.sum() // capacity)
    assert pack(lengths, capacity).max() + 1 <= max(bound * 1.0002, bound + 1)


def test_equal_lengths_share_a_pack_as_closely_as_they_can():
    capacity, lengths = SETS["all equal"]
    for method in METHODS:
        assert pack(lengths, capacity, method).max() + 1 == 20_000 / (4096 // 700)


WORSE = np.array([15, 14, 12, 11, 9, 4, 4, 3, 2])  # best fit needs three packs of 37, first fit two


def test_best_fit_can_be_worse_than_first_fit_and_the_default_then_takes_first_fit():
    assert best_fit_decreasing(WORSE, 37).max() == 2
    assert fewest(WORSE, 37).tolist() == first_fit_decreasing(WORSE, 37).tolist()
    assert fewest(WORSE, 37).max() == 1


@settings(max_examples=200, deadline=None)
@given(jobs())
def test_the_default_is_best_fit_unless_first_fit_needs_fewer(job):
    best, first = best_fit_decreasing(*job), first_fit_decreasing(*job)
    fewer = job[0].size and first.max() < best.max()
    assert pack(*job).tolist() == (first if fewer else best).tolist()


@settings(max_examples=150, deadline=None)
@given(jobs(most=8))
def test_no_packing_at_all_goes_below_the_bound(job):
    lengths, capacity = job
    bound = fewest_packs_bound(lengths, capacity)
    assert -(-lengths.sum() // capacity) <= bound <= fewest_packs(lengths.tolist(), capacity)


def test_the_bound_sees_that_documents_over_half_a_pack_cannot_share():
    assert fewest_packs_bound(np.full(10, 6), 10) == 10


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 5000), st.lists(st.tuples(st.booleans(), st.integers(0, 4999)), max_size=60))
def test_a_set_of_amounts_answers_as_a_sorted_list_does(size, steps):
    starts, members = levels_of(size), set()
    words = np.zeros(starts[-1], np.uint64)
    for put, number in steps:
        number %= size
        (add if put else discard)(words, starts, number)
        (members.add if put else members.discard)(number)
        for at in {0, number, (number + 1) % size, size - 1, number // 2}:
            assert least(words, starts, at) == min((m for m in members if m >= at), default=-1)
    assert words.any() == bool(members)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 4096, 4097, 262_144, 262_145, 1 << 24])
def test_a_set_of_amounts_reaches_both_its_ends(size):
    starts = levels_of(size)
    words = np.zeros(starts[-1], np.uint64)
    assert least(words, starts, 0) == -1
    add(words, starts, size - 1)
    assert least(words, starts, 0) == least(words, starts, size - 1) == size - 1
    discard(words, starts, size - 1)
    assert not words.any()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 20))
def test_concat_and_cut_puts_each_token_where_counting_puts_it(lengths, capacity):
    pieces = concat_and_cut(np.array(lengths, np.int64), capacity)
    row = [(i, t) for i, length in enumerate(lengths) for t in range(length)]
    found = [
        (d, s + t, p)
        for d, s, n, p in zip(pieces.document, pieces.start, pieces.length, pieces.pack, strict=True)
        for t in range(n)
    ]
    assert found == [(i, t, at // capacity) for at, (i, t) in enumerate(row)]
    assert (pieces.length > 0).all()


def test_concat_and_cut_names_what_it_tears():
    pieces = concat_and_cut(np.array([3, 4, 1, 20]), 4)
    assert pieces.torn().tolist() == [1, 3]
    assert pieces.length.tolist() == [3, 1, 3, 1, 4, 4, 4, 4, 4]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("lengths", "capacity", "message"),
    [
        ([3, 9, 4], 8, "document 1 has 9 tokens and 1 of 3"),
        ([3, 0], 8, "document 1 has 0 tokens"),
        ([1], 0, "capacity is 0"),
        ([1], 1 << 40, "at most 2147483647 tokens"),
        ([1.5], 8, "found float64"),
        ([[1]], 8, r"shape \(1, 1\)"),
        ([2**63 + 1], 8, "document 0"),
        ([True], 8, "found bool"),
    ],
)
def test_what_cannot_be_packed_is_named(method, lengths, capacity, message):
    with pytest.raises(RequestError, match=message):
        pack(np.array(lengths), capacity, method)


def test_an_unknown_method_is_told_which_there_are():
    with pytest.raises(RequestError, match="no method 'bfd'; it has fewest, best_fit"):
        pack(np.array([1]), 8, "bfd")


@pytest.mark.parametrize("length", [0, -2])
def test_concat_and_cut_names_an_empty_document(length):
    with pytest.raises(RequestError, match="document 1 has"):
        concat_and_cut(np.array([3, length]), 8)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_packs_to_nothing_and_lengths_are_left_alone(method):
    assert pack(np.array([], np.int64), 8, method).size == 0
    lengths = np.array([3, 4, 5], np.int64)
    lengths.flags.writeable = False
    pack(lengths, 8, method)
    assert lengths.tolist() == [3, 4, 5]


def test_balanced_is_deterministic():
    capacity, lengths = SETS["log-normal, 32,768"]
    assert np.array_equal(balanced(lengths, capacity), balanced(lengths.astype(np.int32), capacity))
