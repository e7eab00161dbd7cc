"""Kernels against the reference, bit for bit, on hostile bytes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.kernels import bucket, hashing, known_answer, minhash, reference, rounds, shingle, word

HOSTILE = [
    b"",
    b" ",
    b"a",
    b"a\x00",
    b"\x80\xff\xfe \xe0\xb8 \xf0\xa0\x80 \xe4\xb8",
    bytes(range(256)),
    bytes(range(255, -1, -1)) * 3,
    "don\u2019t \u201cstop\u201d".encode(),
    "\u4e2d\u6587\u5b57 abc\u4e2d\u6587x \u3042\u30a2 \u0e44\u0e17\u0e22 \u1000 \u1780 \ud55c\uad6d".encode(),
    "\U00020000\U0003ffff\U0001f600\uf900\ufaff\u303f\u3040\u9fff\ua000".encode(),
    b"eight888 nine99999 sixteen-sixteen- seventeen-seventeen",
    b"  two  spaces  ",
    b"w " * 3000,
    b"x" * 5000,
    "\u4e2d".encode() * 1500,
]


def buffers(texts, pad=b""):
    offsets = np.cumsum([0] + [len(t) for t in texts]).astype(np.int64)
    return np.frombuffer(b"".join(texts) + pad, np.uint8), offsets


def check_words(texts):
    data, offsets = buffers(texts)
    starts, stops, hashes, ends = word.word_table(data, offsets)
    for row, text in enumerate(texts):
        here = slice(ends[row], ends[row + 1])
        spans = list(zip(starts[here] - offsets[row], stops[here] - offsets[row], strict=True))
        assert spans == reference.spans(text)
        assert hashes[here].tolist() == reference.word_hashes(text)


def check_shingles(texts, unit, n):
    data, offsets = buffers(texts)
    out, ends = np.zeros(len(data) + 1, np.uint64), np.zeros(len(offsets), np.int64)
    (shingle.word_shingles if unit == "word" else shingle.byte_shingles)(data, offsets, n, out, ends)
    expected = reference.shingles(data, offsets, unit, n)
    assert [out[a:b].tolist() for a, b in pairwise(ends)] == expected
    shingle.sort_unique(out, ends)
    sets = [out[a:b].tolist() for a, b in pairwise(ends)]
    assert sets == [sorted(set(ids)) for ids in expected]


def check_sketch(texts, unit, n, k):
    data, offsets = buffers(texts)
    a, b = reference.permutations(k, 7)
    out = np.full((len(texts), k), 0xFFFFFFFF, np.uint32)
    (minhash.word_sketch if unit == "word" else minhash.byte_sketch)(data, offsets, n, a, b, out)
    assert np.array_equal(out, reference.sketch(data, offsets, unit, n, k, 7))


def check_rounds(texts, unit, n, k):
    data, offsets = buffers(texts)
    out = np.zeros((len(texts), k), np.uint32)
    kernel = rounds.word_rounds if unit == "word" else rounds.byte_rounds
    kernel(data, offsets, n, reference.round_constants(k, 7), out)
    assert np.array_equal(out, reference.rounds_sketch(data, offsets, unit, n, k, 7))


def check_hash(texts):
    data, offsets = buffers(texts)
    out = np.zeros((len(texts), 2), np.uint64)
    hashing.hash128(data, offsets, out)
    assert np.array_equal(out, reference.hash128(data, offsets))


def test_words_of_hostile_texts():
    check_words(HOSTILE)


def test_exact_hash_of_hostile_texts():
    check_hash(HOSTILE)


def test_checksum_of_hostile_texts():
    for text in HOSTILE:
        assert int(hashing.checksum(np.frombuffer(text, np.uint8))) == reference.checksum(text)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_block_changes_the_checksum(text, data):
    at = data.draw(st.integers(0, len(text) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = text[:at] + bytes([text[at] ^ flip]) + text[at + 1 :]
    sums = {int(hashing.checksum(np.frombuffer(t, np.uint8))) for t in (text, changed, text + b"\0")}
    assert sums == {reference.checksum(t) for t in (text, changed, text + b"\0")}
    assert len(sums) == 3


@pytest.mark.parametrize(("unit", "n"), [("word", 1), ("word", 5), ("byte", 1), ("byte", 24), ("byte", 1500)])
def test_shingles_and_sketches_of_hostile_texts(unit, n):
    check_shingles(HOSTILE, unit, n)
    check_sketch(HOSTILE, unit, n, 17)
    check_rounds(HOSTILE, unit, n, 7)


PIECES = [
    b" ",
    b"a",
    b"word",
    b"longer-than-eight",
    b"\xff",
    "\u2019".encode(),
    "\u4e2d".encode(),
    b"\xe4\xb8",
]
RANDOM = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join) | st.binary(max_size=40), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(RANDOM, st.integers(1, 9))
def test_every_kernel_matches_on_random_texts(texts, n):
    check_words(texts)
    check_hash(texts)
    for unit in ("word", "byte"):
        check_shingles(texts, unit, n)
        check_sketch(texts, unit, n, 3)
        check_rounds(texts, unit, n, 1 + n)


@pytest.mark.parametrize("k", [1, 31, 32, 33, 64, 100])
def test_any_number_of_slots_is_the_same_as_in_the_reference(k):
    texts = [b"", b"one", b"one two three four five six seven", bytes(range(33, 250))]
    for unit, n in (("word", 2), ("byte", 4)):
        check_sketch(texts, unit, n, k)
        check_rounds(texts, unit, n, k)


def scattered(sizes):
    """Texts of words of every length from 1 to 40 bytes, with runs of spaces and high bytes between."""
    rng = np.random.default_rng(1)
    pieces = [b" ", b"  ", b" " * 70, "\u4e2d".encode(), "\u2019".encode(), b"\xe4"]
    words = [bytes(rng.integers(97, 123, size, np.uint8)) for size in range(1, 41)]
    return [b"".join(words[rng.integers(40)] + pieces[rng.integers(6)] for _ in range(n)) for n in sizes]


def test_long_texts_and_words_of_every_length_match():
    texts = scattered([3, 700, 1500, 0, 64])
    check_words(texts)
    for unit, n in (("word", 5), ("byte", 24), ("word", 700)):
        check_shingles(texts, unit, n)
        check_sketch(texts, unit, n, 5)
        check_rounds(texts, unit, n, 2)


def test_the_kernels_answer_on_a_text_larger_than_the_room_for_identities():
    words = [b"w%d" % (i % 30) for i in range(40_000)]  # 30 shingles, over and over, for 40 slots
    check_rounds([b" ".join(words), b" ".join(words[:35])], "word", 5, 40)


def test_sets_are_sorted_and_unique_even_when_repeats_swell_a_bucket():
    rng = np.random.default_rng(2)
    uniform = rng.integers(0, 2**64, 5000, dtype=np.uint64)
    close = np.repeat(np.uint64(2**63) + rng.integers(0, 90, 40, dtype=np.uint64), 100)
    rows = [uniform, uniform[:0], rng.permutation(np.concatenate([uniform, close])), close, uniform[:1]]
    rows += [np.array([0, 2**64 - 1, 0, 2**64 - 1], np.uint64), uniform[:2], uniform[:3], uniform[:0]]
    hashes, ends = np.concatenate(rows), np.cumsum([0] + [len(row) for row in rows])
    assert shingle.sort_unique(hashes, ends) == ends[-1]
    for row, (first, last) in zip(rows, pairwise(ends), strict=True):
        assert np.array_equal(hashes[first:last], np.unique(row))


def mixed(x):
    """``reference.mix64`` over a whole array."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(reference.MIX_A)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(reference.MIX_B)
    return x ^ (x >> np.uint64(31))


