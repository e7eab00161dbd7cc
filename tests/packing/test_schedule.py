import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing.gold.schedule import Schedule, in_order

sizes = {"packs": st.integers(1, 60), "batch_size": st.integers(1, 5), "world_size": st.integers(1, 5)}
keeping = st.builds(Schedule, **sizes, seed=st.integers(0, 3), remainder=st.just("keep"))


def taken(schedule, epoch):
    return [
        [schedule.take(epoch, s, r).tolist() for r in range(schedule.world_size)]
        for s in range(schedule.steps)
    ]


@settings(max_examples=60, deadline=None)
@given(keeping, st.integers(0, 3))
def test_keeping_the_remainder_every_pack_is_seen_once(schedule, epoch):
    seen = [pack for step in taken(schedule, epoch) for batch in step for pack in batch]
    assert sorted(seen) == list(range(schedule.packs))
    assert schedule.left_out(epoch).tolist() == []


@settings(max_examples=60, deadline=None)
@given(keeping, st.integers(0, 3))
def test_keeping_the_remainder_ranks_differ_by_a_pack_at_most_and_only_in_the_last_step(schedule, epoch):
    *whole, last = ([len(batch) for batch in step] for step in taken(schedule, epoch))
    assert all(set(step) == {schedule.batch_size} for step in whole)
    assert max(last) - min(last) <= 1


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(sizes | {"seed": st.integers(0, 3)}), st.integers(0, 3))
def test_dropping_the_remainder_all_batches_are_full_and_what_is_left_out_is_named(numbers, epoch):
    if numbers["packs"] < numbers["batch_size"] * numbers["world_size"]:
        with pytest.raises(RequestError, match="do not fill one step"):
            Schedule(**numbers)
        return
    schedule = Schedule(**numbers)
    steps = taken(schedule, epoch)
    assert {len(batch) for step in steps for batch in step} == {schedule.batch_size}
    seen = [pack for step in steps for batch in step for pack in batch]
    assert sorted([*seen, *schedule.left_out(epoch)]) == list(range(schedule.packs))
    assert len(schedule.left_out(epoch)) < schedule.global_batch


def test_each_epoch_leaves_out_others():
    schedule = Schedule(packs=103, batch_size=5, seed=1)
    assert len({tuple(schedule.left_out(epoch).tolist()) for epoch in range(20)}) > 15


def test_a_step_takes_the_same_packs_on_any_number_of_ranks():
    one, four = Schedule(64, 8, 1, seed=3), Schedule(64, 2, 4, seed=3)
    for step in range(one.steps):
        together = np.concatenate([four.take(1, step, rank) for rank in range(4)])
        assert sorted(together.tolist()) == sorted(one.take(1, step).tolist())


def test_an_order_of_ones_own_is_used():
    assert Schedule(5, 2, order=in_order).take(0, 1).tolist() == [2, 3]


@pytest.mark.parametrize("wrong", [[0, 1, 1, 3], [0, 1, 2], [0, 1, 2, 4], [-1, 0, 1, 2], [0, 1, 2, 3, 0]])
def test_an_order_that_loses_a_pack_is_refused(wrong):
    schedule = Schedule(4, 1, order=lambda n, seed, epoch: np.array(wrong))
    with pytest.raises(RequestError, match="no permutation of 4 packs"):
        schedule.take(0, 0)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"packs": 0}, "packs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"world_size": -1}, "world_size must be at least 1"),
        ({"remainder": "lose"}, "remainder must be"),
    ],
)
def test_numbers_that_make_no_schedule_are_refused(numbers, message):
    with pytest.raises(RequestError, match=message):
        Schedule(**({"packs": 8, "batch_size": 2} | numbers))


@pytest.mark.parametrize("place", [(0, 4, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (-1, 0, 0)])
def test_a_place_outside_the_schedule_is_refused(place):
    with pytest.raises(RequestError, match="must be"):
        Schedule(8, 2).take(*place)
