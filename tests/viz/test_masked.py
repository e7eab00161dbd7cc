from __future__ import annotations

import pytest

from toolkit import packing, viz


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["one two three four five", "six seven eight nine", "Grüße 🔥 aus Köln"] * 20
    return packing.load(packing.train(texts, 300)).tokenizer


def shown(tokenizer, read: str, trained: str) -> viz.MaskedText:
    left = tokenizer.encode(read, add_special_tokens=False).ids
    right = tokenizer.encode(trained, add_special_tokens=False).ids
    return viz.masked(tokenizer, left + right, [False] * len(left) + [True] * len(right))


def test_trained_and_read_text_are_told_apart_without_colour(tokenizer):
    assert repr(shown(tokenizer, "one two", " three")) == "one two⟦ three⟧"


def test_user_text_is_escaped(tokenizer):
    page = shown(tokenizer, "<script>alert(1)</script>", "a&b")._repr_html_()
    assert "<script" not in page.replace("<span", "").replace("<mark", "")
    assert "&amp;" in page and "&lt;" in page


def test_a_character_of_several_tokens_is_shown_whole(tokenizer):
    text = "漢字 and 🧵"
    assert "".join(piece for _, piece, _ in shown(tokenizer, text, "x").pieces) == text + "x"


def test_every_token_is_counted_once(tokenizer):
    text = shown(tokenizer, "漢字", " five six")
    assert text.tokens == sum(len(ids) for ids, _, _ in text.pieces)
    assert text.trained == len(tokenizer.encode(" five six", add_special_tokens=False).ids)


def test_nothing_is_shown_of_nothing(tokenizer):
    assert repr(viz.masked(tokenizer, [], [])) == ""


def test_a_mask_of_another_length_is_refused(tokenizer):
    with pytest.raises(ValueError, match="2 ids but 1 mask values"):
        viz.masked(tokenizer, [1, 2], [True])
