import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.packing import (
    GOLD_PREFERENCE,
    GOLD_RL,
    GOLD_SFT,
    READY,
    best_fit_decreasing,
    documents,
    encode,
    pack_order,
    pack_table,
    preference_table,
    rendered_text,
    rl_table,
    tokens_hash,
    with_metadata,
)

from .conversations import answers, message, table

TALKS = st.lists(st.fixed_dictionaries({"regime": st.just("sft"), "messages": answers}), max_size=8)


def packed(encoded, context, cuts=(), parts=1):
    """Pack a table cut into several token tables, a range of packs at a time."""
    lengths = encoded["tokens"].to_numpy()
    edges = [0, *cuts, encoded.num_rows]
    tables = [encoded.slice(a, b - a) for a, b in pairwise(edges)]
    which_table = np.repeat(np.arange(len(tables)), np.diff(edges))
    which_row = np.arange(encoded.num_rows) - np.repeat(edges[:-1], np.diff(edges))
    order, starts = pack_order(best_fit_decreasing(lengths, context))
    gold = []
    for a, b in pairwise(np.linspace(0, len(starts) - 1, parts + 1).astype(int)):
        take = order[starts[a] : starts[b]]
        gold.append(pack_table(tables, which_table[take], which_row[take], starts[a : b + 1]))
    return pa.concat_tables(gold)


@settings(max_examples=40, deadline=None)
@given(rows=TALKS)
def test_gold_decodes_to_the_conversations_it_was_made_of(any_pinned, rows):
    gold = packed(encode(table(rows), any_pinned), 4096)
    found = {
        name: any_pinned.tokenizer.decode(ids.tolist(), skip_special_tokens=False)
        for name, ids, _ in documents(gold)
    }
    assert found == {f"r{i}": rendered_text(row["messages"]) for i, row in enumerate(rows)}


@settings(max_examples=40, deadline=None)
@given(rows=TALKS, data=st.data())
def test_the_same_gold_from_any_token_files_in_any_parts(pinned, rows, data):
    encoded = encode(table(rows), pinned)
    context = max([64, *encoded["tokens"].to_pylist()])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    whole = packed(encoded, context)
    assert packed(encoded, context, cuts, data.draw(st.integers(1, 4))).equals(whole)
    assert tokens_hash(whole) == tokens_hash(encoded)
    assert whole.schema == GOLD_SFT


def numbered(pinned, count, seed=0):
    rng = np.random.default_rng(seed)
    say = [message("assistant", "x" * int(n)) for n in rng.integers(0, 60, count)]
    return encode(table([{"regime": "sft", "messages": [s]} for s in say]), pinned)


def test_each_pack_tells_its_documents_apart(pinned):
    encoded = numbered(pinned, 50)
    lengths = dict(zip(encoded["id"].to_pylist(), encoded["tokens"].to_pylist(), strict=True))
    for pack in packed(encoded, 100).to_pylist():
        assert pack["seq_lens"] == [lengths[name] for name in pack["doc_ids"]]
        assert pack["doc_starts"] == [sum(pack["seq_lens"][:i]) for i in range(len(pack["seq_lens"]))]
        assert sum(pack["seq_lens"]) == len(pack["input_ids"]) == len(pack["loss_mask"]) <= 100


def test_documents_of_a_pack_are_in_input_order(pinned):
    for names in packed(numbered(pinned, 50), 100)["doc_ids"].to_pylist():
        assert names == sorted(names, key=lambda name: int(name[1:]))


def test_no_documents_no_packs():
    order, starts = pack_order(np.array([], np.int64))
    empty = pack_table([], order, order, starts)
    assert (empty.num_rows, empty.schema) == (0, GOLD_SFT)


def test_ids_and_masks_of_different_lengths_are_refused(pinned):
    encoded = numbered(pinned, 2)
    masks = pa.chunked_array([encoded["loss_mask"].take([1, 1])])
    wrong = encoded.set_column(encoded.schema.get_field_index("loss_mask"), "loss_mask", masks)
    with pytest.raises(ValueError, match="differ in length"):
        pack_table([wrong], [0, 0], [0, 1], np.array([0, 2]))


MIXED = [
    {"regime": "sft", "messages": [message("assistant", "s")]},
    {
        "regime": "rl",
        "prompt": [message("user", "2+2?")],
        "answer": "4",
        "verifier": {"kind": "exact", "spec": "4"},
        "difficulty": 0.5,
    },
    {
        "regime": "preference",
        "prompt": [message("user", "q")],
        "chosen": [message("assistant", "good")],
        "rejected": [message("assistant", "bad")],
    },
    {"regime": "rl", "prompt": [message("user", "1+1?")], "answer": "2"},
]


def test_preference_keeps_a_pair_in_a_row(pinned):
    encoded = encode(table(MIXED), pinned)
    gold = preference_table(encoded)
    assert gold.schema == GOLD_PREFERENCE
    assert gold["id"].to_pylist() == ["r2"]
    assert [name for name, _, _ in documents(gold)] == ["r2:chosen", "r2:rejected"]


def test_rl_keeps_the_prompt_with_its_verifier(pinned):
    records = table(MIXED)
    gold = rl_table(records, encode(records, pinned))
    assert gold.schema == GOLD_RL
    first = gold.to_pylist()[0]
    assert (first["id"], first["answer"], first["difficulty"]) == ("r1", "4", 0.5)
    assert first["verifier"] == MIXED[1]["verifier"]
    text = pinned.tokenizer.decode(first["input_ids"], skip_special_tokens=False)
    assert text == rendered_text(MIXED[1]["prompt"], generation=True)


def test_rl_rows_are_joined_by_row_and_not_by_place(pinned):
    records = table(MIXED)
    last = encode(records, pinned).slice(2)
    assert rl_table(records, last)["answer"].to_pylist() == ["2"]


def test_the_three_regimes_add_up_to_what_was_encoded(pinned):
    records = table(MIXED)
    encoded = encode(records, pinned)
    sft = packed(encoded.slice(0, 1), 64)
    parts = [sft, preference_table(encoded), rl_table(records, encoded)]
    assert sum(map(tokens_hash, parts)) % 2**64 == tokens_hash(encoded)


def test_metadata_says_what_the_numbers_mean_and_survives_parquet(pinned, tmp_path):
    how = {"strategy": "bfd", "attention": False}
    gold = with_metadata(packed(numbered(pinned, 9), 80), pinned, 80, how, READY["chatml"])
    pq.write_table(gold, tmp_path / "gold.parquet")
    back = pq.read_table(tmp_path / "gold.parquet")
    assert back.equals(gold)
    said = {k.decode(): v.decode() for k, v in back.schema.metadata.items()}
    assert said["tokenizer_sha256"] == pinned.sha256
    assert said["chat_template_sha256"] == READY["chatml"].sha256
    assert said["context"] == "80"
    assert json.loads(said["packing"]) == {"strategy": "bfd", "attention": False}
    assert json.loads(said["versions"])["pyarrow"] == pa.__version__
