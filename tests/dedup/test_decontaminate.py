import re
import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.dedup import NgramIndex, bare_words, build_index, decontaminate, find, find_in_fields, ngrams
from toolkit.errors import RequestError
from toolkit.kernels import screen, text_buffers
from toolkit.kernels.shingle import STEP
from toolkit.kernels.word import word_table

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


def tier_of(count, n, short_n, short_min):
    """How an item of ``count`` words is looked for, and by runs of how many words."""
    tiers = [("ngram", n, n), ("short", short_n, short_n), ("span", short_min, count), ("field", 1, count)]
    return next(((name, size) for name, least, size in tiers if count >= least), (None, 0))


def oracle_find(items, rows, n, short_n, short_min):
    found = {}
    for j, item in enumerate(i.split() for i in items):
        tier, size = tier_of(len(item), n, short_n, short_min)
        grams = {tuple(item[i : i + size]) for i in range(len(item) - size + 1)} if tier else set()
        for r, row in enumerate(t.split() for t in rows):
            hits = [i for i in range(len(row) - size + 1) if tuple(row[i : i + size]) in grams]
            if not hits or (tier == "field" and row != item):
                continue
            runs = [[hits[0], hits[0]]]
            for i in hits[1:]:
                if i == runs[-1][1] + 1 and tier in ("ngram", "short"):
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
            found[r, j] = (tier, words, -start, len(inside) / len(item), span)
    return found


def as_dict(table):
    return {
        (t["row"], t["item"]): (t["tier"], t["words"], t["start_word"], t["coverage"], t["span"])
        for t in table.to_pylist()
    }


SMALL = st.lists(st.lists(st.sampled_from("abc"), max_size=14).map(" ".join), max_size=6)


@pytest.mark.parametrize("mask", [ngrams.ALL_BITS, 0x3])
@settings(max_examples=250, deadline=None)
@given(items=SMALL, rows=SMALL, n=st.integers(1, 6), less=st.integers(0, 3), least=st.integers(0, 3))
def test_find_is_brute_force_even_when_hashes_collide(mask, items, rows, n, less, least):
    short_n = max(1, n - less)
    short_min = max(1, short_n - least)
    index = ngrams.build_bare(bare_words(pa.array(items, pa.string())), n, short_n, short_min, mask)
    found = find(index, pa.array(rows, pa.string()))
    assert as_dict(found) == oracle_find(items, rows, n, short_n, short_min)
    assert index.not_indexed == sum(not i for i in items)


ODD = st.text(
    "aB1_ -.\u2019\u00b7\u00b5\u00e9\u0130\u3001\u4e2d\uff21\x00\x7f\u0085"
    "\u00a0\u2000\u2028\u206f\u2070\u0301\U0001f600",
    max_size=40,
)


@settings(max_examples=500, deadline=None)
@given(st.lists(ODD | st.from_regex(r"([a-zA-Z0-9_]{1,18}[ ,_]{1,2}){1,6}", fullmatch=True), max_size=5))
def test_one_pass_over_a_plain_text_gives_the_sums_of_its_bare_words(texts):
    data, offsets = text_buffers(pa.array(texts, pa.string()))
    bare = text_buffers(bare_words(pa.array(texts, pa.string())))
    _, _, hashes, word_offsets = word_table(*bare)
    for row, text in enumerate(texts):
        sums = np.zeros(len(data) + 1, np.uint64)
        count = screen.sums_of(data, offsets, row, sums)
        plain = re.fullmatch("[\x00-\x7f\x85\xa0-\xbf\u2000-\u206f]*", text)
        assert count == (word_offsets[row + 1] - word_offsets[row] if plain else -1)
        total = 0
        for k in range(max(count, 0)):
            total = (total * int(STEP) + int(hashes[word_offsets[row] + k])) % 2**64
            assert sums[k + 1] == total


@settings(max_examples=200, deadline=None)
@given(items=st.lists(ODD, max_size=8), rows=st.lists(ODD, max_size=8), n=st.integers(1, 4))
def test_raw_text_of_any_script_is_searched_as_its_bare_words_are(items, rows, n):
    items, rows = pa.array(items, pa.string()), pa.array(rows, pa.string())
    index = build_index(items, n, max(1, n - 1))
    bare = bare_words(rows)
    assert find(index, rows).equals(find(index, bare))
    data, offsets = text_buffers(bare)
    starts, stops, _, ends = word_table(data, offsets)
    spaced = [
        " ".join(bytes(data[a:b]).decode() for a, b in zip(starts[i:j], stops[i:j], strict=True))
        for i, j in pairwise(ends)
    ]
    assert {key[0] for key in as_dict(find(index, rows))} == {
        key[0] for key in as_dict(find(index, pa.array(spaced, pa.string())))
    }


