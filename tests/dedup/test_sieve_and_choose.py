from collections import Counter
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.dedup import (
    Bands,
    band_keys,
    bucket_pairs,
    choose,
    components,
    exact_threshold,
    merge_packed,
    merge_pairs,
    plan_bands,
    similar,
)
from toolkit.errors import RequestError


def test_the_plan_for_080_is_21_by_6_and_holds_its_recall():
    plan = plan_bands(0.8)
    assert (plan.bands, plan.rows, plan.k) == (21, 6, 126)
    assert plan.probability(0.8) == plan.recall >= 0.995
    assert 1 - (1 - 0.8**7) ** (128 // 7) < 0.995


def test_twenty_by_thirteen_misses_a_third_at_080():
    assert 1 - Bands(20, 13, 260, 0).probability(0.8) == pytest.approx(0.32, abs=0.01)


@pytest.mark.parametrize("bad", [(0.01, 0.995), (0, 0.9), (1.5, 0.9), (0.8, 1.0)])
def test_impossible_plans_are_refused(bad):
    with pytest.raises(RequestError):
        plan_bands(*bad)


def test_short_signatures_are_refused():
    with pytest.raises(RequestError, match="126 slots"):
        band_keys(np.zeros((2, 100), np.uint32), plan_bands(0.8))


def oracle_pairs(keys, docs, cap):
    buckets, pairs, overfull, skipped = {}, set(), 0, 0
    for key, doc in zip(keys, docs, strict=True):
        buckets.setdefault(key, set()).add(doc)
    for members in map(sorted, buckets.values()):
        made = {p for p in combinations(members, 2) if len(members) <= cap or p[0] in members[:cap]}
        overfull += len(members) > cap
        skipped += len(members) * (len(members) - 1) // 2 - len(made)
        pairs |= made
    return pairs, overfull, skipped


MEMBERS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(MEMBERS, st.integers(1, 6), st.randoms(use_true_random=False))
def test_bucket_pairs_match_the_oracle_in_any_order(members, cap, random):
    # A document is in one bucket a band.
    members = list({doc: (key, doc) for key, doc in members}.values()) + members[:0]
    expected, overfull, skipped = oracle_pairs([m[0] for m in members], [m[1] for m in members], cap)
    random.shuffle(members)
    members += members[:2]
    keys, docs = np.array([m[0] for m in members], np.uint64), np.array([m[1] for m in members], np.int64)
    got = bucket_pairs(keys, docs, cap)
    assert got.pairs.tolist() == [list(p) for p in sorted(expected)]
    assert (got.overfull, got.skipped) == (overfull, skipped)


def test_a_bucket_of_a_million_is_cut_and_counted():
    m, cap = 1_000_000, 4
    got = bucket_pairs(np.full(m, 7, np.uint64), np.arange(m), cap)
    assert len(got) == cap * (cap - 1) // 2 + (m - cap) * cap
    assert (got.overfull, len(got) + got.skipped) == (1, m * (m - 1) // 2)


def test_merging_bands_counts_how_many_met():
    bands = [([1, 1, 2], [0, 1, 2]), ([5, 5, 5], [0, 1, 2]), ([], [])]
    merged = merge_pairs(bucket_pairs(np.array(k, np.uint64), np.array(d, np.int64), 9) for k, d in bands)
    assert merged.pairs.tolist() == [[0, 1], [0, 2], [1, 2]] and merged.met.tolist() == [2, 1, 1]
    assert merge_pairs([]).pairs.shape == (0, 2)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sets(st.integers(1, 2**64 - 2), max_size=60), max_size=6), st.sampled_from([1, 300, 1000]))
def test_merging_sorted_bands_block_by_block_is_counting(bands, block):
    repeated = [band | {7, 2**63, 2**64 - 2} for band in bands] + [set(range(1, 700))] * len(bands)
    for given_bands in (bands, repeated):
        arrays = [np.array(sorted(band), np.uint64) for band in given_bands]
        packed, met = merge_packed(arrays, block)
        counts = Counter(value for band in given_bands for value in band)
        assert packed.tolist() == sorted(counts) and met.tolist() == [
            counts[value] for value in sorted(counts)
        ]


@pytest.mark.parametrize("threshold", [0.7, 0.8, "0.8", "4/5", 0.1, 0.29, "1/3", 1, 0.57])
def test_a_pair_exactly_at_the_threshold_counts(threshold):
    exact = exact_threshold(threshold)
    shared, union = np.array([exact.numerator, exact.numerator]), np.array([exact.denominator] * 2)
    assert similar(shared - [0, 1], union, threshold).tolist() == [True, False]
    assert exact == Fraction(str(threshold))


def test_two_empty_texts_are_never_similar():
    assert similar(np.array([0]), np.array([0]), 0.5).tolist() == [False]


@pytest.mark.parametrize("bad", ["x", 0, 1.1, 1 / 3, "1/0", float("nan")])
def test_thresholds_out_of_range_are_refused(bad):
    with pytest.raises(RequestError):
        exact_threshold(bad)


def oracle_choose(n, edges):
    kept_by = [-1] * n
    for doc in range(n):
        rivals = [
            (Fraction(*edges[i, doc]), -i) for i in range(doc) if (i, doc) in edges and kept_by[i] == -1
        ]
        if rivals:
            kept_by[doc] = -max(rivals)[1]
    return kept_by


EDGES = st.dictionaries(
    st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda p: p[0] < p[1]),
    st.tuples(st.integers(1, 4), st.integers(4, 8)),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(EDGES, st.randoms(use_true_random=False))
def test_choose_is_the_first_maximal_independent_set(edges, random):
    order = list(edges)
    random.shuffle(order)
    pairs = np.array(order, np.int64).reshape(-1, 2)
    sizes = np.array([edges[p] for p in order], np.int64).reshape(-1, 2)
    kept_by = choose(13, pairs, sizes[:, 0], sizes[:, 1]).tolist()
    assert kept_by == oracle_choose(13, edges)
    kept = {i for i in range(13) if kept_by[i] == -1}
    assert not any(a in kept and b in kept for a, b in edges)  # independent
    assert all((kept_by[i], i) in edges and kept_by[i] in kept for i in range(13) if i not in kept)


@settings(max_examples=200, deadline=None)
@given(EDGES)
def test_components_match_a_flood(edges):
    label = list(range(13))
    for _ in range(13):
        for a, b in edges:
            label[a] = label[b] = min(label[a], label[b])
    assert components(13, np.array(list(edges), np.int64)).tolist() == label


def test_a_chain_keeps_every_other_one_where_components_keep_one():
    chain = np.array([(i, i + 1) for i in range(9)])
    kept_by = choose(10, chain, np.ones(9), np.ones(9))
    assert (kept_by == -1).sum() == 5
    assert len(Counter(components(10, chain).tolist())) == 1


def test_pairs_the_wrong_way_round_are_refused():
    with pytest.raises(RequestError, match="preferred < other"):
        choose(3, np.array([[2, 1]]), np.array([1]), np.array([1]))
