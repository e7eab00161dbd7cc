import importlib
import json
import pickle
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import MissingExtra, RequestError, ToolkitError
from toolkit.packing.gold.batches import flattened, packs_of_rows, padded
from toolkit.packing.gold.gold_reader import open_gold
from toolkit.packing.gold.schedule import in_order
from toolkit.packing.tokens.canaries import check_canary_ids
from toolkit.storage import read_parquet

from .gold_folder import (
    METADATA,
    pack_row,
    random_packs,
    random_pairs,
    write_gold,
    write_pairs,
    write_part,
    write_prompts,
)

PACKS = random_packs(11, seed=4)
ROWS = [pack_row(pack) for pack in PACKS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_gold(tmp_path_factory.mktemp("lake") / "gold" / "sft", PACKS)


@pytest.fixture(scope="module", params=["memory", "little memory", "cache"])
def reader(request, folder, tmp_path_factory):
    if request.param == "cache":
        return open_gold(folder, cache=tmp_path_factory.mktemp("cache"))
    return open_gold(folder, memory=1 if request.param == "little memory" else 1 << 20)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.filterwarnings("ignore:.*decoded again")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10), max_size=6), st.sampled_from([flattened, padded]))
def test_any_packs_in_any_order_are_those_of_the_files(reader, indices, form):
    assert same(reader.batch(indices, form), form(packs_of_rows([ROWS[i] for i in indices])))


@pytest.mark.filterwarnings("ignore:.*decoded again")
def test_rows_come_whole_with_their_documents_names(reader):
    assert reader.rows([10, 0, 10]) == [ROWS[10], ROWS[0], ROWS[10]]


@pytest.mark.filterwarnings("ignore:.*decoded again")
def test_arrays_collate_to_the_batch(reader):
    rows = reader.arrays([7, 2])
    assert same(flattened(packs_of_rows(rows)), reader.batch([7, 2]))
    assert [row.keys() for row in rows] == [{"input_ids", "loss_mask", "seq_lens"}] * 2
    assert rows[0]["input_ids"].dtype == np.int32


@pytest.mark.parametrize("index", [-1, 11])
def test_a_row_outside_the_gold_is_refused(folder, index):
    with pytest.raises(RequestError, match=rf"row {index} was asked for and this gold has rows 0 .. 10"):
        open_gold(folder).batch([0, index])


def test_it_says_what_it_is(folder):
    reader = open_gold(folder)
    assert (len(reader), reader.regime, dict(reader.metadata)) == (11, "sft", METADATA)
    assert repr(reader) == "<gold sft: 11 rows in 4 parts>"


def test_memory_that_is_too_small_is_said_once(folder):
    reader = open_gold(folder, memory=1)
    with pytest.warns(UserWarning, match=r"open_gold\(..., cache=FOLDER\)") as said:
        for _ in range(3):
            reader.batch([0])
            reader.batch([10])
    assert len(said) == 1


def test_reading_once_through_needs_no_memory_and_no_warning(folder):
    reader = open_gold(folder, memory=1)
    assert len(list(reader.batches(order=in_order))) == 11


def test_a_cache_is_written_once_and_refused_when_it_is_not_the_part(folder, tmp_path):
    open_gold(folder, cache=tmp_path).batch(np.arange(11))
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 4
    before = [path.stat().st_mtime_ns for path in kept]
    open_gold(folder, cache=tmp_path).batch(np.arange(11))
    assert [path.stat().st_mtime_ns for path in kept] == before
    for path in kept:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ToolkitError, match="Delete it"):
        open_gold(folder, cache=tmp_path).batch([0])


def test_another_process_gets_the_reader_without_what_it_decoded(folder):
    reader = open_gold(folder)
    whole = reader.batch([3])
    assert len(pickle.dumps(reader)) < 10_000
    assert same(pickle.loads(pickle.dumps(reader)).batch([3]), whole)


HURT = {
    "a mask of another length": {"loss_mask": [True]},
    "documents that do not add up": {"seq_lens": [1]},
    "an empty document": {"seq_lens": [2, 0]},
    "a null token": {"input_ids": [1, None]},
    "no mask": {"loss_mask": None},
    "an empty pack": {"input_ids": [], "loss_mask": [], "seq_lens": []},
}


@pytest.mark.parametrize("hurt", HURT.values(), ids=HURT)
def test_packs_that_contradict_themselves_are_refused(tmp_path, hurt):
    row = pack_row([{"name": "d", "ids": [1, 2], "mask": [True, True]}])
    folder = tmp_path / "gold" / "sft"
    write_part(folder, 0, [row, row | hurt])
    with pytest.raises(ToolkitError, match="disagree"):
        open_gold(folder).batch([0])


