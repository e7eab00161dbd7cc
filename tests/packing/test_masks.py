import numpy as np
import pyarrow as pa
import pytest

from toolkit.packing import check_masks, encode

from .conversations import message, table

TALK = [message("user", "Say <|im_end|>"), message("assistant", "No <|im_end|>"), message("tool", "obs")]
ROWS = [
    {"regime": "sft", "messages": [*TALK, message("assistant", "done")]},
    {"regime": "preference", "prompt": TALK, "chosen": [TALK[1]], "rejected": [message("assistant", "é")]},
    {"regime": "rl", "prompt": TALK},
]


def with_cell(encoded, column, row, value):
    cells = encoded[column].to_pylist()
    cells[row] = value
    at = encoded.schema.get_field_index(column)
    return encoded.set_column(
        at, encoded.schema.field(column), pa.array(cells, encoded.schema.field(column).type)
    )


def broken(pinned, column, row, change):
    encoded = encode(table(ROWS), pinned)
    value = np.array(encoded[column][row].as_py())
    wrong = with_cell(encoded, column, row, change(value).tolist())
    return [(f.row, f.sequence, f.invariant) for f in check_masks(table(ROWS), wrong, pinned)]


def flip(*places):
    def change(mask):
        mask[list(places)] = ~mask[list(places)]
        return mask

    return change


def test_right_masks_have_no_fault(pinned):
    assert check_masks(table(ROWS), encode(table(ROWS), pinned), pinned) == []


def first_trained(mask):
    mask[np.argmax(mask)] = False
    return mask


def stop_untrained(mask):
    mask[np.flatnonzero(mask)[-1]] = False
    return mask


@pytest.mark.parametrize(
    ("change", "invariant"),
    [
        (first_trained, {"untrained"}),
        (stop_untrained, {"stop"}),
        (flip(1), {"leak", "stop"}),
        (flip(-1), {"leak", "stop"}),
        (np.zeros_like, {"untrained", "stop", "nothing"}),
        (np.ones_like, {"leak", "stop"}),
        (lambda mask: ~mask, {"untrained", "leak", "stop"}),
        (lambda mask: np.roll(mask, 1), {"untrained", "leak", "stop"}),
    ],
)
def test_a_wrong_sft_mask_is_named(pinned, change, invariant):
    found = broken(pinned, "loss_mask", 0, change)
    assert {(0, "input_ids", name) for name in invariant} == set(found)


def test_a_stop_token_spelled_as_text_is_found(pinned):
    encoded = encode(table(ROWS), pinned)
    ids, mask = (encoded[name][0].as_py() for name in ("input_ids", "loss_mask"))
    at = len(ids) - 2
    spelled = pinned.library.encode(pa.array(["<|im_end|>"]))[0].tolist()
    encoded = with_cell(encoded, "input_ids", 0, ids[:at] + spelled + ids[at + 1 :])
    encoded = with_cell(encoded, "loss_mask", 0, mask[:at] + [True] * len(spelled) + mask[at + 1 :])
    assert [f.invariant for f in check_masks(table(ROWS), encoded, pinned)] == ["stop"]


def test_a_changed_token_is_found(pinned):
    def next_token(ids):
        ids[3] += 1
        return ids

    assert (0, "input_ids", "text") in broken(pinned, "input_ids", 0, next_token)


def test_a_trained_prompt_is_found(pinned):
    assert (1, "chosen_input_ids", "leak") in broken(pinned, "chosen_loss_mask", 1, flip(2))
    assert (2, "input_ids", "leak") in broken(pinned, "loss_mask", 2, flip(2))


def test_half_a_character_is_no_assistant_text(pinned):
    assert (1, "rejected_input_ids", "untrained") in broken(pinned, "rejected_loss_mask", 1, first_trained)


def test_a_wrong_prompt_length_is_found(pinned):
    wrong = with_cell(encode(table(ROWS), pinned), "prompt_tokens", 1, 5)
    assert [f.invariant for f in check_masks(table(ROWS), wrong, pinned)] == ["prompt"]


def test_a_conversation_without_assistant_has_nothing_to_train(pinned):
    lonely = table([{"regime": "sft", "messages": [message("user", "hello?")]}])
    assert [f.invariant for f in check_masks(lonely, encode(lonely, pinned), pinned)] == ["nothing"]
