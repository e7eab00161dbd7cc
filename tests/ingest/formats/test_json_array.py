import json
import time

import pytest
from hypothesis import example, given, settings
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
from toolkit.ingest.formats import json_array, json_values
from toolkit.ingest.span import Limits, Span
from toolkit.ingest.validate import diagnose

ARRAY = (json_array.cut, json_array.frames)
VALUES = (json_values.cut, json_values.frames)
KINDS = pytest.mark.parametrize("kind", [ARRAY, VALUES], ids=["array", "values"])
FAST = settings(deadline=None, max_examples=80)

PIECES = [
    b"[", b"]", b"{", b"}", b",", b",", b":", b'"', b'"', b"\\", b'\\"', b"\\\\", b" ", b"\n", b"\r\n",
    b"\xef\xbb\xbf", b"\0", b"\xff", b'{"a":1}', b'{"a":"]},{"}', b'"text"', b"12", b"true", b"x", b" " * 40,
    b'"' + b"y" * 50 + b'"',
]  # fmt: skip
HOSTILE = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join),
    st.lists(st.sampled_from(PIECES), max_size=20).map(lambda pieces: b"[" + b"".join(pieces)),
    st.lists(st.sampled_from([b'{"a":[1]}', b'"\\\\"', b"null", b'{\n"b":"\\"[" }']), max_size=9).map(
        lambda parts: b"\xef\xbb\xbf [\n" + b" ,\n".join(parts) + b"] \n"
    ),
)
LIMITS = st.builds(Limits, st.integers(1, 30), st.integers(1, 60))
SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=4)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.text(), JSON, max_size=3)
PRINTED = st.fixed_dictionaries(
    {"indent": st.sampled_from([None, 0, 2, "\t"]), "ensure_ascii": st.booleans()}
)


def printed(value, how):
    return json.dumps(value, **how).encode("utf-8", "surrogatepass")


def naive_value(data, at):
    """Where the value that begins at ``at`` ends, one byte at a time."""
    if data[at] not in b'{["':
        while at < len(data) and data[at] not in b' \t\r\n,[]{}"':
            at += 1
        return at
    depth, text = 0, False
    while at < len(data):
        byte = data[at]
        at += 1
        if text:
            at += byte == 92
            text = byte != 34
        else:
            text = byte == 34
            depth += (byte in b"{[") - (byte in b"}]")
        if depth == 0 and not text:
            return at
    return len(data)


def naive_array(data):
    """([(start, stop)], where the grammar breaks or None), by a grammar written as a table."""
    follows = {("start", "["): "first", ("after", ","): "next", ("after", "]"): "end", ("first", "]"): "end"}
    found, state, at = [], "start", 3 * data.startswith(b"\xef\xbb\xbf")
    while at < len(data):
        byte = chr(data[at])
        if byte in " \t\r\n":
            at += 1
        elif (state, byte) in follows:
            state, at = follows[state, byte], at + 1
        elif state in ("first", "next") and byte not in ",]}":
            stop = naive_value(data, at)
            found.append((at, stop))
            state, at = "after", stop
        else:
            return found, at
    return found, None


def naive_values(data):
    found, at = [], 3 * data.startswith(b"\xef\xbb\xbf")
    while at < len(data):
        if data[at] in b" \t\r\n":
            at += 1
        elif data[at] in b'{["-0123456789tfnNI':
            found.append((at, naive_value(data, at)))
            at = found[-1][1]
        else:
            return found, at
    return found, None


NAIVE = {ARRAY: naive_array, VALUES: naive_values}


@KINDS
@FAST
@given(data=HOSTILE, limits=LIMITS, sizes=SIZES)
@example(data=b"\xef\xbb\xbf", limits=Limits(1, 1), sizes=[1])
@example(data=b"\xef\xbb", limits=Limits(1, 1), sizes=[1])
@example(data=b"   [" + b" " * 99 + b"1" + b" " * 99 + b"]" + b" " * 99, limits=Limits(3, 4), sizes=[5])
def test_any_bytes_are_all_accounted_for_however_the_blocks_fall(kind, data, limits, sizes):
    check_file(*kind, data, limits, sizes)


@KINDS
@FAST
@given(data=HOSTILE, limits=LIMITS)
def test_records_are_those_that_a_reader_of_single_bytes_finds(kind, data, limits):
    found, _ = NAIVE[kind](data)
    kept = [(a, data[a:b]) for a, b in found if b - a <= limits.max_record_bytes]
    assert [(offset, raw) for _, offset, raw in records(*kind, data, limits)] == kept


@KINDS
@FAST
@given(data=HOSTILE, limits=LIMITS)
def test_what_is_set_aside_is_every_long_value_and_the_rest_after_a_break(kind, data, limits):
    found, broken = NAIVE[kind](data)
    long = [data[a:b] for a, b in found if b - a > limits.max_record_bytes]
    spans = [span for span in spans_of(kind[0], data, limits) if span.fault]
    rest = b"" if broken is None else data[broken:]
    assert b"".join(data[span.start : span.stop] for span in spans) == b"".join([*long, rest])


