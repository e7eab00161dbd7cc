import numpy as np
import pyarrow as pa

from toolkit.packing import encode, nothing_trained, too_long
from toolkit.packing.tokens.limits import _trained_tokens

from .conversations import message, table

LONG, SHORT = message("assistant", "é" * 300), message("assistant", "no")
ASK = message("user", "why")
ROWS = [
    {"regime": "sft", "messages": [ASK, SHORT]},
    {"regime": "sft", "messages": [ASK, LONG]},
    {"regime": "preference", "prompt": [ASK], "chosen": [SHORT], "rejected": [LONG]},
    {"regime": "preference", "prompt": [ASK], "chosen": [LONG], "rejected": [SHORT]},
    {"regime": "preference", "prompt": [ASK], "chosen": [SHORT], "rejected": [SHORT]},
    {"regime": "rl", "prompt": [LONG]},
    {"regime": "rl", "prompt": [ASK]},
]


def test_a_record_is_too_long_if_any_of_its_sequences_is(pinned):
    encoded = encode(table(ROWS), pinned)
    assert too_long(encoded, 200).tolist() == [False, True, True, True, False, True, False]


def test_a_record_of_exactly_the_context_fits(pinned):
    encoded = encode(table(ROWS[:1]), pinned)
    n = encoded["tokens"][0].as_py()
    assert (too_long(encoded, n).tolist(), too_long(encoded, n - 1).tolist()) == ([False], [True])


def test_records_without_a_trained_token_are_named(pinned):
    rows = [
        *ROWS,
        {"regime": "sft", "messages": [ASK]},
        {"regime": "sft", "messages": None},
        {"regime": "preference", "prompt": [SHORT], "chosen": [SHORT], "rejected": [ASK]},
    ]
    encoded = encode(table(rows), pinned)
    assert nothing_trained(encoded).tolist() == [False] * len(ROWS) + [True] * 3
    assert nothing_trained(encoded.slice(7, 2)).tolist() == [True, True]


def test_no_rows_no_answers(pinned):
    empty = encode(table([]), pinned)
    assert (too_long(empty, 8).size, nothing_trained(empty).size) == (0, 0)


def test_trained_tokens_are_counted_wherever_the_bits_of_a_mask_begin():
    draw = np.random.default_rng(0)
    for _ in range(200):
        sizes = draw.integers(0, 40, draw.integers(0, 9))
        rows = [None if draw.random() < 0.1 else (draw.random(size) < 0.5).tolist() for size in sizes]
        first = int(draw.integers(0, len(rows) + 1))
        masks = pa.array(rows, pa.list_(pa.bool_())).slice(first)
        found = _trained_tokens(pa.chunked_array([masks, pa.array([[True]], masks.type)]))
        assert found.tolist() == [sum(row or ()) for row in rows[first:]] + [1]
