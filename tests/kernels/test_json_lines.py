"""The scanner against a parser: GOOD is a dict, BAD is none, and what it says of a row is so."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.ingest.validate import MAX_DEPTH, diagnose, parse
from toolkit.kernels import reference_lines
from toolkit.kernels.json_lines import ASK, BAD, GOOD, scan

RICH = (
    b' {"id" : -0.5e-3, "license":"cc-by", "tags":["a\\n\\u00e9","", {}, [ ] ,[[1,20],{"x":null}]],\t'
    b'"generator_model":"m","t":"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \\\\ \\" joe@site.org","ok":true,'
    b'"no":false,"model":null,"n":0,"big":123456789012345678901234567890,"f":1.25E+2}\r '
)

GOOD_ROWS = [
    RICH,
    b'{"a":1}',
    b'{"a":"\\ud800"}',
    b'{"\\udfff":1}',
    b'{"a":"\\udc00\\ud800"}',
    b'{"a":%b}' % (b"7" * 5000),
    b'{"a":-0.0,"b":-0}',
    b'{"a":1e-999}',
    b'{"a":1,"a":2}',
    b'{"a":\r1}',
    b'{"a":\n[1,\r\n2]}',
    b'{"a":"\xf4\x8f\xbf\xbf\xef\xbf\xbf\xef\xbb\xbf\x7f"}',
    b'{"":null}',
    b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH,
    b'{"a":"%b\\""}' % (b"[{" * 200),
    b'{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\uABcd"}',
    b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
]
BAD_ROWS = [
    b"", b" ", b"{", b"}", b"{}", b" { } ", b"[]", b'[{"a":1}]', b"null", b'"text"', b"1e5", b"\0", b"[",
    b'{"a":"\xff"}', b'{"\xff":1}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', b'{"a":"\xf4\x90\x80\x80"}',
    b'{"a":"\xe2\x80', b'{"a":"\0"}', b'{"a":1}\0', b'{"a":"x', b'{"a":"\\', b'{"a":"\\u12', b'{"a":-',
    b'{"a":1.', b'{"a":1e+', b'{"a":tru', b'{"a":1}{"b":2}', b'{"a":1}}', b'{"a":1},', b'{"a":NaN}',
    b'{"a":[-Infinity]}', b"{'a':1}", b'{"a":1,}', b'{"a":01}', b'{"a":.5}', b'{"a":+1}', b'{"a":1.e5}',
    b'{"a":"\t"}', b'{"a":"\\x"}', b'{"a":"\\u00g0"}', b'{"a":\xe2\x80\xa81}', b'\x0b{"a":1}', b'{"a" 1}',
    b'\xef\xbb\xbf{"a":1}', b'{"a":[1,]}', b'{"a":[,1]}', b'{,"a":1}', b'{"a":1 "b":2}', b'{"a":[1}',
    b'{"a":{]}', b'{"a":[1 2]}', b'{"a":}', b'{1:2}', b'{"a":"b":1}', b'{"a","b":1}', b'{"a":truefalse}',
    b'{"a":nul}', b'{"a":nulL}', b'{"a":falsy}', b'{"a":--1}', b'{"a":0x1}', b'{"a":1f}', b'{"a":00}',
    b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), b'{"a":"\\ud800"', b'{"a":"\x1f"}',
]  # fmt: skip
ASKED_ROWS = [
    b'{"a":1e999}', b'{"a":1e308}', b'{"a":9e308}',
    b'{"a":-1%b.0}' % (b"0" * 400), b'{"a":0e309}', b'{"a":1%be300}' % (b"0" * 20),
    b'{"a":1e99999999999999999999}', b'\n{"a":1}', b'{"a":1}\n', b'\n{"a":"\\ud800"}',
]  # fmt: skip
FINITE = [
    b"1e307",
    b"12345e300",
    b"0.1e307",
    b"1%be-400" % (b"0" * 500),
    b"1e-99999999999999",
    b"1E5",
    b"2e+5",
]


def scanned(rows, before=b"", between=b"\n", after=b""):
    """The rows in one buffer, each in the same surroundings."""
    buffer, start, stop = bytearray(before), [], []
    for row in rows:
        start.append(len(buffer))
        buffer += row
        stop.append(len(buffer))
        buffer += between
    buffer = buffer[: len(buffer) - len(between)] if rows else buffer
    data = np.frombuffer(bytes(buffer + after), np.uint8)
    return scan(data, np.array(start, np.int64), np.array(stop, np.int64)), data


def is_good(row):
    return isinstance(parse(row) or diagnose(row), dict)


def check(rows, **surroundings):
    found, _ = scanned(rows, **surroundings)
    for row, verdict in zip(rows, found.verdict.tolist(), strict=True):
        assert verdict == ASK or is_good(row) == (verdict == GOOD), row
    return found


def test_good_bad_and_undecided_rows_are_told_apart():
    assert (check(GOOD_ROWS).verdict == GOOD).all()
    assert (check(BAD_ROWS).verdict == BAD).all()
    assert (check(ASKED_ROWS).verdict == ASK).all()


def test_a_parser_is_asked_only_about_numbers_that_may_be_infinite():
    assert (check([b'{"a":[%b]}' % number for number in FINITE]).verdict == GOOD).all()


def test_every_truncation_of_a_row_is_judged_as_the_parser_does():
    check([RICH[:end] for end in range(len(RICH) + 1)])


def test_every_mutation_of_one_byte_is_judged_as_the_parser_does():
    check([RICH[:at] + bytes([byte]) + RICH[at + 1 :] for at in range(len(RICH)) for byte in range(256)])


def test_every_deletion_of_one_or_two_bytes_is_judged_as_the_parser_does():
    check([RICH[:at] + RICH[at + size :] for at in range(len(RICH)) for size in (1, 2)])


PIECES = [
    b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b'"a"', b'"license":', b'"model":"m"', b"1", b"-", b"0",
    b"1.5e3", b"e", b".", b"true", b"null", b"NaN", b" ", b"\t", b"\r", b"\n", b"\0", b"\xff", b"\xc3\xa9",
    b"\xe2\x80", b"\\u", b'{"a":1}', b'{"\\ud800":1}', b"x" * 70, b"\x0b", b"\x1c", b"\xc2\x85", b"a@b.c",
    b"/*",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join) | st.binary(max_size=80)
NEARLY = st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: b'{"k":' + b"".join(pieces) + b"}")


@settings(deadline=None, max_examples=300)
@given(st.lists(HOSTILE | NEARLY, max_size=6), st.binary(max_size=3), st.binary(max_size=70))
def test_hostile_rows_are_judged_as_the_parser_does(rows, between, after):
    check(rows, between=between, after=after)


@pytest.mark.parametrize("row", [*GOOD_ROWS, *BAD_ROWS], ids=repr)
@pytest.mark.parametrize("after", [b"", b'"}' * 40, b"\x80\xff" * 40, b"1e9@a.b" * 20, b"\\" * 80])
def test_what_lies_around_a_row_does_not_change_it(row, after):
    alone, within = scanned([row])[0], scanned([row], before=b"a@\xe2\\", after=after)[0]
    shift = np.where(alone.license >= 0, 4, 0)
    assert alone.verdict == within.verdict and alone.mail == within.mail and alone.shape == within.shape
    assert np.array_equal(alone.license + shift, within.license)


def test_a_row_is_the_same_at_every_distance_from_the_end_of_the_buffer():
    license, generator, _ = reference_lines.places(RICH)
    found = [scanned([RICH], after=b"\xff" * size)[0] for size in range(130)]
    assert {(f.verdict[0], f.mail[0], *f.license[0], *f.generator[0]) for f in found} == {
        (GOOD, True, *license, *generator)
    }


def test_no_rows_give_no_answers():
    found, _ = scanned([])
    assert len(found) == 0 and found.license.shape == found.model.shape == (0, 2)
    assert len(scan(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))) == 0


def test_more_levels_than_there_are_bits_are_refused():
    with pytest.raises(RequestError, match="max_depth is 65"):
        scan(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64), 65)


def test_fewer_levels_may_be_allowed():
    data = np.frombuffer(b'{"a":[[1]]}', np.uint8)
    place = np.array([0]), np.array([len(data)])
    assert [scan(data, *place, depth).verdict[0] for depth in (2, 3)] == [BAD, GOOD]


# What a row says of itself.

TEXTS = st.sampled_from(
    ["", " ", "x", "mit", "\u3000", "\u00a0", "a\\b", '"', "\ud800", "\u00e9", "\u4e2d", "\x1c"]
)
VALUES = TEXTS | st.sampled_from([None, True, False, 0, 1, [], ["license"], {}, {"model": "inner"}])
NAMES = [
    "license",
    "model",
    "generator_model",
    "licens",
    "License",
    "model ",
    "generator_mode1",
    "id",
    "\u00e9",
]
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), min_size=1, max_size=6)
SPACING = st.sampled_from([(",", ":"), (" ,\t", " : "), (",\n", ":\r")])


def printed(fields, spacing, ascii_only, escape_keys):
    comma, colon = spacing
    keys = [json.dumps(key, ensure_ascii=ascii_only) for key, _ in fields]
    if escape_keys:
        keys = [key.replace("l", "\\u006c") for key in keys]
    values = [json.dumps(value, ensure_ascii=ascii_only or value == "\ud800") for _, value in fields]
    return f"{{{comma.join(k + colon + v for k, v in zip(keys, values, strict=True))}}}".encode()


ROWS = st.builds(printed, FIELDS, SPACING, st.booleans(), st.sampled_from([False, False, True]))


def told(found, data, row):
    """(licence, model) from the places alone: the rule of the door."""
    texts = [
        bytes(data[a:b]).decode() if a >= 0 else None
        for a, b in (found.license[row], found.generator[row], found.model[row])
    ]
    return texts[0], texts[1] or texts[2]


def truly_told(row):
    value = json.loads(row)
    license, model = value.get("license"), value.get("generator_model") or value.get("model")
    return (
        license if isinstance(license, str) and license.strip() else None,
        model if isinstance(model, str) else None,
    )


@settings(deadline=None, max_examples=300)
@given(st.lists(ROWS, max_size=5))
@example([b'{"license":null,"generator_model":null,"model":5}', b'{"model":"a","model":"b"}'])
def test_unless_a_parser_is_asked_the_places_tell_licence_and_model(rows):
    found, data = scanned(rows)
    assert (found.verdict == GOOD).all()
    for row in np.flatnonzero(~found.ask):
        assert told(found, data, row) == truly_told(rows[row])


@settings(deadline=None, max_examples=300)
@given(st.lists(ROWS, min_size=1, max_size=5))
@example([RICH])
@example(GOOD_ROWS)
def test_shape_places_and_ask_are_those_of_the_reference(rows):
    found, _ = scanned(rows)
    start = np.cumsum([0] + [len(row) + 1 for row in rows])[:-1]
    for at, row in enumerate(rows):
        here = [
            p[at] - (start[at] if p[at][0] >= 0 else 0) for p in (found.license, found.generator, found.model)
        ]
        assert [tuple(p) for p in here] == reference_lines.places(row)
        assert (found.shape[at], found.ask[at]) == (reference_lines.shape(row), reference_lines.ask(row))


def test_the_shape_is_that_of_the_top_keys_in_their_order():
    rows = [
        b'{"a":1,"b":2}',
        b' {"a" :{"c":[]} , "b":"x"}',
        b'{"b":2,"a":1}',
        b'{"ab":1}',
        b'{"a":1}',
        b'{"a":1,"b":2,"c":3}',
    ]
    shapes = scanned(rows)[0].shape.tolist()
    assert shapes[0] == shapes[1] and len(set(shapes)) == 5


def test_a_bad_row_says_nothing_of_itself():
    found = scanned([b'{"license":"mit","model":"\\u0061","m":"a@b.c"]'])[0]
    assert (found.shape[0], found.ask[0], found.mail[0], *found.license[0]) == (0, False, False, -1, -1)


MAIL = [
    b"@",
    b"a",
    b".",
    b"-",
    b"+",
    b"_",
    b"\\n",
    b"\xc3\xa9",
    b" ",
    b"a@b",
    b".c",
    b"x" * 60,
    b"@b.c",
    b"9",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(MAIL), max_size=12).map(b"".join), st.binary(max_size=70))
@example(b"@b.c", b"")
@example(b"a@b.", b"c")
@example(b"a@b", b".c")
def test_mail_is_what_the_expression_finds(text, after):
    row = b'{"a":"%b"}' % text
    assert scanned([row], before=b"a", after=after)[0].mail[0] == reference_lines.mail(row)


@pytest.mark.parametrize("byte", range(128))
def test_mail_holds_the_bytes_that_the_expression_allows(byte):
    c = json.dumps(chr(byte)).encode()[1:-1]
    rows = [b'{"k":"%b"}' % text for text in (c + b"@b.c", b"a@" + c + b".c", b"a@b" + c + b"c", b"a@b." + c)]
    assert scanned(rows)[0].mail.tolist() == [reference_lines.mail(row) for row in rows]
