import re
import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.dedup import exact_ids, is_empty, normalise, same_text
from toolkit.dedup.points import ASK, tables
from toolkit.dedup.points import POINTS as POINTS_IN_TABLES

WHITE = "\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
POINTS = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]


def lower(text):  # simple mapping: one code point to one; İ alone has no simple one in str.lower
    return "".join("i" if c == "\u0130" else c.lower() for c in text)


def oracle(text):
    text = unicodedata.normalize("NFC", lower(unicodedata.normalize("NFC", text)))
    return re.sub(f"[{WHITE}]+", " ", text).strip(" ")


def one(text):
    return normalise(pa.array([text], pa.string()))[0].as_py()


def test_every_assigned_code_point_matches_the_oracle():
    # Arrow's tables may be newer than Python's: what Python does not know yet is left out.
    known = [c for c in POINTS if unicodedata.category(c) != "Cn"]
    texts = [f"x{c}y {c}" for c in known]
    got = normalise(pa.array(texts, pa.string())).to_pylist()
    wrong = [(hex(ord(c)), g) for c, t, g in zip(known, texts, got, strict=True) if g != oracle(t)]
    assert wrong == []


def test_what_does_not_ask_is_left_alone_by_composition():
    lower, order = tables()
    sure = [c for c in POINTS if ord(c) < POINTS_IN_TABLES and order[ord(c)] != ASK]
    assert len(sure) > 80_000
    seconds = {unicodedata.decomposition(c).split()[1] for c in POINTS if canonical_pair(c)}
    for c in sure:
        small = chr(lower[ord(c)])
        for x in (c, small):
            assert unicodedata.normalize("NFC", x) == x and f"{ord(x):04X}" not in seconds, hex(ord(c))
        assert order[ord(c)] == unicodedata.combining(c) == unicodedata.combining(small)
    above = [chr(c) for c in range(0x20000, 0x2F800)]
    assert "".join(above) == unicodedata.normalize("NFC", "".join(above)) == "".join(above).lower()


def canonical_pair(c):
    parts = unicodedata.decomposition(c).split()
    return len(parts) == 2 and not parts[0].startswith("<")


SCRIPTS = (
    "ΣσςάΆ \u0345бБйЙ שלום שּׁ عَرَبِيّ مُشَدَّد हिन्दी क़ क\u093c ไทยู่ ก็ "
    "한국어 각 がか\u3099 ｶﾞ Ⱥ ⱥ 𝔸 𐐀 \U000105c9 \U0002f800 \U00020000"
)


@settings(max_examples=400, deadline=None)
@given(st.text(SCRIPTS + "\u064b\u0651\u0e38\u0e48\u05bc\u05c1\u094d\u1161\u11a8", max_size=20))
def test_scripts_with_marks_in_any_order_match_the_oracle(text):
    assert one(text) == oracle(text)


def test_lower_case_may_be_longer_than_what_it_came_from():
    assert one("Ⱥ" * 1000) == "ⱥ" * 1000


ALPHABET = (
    "aAzH\u0331\u0301\u0307\u0130\u212a\u00c9e\u03a3\u4e2d\u2019\u1100\u1161\U0001f600"
    + WHITE.replace("-", "")
)


@settings(max_examples=300, deadline=None)
@given(st.text(ALPHABET, max_size=12))
@example("H\u0331")  # composes only in lower case
@example("I\u0307")
@example("\x00 \x1c")
def test_random_texts_match_the_oracle_and_twice_is_once(text):
    assert one(text) == oracle(text) == one(oracle(text))


def test_order_and_mixture_of_ascii_and_not_are_kept():
    texts = ["  A  B ", None, "\u00c9\tx", "", "e\u0301", " \u3000 ", "Z"]
    assert normalise(pa.array(texts)).to_pylist() == ["a b", "", "\u00e9 x", "", "\u00e9", "", "z"]
    assert normalise(pa.array(texts).slice(2, 3)).to_pylist() == ["\u00e9 x", "", "\u00e9"]
    assert is_empty(normalise(pa.array(texts))).tolist() == [False, True, False, True, False, True, False]


def test_equal_texts_have_equal_ids_and_others_do_not():
    texts = normalise(pa.array(["A  b", "a B ", "a c", "", "a\x00", "a"]))
    ids = [tuple(row) for row in exact_ids(texts).tolist()]
    assert ids[0] == ids[1] and len(set(ids)) == 5


def test_a_million_near_equal_texts_have_distinct_halves():
    # Birthday bound: P(any two of n equal in 64 bits) < n^2 / 2^65 = 3e-8 for each half.
    texts = pc.cast(pa.array(np.arange(1_000_000)), pa.large_string())
    ids = exact_ids(texts)
    assert len(np.unique(ids[:, 0])) == len(np.unique(ids[:, 1])) == 1_000_000


def test_same_text_compares_bytes():
    texts = pa.array(["ab", "ab", "abc", "xb", "", ""])
    left, right = np.array([0, 0, 0, 4, 4]), np.array([1, 2, 3, 5, 0])
    assert same_text(texts, left, right).tolist() == [True, False, False, True, False]
    with pytest.raises(IndexError):
        same_text(texts, np.array([0]), np.array([6]))
