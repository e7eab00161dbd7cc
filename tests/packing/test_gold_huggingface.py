"""Gold as a Hugging Face dataset."""

import sys

import numpy as np
import pytest

from toolkit.errors import MissingExtra, RequestError
from toolkit.packing import huggingface
from toolkit.packing.gold.batches import flattened, packs_of_rows
from toolkit.packing.gold.gold_reader import open_gold

from .gold_folder import (
    pack_row,
    random_packs,
    random_pairs,
    write_gold,
    write_pairs,
    write_part,
    write_prompts,
)

PACKS = random_packs(8)


@pytest.fixture
def folder(tmp_path):
    return write_gold(tmp_path / "gold" / "sft", PACKS)


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    found = pytest.importorskip("datasets")
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found.disable_progress_bars()
    return found


def test_without_the_package_the_message_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"\.\[datasets\]"):
        huggingface.load(folder)


def test_a_folder_without_gold_is_refused(tmp_path):
    with pytest.raises(RequestError, match="has no gold"):
        huggingface.load(tmp_path)


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_those_of_the_gold_and_only_those_a_manifest_names(datasets, folder, streaming):
    write_part(folder, 3, [pack_row(PACKS[0])])
    (folder / "part-00003.manifest.json").unlink()
    assert list(huggingface.load(folder, streaming)) == [pack_row(pack) for pack in PACKS]


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_in_numpys_format_collate_to_the_readers_batch(datasets, folder, streaming):
    rows = list(huggingface.load(folder, streaming).with_format("numpy"))
    ours, theirs = open_gold(folder).batch(np.arange(8)), flattened(packs_of_rows(rows))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_each_part_is_a_shard_to_share_out(datasets, folder):
    from datasets.distributed import split_dataset_by_node

    whole = huggingface.load(folder, streaming=True)
    assert whole.num_shards == 3
    seen = [row["doc_ids"] for rank in range(3) for row in split_dataset_by_node(whole, rank, 3)]
    assert sorted(seen) == sorted(pack_row(pack)["doc_ids"] for pack in PACKS)


@pytest.mark.parametrize("streaming", [False, True])
def test_pairs_and_prompts_load_too(datasets, tmp_path, streaming):
    pairs = random_pairs(4)
    folder = write_pairs(tmp_path / "gold" / "preference", pairs)
    assert list(huggingface.load(folder, streaming)) == pairs
    rows = list(huggingface.load(write_prompts(tmp_path / "gold" / "rl"), streaming))
    assert [row["verifier"]["spec"] for row in rows] == ["1", "2", "3", "4", "5"]
