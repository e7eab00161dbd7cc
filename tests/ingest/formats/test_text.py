import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.formats.framed import check_frames, in_blocks
from toolkit.errors import RequestError
from toolkit.ingest.formats import text, whole
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Limits, Span

LARGE = Limits(1 << 30, 1 << 30)
RULES = ["blank-line", "line", "file", "marker:--", "marker: "]
ALPHABET = [
    b"a",
    b"--",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b"\xff",
    "é".encode(),
    b"\xef\xbb\xbf",
]
BYTES = st.lists(st.sampled_from(ALPHABET), max_size=30).map(b"".join) | st.binary(max_size=40)
BOM = b"\xef\xbb\xbf"


def spans_of(data, rule, limits=LARGE, sizes=(3,)):
    return list(text.cut(in_blocks(data, sizes) if data else [], limits, Options("f", rule)))


def frames_of(data, rule, limits=LARGE):
    options = Options("f", rule)
    return [
        text.frames(data[s.start : s.stop], s, options)
        for s in spans_of(data, rule, limits)
        if s.fault is None
    ]


def documents(data, rule, limits=LARGE):
    """(line, text) of what is read, (line, raw bytes) of what is refused."""
    found = []
    for f in frames_of(data, rule, limits):
        for row in range(len(f)):
            payload = f.payload(row)
            found.append(
                (int(f.line[row]), payload if row in f.faults else json.loads(payload)["text"].encode())
            )
    return found


def lines_of(data):
    """(line, content) of a text, the slow way."""
    data = data.removeprefix(BOM)
    parts = data.split(b"\n")
    ended = [part.removesuffix(b"\r") for part in parts[:-1]]
    return list(enumerate(ended + ([parts[-1]] if parts[-1] else []), 1))


def slow_documents(data, rule, largest=1 << 30):
    """What each rule says, a line at a time."""
    raw, documents, lines = data.removeprefix(BOM), [], []
    if rule == "file":
        return [(1, re.sub(rb"\r?\n\Z", b"", raw))] if raw.strip(b" \t\r\n") else []
    at = 0
    for number, content in lines_of(data):
        end = raw.find(b"\n", at) + 1 or len(raw)
        blank = not content[: largest + 1].strip(b" \t\r")
        separates = content == rule[7:].encode() if rule.startswith("marker:") else blank
        if lines and (separates or rule == "line"):
            documents.append(lines)
            lines = []
        lines = lines if separates else [*lines, (number, content, raw[at:end])]
        at = end
    whole_lines = [*documents, lines] if lines else documents
    return [
        (found[0][0], b"".join(line[2] for line in found[:-1]) + found[-1][1])
        for found in whole_lines
        if any(line[1].strip(b" \t\r") for line in found)
    ]


@settings(deadline=None, max_examples=300)
@given(BYTES, st.sampled_from(RULES))
def test_documents_are_those_of_the_rule(data, rule):
    assert documents(data, rule) == slow_documents(data, rule)


@settings(deadline=None, max_examples=300)
@given(
    BYTES,
    st.sampled_from(RULES),
    st.integers(1, 12),
    st.integers(1, 12),
    st.lists(st.integers(1, 5), min_size=1),
)
def test_every_byte_is_in_the_books_wherever_blocks_and_cuts_fall(data, rule, shard, largest, sizes):
    limits = Limits(shard, largest)
    spans = spans_of(data, rule, limits, sizes)
    assert spans == spans_of(data, rule, limits, (0,))
    ends = [0, *(span.stop for span in spans)]
    assert [span.start for span in spans] == ends[:-1] and ends[-1] == len(data)
    for span in spans:
        if span.fault is None:
            check_frames(text.frames(data[span.start : span.stop], span, Options("f", rule)), data, span)
        assert span.stop - span.start <= (shard if span.fault else shard + largest + 5)


@settings(deadline=None, max_examples=200)
@given(BYTES, st.sampled_from(RULES[:2] + RULES[3:]), st.integers(1, 12), st.integers(1, 12))
def test_cuts_change_no_document_but_those_that_are_too_long(data, rule, shard, largest):
    short = [found for found in slow_documents(data, rule, largest) if len(found[1]) <= largest]
    assert documents(data, rule, Limits(shard, largest)) == short


