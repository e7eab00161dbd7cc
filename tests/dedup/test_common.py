"""Common shingles are those that a count of every text finds, and only they are left out."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import dedup
from toolkit.dedup import common


def sets_of(rows):
    """Rows of shingle numbers as ``shingle_sets`` gives them."""
    rows = [sorted(set(row)) for row in rows]
    offsets = np.cumsum([0, *map(len, rows)])
    return np.array([x for row in rows for x in row], np.uint64), offsets.astype(np.int64)


def rows_of(hashes, offsets):
    return [hashes[a:b].tolist() for a, b in pairwise(offsets.tolist())]


NUMBERS = st.sampled_from([0, 1, 2, 3, (1 << 46) - 1, 1 << 46, 5 << 46, (1 << 64) - 1, 7 << 60])
ROWS = st.lists(st.lists(NUMBERS, max_size=9), min_size=0, max_size=60)


@settings(deadline=None, max_examples=200)
@given(rows=ROWS, share=st.sampled_from([0.1, 0.3, 0.5, 1.0]), cut=st.integers(0, 60))
def test_the_mask_is_what_counting_every_text_finds_however_the_source_is_cut(rows, share, cut):
    parts = [sets_of(rows[:cut]), sets_of(rows[cut:])]
    slots = sum(common.slot_counts(part).astype(np.int64) for part in parts)
    counts = [common.shingle_counts(part, slots, len(rows), share) for part in parts]
    mask = common.common_shingles(counts, len(rows), share)
    naive = Counter(x for row in rows for x in set(row))
    assert mask.tolist() == sorted(x for x, n in naive.items() if n >= max(20, share * len(rows)))


@settings(deadline=None, max_examples=200)
@given(rows=ROWS, mask=st.sets(NUMBERS))
def test_what_is_left_is_the_difference_or_all_where_that_is_empty(rows, mask):
    before = sets_of(rows)
    copy = before[0].copy()
    hashes, offsets, masked = common.without(before, np.array(sorted(mask), np.uint64))
    wanted = [sorted(set(row) - mask) or sorted(set(row)) for row in rows]
    assert rows_of(hashes, offsets) == wanted
    assert masked.tolist() == [len(set(row)) - len(left) for row, left in zip(rows, wanted, strict=True)]
    assert np.array_equal(before[0], copy)


@pytest.mark.parametrize(
    ("texts", "share", "wanted"), [(1000, 0.1, 100), (1001, 0.1, 101), (10, 0.5, 20), (300, 0.07, 21)]
)
def test_the_share_is_the_decimal_that_was_written(texts, share, wanted):
    assert common.least(texts, share) == wanted


def test_chats_of_one_template_stop_resembling_each_other():
    draw = random.Random(1)
    words = [f"w{i}" for i in range(500)]
    template = " ".join(draw.choices(words, k=150))
    texts = pa.array([f"{template} {' '.join(draw.choices(words, k=8))} {template}" for _ in range(60)])
    sets = dedup.shingle_sets(dedup.normalise(texts), "word:5")
    pairs = np.array([[i, i + 1] for i in range(0, 60, 2)])
    both, union = dedup.jaccard(*sets, pairs)
    assert (both / union > 0.8).all()
    slots = common.slot_counts(sets)
    mask = common.common_shingles([common.shingle_counts(sets, slots, 60, 0.5)], 60, 0.5)
    hashes, offsets, masked = common.without(sets, mask)
    both, union = dedup.jaccard(hashes, offsets, pairs)
    assert (both / union < 0.3).all() and (masked == 146).all()


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.text("ab c", max_size=60), max_size=6),
    k=st.sampled_from([1, 7, 64, 130]),
    scheme=st.sampled_from(["affine-1", "rounds-1"]),
    shingle=st.sampled_from(["word:2", "byte:3"]),
)
def test_a_set_has_the_sketch_of_its_text(rows, k, scheme, shingle):
    texts = dedup.normalise(pa.array([*rows, " ".join(map(str, range(2000)))]))
    sets = dedup.shingle_sets(texts, shingle)
    assert np.array_equal(dedup.sketch_sets(*sets, k, 3, scheme), dedup.sketch(texts, shingle, k, 3, scheme))
