from importlib import import_module
from itertools import takewhile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.packing import ENCODED, check_masks, encode, rendered_text

from .conversations import answers, conversations, expected_bytes, message, records, seen_bytes, table

hostile = settings(max_examples=40, deadline=None)
SFT = {"regime": "sft", "messages": [message("user", "Hi"), message("assistant", "Yo")]}
PAIR = {
    "regime": "preference",
    "prompt": [message("user", "a"), message("assistant", "b"), message("user", "c")],
    "chosen": [message("assistant", "d")],
    "rejected": [message("assistant", "f"), message("tool", "e")],
}
RL = {"regime": "rl", "prompt": [message("user", "2+2?")], "answer": "4"}


def decode(pinned, ids):
    return pinned.decode(ids)


@hostile
@given(rows=st.lists(records, max_size=6))
def test_tokens_decode_to_the_rendered_text(any_pinned, rows):
    for record, got in zip(rows, encode(table(rows), any_pinned).to_pylist(), strict=True):
        if record["regime"] == "sft":
            assert decode(any_pinned, got["input_ids"]) == rendered_text(record["messages"])
        elif record["regime"] == "rl":
            assert decode(any_pinned, got["input_ids"]) == rendered_text(record["prompt"], generation=True)
        else:
            for side in ("chosen", "rejected"):
                whole = rendered_text(record["prompt"] + record[side])
                assert decode(any_pinned, got[f"{side}_input_ids"]) == whole


@hostile
@given(rows=st.lists(records, max_size=6))
def test_every_byte_is_trained_or_not_as_the_oracle_says(pinned, rows):
    for record, got in zip(rows, encode(table(rows), pinned).to_pylist(), strict=True):
        if record["regime"] == "sft":
            seen = seen_bytes(pinned, got["input_ids"], got["loss_mask"])
            assert seen == expected_bytes(record["messages"])
        elif record["regime"] == "rl":
            assert not any(got["loss_mask"])
        else:
            prompt = expected_bytes(record["prompt"], trains=False)
            for side in ("chosen", "rejected"):
                answer = expected_bytes(record[side])
                seen = seen_bytes(pinned, got[f"{side}_input_ids"], got[f"{side}_loss_mask"])
                assert seen == (prompt[0] + answer[0], prompt[1] + answer[1])


@hostile
@given(rows=st.lists(records, max_size=6))
def test_the_mask_invariants_hold(any_pinned, rows):
    assert check_masks(table(rows), encode(table(rows), any_pinned), any_pinned) == []


