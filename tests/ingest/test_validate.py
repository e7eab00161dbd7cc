import json
import random
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.codes import codes_in
from ingest.taken import accepted, bronze, reasons, take
from toolkit.ingest import validate
from toolkit.ingest.validate import MAX_DEPTH, depth


def nested(levels):
    return b'{"a":' * levels + b"1" + b"}" * levels


BAD = [
    ("utf8.invalid", b'{"a":"\xff"}'),
    ("utf8.invalid", b'{"\xff":1}'),
    ("utf8.invalid", b'{"a":"\xed\xa0\x80"}'),
    ("utf8.invalid", b'{"a":"\xc0\x80"}'),
    ("utf8.invalid", b'{"a":"\xf4\x90\x80\x80"}'),
    ("utf8.invalid", b'{"a":"\xe2\x80'),
    ("utf8.invalid", b"\xff\xfe{\0}\0"),
    ("json.nul_byte", b'{"a":"\0"}'),
    ("json.nul_byte", b'{"a":1}\0'),
    ("json.nul_byte", b"\0" * 50),
    ("json.too_long", b'{"a":"%b"}' % (b"x" * 1000)),
    ("json.too_long", b"\xff" * 1001),
    ("json.too_deep", nested(MAX_DEPTH + 1)),
    ("json.too_deep", b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"),
    ("json.too_deep", b"[" * 900),
    ("json.truncated", b"{"),
    ("json.truncated", b'{"a":"x'),
    ("json.truncated", b'{"a":"\\'),
    ("json.truncated", b'{"a":"\\u12'),
    ("json.truncated", b'{"a":-'),
    ("json.truncated", b'{"a":1.'),
    ("json.truncated", b'{"a":1e+'),
    ("json.truncated", b'{"a":tru'),
    ("json.truncated", b'{"a":"\\ud800","b":'),
    ("json.truncated", b'{"a":%b,"b"' % (b"1" * 500)),
    ("json.trailing_garbage", b'{"a":1}{"b":2}'),
    ("json.trailing_garbage", b'{"a":1}}'),
    ("json.trailing_garbage", b'{"a":1}\r{"b":2}'),
    ("json.trailing_garbage", b'{"a":1},'),
    ("json.non_finite", b'{"a":NaN}'),
    ("json.non_finite", b'{"a":[-Infinity]}'),
    ("json.non_finite", b'{"a":1e999}'),
    ("json.non_finite", b'{"a":-1%b.0}' % (b"0" * 400)),
    ("json.invalid", b"{'a':1}"),
    ("json.invalid", b'{"a":1,}'),
    ("json.invalid", b'{"a":01}'),
    ("json.invalid", b'{"a":.5}'),
    ("json.invalid", b'{"a":+1}'),
    ("json.invalid", b'{"a":"\t"}'),
    ("json.invalid", b'{"a":"\\x"}'),
    ("json.invalid", b'{"a":\xe2\x80\xa81}'),
    ("json.invalid", b'\x0b{"a":1}'),
    ("json.invalid", b"plain text"),
    ("json.invalid", b'// a comment\r{"a":1}'),
    ("json.not_object", b"[]"),
    ("json.not_object", b'[{"a":1}]'),
    ("json.not_object", b"null"),
    ("json.not_object", b'"text"'),
    ("json.not_object", b"1e5"),
    ("json.empty_object", b"{}"),
    ("json.empty_object", b" { } "),
]

AWKWARD = {
    "an escaped lone surrogate": b'{"a":"\\ud800"}',
    "surrogates the wrong way round": b'{"a":"\\udc00\\ud800"}',
    "a lone surrogate in a key": b'{"\\udfff":1}',
    "an escaped surrogate pair": b'{"a":"\\ud83d\\ude00"}',
    "a 30-digit integer": b'{"a":123456789012345678901234567890}',
    "a 400-digit integer": b'{"a":%b}' % (b"7" * 400),
    "a 5,000-digit integer": b'{"a":%b}' % (b"7" * 5000),
    "one as a float": b'{"a":1.0}',
    "minus nought": b'{"a":-0.0,"b":-0}',
    "a number too small for a float": b'{"a":1e-999}',
    "more digits than a float has": b'{"a":0.10000000000000000555111512312578270}',
    "a key given twice": b'{"a":1,"a":2}',
    "a line separator in a text": '{"a":"\u2028\u2029\x85"}'.encode(),
    "escapes nobody needed": b'{"\\u0061":"\\/\\u0000"}',
    "spaces everywhere": b' \t{ "a" :\t1 , "b":[ ] } ',
    "a lone carriage return": b'{"a":\r1}',
    "a byte-order mark in a text": b'{"a":"\xef\xbb\xbf"}',
    "an astral character": '{"😀":"𝒳"}'.encode(),
    "an unassigned code point": b'{"a":"\xf4\x8f\xbf\xbf\xef\xbf\xbf"}',
    "DEL": b'{"a":"\x7f"}',
    "an empty key": b'{"":null}',
    "as deep as is allowed": nested(MAX_DEPTH),
    "brackets in a text": b'{"a":"%b\\""}' % (b"[{" * 200),
    "the marker of a payload": b'{"a":",\\"payload\\":","payload":{"payload":1}}',
}


@pytest.mark.parametrize(("reason", "line"), BAD, ids=[f"{r} {line[:16]!r}" for r, line in BAD])
def test_a_bad_line_is_quarantined_for_its_reason(reason, line):
    assert reasons(take(line, max_line=1000)) == [reason]


def test_every_reason_that_validation_gives_has_a_case():
    assert {reason for reason, _ in BAD} == codes_in(Path(validate.__file__))


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=["no end", "LF", "CRLF"])
def test_an_awkward_but_valid_line_is_accepted_verbatim(name, end):
    assert [payload for _, payload in accepted(take(AWKWARD[name] + end))] == [AWKWARD[name]]


