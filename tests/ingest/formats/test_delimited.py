import csv
import io
import itertools
import json
import time

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ingest.formats.framed import (
    LARGE,
    OPTIONS,
    check_file,
    check_frames,
    faults,
    framed,
    payloads,
    records,
    spans_of,
)
from toolkit.ingest.formats.delimited import cut_csv, cut_tsv, frames_csv, frames_tsv
from toolkit.ingest.formats.delimited_header import HEADER_BYTES
from toolkit.ingest.span import Limits, Span

CSV, TSV = (cut_csv, frames_csv), (cut_tsv, frames_tsv)
FAST = settings(deadline=None, max_examples=80)
PIECES = [
    b'"', b'"', b'"', b'""', b",", b",", b"\n", b"\n", b"\r\n", b"\r", b"a", b"b,c", b'"d,e"', b'"f\ng"',
    b" ", b"\t", b"\0", b"\xff", b"\xc3\xa9", b"\xc3", b"\xef\xbb\xbf", b"h" * 40, b'"' + b"i\n" * 20 + b'"',
]  # fmt: skip
ROWS = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
HOSTILE = st.one_of(st.binary(max_size=60), ROWS, ROWS.map(lambda rows: b"x,y\n" + rows))
LIMITS = st.builds(Limits, st.integers(1, 30), st.integers(1, 60))
SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=4)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.text(
    '",\t\r\n ab', max_size=6
)

FIELD = st.sampled_from(
    ["", "a", " ", 'a"b', 'a""', ' "a"', '"a,b"', '"a\nb"', '"a\r\nb"', '""', '"""a"""', '"a""b"', '","', "é"]
)


def written(rows, delimiter=",", **how):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, **how).writerows(rows)
    return file.getvalue().encode()


def values(kind, data, limits=LARGE):
    return [list(json.loads(raw).values()) for raw in payloads(*kind, data, limits)]


def naive_row(data, at, most):
    """(stop, after, fault) of the row that begins at ``at``: the definition, byte by byte."""
    start, fresh, quote, size = at, True, None, len(data)
    while at < size:
        byte = data[at : at + 1]
        if quote is not None:
            if at > quote + most:
                fault = "json.too_long" if quote - start > most + 1 else "csv.unclosed_quote"
                end = data.find(b"\n", quote)
                return (end, end + 1, fault) if end >= 0 else (size, size, fault)
            if data[at : at + 2] == b'""':
                at += 1
            elif byte == b'"':
                quote = None
        elif byte == b'"' and fresh:
            quote = at
        elif byte == b"\n":
            stop = at - (at > start and data[at - 1] == 13)
            return stop, at + 1, "json.too_long" if stop - start > most else None
        fresh = quote is None and byte == b","
        at += 1
    return size, size, "json.too_long" if size - start > most else None


def naive_rows(data, most):
    """[(start, stop, after, fault)] after the byte-order mark."""
    found, at = [], 3 * data.startswith(b"\xef\xbb\xbf")
    header = False
    while at < len(data):
        stop, after, fault = naive_row(data, at, most if header else 1 << 30)
        found.append((at, stop, after, fault))
        header = header or stop > at
        at = after
    return found


def has_a_header(data):
    return not any(span.fault in ("csv.bad_header", "csv.no_header") for span in spans_of(cut_csv, data))


@pytest.mark.parametrize("kind", [CSV, TSV], ids=["csv", "tsv"])
@FAST
@given(data=HOSTILE, limits=LIMITS, sizes=SIZES)
@example(data=b"\xef\xbb\xbf", limits=Limits(1, 1), sizes=[1])
@example(data=b'a\n"' + b'""' * 20 + b"\n" * 9, limits=Limits(1, 4), sizes=[1])
def test_any_bytes_are_all_accounted_for_however_the_blocks_fall(kind, data, limits, sizes):
    check_file(*kind, data, limits, sizes)


@FAST
@given(
    data=HOSTILE,
    start=st.sampled_from([0, 100]),
    head=st.sampled_from([b"", b"a,b", b'"', b"\xff", b"a,a", b"\n", b"\0"]),
)
def test_frames_take_any_bytes_as_a_span(data, start, head):
    span = Span(start, start + len(data), 1, head=head)
    check_frames(frames_csv(data, span, OPTIONS), b"." * start + data, span)


