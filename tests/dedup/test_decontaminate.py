import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.dedup import NgramIndex, bare_words, build_index, decontaminate, find
from toolkit.errors import RequestError

ALNUM = "[A-Za-z0-9]"
PUNCTUATION = (
    r"[!-/:-@\[-^`{-\x7f\x00- \u00a0-\u00bf\u2000-\u206f\u3000-\u3004\u3008-\u303f"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)


def oracle_bare(text):
    text = re.sub(rf"(?<!{ALNUM})_|_(?!{ALNUM})", " ", text)
    return re.sub(" +", " ", re.sub(PUNCTUATION, " ", text)).strip(" ")


@settings(max_examples=300, deadline=None)
@given(st.text("ab1_-.' \u2019\u00b7\u00e9\u3001\u3005\u4e2d\uff0c\uff21\x00\x7f\U0001f600", max_size=15))
def test_bare_words_match_the_oracle(text):
    from toolkit.dedup import normalise

    assert bare_words(pa.array([text]))[0].as_py() == oracle_bare(normalise(pa.array([text]))[0].as_py())


def test_an_identifier_is_one_word_and_emphasis_is_not_part_of_one():
    assert bare_words(pa.array(["_max_ max_len a__b Don\u2019t!"])).to_pylist() == ["max max_len a b don t"]


def oracle_find(items, rows, n, short_min):
    found = {}
    for j, item in enumerate(i.split() for i in items):
        whole = short_min <= len(item) < n
        size = len(item) if whole else n
        if len(item) < short_min:
            continue
        grams = {tuple(item[i : i + size]) for i in range(len(item) - size + 1)}
        for r, row in enumerate(t.split() for t in rows):
            hits = [i for i in range(len(row) - size + 1) if tuple(row[i : i + size]) in grams]
            if not hits:
                continue
            runs = [[hits[0], hits[0]]]
            for i in hits[1:]:
                if i == runs[-1][1] + 1 and not whole:
                    runs[-1][1] = i
                else:
                    runs.append([i, i])
            words, start = max((b - a + size, -a) for a, b in runs)
            met = {tuple(row[i : i + size]) for i in hits}
            inside = {
                k
                for i in range(len(item) - size + 1)
                if tuple(item[i : i + size]) in met
                for k in range(i, i + size)
            }
            span = " ".join(row[-start : -start + words])
            found[r, j] = (words, -start, len(inside) / len(item), span)
    return found


def as_dict(table):
    return {
        (t["row"], t["item"]): (t["words"], t["start_word"], t["coverage"], t["span"])
        for t in table.to_pylist()
    }


SMALL = st.lists(st.lists(st.sampled_from("abc"), max_size=14).map(" ".join), max_size=6)


@pytest.mark.parametrize("mask", [decontaminate.ALL_BITS, 0x3])
@settings(max_examples=250, deadline=None)
@given(items=SMALL, rows=SMALL, n=st.integers(1, 5), less=st.integers(0, 4))
def test_find_is_brute_force_even_when_hashes_collide(mask, items, rows, n, less):
    short_min = max(1, n - less)
    index = decontaminate._build(bare_words(pa.array(items, pa.string())), n, short_min, mask)
    assert as_dict(find(index, pa.array(rows, pa.string()))) == oracle_find(items, rows, n, short_min)
    assert index.not_indexed == sum(len(i.split()) < short_min for i in items)


def test_a_question_inside_a_chat_is_found_whatever_its_punctuation(monkeypatch):
    question = "What is the sum of the first twenty odd numbers, if any of them is prime?"
    other = "\u8fd9\u662f\u4e00\u4e2a\u7528\u6765\u6d4b\u8bd5\u53bb\u6c61\u67d3\u7684\u957f\u95ee\u9898"
    rows = [
        "nothing here",
        f"User: \u201c{question.upper()}\u201d OK",
        "x " * 50,
        f"\u7b54\uff1a{other}\u3002",
        "",
    ]
    monkeypatch.setattr(decontaminate, "CHUNK_BYTES", 16)  # every row a chunk of its own
    found = find(build_index(pa.array([question, other, "too short"])), pa.array(rows))
    assert found["row"].to_pylist() == [1, 3] and found["item"].to_pylist() == [0, 1]
    assert found["coverage"].to_pylist() == [1.0, 1.0]
    assert found["start_word"].to_pylist() == [1, 1] and found["words"].to_pylist() == [16, 15]
    assert found["span"].to_pylist() == [bare_words(pa.array([question]))[0].as_py(), other]


def test_a_short_answer_is_matched_whole():
    index = build_index(pa.array(["the capital city of france", "paris"]))
    assert index.not_indexed == 1
    found = find(index, pa.array(["the capital city of spain", "is the Capital City of France?"]))
    assert as_dict(found) == {(1, 0): (5, 1, 1.0, "the capital city of france")}


def test_an_index_survives_a_table():
    index = build_index(pa.array(["a b c d e f", "x y z"]), ngram=4, short_min=2)
    again = NgramIndex.from_table(index.to_table())
    rows = pa.array(["q a b c d q", "x y z"])
    assert find(again, rows).equals(find(index, rows)) and repr(again) == repr(index)
    with pytest.raises(RequestError, match="no n-gram index"):
        NgramIndex.from_table(pa.table({"item": ["a"]}))


def test_no_items_and_no_rows_find_nothing():
    nothing = pa.array([], pa.string())
    assert len(find(build_index(nothing), pa.array(["a b"]))) == 0
    assert find(build_index(pa.array(["a b c d e"])), nothing).schema == decontaminate.FOUND


def test_a_repetitive_item_and_a_repetitive_text_end_in_bounded_time():
    found = find(build_index(pa.array(["a " * 20_000])), pa.array(["a " * 200_000]))
    assert found["words"].to_pylist() == [200_000] and found["coverage"].to_pylist() == [1.0]


@pytest.mark.parametrize("bad", [(3, 4), (5, 0), (0, 0)])
def test_sizes_that_make_no_sense_are_refused(bad):
    with pytest.raises(RequestError):
        build_index(pa.array(["a"]), *bad)


def test_random_long_texts_match_brute_force():
    rng = np.random.default_rng(1)
    items = [" ".join(rng.choice(list("abcdefgh"), 30)) for _ in range(40)]
    rows = [" ".join(rng.choice(list("abcdefgh"), 300)) for _ in range(30)]
    rows[3] += " " + items[7]
    got = find(build_index(pa.array(items), 6, 3), pa.array(rows))
    assert as_dict(got) == oracle_find(items, rows, 6, 3)
