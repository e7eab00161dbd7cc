"""Choice by rounds is the single pass by preference, and components are those of union-find."""

import numpy as np
import pytest
from hostile import BACKWARD, DOORS, FORWARD, needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.dedup import choose as dedup_choose
from toolkit.dedup import components as dedup_components
from toolkit.kernels.cuda.choose import choose, components

pytestmark = needs_compiler


def oracle(n, pairs, shared, union):
    """One document after another; of the kept neighbours the most similar, then the most preferred."""
    kept_by = [-1] * n
    for d in range(n):
        edges = zip(pairs, shared, union, strict=True)
        near = [(-s / u, a) for (a, b), s, u in edges if b == d and kept_by[a] == -1]
        kept_by[d] = min(near)[1] if near else -1
    return kept_by


def check(door, n, pairs, shared, union, most_rounds=64):
    pairs = np.array(pairs, np.int64).reshape(-1, 2)
    shared, union = np.array(shared, np.int64), np.array(union, np.int64)
    found, rounds = choose(door, n, pairs, shared, union, most_rounds)
    assert np.array_equal(found, dedup_choose(n, pairs, shared, union))
    assert found.tolist() == oracle(n, pairs.tolist(), shared.tolist(), union.tolist())
    assert np.array_equal(components(door, n, pairs), dedup_components(n, pairs))
    return rounds


GRAPHS = st.integers(2, 14).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.dictionaries(
            st.sampled_from([(a, b) for b in range(n) for a in range(b)]),
            st.tuples(st.integers(1, 4), st.integers(4, 6)),
            max_size=30,
        ),
    )
)


@settings(max_examples=50, deadline=None)
@given(GRAPHS, st.booleans())
def test_random_graphs_keep_what_a_single_pass_keeps(graph, backward):
    n, edges = graph
    shared, union = [s for s, _ in edges.values()], [u for _, u in edges.values()]
    check(BACKWARD if backward else FORWARD, n, list(edges), shared, union)


@DOORS
def test_a_star_of_hundreds_names_its_centre(door):
    pairs = [(0, d) for d in range(1, 300)] + [(d, 300) for d in range(300)]
    check(door, 301, pairs, [1] * len(pairs), [2] * len(pairs))


@DOORS
def test_one_open_neighbour_among_many_that_go_is_waited_for(door):
    """4 stays, at the end of a chain; 50 meets it among 41 that 0 removes at once, in another 32 pairs."""
    pairs = [(d, d + 1) for d in range(4)] + [(0, d) for d in range(5, 46)] + [(d, 50) for d in range(4, 46)]
    check(door, 51, pairs, [1] * len(pairs), [2] * len(pairs))


@DOORS
def test_components_hold_where_threads_lose_to_each_other(door):
    """All 31 threads of a warp see the same root, and one of them moves it first."""
    check(door, 64, [(d, 40) for d in range(31)], [1] * 31, [2] * 31)
    check(door, 64, [(63 - 2 * d - 1, 63) for d in range(31)], [1] * 31, [2] * 31)


@DOORS
def test_of_many_kept_neighbours_the_most_similar_is_named_and_ties_go_to_the_preferred(door):
    pairs = [(d, 200) for d in range(200)]
    shared = [8 if d in (50, 90, 133) else 7 for d in range(200)]
    check(door, 201, pairs, shared, [10] * 200)
    found, _ = choose(door, 201, np.array(pairs), np.array(shared), np.full(200, 10))
    assert found[200] == 50


def test_a_chain_longer_than_the_rounds_is_finished_by_the_host():
    """Backward lanes meet a chain's end first, so that each round settles little."""
    pairs = [(d, d + 1) for d in range(400)]
    assert check(BACKWARD, 401, pairs, [1] * 400, [2] * 400, most_rounds=3) == -1
    assert check(FORWARD, 401, pairs, [1] * 400, [2] * 400, most_rounds=500) > 0


@pytest.mark.parametrize("n", [0, 1, 5])
def test_without_pairs_all_stay(n):
    check(FORWARD, n, [], [], [])