@FAST
@given(data=ROWS.map(lambda rows: b"x,y\n" + rows), limits=LIMITS)
def test_rows_are_those_that_a_reader_of_single_bytes_finds(data, limits):
    rows = naive_rows(data, limits.max_record_bytes)[1:]
    found = framed(*CSV, data, limits)[1]
    offsets = [(a, a + n) for f in found for a, n in zip(f.offset.tolist(), f.length.tolist(), strict=True)]
    assert offsets == [(start, stop) for start, stop, _, fault in rows if not fault and stop > start]


@FAST
@given(data=ROWS.map(lambda rows: b"x,y\n" + rows), limits=LIMITS)
@example(data=b'x,y\n"","d,e"', limits=Limits(1, 1))  # the row was too long before the stray quote
def test_rows_set_aside_whole_are_those_that_a_reader_of_single_bytes_finds(data, limits):
    rows = naive_rows(data, limits.max_record_bytes)[1:]
    wanted = {(at, fault) for start, _, after, fault in rows if fault for at in range(start, after)}
    spans = [span for span in spans_of(cut_csv, data, limits) if span.fault]
    assert {(at, span.fault) for span in spans for at in range(span.start, span.stop)} == wanted


@FAST
@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(TEXT, min_size=n, max_size=n), max_size=8)),
    st.sampled_from([(CSV, ","), (TSV, "\t")]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(1, 50),
)
def test_what_csv_writer_writes_arrives_unchanged(rows, kind, quoting, size):
    names = [[f"c{n}" for n in range(len(rows[0]))]] if rows else [["c0"]]
    data = written(names + rows, kind[1], quoting=quoting)
    assert values(kind[0], data, Limits(size, 1 << 20)) == rows


@FAST
@given(
    st.lists(st.lists(FIELD, min_size=2, max_size=2), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_rows_are_read_as_csv_reader_reads_them(rows, end):
    data = end.join(["x,y", *(",".join(row) for row in rows), ""])
    kept = values(CSV, data.encode())
    read = [row for row in csv.reader(io.StringIO(data, newline="")) if row][1:]
    assert kept == read


@FAST
@given(st.lists(TEXT, min_size=1, max_size=6, unique=True))
def test_the_keys_are_the_names_in_the_order_of_the_header(names):
    assume(not names[0].startswith("\ufeff"))
    data = written([names, names])
    assert list(json.loads(payloads(*CSV, data)[0])) == names


def test_a_payload_is_what_msgspec_encodes():
    text = "".join(map(chr, range(1, 0x2100))) + "\U0001f600"
    data = written([['the key\t"\\', "b"], [text, "x"]], quoting=csv.QUOTE_ALL)
    assert payloads(*CSV, data) == [msgspec.json.encode({'the key\t"\\': text, "b": "x"})]


@pytest.mark.parametrize("length", range(28, 70))
@pytest.mark.parametrize("quoted", [b"%b", b'"%b"'])
def test_a_value_of_any_length_is_copied_whole(length, quoted):
    texts = ["y" * n + "\\" + "z" * (length - n) for n in range(length)]
    data = b"a\n" + b"\n".join(quoted % text.encode() for text in texts)
    assert values(CSV, data) == [[text] for text in texts]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (b"1,2", ["1", "2"]),
        (b" 1 , 2 ", [" 1 ", " 2 "]),
        (b",", ["", ""]),
        (b'"",""', ["", ""]),
        (b'"1,2","3\n4"', ["1,2", "3\n4"]),
        (b'"say ""hi""",x', ['say "hi"', "x"]),
        (b'5" wide,6"', ['5" wide', '6"']),
        (b' "1","2"', [' "1"', "2"]),
        (b"1\r2,3", ["1\r2", "3"]),
        (b"007,1.50", ["007", "1.50"]),
        (b"NULL,NaN", ["NULL", "NaN"]),
        (b'"1\r\n2",3', ["1\r\n2", "3"]),
        (b"1\t2,3", ["1\t2", "3"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=repr)
def test_a_row_is_texts_as_sent(row, found, end):
    assert values(CSV, b"a,b\n" + row + end) == [found]


def test_a_tab_separates_where_it_should():
    assert values(TSV, b"a\tb\n1,2\t\n\t\n") == [["1,2", ""], ["", ""]]


def test_every_byte_outside_the_rows_is_named():
    (found,) = framed(*CSV, b"\xef\xbb\xbf\r\na,b\r\n1,2\r\n\n3,4\r\n")[1]
    assert found.overhead == {"bom": 3, "blank": 3, "separator": 6, "header": 3}


def test_a_row_has_the_line_on_which_it_begins():
    assert [line for line, _, _ in records(*CSV, b'\na,"b\n"\n1,"2\n\n3"\n\n4,5')] == [4, 8]


def test_every_span_carries_the_header():
    spans = spans_of(cut_csv, b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\r\n", Limits(9, 99))
    assert [(s.start, s.head) for s in spans] == [(0, b"a,b"), (13, b"a,b")]


@pytest.mark.parametrize("size", range(1, 40, 3))
def test_spans_of_any_size_give_the_same_rows(size):
    data = b'a,b\n1,"2\n3"\n\n4,5\r\n"6","7""\n""8"\n9,10'
    assert records(*CSV, data, Limits(size, 99)) == records(*CSV, data)


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\n", b"\xef\xbb\xbf"], ids=repr)
def test_a_file_without_a_header_or_a_row_holds_nothing(data):
    assert (records(*CSV, data), faults(*CSV, data)) == ([], [])


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b'"a\n","b"\r\n', b'""', b"a,"], ids=repr)
def test_a_header_alone_is_no_fault(data):
    assert (records(*CSV, data), faults(*CSV, data)) == ([], [])


FAULTY = [
    ("utf8.invalid", b"1,\xff"),
    ("utf8.invalid", b'"\xc3",2'),
    ("json.nul_byte", b"1,\0"),
    ("json.nul_byte", b'"\0",1'),
    ("csv.wrong_width", b"1"),
    ("csv.wrong_width", b"1,2,3"),
    ("csv.wrong_width", b" "),
    ("csv.stray_quote", b'"1"x,2'),
    ("csv.stray_quote", b'"1" ,2'),
    ("csv.stray_quote", b'1,"2"\r3'),
    ("csv.unclosed_quote", b'1,"2'),
    ("csv.unclosed_quote", b'1,"2\n3,4\n'),
    ("csv.unclosed_quote", b'1,"2""'),
]


@pytest.mark.parametrize(("reason", "row"), FAULTY, ids=[f"{r} {row!r}" for r, row in FAULTY])
def test_a_faulty_row_is_refused_whole_for_its_reason(reason, row):
    assert faults(*CSV, b"a,b\n1,2\n" + row) == [(reason, row)]


@pytest.mark.parametrize(("reason", "row"), FAULTY, ids=[f"{r} {row!r}" for r, row in FAULTY])
def test_a_faulty_row_costs_no_other(reason, row):
    after = [] if reason == "csv.unclosed_quote" else [["é", "4"]]
    assert values(CSV, b"a,b\n1,2\n" + row + b"\r\n\xc3\xa9,4\n") == [["1", "2"], *after]


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (b"1,2,3", "3 fields, header has 2"),
        (b"1,\xff", "byte 0xff at 2: invalid start byte"),
        (b"1,\0", "at byte 2"),
        (b'"1"x,2', "text after a closing quote"),
        (b'"1', "the file ends inside quotes"),
    ],
)
def test_a_refused_row_says_why(row, detail):
    (found,) = framed(*CSV, b"a,b\n" + row)[1]
    assert found.faults[0][1] == detail