@settings(deadline=None, max_examples=100)
@given(BYTES, st.sampled_from(RULES), st.integers(0, 50))
def test_extraction_never_raises_on_a_span_from_anywhere(data, rule, start):
    span = Span(start, start + len(data), 7)
    found = text.frames(data, span, Options("f", rule))
    assert int(found.length.sum()) + sum(found.overhead.values()) == len(data)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("blank-line", [(2, b"a\r\nb"), (6, b"--"), (8, b"c ")]),
        ("line", [(2, b"a"), (3, b"b"), (6, b"--"), (8, b"c ")]),
        ("file", [(1, b"\na\r\nb\n \t\r\n\n--\n\nc ")]),
        ("marker:--", [(1, b"\na\r\nb\n \t\r\n"), (7, b"\nc ")]),
    ],
)
def test_the_rules_side_by_side(rule, expected):
    assert documents(b"\na\r\nb\n \t\r\n\n--\n\nc \n", rule) == expected


@pytest.mark.parametrize(
    ("rule", "overhead"),
    [
        ("blank-line", {"bom": 3, "separator": 5, "blank": 2}),
        ("line", {"bom": 3, "separator": 5, "blank": 2}),
        ("file", {"bom": 3, "separator": 1}),
        ("marker:a", {"bom": 3, "separator": 3, "marker": 1}),
    ],
)
def test_overhead_is_named(rule, overhead):
    assert frames_of(BOM + b"a\r\n \t\n\nb\n", rule)[0].overhead == overhead


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"a\xffb", "utf8.invalid"), (b"a\0b", "text.nul_byte"), (b"\xed\xa0\x80", "utf8.invalid")],
)
@pytest.mark.parametrize("rule", RULES[:4])
def test_a_document_that_is_no_text_is_refused_whole(raw, reason, rule):
    found = frames_of(raw + b"\n", rule)[0]
    assert (found.faults[0][0], found.payload(0)) == (reason, raw)


def test_a_bad_document_does_not_cost_its_neighbours():
    assert [found for _, found in documents(b"a\n\n\xff\n\nb", "blank-line")] == [b"a", b"\xff", b"b"]


def test_a_byte_order_mark_is_one_only_at_the_start():
    assert documents(BOM + b"a\n\n" + BOM + b"b", "blank-line") == [(1, b"a"), (3, BOM + b"b")]


def test_a_document_too_long_is_set_aside_in_pieces_between_its_neighbours():
    spans = spans_of(b"a\n\n" + b"x" * 25 + b"\n\nb\n", "blank-line", Limits(10, 20))
    faults = [(s.stop - s.start, s.line, s.detail) for s in spans if s.fault == "text.too_long"]
    assert faults == [(size, 3, "a document of more than 20 bytes, in pieces") for size in (10, 10, 6)]
    assert [(s.start, s.line) for s in spans if not s.fault] == [(0, 1), (29, 4)]


def test_blank_lines_without_end_are_cut_too():
    spans = spans_of(b"a\n" + b"\n" * 1000 + b"b", "blank-line", Limits(10, 20))
    assert max(span.stop - span.start for span in spans) <= 30 and not any(span.fault for span in spans)


def test_a_file_taken_whole_is_too_long_in_pieces():
    spans = spans_of(b"x" * 25, "file", Limits(10, 20))
    assert [(s.fault, s.start, s.stop) for s in spans] == [
        ("file.too_long", 0, 10), ("file.too_long", 10, 20), ("file.too_long", 20, 25)]  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60), st.lists(st.integers(1, 5), min_size=1), st.integers(1, 9), st.integers(1, 70))
def test_a_whole_file_is_one_span_or_pieces(data, sizes, shard, largest):
    spans = list(whole.cut(in_blocks(data, sizes) if data else [], Limits(shard, largest), Options("f")))
    assert sum(span.stop - span.start for span in spans) == len(data)
    assert (
        (len(spans) == bool(data)) if len(data) <= largest else {s.fault for s in spans} == {"file.too_long"}
    )


@pytest.mark.parametrize("rule", [*RULES, "marker:<|endoftext|>", "marker:\f", "marker:a:b"])
def test_a_rule_is_accepted(rule):
    text.check_rule(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "blank",
        "Line",
        "marker",
        "marker:",
        "marker:a\nb",
        "marker:a\r",
        "marker:\udc00",
        "line:x",
        "regex:x",
    ],
)
def test_what_is_no_rule_is_refused_with_the_rules_there_are(rule):
    with pytest.raises(RequestError, match=r"blank-line, line, file, marker:TEXT"):
        text.check_rule(rule)