@pytest.mark.parametrize("name", AWKWARD)
def test_every_bronze_line_is_json_by_itself(name):
    assert json.loads(bronze(take(AWKWARD[name])), parse_int=str)["schema_version"] == "1"


ACROSS = [b'{"first":1}', b'{"late":{"key":[1]}}', b'{"n":%b}' % (b"9" * 30)]


@pytest.mark.parametrize("bad", [b"\xff", b"[1,2]", b"", b'{"a":', b"null", b"\0", b'"x"'], ids=repr)
def test_a_bad_line_ends_neither_the_file_nor_its_neighbours(bad):
    part = take(b"\n".join([ACROSS[0], bad, ACROSS[1], bad, ACROSS[2]]))
    assert [payload for _, payload in accepted(part)] == ACROSS


def test_a_byte_order_mark_does_not_lose_the_first_line():
    part = take(b"\xef\xbb\xbf" + b"\n".join(ACROSS))
    assert [payload for _, payload in accepted(part)] == ACROSS


def test_one_bad_byte_in_two_thousand_rows_costs_one_row():
    rows = [b'{"n":%d}' % n for n in range(2000)]
    rows[1487] = b'{"n":"\xff"}'
    assert len(accepted(take(b"\n".join(rows)))) == 1999


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.text(), JSON, min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(OBJECT, st.booleans())
def test_any_object_is_accepted_verbatim(value, ascii_only):
    line = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert accepted(take(line))[0][1] == line


@settings(deadline=None, max_examples=25)
@given(OBJECT)
def test_an_object_cut_anywhere_is_truncated(value):
    line = json.dumps(value).encode()
    found = {reason for end in range(1, len(line)) for reason in reasons(take(line[:end]))}
    assert found == {"json.truncated"}


def slow_depth(line):
    deepest = level = 0
    text = escaped = False
    for byte in line:
        if text:
            text, escaped = (byte != 34 or escaped), byte == 92 and not escaped
        else:
            text = byte == 34
            level += (byte in b"[{") - (byte in b"]}")
            deepest = max(deepest, level)
    return deepest


@settings(deadline=None, max_examples=80)
@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b"x", b"\xff"])).map(b"".join))
def test_depth_is_that_of_brackets_outside_texts(line):
    assert depth(line) == slow_depth(line)


def test_depth_of_a_long_text_takes_little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    depth(b'"' + b"x" * 8_000_000 + b'"')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_random_lines_of_json_characters_are_all_accounted_for():
    draw = random.Random(7)
    lines = [bytes(draw.choices(b'{}[]",:\\u0123dDeE-+.tfn \r\xc3\xa9', k=20)) for _ in range(1000)]
    assert all(take(line).ledger(20) for line in lines)
