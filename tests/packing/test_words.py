import re
import unicodedata
from collections import Counter

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing import CANARIES
from toolkit.packing.tokens.words import count_words, words_of

from .conversations import texts

hostile = settings(max_examples=300, deadline=None)
tricky = st.text(alphabet=" \n\t\u00a0\u2009'strevmld2\u0663é中👍!\x1c\x85\u200b", max_size=30)
WHITE = " \t\n\x0b\x0c\r\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def oracle(text):
    """GPT-2's expression itself, over one letter for each class of character."""

    def kind(c):
        if re.match(f"[{WHITE}]", c):
            return " " if c == " " else "w"
        return {"L": "a", "N": "0"}.get(unicodedata.category(c)[0], "!")

    # contractions are told by their own characters, so they are marked first
    rule = r"~+|(?: )?a+|(?: )?0+|(?: )?!+|[ w]+(?![^ w])|[ w]+"
    words, i = [], 0
    while i < len(text):
        found = re.match(r"'s|'t|'re|'ve|'m|'ll|'d", text[i:])
        end = found.end() if found else re.match(rule, "".join(map(kind, text[i:]))).end()
        words.append(text[i : i + end])
        i += end
    return words


@hostile
@given(text=st.one_of(tricky, texts))
def test_words_are_those_of_the_expression(text):
    assert words_of(text) == oracle(text)


@pytest.mark.skipif(not hasattr(tokenizers, "pre_tokenizers"), reason="1.0 does not hand out its words")
@hostile
@given(text=st.one_of(tricky, texts, st.sampled_from(CANARIES)))
def test_words_are_those_of_the_library(text):
    # the library's Unicode is newer than Python's
    text = "".join(c for c in text if unicodedata.category(c) != "Cn")
    split = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    assert [len(w) for w in words_of(text)] == [end - start for _, (start, end) in split]


@hostile
@given(many=st.lists(texts, max_size=8))
def test_counts_are_exact(many):
    words, counts = count_words(many)
    found = dict(zip((w.decode() for w in words.to_pylist()), counts.tolist(), strict=True))
    assert found == Counter(word for text in many for word in oracle(text))


def test_counts_add_up_over_parts(monkeypatch):
    whole = count_words(["a b c"] * 10)
    monkeypatch.setattr("toolkit.packing.tokens.words._PART", 7)
    parts = count_words(["a b c"] * 10)
    assert parts[0].equals(whole[0]) and np.array_equal(parts[1], whole[1])


def test_no_text_has_no_words():
    assert [len(part) for part in count_words([])] == [0, 0]
