import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.ingest.repeats import find_repeats

ROW = st.tuples(st.integers(0, 5), st.integers(0, 3))  # payload, declared id (0: none)
PARTS = st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.lists(ROW, max_size=8)), max_size=5)
STEP = 2**61 + 12345  # spreads small numbers over all hashes


def words(number):
    return (number * STEP % 2**64, number)


def arrays(parts):
    rows = [
        [(*words(payload), *(words(own) if has else ())) for payload, own in part] for _, has, part in parts
    ]
    widths = [4 if has else 2 for _, has, _ in parts]
    return [np.array(r, np.uint64).reshape(len(r), w) for r, w in zip(rows, widths, strict=True)]


def oracle(parts):
    """One record after another, with a dict for each rule."""
    flat = [
        (p, r, scope, payload, own if has else 0)
        for p, (scope, has, rows) in enumerate(parts)
        for r, (payload, own) in enumerate(rows)
    ]
    gone = {}
    by_own = {}
    for row in flat:
        if row[4]:
            by_own.setdefault(row[4], []).append(row)
    for rows in by_own.values():
        stays = next(row for row in rows if row[3] == rows[-1][3])
        gone |= {row[:2]: (*stays[:2], int(row[3] == stays[3])) for row in rows if row is not stays}
    first = {}
    for row in flat:
        if row[:2] not in gone and first.setdefault((row[2], row[3]), row) is not row:
            gone[row[:2]] = (*first[row[2], row[3]][:2], 1)
    return [(*place, *kept) for place, kept in sorted(gone.items())]


@settings(deadline=None, max_examples=300)
@given(PARTS, st.sampled_from([1, 3, 1 << 20]))
def test_repeats_are_those_that_a_dict_finds_however_many_are_sorted_at_once(parts, at_once):
    found = find_repeats(arrays(parts), [scope for scope, _, _ in parts], at_once)
    rows = zip(found.part, found.row, found.kept_part, found.kept_row, found.same, strict=True)
    assert [tuple(map(int, row)) for row in rows] == oracle(parts)


def test_nothing_has_no_repeats():
    assert len(find_repeats([], [])) == 0


@pytest.mark.parametrize("value", [0, 2**64 - 1], ids=["zeros", "ones"])
def test_the_ends_of_the_range_of_hashes_count(value):
    ids = np.full((2, 2), value, np.uint64)
    assert len(find_repeats([ids], [0], 1)) == 1


def test_the_first_half_of_a_hash_is_not_enough():
    ids = np.array([[7, 1], [7, 2]], np.uint64)
    assert len(find_repeats([ids], [0])) == 0


def test_what_stays_is_itself_no_repeat():
    rng = np.random.default_rng(5)
    ids = [rng.integers(0, 50, (200, 2)).astype(np.uint64) for _ in range(4)]
    found = find_repeats(ids, [0] * 4)
    gone = set(zip(found.part.tolist(), found.row.tolist(), strict=True))
    assert gone.isdisjoint(zip(found.kept_part.tolist(), found.kept_row.tolist(), strict=True))
