import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.taken import accepted, naive_lines, quarantined, take, take_file
from toolkit.errors import GateError
from toolkit.ingest import Span

PIECES = [
    b"\n", b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf", b" ", b"\t", b"\0", b"\xff", b"\xc3", b"{", b"}", b"[]",
    b'{"a":1}', b'{"a":"\xe2\x80\xa8"}', b'{"a":', b'"', b"\\", b"NaN", b'{"\\ud800":1}', b"x" * 30, b"\x0b",
    b"\x0c", b"\x1c", b"\xc2\x85",
]  # fmt: skip
HOSTILE = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
FAST = settings(deadline=None, max_examples=80)


def found(parts):
    return sorted(
        (origin["line"], origin["offset"], raw)
        for part in parts
        for origin, raw in [*accepted(part), *quarantined(part)]
    )


def in_spans(data, size):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.jsonl")
        path.write_bytes(data)
        return take_file(path, size, max_line=40)


@FAST
@given(HOSTILE)
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"\r")
@example(b"\r\r\n")
@example(b"\xef\xbb\xbf\r\n{}")
def test_bytes_in_are_bytes_accepted_quarantined_or_named_as_overhead(data):
    part = take(data, max_line=40)
    kept = sum(len(raw) for _, raw in [*accepted(part), *quarantined(part)])
    assert kept + sum(part.overhead.values()) == len(data)


@FAST
@given(HOSTILE)
def test_the_books_of_any_bytes_balance(data):
    part = take(data, max_line=40)
    assert part.ledger(len(data)).records_in.records == len(naive_lines(data))


@FAST
@given(HOSTILE)
def test_every_line_is_kept_whole_at_its_offset(data):
    part = take(data, max_line=40)
    lines = [*accepted(part), *quarantined(part)]
    assert all(data[at["offset"] : at["offset"] + at["length"]] == raw for at, raw in lines)


@FAST
@given(HOSTILE)
def test_between_the_kept_lines_there_is_nothing_but_overhead(data):
    rest, end = [], 0
    for _, offset, raw in found([take(data, max_line=40)]):
        rest.append(data[end:offset])
        end = offset + len(raw)
    assert b"".join([*rest, data[end:]]).removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n") == b""


@FAST
@given(HOSTILE)
def test_lines_are_those_that_a_reader_of_single_bytes_finds(data):
    assert found([take(data, max_line=40)]) == naive_lines(data)


@FAST
@given(HOSTILE, st.one_of(st.integers(1, 20), st.just(1000)))
def test_spans_cut_anywhere_give_the_lines_of_one_span(data, size):
    assert found(in_spans(data, size)[1]) == naive_lines(data)


@FAST
@given(HOSTILE, st.integers(1, 20))
def test_books_of_spans_add_up_to_the_books_of_the_file(data, size):
    census, parts = in_spans(data, size)
    books = [p.ledger(s.stop - s.start) for p, s in zip(parts, census.spans, strict=True)]
    assert not books or sum(books[1:], books[0]) == take(data, max_line=40).ledger(len(data))


def test_a_span_whose_books_do_not_add_up_to_its_size_fails():
    with pytest.raises(GateError, match="8 bytes came in, 7 are accounted for"):
        take(b'{"a":1}').ledger(8)


def test_a_line_knows_its_place_in_the_file_and_not_in_the_span():
    part = take(b'\n{"a":1}\n', Span(100, 109, 7))
    assert accepted(part)[0][0] == {"path": "f.jsonl", "line": 8, "offset": 101, "length": 7}


def test_a_byte_order_mark_is_one_only_at_the_start_of_the_file():
    parts = [take(b'\xef\xbb\xbf{"a":1}', Span(start, start + 10, 1)) for start in (0, 10)]
    assert [part.overhead["bom"] for part in parts] == [3, 0]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_every_cut_of_a_small_file_gives_the_same_lines(end):
    data = b"\xef\xbb\xbf" + b'{"a":1}\r\n\n[1]\n \n{"b":"\xc3\xa9"}\n{' + end
    cuts = [found(in_spans(data, size)[1]) for size in range(1, len(data) + 2)]
    assert all(left == right for left, right in itertools.pairwise([naive_lines(data), *cuts]))
