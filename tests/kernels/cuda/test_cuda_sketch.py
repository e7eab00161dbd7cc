"""Signatures through the host header: the bits of Numba and the reference, wherever pieces are cut."""

import subprocess
import sys

import numpy as np
import pytest
from hostile import BACKWARD, DOORS, FORWARD, RANDOM, TEXTS, buffers, needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.kernels import minhash as numba_minhash
from toolkit.kernels import reference
from toolkit.kernels import rounds as numba_rounds
from toolkit.kernels.cuda.rounds import rounds
from toolkit.kernels.cuda.sets import shingle_sets
from toolkit.kernels.cuda.sketch import minhash

pytestmark = needs_compiler
DATA, OFFSETS = buffers(TEXTS, before=b"xyz")


def by_numba(data, offsets, unit, n, k, seed=7):
    out = np.full((len(offsets) - 1, k), 0xFFFFFFFF, np.uint32)
    kernel = numba_minhash.word_sketch if unit == "word" else numba_minhash.byte_sketch
    kernel(data, offsets, n, *reference.permutations(k, seed), out)
    return out


def rounds_by_numba(data, offsets, unit, n, k, seed=7):
    out = np.zeros((len(offsets) - 1, k), np.uint32)
    kernel = numba_rounds.word_rounds if unit == "word" else numba_rounds.byte_rounds
    kernel(data, offsets, n, reference.round_constants(k, seed), out)
    return out


@DOORS
@pytest.mark.parametrize(
    ("unit", "n"), [("byte", 1), ("byte", 7), ("byte", 24), ("byte", 1000), ("word", 1), ("word", 5)]
)
@pytest.mark.parametrize("k", [1, 7, 127, 128, 129, 1024])
def test_minhash_is_numbas_for_every_k(door, unit, n, k):
    assert np.array_equal(minhash(door, DATA, OFFSETS, unit, n, k, 7), by_numba(DATA, OFFSETS, unit, n, k))


@pytest.mark.parametrize(("unit", "n"), [("byte", 3), ("byte", 24), ("word", 2)])
def test_minhash_and_rounds_are_the_references(unit, n):
    data, offsets = buffers([t[:200] for t in TEXTS], before=b"q")
    expected = reference.sketch(data, offsets, unit, n, 20, 3)
    assert np.array_equal(minhash(FORWARD, data, offsets, unit, n, 20, 3), expected)
    expected = reference.rounds_sketch(data, offsets, unit, n, 20, 3)
    assert np.array_equal(rounds(FORWARD, data, offsets, unit, n, 20, 3), expected)


@DOORS
@pytest.mark.parametrize(("run", "pieces"), [(4, 1), (12, 3)])
@pytest.mark.parametrize("before", [b"", b"1", b"12345"])
def test_where_pieces_are_cut_changes_nothing(door, run, pieces, before):
    data, offsets = buffers(TEXTS, before)
    found = minhash(door, data, offsets, "byte", 24, 33, 7, run=run, pieces=pieces)
    assert np.array_equal(found, by_numba(data, offsets, "byte", 24, 33))
    found = rounds(door, data, offsets, "byte", 24, 33, 7, run=run, pieces=pieces)
    assert np.array_equal(found, rounds_by_numba(data, offsets, "byte", 24, 33))


@DOORS
@pytest.mark.parametrize(("unit", "n"), [("byte", 24), ("word", 1), ("word", 5)])
@pytest.mark.parametrize("k", [1, 7, 128, 129])
def test_rounds_are_numbas(door, unit, n, k):
    found = rounds(door, DATA, OFFSETS, unit, n, k, 7)
    assert np.array_equal(found, rounds_by_numba(DATA, OFFSETS, unit, n, k))


def test_more_slots_than_a_table_holds_and_identities_that_repeat_play_the_same_rounds():
    found = rounds(FORWARD, DATA, OFFSETS, "byte", 5, 300, 7, most_slots=128, many=1000)
    assert np.array_equal(found, rounds_by_numba(DATA, OFFSETS, "byte", 5, 300))


def test_a_slot_hit_with_the_greatest_value_is_hit():
    """The table's empty slot and a value of all ones look alike, but only the first plays on."""
    k, ids = 2, np.arange(1, 2, dtype=np.uint64)
    for wanted in range(2):
        low, high = wanted << 31, 0xFFFFFFFF
        constant = int(ids[0]) ^ unmixed(high << 32 | low)
        least = rounds_of_one(ids, constant, k)
        assert least[wanted] == 0xFFFFFFFF
        assert least[1 - wanted] == reference.M64


def unmixed(x):
    """The number that mix64 takes to x."""
    back_a, back_b = pow(reference.MIX_A, -1, 1 << 64), pow(reference.MIX_B, -1, 1 << 64)
    x ^= x >> 31 ^ x >> 62
    x = x * back_b & reference.M64
    x ^= x >> 27 ^ x >> 54
    x = x * back_a & reference.M64
    return x ^ x >> 30 ^ x >> 60