def test_every_code_point_is_searched_as_it_was_indexed():
    points = [chr(c) for c in range(0x20, 0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    texts = pa.array([f"one two three_{c}x {c}y four{c} f_{c} six z{i} n{i}" for i, c in enumerate(points)])
    found = find(build_index(texts, 8), texts)
    own = [
        (row, share)
        for row, item, share in zip(
            *found.select(["row", "item", "coverage"]).to_pydict().values(), strict=True
        )
        if row == item
    ]
    assert own == [(row, 1.0) for row in range(len(points))]


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


def test_a_short_item_is_matched_whole():
    index = build_index(pa.array(["the capital city of france", "..."]))
    assert index.not_indexed == 1
    found = find(index, pa.array(["the capital city of spain", "is the Capital City of France?"]))
    assert as_dict(found) == {(1, 0): ("span", 5, 1, 1.0, "the capital city of france")}


def test_a_short_answer_is_found_where_a_field_says_just_that_and_nowhere_else():
    index = build_index(pa.array(["72", "in new york"]))
    rows = ["72", "it is 72", "**72.**", "72 72", "In New York!", "born in New York"]
    found = find(index, pa.array(rows))
    assert list(as_dict(found)) == [(0, 0), (2, 0), (4, 1)]
    assert set(found["tier"].to_pylist()) == {"field"}


def test_an_item_of_eight_to_twelve_words_is_found_by_eight_of_them():
    index = build_index(pa.array(["one two three four five six seven eight nine ten"]))
    rows = ["say two three four five six seven eight nine now", "one two three four five six seven"]
    assert as_dict(find(index, pa.array(rows))) == {
        (0, 0): ("short", 8, 1, 0.8, "two three four five six seven eight nine")
    }


def test_no_run_of_words_crosses_from_one_field_to_the_next():
    index = build_index(pa.array(["a b c d e", "yes"]), 3, 2)
    fields = pa.array([["a b", "c d e"], ["a b", "c"], None, [], ["no", "x a b c d", "yes", None]])
    found = find_in_fields(index, fields)
    assert found["row"].to_pylist() == [0, 4, 4] and found["field"].to_pylist() == [1, 1, 2]
    assert found["item"].to_pylist() == [0, 0, 1] and found["words"].to_pylist() == [3, 4, 1]
    assert len(find_in_fields(index, fields.slice(1, 3))) == 0
    assert find_in_fields(index, fields.slice(4))["row"].to_pylist() == [0, 0]
    with pytest.raises(RequestError, match="lists of text"):
        find_in_fields(index, pa.array(["a b c d e"]))


def test_an_index_survives_a_table():
    index = build_index(pa.array(["a b c d e f", "x y z"]), ngram=4, short_min=2, short_ngram=3)
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


@pytest.mark.parametrize("bad", [(3, 4), (5, 0), (0, 0), (13, 5, 4), (13, 5, 14)])
def test_sizes_that_make_no_sense_are_refused(bad):
    with pytest.raises(RequestError):
        build_index(pa.array(["a"]), *bad)


@pytest.mark.parametrize("sizes", [(6, 6, 3), (13, 8, 5), (9, 7, 2), (30, 12, 1)])
def test_random_long_texts_match_brute_force(sizes):
    rng = np.random.default_rng(1)
    items = [" ".join(rng.choice(list("abcdefgh"), 30)) for _ in range(40)]
    rows = [" ".join(rng.choice(list("abcdefgh"), 300)) for _ in range(30)]
    rows[3] += " " + items[7]
    n, short_n, short_min = sizes
    items += [" ".join(item.split()[: 1 + i % 14]) for i, item in enumerate(items)]
    for i, item in enumerate(items[:20]):
        cut = item.split()[i % 5 : 29 - i % 7]
        rows[i] = " ".join([rows[i][: 20 * i + 1], *cut, "h", rows[i][:200]])
    rows += items[-20:]
    got = find(build_index(pa.array(items), n, short_min, short_n), pa.array(rows))
    assert as_dict(got) == oracle_find(items, rows, n, short_n, short_min)
    assert len(set(got["tier"].to_pylist())) >= 2
