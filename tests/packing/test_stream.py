import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.packing.test_fit import jobs
from toolkit.errors import RequestError
from toolkit.packing import best_fit_decreasing, pack_stream

REAL = np.clip(np.random.default_rng(3).lognormal(6, 1, 100_000), 1, 4096).astype(np.int64)


def packed(batches, capacity, buffer):
    """All packs of a stream as lists of documents."""
    return [
        part.tolist()
        for closed in pack_stream(batches, capacity, buffer)
        for part in np.split(closed.documents, closed.starts[1:-1])
    ]


def packed_by_looking(lengths, capacity, buffer):
    """The rule in the obvious way: a list of what is held, oldest first, looked through each time."""
    packs, held = [], []

    def close():
        pack, room = [], capacity
        choice = held[0]
        while choice is not None:
            held.remove(choice)
            pack.append(choice)
            room -= lengths[choice]
            fits = [i for i in held if lengths[i] <= room]
            choice = max(fits, key=lambda i: (lengths[i], -i), default=None)
        packs.append(pack)

    for i in range(len(lengths)):
        held.append(i)
        if len(held) == buffer:
            close()
    while held:
        close()
    return packs


@settings(max_examples=200, deadline=None)
@given(jobs(), st.integers(1, 20))
def test_packs_are_those_that_looking_through_the_buffer_gives(job, buffer):
    lengths, capacity = job
    assert packed([lengths], capacity, buffer) == packed_by_looking(lengths.tolist(), capacity, buffer)


@settings(max_examples=100, deadline=None)
@given(jobs(), st.integers(1, 20), st.lists(st.integers(0, 60), max_size=8))
def test_the_sizes_of_batches_change_nothing(job, buffer, cuts):
    lengths, capacity = job
    batches = np.split(lengths, sorted(min(cut, lengths.size) for cut in cuts))
    assert packed(batches, capacity, buffer) == packed([lengths], capacity, buffer)


@pytest.mark.parametrize("buffer", [1, 2, 100, 5000, 200_000])
def test_nothing_is_lost_nothing_is_twice_and_no_pack_is_over_full(buffer):
    packs = packed(np.array_split(REAL, 37), 4096, buffer)
    assert sorted(i for pack in packs for i in pack) == list(range(REAL.size))
    assert max(REAL[pack].sum() for pack in packs) <= 4096


def test_the_larger_the_buffer_the_nearer_to_best_fit():
    best = best_fit_decreasing(REAL, 4096).max() + 1
    counts = [len(packed([REAL], 4096, buffer)) for buffer in (1, 10, 100, 1000, 10_000)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == REAL.size and counts[2] < 1.003 * best and counts[4] < 1.002 * best


def test_no_document_waits_for_more_packs_than_the_buffer_holds_documents():
    buffer, arrived, closed, waits = 64, [], 0, []

    def one_by_one():
        for length in REAL[:20_000]:
            arrived.append(closed)
            yield np.array([length])

    for part in pack_stream(one_by_one(), 4096, buffer):
        for pack in np.split(part.documents, part.starts[1:-1]):
            closed += 1
            waits += [closed - arrived[i] for i in pack]
    assert len(arrived) == len(waits) == 20_000
    assert buffer // 8 < max(waits) <= buffer


def test_a_pack_is_closed_as_soon_as_the_buffer_is_full_and_not_before():
    stream = pack_stream(iter([np.array([3, 3]), np.array([3]), np.array([9])]), 10, 3)
    assert next(stream).documents.tolist() == [0, 1, 2]
    assert next(stream).documents.tolist() == [3]
    assert next(stream, None) is None


def test_the_rule_in_one_example():
    """4 is oldest; of 7, 5 and 6 the longest that fits its room of 6 is 6; 7 comes next, then 5."""
    assert packed([np.array([4, 7, 5, 6])], 10, 4) == [[0, 3], [1], [2]]


@pytest.mark.parametrize("batches", [[], [[]], [[], []]])
def test_an_empty_stream_has_no_packs(batches):
    assert packed([np.array(batch, np.int64) for batch in batches], 10, 4) == []


def test_a_document_that_does_not_fit_is_named_by_its_number_in_the_stream():
    with pytest.raises(RequestError, match="document 4 has 11 tokens"):
        packed([np.array([1, 2, 3]), np.array([4, 11])], 10, 100)


@pytest.mark.parametrize(("capacity", "buffer", "message"), [(0, 4, "capacity is 0"), (4, 0, "not 0")])
def test_what_cannot_be_is_refused_before_the_first_batch(capacity, buffer, message):
    with pytest.raises(RequestError, match=message):
        pack_stream([], capacity, buffer)
