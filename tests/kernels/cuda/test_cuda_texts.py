"""N-gram look-up and ASCII normalising through the host header: the bits of the dedup room."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hostile import DOORS, FORWARD, TEXTS, buffers, needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.dedup import bare_words, build_index, normalise
from toolkit.dedup.ngrams import build_bare
from toolkit.kernels import gram, screen, text_buffers, word
from toolkit.kernels.cuda import ngrams
from toolkit.kernels.cuda.normalise import normalise_ascii

pytestmark = needs_compiler
WORDS = [f"w{i}" for i in range(40)]
NO_FOLDS = np.empty(0, np.uint32)


def sentence(rng, size):
    return " ".join(rng.choice(WORDS, size))


def corpus():
    rng = np.random.default_rng(5)
    items = [sentence(rng, size) for size in (1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 30, 60)] + ["", "72"]
    texts = [sentence(rng, size) for size in (0, 1, 3, 13, 50, 400)] + ["72", "72 more", "", *items]
    texts += [f"{sentence(rng, 20)} {item} {sentence(rng, 20)}" for item in items]
    texts += [" ".join(item.split()[3:16]) for item in items] + ["中文字中文字中文字中文字中文字", "w1"]
    return items, pa.array(texts, pa.large_string())


@DOORS
@pytest.mark.parametrize("settings_of_index", [(13, 8, 5), (1, 1, 1), (5, 5, 5), (30, 13, 2)])
@pytest.mark.parametrize("mask", [2**64 - 1, 0x3FF])
def test_proposals_grams_and_hits_are_numbas(door, settings_of_index, mask):
    items, texts = corpus()
    index = build_bare(bare_words(pa.array(items)), *settings_of_index, mask)
    data, offsets = text_buffers(bare_words(texts))
    flags = np.empty(len(texts), np.uint8)
    screen.screen(data, offsets, True, NO_FOLDS, *index.screening, flags)
    assert np.array_equal(ngrams.propose(door, data, offsets, index.screening), flags)
    assert 0 < flags.sum() < len(flags) or mask != 2**64 - 1
    words = word.word_table(data, offsets)
    for table in index.tables:
        grams = table.identities(words, 2**64 - 1)
        by_door = ngrams.wholes if table.how == gram.WHOLE else ngrams.rolling
        assert np.array_equal(by_door(door, words[2], words[3], table.length), grams)
        hits = np.empty((2, len(grams)), np.int64)
        count = gram.scan(grams, table.slots, table.hash, *hits)
        found = ngrams.scan(door, grams, table.slots, table.hash)
        assert np.array_equal(found, hits[:, :count])


def test_an_index_of_nothing_proposes_nothing():
    data, offsets = buffers([b"one two three", b""])
    assert ngrams.propose(FORWARD, data, offsets, build_index(pa.array([""])).screening).tolist() == [0, 0]


def check_normalised(door, texts, before=b""):
    data, offsets = buffers(texts, before)
    for bare in (False, True):
        out, ends, flags = normalise_ascii(door, data, offsets, bare)
        assert flags.tolist() == [not text.isascii() for text in texts]
        found = [bytes(out[a:b]) for a, b in pairwise(ends.tolist())]
        plain = pa.array([text.decode() if text.isascii() else "" for text in texts], pa.large_string())
        expected = (bare_words if bare else normalise)(plain)
        assert found == [text.encode() for text in expected.to_pylist()]


SPACES = [
    b"   ",
    b" " * 100 + b"a" + b" \t\r\n\x0b\x0c" * 50,
    b"A\x1cB\x1fC\x00D",
    b"a" * 31 + b" ",
    b"a" * 31 + b" " * 33 + b"Z",
    b"_a_b__c_ _d_ e_",
    b"it's 3.14, no?",
    b"\t",
    b"",
    b"x_y",
    b"_",
    bytes(range(128)),
    bytes(range(127, -1, -1)),
]


@DOORS
@pytest.mark.parametrize("before", [b"", b" ", b"_", b"\xff" * 37])
def test_ascii_is_normalised_as_on_the_host_and_the_rest_flagged(door, before):
    check_normalised(door, SPACES + TEXTS + SPACES[::-1], before)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.sampled_from("aB_ \t\n.9é"), max_size=80).map(str.encode), max_size=8))
def test_random_texts_are_normalised_as_on_the_host(texts):
    check_normalised(FORWARD, texts)


@pytest.mark.parametrize("texts", [[], [b""], [b"", b" ", b""]])
def test_nothing_normalises_to_nothing(texts):
    check_normalised(FORWARD, texts)
