"""A lake through NeMo Curator's own stages, without Ray."""

import json
import sys

import pytest

import toolkit
from toolkit.errors import MissingExtra, RequestError
from toolkit.ingest import BRONZE_SCHEMA, records
from toolkit.pipeline.spec.tables import Ingest

ROWS = [{"text": f"document {i} " * 5, "n": i} for i in range(100)]


def landed(folder, rows=ROWS):
    """A lake of some payloads, in shards of about a kilobyte."""
    (folder / "f.jsonl").write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    small = Ingest(shard_bytes=1024)
    return toolkit.ingest(folder / "f.jsonl", folder / "lake", settings=small, workers=1).lake


@pytest.fixture
def curator():
    pytest.importorskip("nemo_curator")
    from toolkit.ingest import curator

    return curator


def batches_of(reader):
    """What the reader's stages give, one after another in this process."""
    from nemo_curator.tasks import EmptyTask

    partition, stage = reader.decompose()
    start = EmptyTask if not isinstance(EmptyTask, type) else EmptyTask(dataset_name="", data=None)
    return [stage.process(task) for task in partition.process(start)]


def rows_of(batches):
    return [row for batch in batches for row in batch.to_pyarrow().to_pylist()]


def test_without_the_package_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nemo_curator", None)
    monkeypatch.delitem(sys.modules, "toolkit.ingest.curator", raising=False)
    with pytest.raises(MissingExtra, match=r"\.\[curator\]"):
        import toolkit.ingest.curator  # noqa: F401


def test_a_shard_is_a_batch_of_documents_with_their_provenance(curator, tmp_path):
    lake = landed(tmp_path)
    batches = batches_of(curator.BronzeReader(lake, fields=["text"]))
    assert len(batches) > 4
    rows = rows_of(batches)
    assert [row["text"] for row in rows] == [row["text"] for row in ROWS]
    assert [row["record_id"] for row in rows] == [record["record_id"] for record in records(lake)]
    assert list(rows[0]) == ["text", *BRONZE_SCHEMA.names]


def test_a_stage_names_the_columns_that_it_gives(curator, tmp_path):
    _, stage = curator.BronzeReader(landed(tmp_path), fields=["text"]).decompose()
    assert stage.outputs() == (["data"], ["text", *BRONZE_SCHEMA.names])


def test_shards_may_share_a_batch(curator, tmp_path):
    lake = landed(tmp_path)
    one = batches_of(curator.BronzeReader(lake, fields=["text"], files_per_partition=1000))
    assert [batch.num_items for batch in one] == [len(ROWS)]


def test_a_filter_of_curators_runs_on_what_is_read(curator, tmp_path):
    heuristic = pytest.importorskip("nemo_curator.stages.text.filters.heuristic")
    from nemo_curator.stages.text.filters import ScoreFilter

    lake = landed(tmp_path, [{"text": "too short"}, {"text": "word " * 60}])
    (batch,) = batches_of(curator.BronzeReader(lake, fields=["text"]))
    stage = ScoreFilter(heuristic.WordCountFilter(min_words=50), text_field="text", score_field="words")
    stage.setup()
    kept = stage.process(batch).to_pandas()
    assert kept["words"].tolist() == [60] and kept["line"].tolist() == [2]


def test_other_values_are_json_and_what_a_record_lacks_is_null(curator, tmp_path):
    payloads = [{"text": "a"}, {"text": [1, "\u00e9"]}, {"text": None}, {"other": 1}, {"text": 10**30}]
    rows = rows_of(batches_of(curator.BronzeReader(landed(tmp_path, payloads), fields=["text"])))
    assert [row["text"] for row in rows] == ["a", '[1, "\u00e9"]', None, None, str(10**30)]


def test_a_lone_surrogate_is_replaced_in_the_text_and_kept_in_the_payload(curator, tmp_path):
    lake = landed(tmp_path, [{"text": "x\ud800"}])
    (row,) = rows_of(batches_of(curator.BronzeReader(lake, fields=["text"])))
    assert (row["text"], json.loads(row["payload"])) == ("x?", {"text": "x\ud800"})


def test_what_came_twice_is_left_out_and_a_shard_of_repeats_is_an_empty_batch(curator, tmp_path):
    lake = landed(tmp_path, [*ROWS, *ROWS])
    batches = batches_of(curator.BronzeReader(lake))
    assert sum(batch.num_items for batch in batches) == len(ROWS)
    assert batches[-1].num_items == 0
    assert len(rows_of(batches_of(curator.BronzeReader(lake, repeats=True)))) == 2 * len(ROWS)


def test_a_field_may_not_hide_its_provenance(curator, tmp_path):
    with pytest.raises(RequestError, match="'line' is the name of a provenance column"):
        curator.BronzeReader(landed(tmp_path), fields=["line"]).decompose()


def test_a_folder_that_is_no_lake_is_refused(curator, tmp_path):
    with pytest.raises(RequestError, match="no finished lake"):
        curator.BronzeReader(tmp_path)