def test_many_rows_that_are_not_utf8_are_all_found():
    rows = [b"%d,%b" % (n, b"\xff" if n % 3 else b"x") for n in range(3000)]
    assert [raw for _, raw in faults(*CSV, b"a,b\n" + b"\n".join(rows))] == [
        row for row in rows if b"\xff" in row
    ]


HEADERS = [
    (b"a,b,a\n1,2,3\n", "csv.bad_header", "the name 'a' stands twice"),
    (b"a,,\n1,2,3\n", "csv.bad_header", "the name '' stands twice"),
    (b'a,"a"\n', "csv.bad_header", "the name 'a' stands twice"),
    (b"a,\xff\n1,2\n", "csv.bad_header", "byte 0xff at 2: invalid start byte"),
    (b"a,\0\n1,2\n", "csv.bad_header", "a NUL byte"),
    (b'"a"b,c\n1,2\n', "csv.bad_header", "text after a closing quote"),
    (b'"a,b\n1,2\n', "csv.bad_header", "a quote that is never closed"),
    (b"a,b\r1,2\r3,4\r", "csv.bad_header", "a CR outside quotes: a row must end at LF or CRLF"),
    (b"a" * HEADER_BYTES + b"\n1\n", "csv.no_header", f"no row ends in the first {HEADER_BYTES} bytes"),
    (b'"a' + b"\n" * HEADER_BYTES, "csv.no_header", f"no row ends in the first {HEADER_BYTES} bytes"),
    (b"\n" * HEADER_BYTES + b"a\n", "csv.no_header", f"no row ends in the first {HEADER_BYTES} bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason", "detail"), HEADERS, ids=[repr(data[:9]) for data, *_ in HEADERS])