@hostile
@given(messages=conversations)
def test_control_ids_are_those_of_the_template_and_no_others(any_pinned, messages):
    ids = encode(table([{"regime": "sft", "messages": messages}]), any_pinned)["input_ids"][0].as_py()
    counts = [ids.count(any_pinned.control[t]) for t in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")]
    assert counts == [len(messages), len(messages), 0]


def test_the_branches_of_a_pair_share_their_prompt(pinned):
    (row,) = encode(table([PAIR]), pinned).to_pylist()
    n = row["prompt_tokens"]
    assert decode(pinned, row["chosen_input_ids"][:n]) == rendered_text(PAIR["prompt"], generation=True)
    assert row["chosen_input_ids"][:n] == row["rejected_input_ids"][:n]
    assert not any(row["chosen_loss_mask"][:n] + row["rejected_loss_mask"][:n])


def test_columns_a_regime_does_not_use_are_null(pinned):
    sft, pair, rl = encode(table([SFT, PAIR, RL]), pinned).to_pylist()
    branches = [name for name in ENCODED.names if name.startswith(("chosen", "rejected", "prompt"))]
    assert {sft[name] for name in branches} == {rl[name] for name in branches} == {None}
    assert pair["input_ids"] is pair["loss_mask"] is None


def test_rows_keep_their_order_index_and_token_count(pinned):
    encoded = encode(table([RL, SFT, PAIR, SFT]), pinned)
    assert encoded["row"].to_pylist() == [0, 1, 2, 3]
    assert encoded["id"].to_pylist() == ["r0", "r1", "r2", "r3"]
    for row in encoded.to_pylist():
        ids = (row[name] or [] for name in ("input_ids", "chosen_input_ids", "rejected_input_ids"))
        assert row["tokens"] == sum(map(len, ids))


def test_batches_chunks_and_slices_do_not_show(pinned, monkeypatch):
    rows = [SFT, PAIR, RL, SFT, SFT, RL, PAIR]
    whole = encode(table(rows), pinned)
    monkeypatch.setattr(import_module("toolkit.packing.tokens.encode"), "ROWS", 3)
    assert encode(table(rows), pinned).equals(whole)
    monkeypatch.setattr(import_module("toolkit.packing.tokens.encode"), "BYTES", 1)
    assert encode(table(rows), pinned).equals(whole)
    padded = table([PAIR, *rows]).slice(1)
    chunked = pa.concat_tables([padded.slice(0, 2), padded.slice(2)])
    shifted = encode(chunked, pinned).drop_columns(["id"])
    assert shifted.equals(whole.drop_columns(["id"]))


def test_a_regime_ignores_the_columns_of_the_others(pinned):
    stray = {**SFT, "prompt": [message("user", "no")], "chosen": [message("assistant", "no")]}
    assert encode(table([stray]), pinned).equals(encode(table([SFT]), pinned))


def test_no_records_make_an_empty_table(pinned):
    empty = encode(table([]), pinned)
    assert empty.num_rows == 0
    assert empty.schema == ENCODED


def test_all_assistant_turns_of_a_conversation_are_trained(pinned):
    talk = [
        message("assistant", "a"),
        message("assistant", "b"),
        message("user", "c"),
        message("assistant", ""),
    ]
    row = encode(table([{"regime": "sft", "messages": talk}]), pinned).to_pylist()[0]
    trained = np.array(row["input_ids"])[np.array(row["loss_mask"])]
    assert decode(pinned, trained.tolist()) == "a<|im_end|>b<|im_end|><|im_end|>"


def test_an_unknown_role_is_a_fault_of_its_record_alone(pinned):
    wrong = {"id": "x7", "regime": "rl", "prompt": [message("user", "a"), message("oracle", "b")]}
    good, bad = encode(table([SFT, wrong]), pinned).to_pylist()
    assert good["fault"] is None
    assert bad["fault"].startswith("template.role: ") and "'oracle'" in bad["fault"]
    assert bad["input_ids"] is bad["loss_mask"] is None


def test_a_fault_in_one_branch_is_the_pairs(pinned):
    wrong = {**PAIR, "rejected": [message("assistant", "a"), message("oracle", "b")]}
    fine, bad = encode(table([PAIR, wrong]), pinned).to_pylist()
    assert fine["fault"] is None and fine["tokens"] > 0
    assert bad["fault"].endswith("(prompt and rejected)")
    columns = ("chosen_input_ids", "rejected_input_ids", "chosen_loss_mask", "prompt_tokens")
    assert {bad[name] for name in columns} == {None}
    assert bad["tokens"] == 0


@hostile
@given(prompt=conversations, chosen=answers, rejected=answers)
def test_branches_that_do_not_answer_the_same_prompt_are_a_fault(pinned, prompt, chosen, rejected):
    pair = {"regime": "preference", "prompt": prompt, "chosen": chosen, "rejected": rejected}
    (row,) = encode(table([pair]), pinned).to_pylist()
    heads = [list(takewhile(lambda m: m["role"] != "assistant", branch)) for branch in (chosen, rejected)]
    same = rendered_text(heads[0]) == rendered_text(heads[1])
    assert (row["fault"] or "").startswith("preference.prompt: ") == (not same)
    if same:
        n = row["prompt_tokens"]
        assert decode(pinned, row["chosen_input_ids"][:n]) == rendered_text(
            prompt + heads[0], generation=True
        )


def test_an_unknown_regime_names_the_record(pinned):
    with pytest.raises(RequestError, match=r"'x8' has the regime 'dpo'"):
        encode(table([{"id": "x8", "regime": "dpo"}]), pinned)
