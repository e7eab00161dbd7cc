import os
import subprocess
import sys

import pytest

from toolkit.errors import RequestError
from toolkit.packing import CONTROL_TOKENS, load, train

from .conftest import CORPUS

PROGRAM = """
import hashlib, sys
from toolkit.packing import train
texts = [f"The cat {i} {i * 7919 % 1009} {chr(0x4E00 + i)}x <|im_start|>\\r\\n" for i in range(2000)]
print(hashlib.sha256(train(texts, vocab_size=1500)).hexdigest())
"""


def test_the_same_texts_give_the_same_bytes_in_any_process_with_any_threads():
    found = set()
    for threads, seed in (("1", "0"), ("2", "1"), ("7", "2")):
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found.add(run.stdout)
    assert len(found) == 1


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
