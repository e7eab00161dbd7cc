from toolkit.packing import encode, nothing_trained, too_long

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