def test_a_file_whose_header_can_not_be_trusted_is_set_aside_whole(data, reason, detail):
    spans = check_file(*CSV, data, Limits(1000, 99), [333])
    assert {(span.fault, span.detail) for span in spans} == {(reason, detail)}


@pytest.mark.parametrize("end", [b"", b"\n", b"\n1\n"], ids=repr)
def test_a_header_of_almost_64_kib_is_read(end):
    assert has_a_header(b"a" * (HEADER_BYTES - 1) + end)


def test_an_empty_name_may_stand_once():
    assert payloads(*CSV, b",b\n1,2\n") == [b'{"":"1","b":"2"}']


STRAY = b'a,b\n1,2\n3,"4\n' + b"".join(b"%d,x\n" % n for n in range(100))


@pytest.mark.parametrize("size", [5, 64, 10_000])
def test_a_stray_quote_costs_the_line_on_which_it_stands(size):
    limits = Limits(size, 80)
    assert b"".join(raw for _, raw in faults(*CSV, STRAY, limits)) == b'3,"4\n'
    assert values(CSV, STRAY, limits) == [["1", "2"], *([str(n), "x"] for n in range(100))]


def test_a_stray_quote_says_where_it_is():
    (span,) = [span for span in spans_of(cut_csv, STRAY, Limits(1000, 80)) if span.fault]
    assert (span.line, span.fault, span.detail) == (
        3, "csv.unclosed_quote", "the quote at byte 10 is not closed within 80 bytes",
    )  # fmt: skip


def test_a_stray_quote_on_a_later_line_of_its_row_costs_the_row_to_the_end_of_that_line():
    data = b'a,b\n"1\n2","3\n' + b"4,5\n" * 40
    assert faults(*CSV, data, Limits(999, 80)) == [("csv.unclosed_quote", b'"1\n2","3\n')]


def test_a_stray_quote_on_a_line_without_end_costs_that_line_in_pieces():
    data = b'a,b\n1,"' + b"x" * 500 + b"\n4,5\n"
    spans = spans_of(cut_csv, data, Limits(100, 80))
    assert [(s.start, s.fault) for s in spans if s.fault] == [
        (4 + n, "csv.unclosed_quote") for n in range(0, 504, 100)
    ]
    assert values(CSV, data, Limits(100, 80)) == [["4", "5"]]


def test_each_of_many_stray_quotes_costs_its_line():
    good = b"".join(b"%d,x\n" % n for n in range(100))
    data = b"a,b\n" + (b'1,"2\n' + good) * 5
    assert b"".join(raw for _, raw in faults(*CSV, data, Limits(999, 80))) == b'1,"2\n' * 5


def test_a_row_that_is_too_long_is_set_aside_and_the_next_is_not():
    data = b"a,b\n1,2\n3," + b"x" * 200 + b"\r\n4,5\n"
    limits = Limits(64, 80)
    assert faults(*CSV, data, limits) == [("json.too_long", b"3," + b"x" * 200 + b"\r\n")]
    assert values(CSV, data, limits) == [["1", "2"], ["4", "5"]]


@pytest.mark.parametrize("sizes", [(1,), (0,)], ids=["blocks of a byte", "one block"])
def test_a_row_as_long_as_is_allowed_is_kept(sizes):
    data = b"a,b\n" + b"1," + b"x" * 78 + b"\r\n"
    assert not any(span.fault for span in spans_of(cut_csv, data, Limits(5, 80), sizes))


def test_a_stray_quote_in_a_large_file_takes_no_time():
    data = b'a,b,c\n1,"2,3\n' + b"".join(b"%d,say hi,x\n" % n for n in range(300_000))
    blocks = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    list(cut_csv([b"a\n1"], LARGE))
    start = time.perf_counter()
    assert [s.line for s in cut_csv(blocks, Limits(1 << 20, 1 << 20)) if s.fault] == [2]
    assert time.perf_counter() - start < 5


def test_lines_are_counted_through_quotes_and_recoveries():
    data = b'a,b\n"1\n",2\n3,"\n' + b"\n" * 90 + b"4,5\n"
    assert [line for line, _, _ in records(*CSV, data, Limits(1, 80))] == [2, 95]
    assert all(a.stop == b.start for a, b in itertools.pairwise(spans_of(cut_csv, data, Limits(1, 80))))