@pytest.mark.parametrize(("k", "distinct"), [(4096, 20_000), (1024, 5_000), (256, 300), (1024, 40)])
def test_rounds_of_many_slots_match_a_whole_array_oracle(k, distinct):
    data, offsets = buffers([b" ".join(b"w%d" % i for i in range(distinct))])
    constants = reference.round_constants(k, 3)
    out, ids, ends = np.zeros((1, k), np.uint32), np.zeros(distinct, np.uint64), np.zeros(2, np.int64)
    rounds.word_rounds(data, offsets, 1, constants, out)
    shingle.word_shingles(data, offsets, 1, ids, ends)
    expected, hit = np.full(k, 0xFFFFFFFF, np.uint64), np.zeros(k, bool)
    for number in range(k):
        h = mixed(ids ^ constants[number])
        slot = ((h & np.uint64(0xFFFFFFFF)) * np.uint64(k) >> np.uint64(32)).astype(np.int64)
        least = np.full(k, 0xFFFFFFFF, np.uint64)
        np.minimum.at(least, slot, h >> np.uint64(32))
        expected[~hit] = least[~hit]
        hit[slot] = True
    for slot in np.flatnonzero(~hit):
        expected[slot] = (mixed(ids ^ constants[k + slot]) >> np.uint64(32)).min()
    assert np.array_equal(out[0], expected)


def test_what_lies_after_a_text_does_not_change_it():
    text = b"one two three"
    alone, offsets = buffers([text])
    padded, _ = buffers([text], pad="\u4e2d more bytes".encode())
    one, two = (word.word_table(d, offsets)[2] for d in (alone, padded))
    assert np.array_equal(one, two)


def test_a_range_of_rows_gives_the_same_as_all_rows():
    data, offsets = buffers(HOSTILE)
    a, b = reference.permutations(5, 1)
    whole, part = np.full((len(HOSTILE), 5), 2**32 - 1, np.uint32), np.full((4, 5), 2**32 - 1, np.uint32)
    minhash.word_sketch(data, offsets, 3, a, b, whole)
    minhash.word_sketch(data, offsets[6:11], 3, a, b, part)
    assert np.array_equal(part, whole[6:10])


@pytest.mark.parametrize("edge", [p for lo, hi in reference.UNSPACED for p in (lo - 1, lo, hi, hi + 1)])
def test_unspaced_scripts_begin_and_end_where_stated(edge):
    stated = any(lo <= edge <= hi for lo, hi in reference.UNSPACED)
    text = chr(edge).encode()
    assert bool(reference.unspaced_width(text, 0)) == stated
    assert len(word.word_table(*buffers([b"x" + text + b"x"]))[0]) == (3 if stated else 1)


def test_band_keys_match_and_the_band_number_matters():
    signatures = np.tile(np.arange(3, dtype=np.uint32), (4, 5))
    signatures[2, 7] = 0xFFFFFFFF
    out = np.zeros((4, 5), np.uint64)
    bucket.band_keys(signatures, 3, out)
    assert np.array_equal(out, reference.band_keys(signatures, 5, 3))
    assert len(set(out[0].tolist())) == 5


def test_permutations_are_odd_and_a_prefix_of_longer_ones():
    a, b = reference.permutations(200, 3)
    assert (a % 2 == 1).all() and len(set(a.tolist())) == 200
    assert np.array_equal(b[:50], reference.permutations(50, 3)[1])


def test_splitmix64_gives_the_published_stream():
    assert [reference.splitmix64(1234567, i) for i in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_known_answers_hold():
    assert known_answer()