def rounds_of_one(ids, constant, k):
    assert reference.mix64(unmixed(12345)) == 12345
    least = np.full(k, reference.M64, np.uint64)
    i64, u64 = np.int64, np.uint64
    texts = (ids, np.array([0, 1]), i64(1), i64(1), u64(0), u64(0))
    args = (*texts, u64(constant), i64(k), i64(1 << 20), least)
    defines = {"ITEM_SETS": 1, "RUN": 36, "SLOTS": 32, "WARPS": 2}
    FORWARD.launch("rounds.cu", "first_round", 1, 64, args, defines)
    return least.tolist()


@DOORS
def test_a_sketch_of_sets_is_that_of_the_texts(door):
    hashes, ends = shingle_sets(door, DATA, OFFSETS, "byte", 24)
    expected = by_numba(DATA, OFFSETS, "byte", 24, 128)
    assert np.array_equal(minhash(door, hashes, ends, "set", 1, 128, 7), expected)
    expected = rounds_by_numba(DATA, OFFSETS, "byte", 24, 128)
    assert np.array_equal(rounds(door, hashes, ends, "set", 1, 128, 7), expected)


@settings(max_examples=30, deadline=None)
@given(RANDOM, st.integers(1, 40), st.sampled_from(["byte", "word"]), st.binary(max_size=7), st.booleans())
def test_random_texts_have_numbas_signatures(texts, n, unit, before, backward):
    data, offsets = buffers(texts, before)
    door = BACKWARD if backward else FORWARD
    found = minhash(door, data, offsets, unit, n, 33, 7, run=12, pieces=1)
    assert np.array_equal(found, by_numba(data, offsets, unit, n, 33))
    found = rounds(door, data, offsets, unit, n, 33, 7, run=12, pieces=1)
    assert np.array_equal(found, rounds_by_numba(data, offsets, unit, n, 33))


@pytest.mark.parametrize("texts", [[], [b""], [b""] * 40])
def test_texts_without_a_byte_have_signatures_of_ones(texts):
    data, offsets = buffers(texts)
    for sketch in (minhash, rounds):
        found = sketch(FORWARD, data, offsets, "byte", 24, 9)
        assert found.shape == (len(texts), 9)
        assert (found == 0xFFFFFFFF).all()


def test_a_text_of_three_megabytes_lies_beside_one_of_three_bytes():
    rng = np.random.default_rng(1)
    texts = [b"abc", rng.integers(0, 256, 3 << 20, np.uint8).tobytes(), b"", b"abd", b"e" * 500]
    data, offsets = buffers(texts)
    found = minhash(FORWARD, data, offsets, "byte", 24, 8, 7)
    assert np.array_equal(found, by_numba(data, offsets, "byte", 24, 8))


def test_an_unknown_unit_is_refused():
    with pytest.raises(RequestError, match="not 'line'"):
        minhash(FORWARD, DATA, OFFSETS, "line", 1, 1)


AT_THE_EDGE = """
import ctypes, mmap
import numpy as np
from toolkit.kernels.cuda import Host
from toolkit.kernels.cuda.normalise import normalise_ascii
from toolkit.kernels.cuda.sets import identities
from toolkit.kernels.cuda.sketch import minhash
room = mmap.mmap(-1, 3 * mmap.PAGESIZE)
address = ctypes.addressof(ctypes.c_char.from_buffer(room))
for page in (0, 2):
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address + page * mmap.PAGESIZE), mmap.PAGESIZE, 0) == 0
page = np.frombuffer(room, np.uint8)[mmap.PAGESIZE : 2 * mmap.PAGESIZE]
page[:] = 0xE4
page[::7] = 32
for size in (1, 2, 3, 4, 5, 63, 64, 1151, 1152, 1153, mmap.PAGESIZE):
    for data in (page[:size], page[-(-(-size // 16) * 16) :]):  # a buffer begins at a multiple of 16 bytes
        offsets = np.array([0, len(data) // 2, len(data)])
        for unit, n in (("byte", 1), ("byte", 24), ("byte", 2000), ("word", 3)):
            minhash(Host(), data, offsets, unit, n, 8)
            identities(Host(), data, offsets, unit, n)
        normalise_ascii(Host(), data, offsets, bare=True)
    hashes = np.frombuffer(page, np.uint64)[-min(size, len(page) // 8) :]
    minhash(Host(), hashes, np.array([0, len(hashes)]), "set", 1, 8)
print("unharmed")
"""


def test_nothing_is_read_before_or_after_a_buffer():
    """The pages around it cannot be read, so that a byte too far ends the process."""
    done = subprocess.run([sys.executable, "-c", AT_THE_EDGE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("unharmed\n", 0), done.stderr[-2000:]
