"""Digests against hashlib, their sums against the books."""

import concurrent.futures
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.kernels import sha256
from toolkit.kernels.json_lines import add_mod128, digests, leading_u64
from toolkit.storage.digest import IdHash


@pytest.fixture(params=["pairs", "library", "hashlib"], autouse=True)
def path(request, monkeypatch):
    if request.param == "pairs":
        if not sha256.paired():
            pytest.skip("this processor has no instructions for sha256")
        return
    monkeypatch.setattr(sha256, "paired", lambda: False)
    if request.param == "hashlib":
        monkeypatch.setattr(sha256, "addresses", lambda: None)
    elif sha256.addresses() is None:
        pytest.skip("this interpreter's libcrypto does not show SHA256_Init")


def hexed(rows, before=b""):
    stop = len(before) + np.cumsum([len(row) for row in rows], dtype=np.int64)
    start = stop - np.array([len(row) for row in rows], np.int64)
    return [d.tobytes().hex() for d in digests(np.frombuffer(before + b"".join(rows), np.uint8), start, stop)]


def truly(rows):
    return [hashlib.sha256(row).hexdigest() for row in rows]


def test_every_length_up_to_four_blocks_and_a_large_one():
    rows = [bytes(range(size)) for size in range(257)] + [b"\xa5" * 3_000_001]
    assert hexed(rows) == hexed(rows, before=b"odd") == truly(rows)


def test_no_rows_give_no_digests():
    found = digests(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert found.shape == (0, 32) and found.dtype == np.uint8
    assert leading_u64(found).shape == (0, 2) and add_mod128(leading_u64(found)) == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_rows(rows):
    assert hexed(rows) == truly(rows)


def test_neighbours_of_very_different_length():
    rows = [b"", b"x" * 1000, b"y" * 55, b"z" * 100_000, b"w" * 64, b"v" * 56, b"u"]
    for few in range(len(rows) + 1):
        assert hexed(rows[:few]) == truly(rows[:few]) and hexed(rows[few:]) == truly(rows[few:])


def test_threads_do_not_disturb_each_other():
    rows = [bytes([n]) * 1000 for n in range(200)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(found == truly(rows) for found in pool.map(hexed, [rows] * 8))


@pytest.mark.parametrize("address", [None, (1, 2, 3)])
def test_functions_that_do_not_give_the_known_answers_are_not_used(address, monkeypatch):
    monkeypatch.setattr(sha256, "by_library", lambda *_: address and np.zeros((3, 32), np.uint8))
    assert not sha256._answers((1, 2, 3))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(min_size=16, max_size=16) | st.just(b"\xff" * 16), max_size=40))
def test_sums_are_those_of_the_books(heads):
    table = np.array([list(head) + [7] * 16 for head in heads], np.uint8).reshape(-1, 32)
    pairs = leading_u64(table)
    assert [(int(a) << 64) + int(b) for a, b in pairs] == [int.from_bytes(head, "big") for head in heads]
    assert add_mod128(pairs) == IdHash.of([row.tobytes().hex() for row in table]).value