@KINDS
@FAST
@given(data=HOSTILE, limits=LIMITS)
def test_spans_without_a_fault_frame_without_one(kind, data, limits):
    assert not any(found.faults for found in framed(*kind, data, limits)[1])


@KINDS
@FAST
@given(
    data=HOSTILE,
    start=st.sampled_from([0, 100]),
    head=st.sampled_from([b"", b" ", b"[", b",", b"}", b"]", b"?"]),
)
def test_frames_take_any_bytes_as_a_span(kind, data, start, head):
    span = Span(start, start + len(data), 1, head=head)
    check_frames(kind[1](data, span, OPTIONS), b"." * start + data, span)


@KINDS
@FAST
@given(data=HOSTILE, limits=LIMITS)
def test_a_span_is_no_larger_than_the_limits_let_it_be(kind, data, limits):
    most = limits.shard_bytes + 2 * limits.max_record_bytes + 3
    assert all(span.stop - span.start <= most for span in spans_of(kind[0], data, limits))


@FAST
@given(st.lists(JSON, max_size=6), PRINTED, st.integers(1, 40))
def test_the_elements_of_an_array_are_those_that_a_parser_finds(values, how, size):
    data = printed(values, how)
    assert [json.loads(raw) for raw in payloads(*ARRAY, data, Limits(size, 1 << 20))] == json.loads(data)


@FAST
@given(st.lists(OBJECT, max_size=6), PRINTED, st.sampled_from([b"", b"\n", b" \r\n\t"]))
def test_values_one_after_another_arrive_verbatim(values, how, between):
    texts = [printed(value, how) for value in values]
    assert payloads(*VALUES, between.join(texts), Limits(9, 1 << 20)) == texts


@FAST
@given(st.lists(OBJECT, max_size=6), PRINTED)
def test_elements_of_an_array_arrive_verbatim(values, how):
    texts = [printed(value, how) for value in values]
    assert payloads(*ARRAY, b"[ " + b" ,\n".join(texts) + b"\n]\n", Limits(9, 1 << 20)) == texts


def test_a_span_begins_with_an_element_and_the_first_with_the_array():
    data = b'\xef\xbb\xbf[\n  {"a": 1},\n  {"b": 2},\n  {"c": 3}\n]\n'
    assert [data[s.start : s.stop] for s in spans_of(json_array.cut, data, Limits(12, 99))] == [
        b'\xef\xbb\xbf[\n  {"a": 1},\n  ', b'{"b": 2},\n  ', b'{"c": 3}\n]\n',
    ]  # fmt: skip


def test_an_element_has_the_line_on_which_it_begins():
    data = b'[\n{"a":\n1}, {"b":\n\n2},\n\n{"c":3}]'
    assert [line for line, _, _ in records(*ARRAY, data)] == [2, 3, 7]


def test_the_overhead_of_an_array_is_named():
    (found,) = framed(*ARRAY, b'\xef\xbb\xbf[ {"a":1},\n{"b":2} ]\n')[1]
    assert found.overhead == {"bom": 3, "structure": 3, "blank": 4}


@pytest.mark.parametrize("data", [b"[]", b" [ ] ", b"\xef\xbb\xbf[\n]\n", b"["], ids=repr)
def test_an_empty_array_has_no_record_and_no_fault(data):
    assert (records(*ARRAY, data), faults(*ARRAY, data)) == ([], [])


@KINDS
def test_an_empty_file_has_no_span(kind):
    assert spans_of(kind[0], b"") == []


@pytest.mark.parametrize("end", [b"", b"\n", b",", b",\n"], ids=repr)
def test_a_missing_bracket_costs_nothing(end):
    data = b'[{"a":1},{"b":2}' + end
    assert (payloads(*ARRAY, data), faults(*ARRAY, data)) == ([b'{"a":1}', b'{"b":2}'], [])


@pytest.mark.parametrize("cut", range(12, 24))
def test_an_array_cut_inside_an_element_ends_in_a_truncated_record(cut):
    data = b'[{"a":1}, {"b":[{"c":"d"}]}]'[:cut]
    assert payloads(*ARRAY, data) == [b'{"a":1}', data[10:]]
    assert diagnose(data[10:])[0] == "json.truncated"


