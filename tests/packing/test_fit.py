import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import best_fit_decreasing, best_fit_decreasing_reference


@st.composite
def jobs(draw, most=60):
    capacity = draw(st.integers(1, 70))
    return np.array(draw(st.lists(st.integers(1, capacity), max_size=most)), dtype=np.int64), capacity


@settings(max_examples=300, deadline=None)
@given(jobs())
def test_kernel_and_reference_agree(job):
    assert best_fit_decreasing(*job).tolist() == best_fit_decreasing_reference(*job).tolist()


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 63, 64, 65, 1023, 1024, 1025])
def test_kernel_and_reference_agree_around_powers_of_two(capacity):
    lengths = np.random.default_rng(capacity).integers(1, capacity + 1, 300)
    expected = best_fit_decreasing_reference(lengths, capacity)
    assert np.array_equal(best_fit_decreasing(lengths, capacity), expected)


@settings(max_examples=200, deadline=None)
@given(jobs())
def test_every_document_has_a_pack_no_pack_is_empty_or_too_full(job):
    lengths, capacity = job
    packs = best_fit_decreasing(lengths, capacity)
    assert packs.shape == lengths.shape
    assert packs.dtype == np.int64
    used = np.bincount(packs, weights=lengths)
    assert (used > 0).all()
    assert (used <= capacity).all()


@settings(max_examples=200, deadline=None)
@given(jobs())
def test_a_pack_is_opened_only_when_no_earlier_one_has_room(job):
    lengths, capacity = job
    packs = best_fit_decreasing(lengths, capacity)
    used = np.bincount(packs, weights=lengths)
    for pack in range(1, used.size):
        assert used[:pack].min() + lengths[packs == pack].max() > capacity


def fewest_packs(lengths, capacity):
    """Every way to pack, by brute force."""
    best = len(lengths)

    def place(i, rooms):
        nonlocal best
        if len(rooms) >= best:
            return
        if i == len(lengths):
            best = len(rooms)
            return
        for j in range(len(rooms)):
            if rooms[j] >= lengths[i]:
                place(i + 1, [*rooms[:j], rooms[j] - lengths[i], *rooms[j + 1 :]])
        place(i + 1, [*rooms, capacity - lengths[i]])

    place(0, [])
    return best


@settings(max_examples=60, deadline=None)
@given(jobs(most=8))
def test_at_most_three_halves_of_the_fewest_packs(job):
    """The absolute bound of Simchi-Levi 1994."""
    lengths, capacity = job
    packs = best_fit_decreasing(lengths, capacity)
    assert 2 * np.unique(packs).size <= 3 * fewest_packs(lengths.tolist(), capacity)


def test_real_lengths_come_within_a_tenth_of_a_percent_of_the_bound():
    lengths = np.clip(np.random.default_rng(0).lognormal(6, 1, 100_000).astype(np.int64), 1, 4096)
    packs = best_fit_decreasing(lengths, 4096).max() + 1
    assert packs <= 1.001 * -(-lengths.sum() // 4096)


def test_the_rules_in_one_example():
    """6 opens pack 0, the first 5 pack 1, the other 5 fills it; 4 fills 0 before the 2s open pack 2."""
    assert best_fit_decreasing(np.array([2, 5, 4, 5, 6, 2]), 10).tolist() == [2, 1, 0, 1, 0, 2]


def test_among_equal_rooms_the_last_to_come_to_it_is_taken():
    assert best_fit_decreasing(np.array([7, 7, 3]), 10).tolist() == [0, 1, 1]


@pytest.mark.parametrize("kind", [np.int32, np.uint16, list])
def test_any_kind_of_integers_will_do(kind):
    lengths = [3, 4, 5] if kind is list else np.array([3, 4, 5], kind)
    assert best_fit_decreasing(lengths, 8).tolist() == [0, 1, 0]


def test_nothing_packs_to_nothing():
    assert best_fit_decreasing(np.array([], np.int64), 8).size == 0


@pytest.mark.parametrize("pack", [best_fit_decreasing, best_fit_decreasing_reference])
@pytest.mark.parametrize(
    ("lengths", "capacity", "message"),
    [
        ([3, 9, 4], 8, "document 1 has 9 tokens and 1 of 3"),
        ([3, 0], 8, "document 1 has 0 tokens"),
        ([-1], 8, "document 0 has -1 tokens"),
        ([1], 0, "capacity is 0"),
    ],
)
def test_what_cannot_be_packed_is_named(pack, lengths, capacity, message):
    with pytest.raises(RequestError, match=message):
        pack(np.array(lengths), capacity)
