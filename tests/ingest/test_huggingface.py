"""A lake as a Hugging Face dataset."""

import json
import sys

import pytest

import toolkit
from toolkit.errors import MissingExtra, RequestError
from toolkit.ingest import BRONZE_SCHEMA, huggingface, records
from toolkit.pipeline.spec.tables import Ingest


def landed(folder, rows):
    """A lake of some payloads, in shards of about a kilobyte."""
    (folder / "f.jsonl").write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return toolkit.ingest(
        folder / "f.jsonl", folder / "lake", settings=Ingest(shard_bytes=1024), workers=1
    ).lake


def chats(count=200):
    return [{"prompt": f"say {i}", "response": f"word {i} " * 5} for i in range(count)]


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    found = pytest.importorskip("datasets")
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found.disable_progress_bars()
    return found


def test_without_the_package_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    lake = landed(tmp_path, chats(3))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"\.\[datasets\]"):
        huggingface.load(lake)


def test_a_folder_that_is_no_lake_is_refused(tmp_path):
    with pytest.raises(RequestError, match="no finished lake"):
        huggingface.load(tmp_path)


@pytest.mark.parametrize("streaming", [True, False])
def test_a_row_is_provenance_and_the_payload_as_it_was_sent(datasets, tmp_path, streaming):
    lake = landed(tmp_path, [{"n": 10**30, "s": "\ud800"}, {"n": [1.0, None]}])
    rows = list(huggingface.load(lake, streaming=streaming))
    assert [json.loads(row["payload"]) for row in rows] == [record["payload"] for record in records(lake)]
    assert list(rows[0]) == BRONZE_SCHEMA.names
    assert [(row["path"], row["line"]) for row in rows] == [(rows[0]["path"], 1), (rows[0]["path"], 2)]


@pytest.mark.parametrize("streaming", [True, False])
def test_decoded_a_row_is_the_payloads_own_fields_and_one_of_provenance(datasets, tmp_path, streaming):
    rows = chats()
    lake = landed(tmp_path, rows)
    found = list(huggingface.load(lake, streaming=streaming, decode=True))
    assert [{"prompt": row["prompt"], "response": row["response"]} for row in found] == rows
    assert [row["bronze"]["record_id"] for row in found] == [record["record_id"] for record in records(lake)]
    assert set(found[0]) == {"prompt", "response", "bronze"}


@pytest.mark.parametrize("streaming", [True, False])
def test_a_field_that_a_record_lacks_is_none(datasets, tmp_path, streaming):
    lake = landed(tmp_path, [*chats(40), {"other": 1}])
    found = list(huggingface.load(lake, streaming=streaming, decode=True))
    assert (found[0]["other"], found[-1]["other"], found[-1]["prompt"]) == (None, 1, None)


def test_more_shapes_than_a_manifest_keeps_lose_no_field(datasets, tmp_path):
    lake = landed(tmp_path, [{f"k{i}": i} for i in range(150)])
    found = next(iter(huggingface.load(lake, decode=True)))
    assert set(found) == {*(f"k{i}" for i in range(150)), "bronze"}


def test_streamed_values_are_pythons_whatever_their_types(datasets, tmp_path):
    payloads = [{"a": "text"}, {"a": [1]}, {"a": 10**30}, {"a": "\ud800"}, {"a": {"b": 1.0}}]
    lake = landed(tmp_path, payloads)
    assert [row["a"] for row in huggingface.load(lake, decode=True)] == [row["a"] for row in payloads]


def test_an_integer_that_arrow_cannot_hold_is_an_error_and_not_another_number(datasets, tmp_path):
    lake = landed(tmp_path, [{"a": 10**30}])
    with pytest.raises(datasets.exceptions.DatasetGenerationError):
        huggingface.load(lake, streaming=False, decode=True)


def test_a_payload_with_the_name_of_the_provenance_is_refused(datasets, tmp_path):
    lake = landed(tmp_path, [{"bronze": 1}])
    with pytest.raises(RequestError, match="a field 'bronze'"):
        huggingface.load(lake, decode=True)


def test_what_came_twice_is_left_out_unless_it_is_wanted(datasets, tmp_path):
    lake = landed(tmp_path, [*chats(5), *chats(5)])
    assert len(list(huggingface.load(lake))) == 5
    assert len(list(huggingface.load(lake, repeats=True))) == 10


def test_nodes_share_the_shards_and_together_have_every_row_once(datasets, tmp_path):
    from datasets.distributed import split_dataset_by_node

    lake = landed(tmp_path, chats())
    whole = huggingface.load(lake, decode=True)
    assert whole.num_shards > 4
    parts = [split_dataset_by_node(whole, rank, 3) for rank in range(3)]
    found = [row["prompt"] for part in parts for row in part]
    assert sorted(found) == sorted(row["prompt"] for row in chats())


def test_workers_of_a_data_loader_have_every_row_once(datasets, tmp_path):
    data = pytest.importorskip("torch.utils.data")
    whole = huggingface.load(landed(tmp_path, chats()), decode=True)
    loader = data.DataLoader(whole, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert sorted(row["prompt"] for row in loader) == sorted(row["prompt"] for row in chats())


def test_a_lake_that_changed_is_read_anew_and_not_from_the_cache(datasets, tmp_path):
    lake = landed(tmp_path, chats(3))
    before = huggingface.load(lake, streaming=False, decode=True)
    toolkit.ingest(tmp_path / "f.jsonl", lake, license="MIT", settings=Ingest(shard_bytes=1024), workers=1)
    after = huggingface.load(lake, streaming=False, decode=True)
    assert [rows[0]["bronze"]["license"] for rows in (before, after)] == [None, "MIT"]
