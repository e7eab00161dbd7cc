import hashlib
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import GateError
from toolkit.storage import Group, IdHash, Ledger, digest_json, sha256_bytes, sha256_file

IDS = st.lists(st.binary(max_size=4).map(lambda data: hashlib.sha256(data).hexdigest()), max_size=12)
SIZED = st.lists(st.tuples(st.binary(max_size=3).map(sha256_bytes), st.integers(0, 9)), max_size=8)
FAST = settings(deadline=None, max_examples=40)


def group(sized):
    return Group.of([record_id for record_id, _ in sized], [size for _, size in sized])


def ledger(out, aside, gone):
    return Ledger(
        "s", "bytes", group(out + aside + gone), group(out), {"q": group(aside)}, {"r": group(gone)}
    )


def test_a_file_hashes_as_its_bytes_do(tmp_path):
    data = random.Random(1).randbytes(300_001)
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_the_order_of_keys_does_not_change_the_digest_of_settings():
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})


@FAST
@given(IDS, st.randoms(use_true_random=False))
def test_ids_hash_the_same_in_any_order(ids, random):
    shuffled = random.sample(ids, len(ids))
    assert IdHash.of(shuffled) == IdHash.of(ids)


@FAST
@given(IDS, IDS)
def test_the_hash_of_two_lots_is_the_sum_of_their_hashes(left, right):
    assert IdHash.of(left) + IdHash.of(right) == IdHash.of(left + right)


@FAST
@given(IDS, IDS)
def test_what_is_taken_away_again_leaves_the_hash_as_it_was(left, right):
    assert IdHash.of(left + right) - IdHash.of(right) == IdHash.of(left)


@FAST
@given(IDS.filter(len))
def test_a_lost_id_changes_the_hash(ids):
    assert IdHash.of(ids[1:]) != IdHash.of(ids)


@FAST
@given(IDS.filter(len))
def test_a_repeated_id_changes_the_hash(ids):
    assert IdHash.of([*ids, ids[0]]) != IdHash.of(ids)


@FAST
@given(IDS.filter(len))
def test_a_swapped_id_changes_the_hash(ids):
    stranger = sha256_bytes(b"five bytes or more")
    assert IdHash.of([stranger, *ids[1:]]) != IdHash.of(ids)


@FAST
@given(IDS)
def test_a_hash_reads_back_from_its_text(ids):
    assert IdHash.parse(str(IdHash.of(ids))) == IdHash.of(ids)


@FAST
@given(SIZED, SIZED, SIZED)
def test_books_balance_when_every_record_is_accounted_for(out, aside, gone):
    books = ledger(out, aside, gone)
    assert books.check() is books


@FAST
@given(SIZED, SIZED, SIZED, SIZED, SIZED, SIZED)
def test_books_of_two_parts_add_up_to_the_books_of_both(a, b, c, d, e, f):
    assert ledger(a, b, c) + ledger(d, e, f) == ledger(a + d, b + e, c + f)


def test_adding_books_keeps_every_reason_and_every_overhead():
    left = Ledger("s", "bytes", removed={"x": Group(1, 2)}, overhead={"blank": 3})
    right = Ledger("s", "bytes", removed={"y": Group(4, 5)}, overhead={"blank": 6, "bom": 7})
    both = left + right
    assert (both.removed, both.overhead) == ({"x": Group(1, 2), "y": Group(4, 5)}, {"blank": 9, "bom": 7})


@FAST
@given(SIZED, SIZED, SIZED)
def test_books_read_back_from_json(out, aside, gone):
    books = ledger(out, aside, gone)
    assert Ledger.from_dict(json.loads(json.dumps(books.to_dict()))) == books


ONE, OTHER = sha256_bytes(b"1"), sha256_bytes(b"2")


@pytest.mark.parametrize(
    "found",
    [Group.of([], []), Group.of([ONE], [6]), Group.of([OTHER], [5]), Group.of([ONE, ONE], [5, 0])],
    ids=["count", "size", "id", "repeat"],
)
@pytest.mark.parametrize("place", ["out", "quarantined", "removed"])
def test_books_that_do_not_balance_fail(found, place):
    groups = {place: found} if place == "out" else {place: {"why": found}}
    books = Ledger("s", "bytes", Group.of([ONE], [5]), groups.pop("out", Group()), **groups)
    with pytest.raises(GateError, match="stage s: 1 records"):
        books.check()
