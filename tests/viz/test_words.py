from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit import viz

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "<e>"]), max_size=30).map(" ".join)


def test_a_changed_word_shows_both_sides_in_context():
    before, after = "a b c d e f g h i", "a b c d X f g h i"
    assert repr(viz.word_diff(before, after, context=2)) == "… c d [-e-] {+X+} f g …"


def test_equal_texts_show_no_change():
    assert {kind for kind, _ in viz.word_diff("a b", "a b").runs} == {"same"}


def test_text_is_escaped():
    page = viz.word_diff("a <b>", "a <i>")._repr_html_()
    assert "<b>" not in page and "<i>" not in page and "&lt;b&gt;" in page


@given(WORDS, WORDS)
def test_both_texts_can_be_read_back_when_nothing_is_cut(before, after):
    runs = viz.word_diff(before, after, context=100).runs
    assert " ".join(text for kind, text in runs if kind != "new" and text) == before
    assert " ".join(text for kind, text in runs if kind != "gone" and text) == after