BROKEN = {
    "no comma": (b'[{"a":1}', b' {"b":2}]'),
    "two commas": (b'[{"a":1},', b',{"b":2}]'),
    "a comma first": (b"[", b',{"b":2}]'),
    "a comma last": (b'[{"a":1},', b"]"),
    "more after the array": (b'[{"a":1}]', b'\n{"b":2}'),
    "another array": (b'[{"a":1}]', b"[2]"),
    "a NUL after the array": (b'[{"a":1}]', b"\0\0"),
    "a bracket too many": (b'[{"a":1}', b'},{"b":2}]'),
    "a bracket for an element": (b'[{"a":1},', b'},{"b":2}]'),
    "a colon": (b'[{"a":1}', b':{"b":2}]'),
    "no array": (b"", b'{"a":1}'),
    "half a byte-order mark": (b"", b"\xef\xbb[1]"),
    "two byte-order marks": (b"\xef\xbb\xbf", b"\xef\xbb\xbf[1]"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("limits", [LARGE, Limits(2, 50)], ids=["one span", "small spans"])
def test_from_where_an_array_is_broken_the_rest_is_set_aside(name, limits):
    good, rest = BROKEN[name]
    assert faults(*ARRAY, good + rest, limits) == [("json.array_broken", rest.lstrip())]
    assert payloads(*ARRAY, good + rest, limits) == [b'{"a":1}'] * good.count(b"a")


def test_a_broken_array_says_where_and_what_should_have_been():
    span = spans_of(json_array.cut, b'[{"a":1}\n{"b":2}]')[-1]
    assert (span.start, span.line, span.detail) == (9, 2, "byte 9: b'{' where a comma or ] should be")


def test_frames_of_a_broken_span_make_one_refused_row_of_the_rest():
    found = json_array.frames(b'{"a":1} {"b":2}', Span(50, 65, 3), OPTIONS)
    assert (found.payload(1), found.faults[1][0]) == (b'{"b":2}', "json.array_broken")


@pytest.mark.parametrize("rest", [b"hello", b'{"a":1}}'[7:], b", 1", b"\0", b"\xff"], ids=repr)
def test_values_that_can_not_be_followed_are_set_aside_to_the_end(rest):
    assert faults(*VALUES, b'{"a":1} ' + rest + b" {}") == [("json.values_broken", rest + b" {}")]


@pytest.mark.parametrize(
    "element",
    [b"1", b'"text"', b"null", b"[1,[2]]", b"nan", b"'a'", b'{"a":1]', b"\xff", b"\0", b"/*"],
    ids=repr,
)
def test_an_element_that_is_no_object_is_a_record_for_validation_to_refuse(element):
    assert payloads(*ARRAY, b'[{"a":1},' + element + b',{"b":2}]') == [b'{"a":1}', element, b'{"b":2}']


@KINDS
@pytest.mark.parametrize("size", [7, 50, 1000])
def test_a_value_that_is_too_long_is_set_aside_and_the_next_is_not(kind, size):
    comma = b"," if kind is ARRAY else b" "
    long = b'{"long":"%b"}' % (b"x" * 200)
    data = (b"[" if kind is ARRAY else b"") + comma.join([b'{"a":1}', long, b'{"b":2}', long, b'{"c":3}'])
    limits = Limits(size, 100)
    assert payloads(*kind, data, limits) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    assert {reason for reason, _ in faults(*kind, data, limits)} == {"json.too_long"}


def test_a_value_as_long_as_is_allowed_is_kept():
    assert payloads(*ARRAY, b'["%b"]' % (b"x" * 98), Limits(5, 100)) == [b'"%b"' % (b"x" * 98)]


def test_a_text_that_never_ends_is_too_long_and_held_in_no_memory():
    blocks = (b'[{"a":1},{"b":"' if n == 0 else b"x" * 1000 for n in range(1000))
    spans = list(json_array.cut(blocks, Limits(1000, 5000)))
    assert [s.fault for s in spans] == [None] + ["json.too_long"] * 1000


@pytest.mark.parametrize("run", [1, 2, 3, 31, 32, 33, 64])
@pytest.mark.parametrize("before", [0, 1, 30, 31, 32])
def test_a_run_of_backslashes_is_read_in_pairs(run, before):
    text = b'"' + b"x" * before + b"\\" * run + b'"'
    data = b"[" + text + (b',"' if run % 2 else b"") + b', "z"]'
    assert [(a, data[a:b]) for a, b in naive_array(data)[0]] == [
        (o, raw) for _, o, raw in records(*ARRAY, data)
    ]


def test_depth_has_no_limit_here():
    deep = b"[" * 100_000 + b"]" * 100_000
    assert payloads(*ARRAY, b"[" + deep + b",1]") == [deep, b"1"]


def test_a_large_array_takes_no_time():
    data = b"[" + b",\n".join([b'{"id":1,"text":"%b"}' % (b"word " * 200)] * 20_000) + b"]"
    spans_of(json_array.cut, b"[1]")
    start = time.perf_counter()
    spans = list(
        json_array.cut(
            [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)], Limits(1 << 22, 1 << 24)
        )
    )
    found = [json_array.frames(data[s.start : s.stop], s, OPTIONS) for s in spans]
    assert sum(map(len, found)) == 20_000
    assert time.perf_counter() - start < 5
