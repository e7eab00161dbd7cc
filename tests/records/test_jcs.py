import hashlib
import json
import math
import struct
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.records.jcs import NotCanonical, canonical_bytes, canonical_id, canonical_json

# RFC 8785, appendix B: the bits of a double, and its text.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
# Sections 3.2.2 to 3.2.4.
EXAMPLE = rb"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
EXAMPLE_BYTES = bytes.fromhex("""
    7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72
    75 65 2c 66 61 6c 73 65 5d 2c 22 6e 75 6d 62 65 72 73 22 3a
    5b 33 33 33 33 33 33 33 33 33 2e 33 33 33 33 33 33 33 2c 31
    65 2b 33 30 2c 34 2e 35 2c 30 2e 30 30 32 2c 31 65 2d 32 37
    5d 2c 22 73 74 72 69 6e 67 22 3a 22 e2 82 ac 24 5c 75 30 30
    30 66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d
""")
SORTED = rb"""{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"""
ORDER = ["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
         "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"]  # fmt: skip

WIDE = Context(prec=1200)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | DOUBLES | TEXTS | st.integers(-(2**53), 2**53),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def double(bits):
    return struct.unpack(">d", bytes.fromhex(bits))[0]


def slow_number(value):
    """The fewest digits that give the double back, the nearest of them, the even one of two as near."""
    if value == 0:
        return "0"
    exact, exponent = Decimal(value), Decimal(value).adjusted()
    for places in range(17):
        unit = Decimal((0, (1,), exponent - places))
        near = [exact.quantize(unit, rounding=way, context=WIDE) for way in ("ROUND_FLOOR", "ROUND_CEILING")]
        good = [text for text in near if float(text) == value]
        if good:
            return written(
                min(
                    good,
                    key=lambda text: (WIDE.subtract(text, exact).copy_abs(), text.as_tuple().digits[-1] % 2),
                )
            )
    raise AssertionError(value)


def written(text):
    mantissa, exponent = f"{Decimal(text).normalize():e}".split("e")
    if -7 < int(exponent) < 21:
        return f"{Decimal(text).normalize():f}"
    return f"{mantissa}e{int(exponent):+d}"


def shuffled(value):
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("bits", NUMBERS)
def test_the_number_samples_of_appendix_b(bits):
    assert canonical_json(double(bits)).decode() == NUMBERS[bits]


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_the_numbers_that_appendix_b_calls_errors(bits):
    with pytest.raises(NotCanonical, match="is no JSON number"):
        canonical_json(double(bits))


def test_the_example_of_section_3_2():
    assert canonical_bytes(EXAMPLE) == EXAMPLE_BYTES


def test_keys_are_sorted_as_in_section_3_2_3():
    assert list(json.loads(canonical_bytes(SORTED)).values()) == ORDER


@given(DOUBLES)
def test_a_number_has_the_fewest_digits_that_give_it_back(value):
    assert canonical_json(value).decode() == slow_number(value)


@pytest.mark.parametrize("value", [1e21, 1e-6, 1e-7, 123456789012345680000.0, 0.1, 100.0, 5e-324, 1.5e300])
def test_a_number_at_the_edge_of_a_form_is_as_the_slow_one(value):
    assert canonical_json(value).decode() == slow_number(value)


@pytest.mark.parametrize(
    ("value", "text"), [(2.0**-24, "5.960464477539063e-8"), (2.0**55, "36028797018963970")]
)
def test_a_power_of_two_has_fewer_neighbours_below(value, text):
    assert canonical_json(value).decode() == slow_number(value) == text


@given(st.integers(1, 2**53), st.integers(-80, 80))
def test_a_dyadic_number_has_the_fewest_digits_that_give_it_back(whole, power):
    assert canonical_json(whole * 2.0**power).decode() == slow_number(whole * 2.0**power)


@given(VALUES)
def test_the_canonical_form_is_its_own(value):
    assert canonical_bytes(canonical_json(value)) == canonical_json(value)


@given(VALUES)
def test_the_order_of_keys_does_not_matter(value):
    assert canonical_json(shuffled(value)) == canonical_json(value)


@given(VALUES)
def test_the_way_a_text_is_written_does_not_matter(value):
    written = [json.dumps(value, indent=2), json.dumps(value, ensure_ascii=False, separators=(" , ", " : "))]
    assert {canonical_bytes(text.encode()) for text in written} == {canonical_json(value)}


@given(VALUES)
def test_the_canonical_form_says_the_same(value):
    assert json.loads(canonical_json(value), parse_int=float) == value


@given(TEXTS)
def test_only_what_must_be_escaped_is(text):
    short = {8: r"\b", 9: r"\t", 10: r"\n", 12: r"\f", 13: r"\r", 34: r"\"", 92: r"\\"}
    code = [short.get(ord(c), f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text]
    assert canonical_json(text).decode() == f'"{"".join(code)}"'


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"a":1,"b":2,"a":1}', "the key 'a' stands twice"),
        (b'{"a":1,"\\u0061":2}', "the key 'a' stands twice"),
        (b'["\\ud800"]', r"U\+D800 stands alone"),
        (b'{"\\udc00x":1}', r"U\+DC00 stands alone"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
        (b"[1e400]", "inf is no JSON number"),
        (b"9007199254740993", "no double holds the integer 9007199254740993"),
        (b"123456789012345678901234567890", "no double holds the integer"),
        (b"1" + b"0" * 309, "no double holds"),
        (b"1" * 5000, "no double holds an integer of 5000 digits"),
        (b"\xff", "it is not JSON"),
        (b"\xef\xbb\xbf{}", "it is not JSON"),
        (b"{} {}", "it is not JSON"),
        (b"", "it is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
    ],
    ids=lambda part: repr(part[:30]),
)
def test_what_has_no_canonical_form_is_refused_with_the_reason(payload, reason):
    with pytest.raises(NotCanonical, match=reason):
        canonical_bytes(payload)
    assert canonical_id(payload) is None


@pytest.mark.parametrize(
    "value",
    [{1: 2}, {None: 2}, b"x", {1}, Decimal(1), [object()]],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_what_is_no_json_value_is_refused(value):
    with pytest.raises(NotCanonical, match="is no"):
        canonical_json(value)


def test_a_deep_value_is_refused_and_does_not_end_the_program():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotCanonical, match="nested too deeply"):
        canonical_json(value)


@pytest.mark.parametrize("value", [2**53, 2**68, 10**22, -(2**60)])
def test_an_integer_that_a_double_holds_is_written_as_the_double(value):
    assert canonical_json(value) == canonical_json(float(value))


@given(st.integers(-(2**80), 2**80))
def test_an_integer_is_never_rounded_to_another(value):
    try:
        text = canonical_json(value)
    except NotCanonical:
        assert float(value) != value
    else:
        assert float(value) == value or int(text) == value


@pytest.mark.parametrize("payload", [b"0", b"-0", b"-0.0", b"0e5", b"0.000"])
def test_every_zero_is_the_same(payload):
    assert canonical_bytes(payload) == b"0"


def test_the_id_is_the_hash_of_the_canonical_form():
    payload = b'{ "b" : 1.0 , "a" : "\\u0041" }'
    assert canonical_id(payload) == hashlib.sha256(b'{"a":"A","b":1}').hexdigest()


def test_nan_never_equals_itself_and_has_no_form():
    with pytest.raises(NotCanonical):
        canonical_json([math.nan])
