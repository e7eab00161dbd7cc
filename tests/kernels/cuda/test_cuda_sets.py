"""Words, shingle sets, overlaps and band keys by the host header: the bits of Numba and the reference."""

import numpy as np
import pytest
from hostile import BACKWARD, DOORS, FORWARD, RANDOM, TEXTS, buffers, needs_compiler, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.kernels import bucket, overlap, reference, shingle, word
from toolkit.kernels.cuda import bands, verify
from toolkit.kernels.cuda.sets import identities, pack_rows, shingle_sets
from toolkit.kernels.cuda.words import word_table

pytestmark = needs_compiler


def check_words(door, data, offsets):
    for found, expected in zip(word_table(door, data, offsets), word.word_table(data, offsets), strict=True):
        assert np.array_equal(found, expected)


def check_shingles(door, data, offsets, unit, n, **cut):
    found, ends = identities(door, data, offsets, unit, n, **cut)
    assert rows(found, ends) == reference.shingles(data, offsets, unit, n)
    out, out_ends = np.zeros(len(data) + 1, np.uint64), np.zeros(len(offsets), np.int64)
    (shingle.word_shingles if unit == "word" else shingle.byte_shingles)(data, offsets, n, out, out_ends)
    out = out[: shingle.sort_unique(out, out_ends)]
    sets, set_ends = shingle_sets(door, data, offsets, unit, n)
    assert np.array_equal(sets, out)
    assert np.array_equal(set_ends, out_ends)


@DOORS
@pytest.mark.parametrize("before", [b"", b"\xe4\xb8", b"x" * 37])
def test_words_are_numbas(door, before):
    check_words(door, *buffers(TEXTS, before))


@pytest.mark.parametrize("texts", [[], [b""], [b"", b""]])
def test_nothing_has_no_words_and_no_shingles(texts):
    check_words(FORWARD, *buffers(texts))
    check_shingles(FORWARD, *buffers(texts), "byte", 3)


def test_code_points_cut_by_the_end_of_a_text_are_no_words_of_their_own():
    """Three bytes of a Chinese character spread over two texts, and four in the next block of 32."""
    wide = "\U00020000".encode()
    for gap in range(25, 36):
        check_words(FORWARD, *buffers([b"a" * gap + b"\xe4\xb8", b"\xad" + wide, wide[:3], wide[3:] + b"b"]))


@DOORS
@pytest.mark.parametrize(("unit", "n"), [("byte", 1), ("byte", 24), ("byte", 200), ("word", 1), ("word", 5)])
def test_shingle_sets_are_numbas(door, unit, n):
    check_shingles(door, *buffers(TEXTS, b"xyz"), unit, n)
    check_shingles(door, *buffers(TEXTS, b"xyz"), unit, n, run=4, pieces=3)


@settings(max_examples=30, deadline=None)
@given(RANDOM, st.integers(1, 40), st.binary(max_size=7), st.booleans())
def test_words_and_shingles_of_random_texts(texts, n, before, backward):
    door, (data, offsets) = BACKWARD if backward else FORWARD, buffers(texts, before)
    check_words(door, data, offsets)
    for unit in ("byte", "word"):
        check_shingles(door, data, offsets, unit, n, run=4, pieces=2)


def test_rows_are_packed_in_the_order_asked():
    data, offsets = buffers([b"one", b"", b"three", b"x" * 100], b"..")
    packed, ends = pack_rows(FORWARD, FORWARD.array(data), offsets, np.array([3, 1, 0]), "byte")
    assert bytes(packed) == b"x" * 100 + b"one"
    assert ends.tolist() == [0, 100, 100, 103]


def check_overlaps(door, sets, pairs):
    hashes = np.concatenate([np.asarray(s, np.uint64) for s in sets])
    offsets = np.cumsum([0] + [len(s) for s in sets])
    pairs = np.array(pairs, np.int64).reshape(-1, 2)
    shared, union = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
    overlap.intersections(hashes, offsets, pairs, shared, union)
    found = verify.jaccard(door, hashes, offsets, pairs)
    assert np.array_equal(found[0], shared)
    assert np.array_equal(found[1], union)
    assert shared.tolist() == [len(set(sets[a]) & set(sets[b])) for a, b in pairs]


@DOORS
def test_overlaps_are_exact_for_every_unevenness(door):
    rng = np.random.default_rng(3)
    sizes = (0, 1, 2, 31, 32, 33, 64, 65, 1000, 20_000)
    sets = [sorted(set(rng.integers(0, 1 << 15, size).tolist())) for size in sizes]
    sets += [[0], [2**64 - 1], [0, 2**64 - 1], list(range(100)), list(range(2**64 - 100, 2**64))]
    check_overlaps(door, sets, [(a, b) for a in range(len(sets)) for b in range(len(sets))])


ASCENDING = st.sets(st.integers(0, 200) | st.integers(2**64 - 5, 2**64 - 1), max_size=150).map(sorted)


@settings(max_examples=40, deadline=None)
@given(st.lists(ASCENDING, min_size=2, max_size=4), st.booleans())
def test_overlaps_of_random_sets(sets, backward):
    pairs = [(a, b) for a in range(len(sets)) for b in range(len(sets))]
    check_overlaps(BACKWARD if backward else FORWARD, sets, pairs)


def test_no_pairs_have_no_overlaps():
    check_overlaps(FORWARD, [[1], [2]], [])


@DOORS
@pytest.mark.parametrize(
    ("k", "count", "size"), [(1, 1, 1), (128, 21, 6), (127, 127, 1), (130, 1, 130), (40, 3, 13)]
)
def test_band_keys_and_agreements_are_numbas(door, k, count, size):
    rng = np.random.default_rng(k)
    signatures = rng.integers(0, 3, (50, k), dtype=np.uint32) * np.uint32(0x7FFFFFFF)
    expected = np.empty((50, count), np.uint64)
    bucket.band_keys(signatures, size, expected)
    found = bands.band_keys(door, signatures, count, size)
    assert np.array_equal(found, expected)
    assert np.array_equal(found, reference.band_keys(signatures, count, size))
    pairs = rng.integers(0, 50, (200, 2))
    equal = np.empty(200, np.int64)
    overlap.agreements(signatures, pairs, equal)
    assert np.array_equal(verify.agreement(door, signatures, pairs), equal)
    assert equal.tolist() == (signatures[pairs[:, 0]] == signatures[pairs[:, 1]]).sum(axis=1).tolist()
