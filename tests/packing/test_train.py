import json
import os
import subprocess
import sys
from collections import Counter

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import CANARIES, CONTROL_TOKENS, load, train
from toolkit.packing.tokens.vocabulary import byte_alphabet
from toolkit.packing.tokens.words import words_of

from .conftest import CORPUS

PROGRAM = """
import hashlib, sys
from toolkit.packing import train
texts = [f"The cat {i} {i * 7919 % 1009} {chr(0x4E00 + i)}x <|im_start|>\\r\\n" for i in range(2000)]
print(hashlib.sha256(train(texts, vocab_size=1500)).hexdigest())
"""


def test_the_same_texts_give_the_same_bytes_in_any_process_with_any_threads():
    found = set()
    for threads, seed in (("1", "0"), ("3", "2")):
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found.add(run.stdout)
    assert len(found) == 1


def slow_merges(texts, vocab_size):
    """Count every pair of every word anew before each merge."""
    alphabet = byte_alphabet()
    tokens = [*CONTROL_TOKENS, *sorted(alphabet)]
    ids = {token: i for i, token in enumerate(tokens)}
    counts = Counter(word for text in texts for word in words_of(text))
    words = {word: [ids[alphabet[b]] for b in word.encode()] for word in counts}
    merges = []
    while len(tokens) < vocab_size:
        pairs = Counter()
        for word, times in counts.items():
            for pair in zip(words[word], words[word][1:], strict=False):
                pairs[pair] += times
        if not pairs or max(pairs.values()) < 2:
            break
        (a, b), _ = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        merged = tokens[a] + tokens[b]
        if merged not in ids:
            ids[merged] = len(tokens)
            tokens.append(merged)
        merges.append([tokens[a], tokens[b]])
        words = {word: joined(symbols, a, b, ids[merged]) for word, symbols in words.items()}
    return merges


def joined(symbols, a, b, z):
    out, i = [], 0
    while i < len(symbols):
        both = symbols[i : i + 2] == [a, b]
        out.append(z if both else symbols[i])
        i += 2 if both else 1
    return out


def merges_of(data):
    return json.loads(data)["model"]["merges"]


words = st.text(alphabet="aab", min_size=1, max_size=9)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(words, max_size=12))
def test_merges_are_those_of_the_slow_trainer(texts):
    assert merges_of(train(texts, vocab_size=280)) == slow_merges(texts, 280)


def test_merges_of_real_text_are_those_of_the_slow_trainer():
    texts = [*CORPUS[:4], *CANARIES[:-2], "aaaaaaa aaaa aaa " * 3, "abababab ababab"]
    assert merges_of(train(texts, vocab_size=420)) == slow_merges(texts, 420)


def test_one_token_can_come_of_two_merges():
    """Here (a, bc) and (ab, c) both make abc; their later pairs count as one."""
    texts = ["abc"] * 5 + ["xbc"] * 9 + ["ab"] * 8 + ["abcd"] * 3 + ["abd"] * 2 + ["zab c"]
    for size in range(260, 275):
        assert merges_of(train(texts, size)) == slow_merges(texts, size)


@pytest.mark.skipif(not hasattr(tokenizers, "trainers"), reason="1.0 has no trainer")
def test_merges_are_those_of_the_librarys_own_trainer():
    texts = [
        *CORPUS,
        *CANARIES,
        *(f"{i * 7919 % 1009} cat{i % 37} {chr(0x4E00 + i % 91)}" for i in range(3000)),
    ]
    level = tokenizers.pre_tokenizers.ByteLevel
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = level(add_prefix_space=False)
    options = {"min_frequency": 2, "special_tokens": list(CONTROL_TOKENS), "show_progress": False}
    theirs.train_from_iterator(
        texts,
        tokenizers.trainers.BpeTrainer(vocab_size=900, initial_alphabet=level.alphabet(), **options),
    )
    ours, theirs = json.loads(train(texts, 900)), json.loads(theirs.to_str())
    assert ours["model"] == theirs["model"]
    assert ours["added_tokens"] == theirs["added_tokens"]


def test_control_tokens_can_be_chosen():
    pinned = load(train(CORPUS, 300, control=("<s>", "</s>")), control=("<s>", "</s>"), pad="</s>")
    assert (pinned.control, pinned.pad, pinned.added) == ({"<s>": 0, "</s>": 1}, 1, ())


def test_the_order_of_the_texts_does_not_matter(trained_bytes):
    assert train(reversed(CORPUS), vocab_size=600) == trained_bytes


def test_control_tokens_come_first_and_all_bytes_follow(pinned):
    assert [pinned.control[t] for t in CONTROL_TOKENS] == [0, 1, 2]
    assert (pinned.added, pinned.disabled) == ((), ())


def test_no_text_still_makes_a_lossless_tokenizer():
    assert load(train([])).vocab_size == 259


def test_a_vocabulary_below_the_bytes_is_refused():
    with pytest.raises(RequestError, match="258 is below 259"):
        train(CORPUS, vocab_size=258)