def test_a_part_whose_pages_are_damaged_is_refused(tmp_path):
    path = write_part(tmp_path / "gold" / "sft", 0, ROWS)
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)
    with pytest.raises(ToolkitError, match="cannot be decoded"):
        open_gold(path.parent).batch([0])


def everything(reader, **which):
    return [
        [batch["input_ids"].tolist() for batch in reader.batches(rank=rank, **which)]
        for rank in range(which["world_size"])
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(0, 12))
def test_a_restart_gives_the_batches_that_were_still_to_come(folder, world_size, batch_size, epoch, start):
    reader = open_gold(folder)
    which = {
        "epoch": epoch,
        "seed": 5,
        "world_size": world_size,
        "batch_size": batch_size,
        "remainder": "keep",
    }
    whole = everything(reader, **which)
    start = min(start, len(whole[0]))
    assert everything(reader, start_step=start, **which) == [rank[start:] for rank in whole]


def test_ranks_share_out_all_documents_without_overlap(folder):
    seen = [
        batch["input_ids"][0, a:b].tolist()
        for rank in range(3)
        for batch in open_gold(folder).batches(rank=rank, world_size=3, batch_size=2, remainder="keep")
        for a, b in pairwise(batch["cu_seqlens"])
    ]
    assert sorted(seen) == sorted(d["ids"] for pack in PACKS for d in pack)


def test_a_start_beyond_the_epoch_is_refused(folder):
    with pytest.raises(RequestError, match=r"start_step must be in 0 .. 5, found 6"):
        open_gold(folder).batches(batch_size=2, start_step=6)


PAIRS = random_pairs(7)


def test_pairs_are_two_sequences_the_chosen_ones_first(tmp_path):
    reader = open_gold(write_pairs(tmp_path / "gold" / "preference", PAIRS))
    batch = reader.batch([6, 1])
    expected = [PAIRS[i][f"{side}_input_ids"] for side in ("chosen", "rejected") for i in (6, 1)]
    ends = batch["cu_seqlens"]
    assert [batch["input_ids"][0, a:b].tolist() for a, b in pairwise(ends)] == expected
    assert batch["prompt_tokens"].tolist() == [PAIRS[6]["prompt_tokens"], PAIRS[1]["prompt_tokens"]]
    assert same(
        flattened(packs_of_rows(reader.arrays([6, 1]))) | {"prompt_tokens": batch["prompt_tokens"]}, batch
    )


def test_the_prompt_of_a_pair_is_nobodys_target(tmp_path):
    reader = open_gold(write_pairs(tmp_path / "gold" / "preference", PAIRS))
    batch = reader.batch([0, 3, 5], padded)
    for row, prompt in enumerate([*batch["prompt_tokens"], *batch["prompt_tokens"]]):
        assert (batch["labels"][row, :prompt] == -100).all()
        assert batch["labels"][row, prompt] == batch["input_ids"][row, prompt]


def test_prompts_come_with_their_verifiers(tmp_path):
    reader = open_gold(write_prompts(tmp_path / "gold" / "rl"))
    (rows,) = reader.batches(batch_size=5, order=in_order)
    assert [row["verifier"] for row in rows] == [{"kind": "exact", "spec": str(i + 1)} for i in range(5)]
    assert rows[2]["input_ids"] == [2, 3]
    with pytest.raises(RequestError, match="not packed"):
        reader.packs([0])


def test_a_tokenizer_is_told_from_another_by_the_ids_it_gives():
    stored = json.dumps({"texts": [["ab", [1, 2, 3]], ["", []]], "sha256": "", "version": "1"})
    ids = {"ab": [1, 2, 3], "": []}
    assert check_canary_ids(stored, lambda text: np.array(ids[text], np.int32)) == 2
    for wrong in ([1, 2], [1, 2, 3, 4], [1, 9, 3]):
        with pytest.raises(
            RequestError, match=r"not the one that made the data: 'ab' has the ids \[1, 2, 3\]"
        ):
            check_canary_ids(stored, (ids | {"ab": wrong}).get)
    with pytest.raises(RequestError, match="cannot be read"):
        check_canary_ids("null", len)


def test_without_pytorch_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "toolkit.packing.pytorch", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install -e '\.\[torch\]'"):
        importlib.import_module("toolkit.packing.pytorch")


def test_the_files_themselves_hold_what_was_read(folder):
    table = pa.concat_tables([read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
    assert table.to_pylist() == ROWS
