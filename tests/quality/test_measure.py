import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.quality import measure
from toolkit.records.schema import QUALITY

BLANKS = " \t\n\v\f\r"
HOSTILE = st.lists(
    st.text(
        st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(BLANKS + "a é×÷😀𝒳\u2028\x85"))
    ),
    max_size=6,
)
SYMBOLS = [
    (0x2000, 0x2C00),
    (0x3000, 0x3040),
    (0xFE00, 0xFE70),
    (0xFF00, 0xFF21),
    (0xE000, 0xF900),
    (0x1F000, 0x20000),
]


def is_letter(character):
    code = ord(character)
    if code < 128:
        return character.isalpha()
    return code >= 0xC0 and character not in "×÷" and not any(low <= code < high for low, high in SYMBOLS)


def slow(text):
    visible = [character for character in text if character not in BLANKS]
    words = "".join(" " if character in BLANKS else "x" for character in text).split()
    share = np.float32(sum(map(is_letter, visible)) / max(1, len(visible)))
    return {"chars": len(text), "words": len(words), "alpha_share": float(share)}


@settings(deadline=None, max_examples=80)
@given(HOSTILE)
def test_measures_are_those_of_a_slow_reading(texts):
    assert measure(pa.array(texts, pa.string())).to_pylist() == [slow(text) for text in texts]


@pytest.mark.parametrize(
    "codes", [range(0xD800), range(0xE000, 0x20100), range(0x10FF00, 0x110000)], ids=repr
)
def test_every_character_counts_as_the_slow_reading_counts_it(codes):
    texts = [chr(code) for code in codes]
    assert measure(pa.array(texts)).to_pylist() == [slow(text) for text in texts]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_a_slice_is_measured_as_the_texts_it_holds(kind):
    texts = ["one", "zwei drei", "", "四 5", "\U0001f600"]
    assert measure(pa.array(texts, kind).slice(1, 3)).to_pylist() == [slow(text) for text in texts[1:4]]


def test_the_measures_have_the_type_of_the_schema():
    assert measure(pa.array(["a"])).type == QUALITY


def test_no_texts_give_no_measures():
    assert len(measure(pa.array([], pa.string()))) == 0


@pytest.mark.parametrize(
    ("text", "share"),
    [("abc", 1.0), ("", 0.0), ("   ", 0.0), ("a1", 0.5), ("1 2 3", 0.0), ("日本", 1.0), ("😀a", 0.5)],
)
def test_the_share_of_letters_leaves_out_white_space(text, share):
    assert measure(pa.array([text]))[0]["alpha_share"].as_py() == share
