import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing import GOLD_SFT, encode, pack_table, tokens_hash, tokens_hash_reference

from .conversations import message, records, table


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(records, max_size=6))
def test_kernel_and_reference_agree(pinned, rows):
    encoded = encode(table(rows), pinned)
    assert tokens_hash(encoded) == tokens_hash_reference(encoded)


@pytest.fixture
def encoded(pinned):
    say = [message("assistant", word) for word in ("one", "two", "three", "four", "five", "six")]
    return encode(table([{"regime": "sft", "messages": [s]} for s in say]), pinned)


def gold(encoded, rows, starts):
    return pack_table([encoded], np.zeros(len(rows), np.int64), np.array(rows), np.array(starts))


def test_packing_and_order_do_not_move_it(encoded):
    assert tokens_hash(gold(encoded, [5, 0, 3, 1, 2, 4], [0, 2, 5, 6])) == tokens_hash(encoded)


def test_a_lost_and_a_repeated_document_are_found_though_the_counts_agree(encoded):
    assert tokens_hash(gold(encoded, [0, 1, 2, 3, 4, 4], [0, 6])) != tokens_hash(encoded)


def test_two_documents_under_each_others_names_are_found(encoded):
    right = gold(encoded, [0, 1, 2, 3, 4, 5], [0, 6])
    names = right["doc_ids"][0].as_py()
    names[0], names[1] = names[1], names[0]
    wrong = right.set_column(3, GOLD_SFT.field("doc_ids"), pa.array([names]))
    assert tokens_hash(wrong) != tokens_hash(right)


@pytest.mark.parametrize("column", [0, 1])
def test_one_changed_token_or_mask_bit_is_found(encoded, column):
    right = gold(encoded, [0, 1, 2, 3, 4, 5], [0, 6])
    cells = right.column(column)[0].as_py()
    cells[4] = not cells[4] if column else cells[4] + 1
    wrong = right.set_column(column, GOLD_SFT.field(column), pa.array([cells], GOLD_SFT.field(column).type))
    assert tokens_hash(wrong) != tokens_hash(right)


def test_swapped_branches_are_found(pinned):
    pair = {"prompt": [], "chosen": [message("assistant", "a")], "rejected": [message("assistant", "b")]}
    swapped = pair | {"chosen": pair["rejected"], "rejected": pair["chosen"]}
    hashes = {tokens_hash(encode(table([{"regime": "preference", **p}]), pinned)) for p in (pair, swapped)}
    assert len(hashes) == 2


def test_parts_add_up(encoded):
    parts = [encoded.slice(0, 2), encoded.slice(2, 1), encoded.slice(3)]
    assert sum(map(tokens_hash, parts)) % 2**64 == tokens_hash(encoded)


def test_nothing_is_zero(encoded):
    assert tokens_hash(encoded.slice(0, 0)) == 0


def test_the_bits_never_change():
    fixed = pa.table(
        {
            "input_ids": pa.array([[1, 2, 3]], pa.list_(pa.int32())),
            "loss_mask": [[False, True, True]],
            "seq_lens": pa.array([[1, 2]], pa.list_(pa.int32())),
            "doc_ids": [["a", "é"]],
            "doc_starts": pa.array([[0, 1]], pa.list_(pa.int32())),
        },
        schema=GOLD_SFT,
    )
    assert tokens_hash(fixed) == tokens_hash_reference(fixed) == 176114206769889508
