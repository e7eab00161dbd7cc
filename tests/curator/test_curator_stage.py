"""Our dedup through NeMo Curator's own batches, stages and workflows, without Ray and without a card."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toolkit
from toolkit.errors import MissingExtra, RequestError
from toolkit.records import EVIDENCE

STORY = "the cat sat on the mat today and then it went away again slowly home to sleep until the morning came"
TEXTS = [
    STORY,
    "a dog ran far over the hills and nobody saw it",
    STORY.upper(),
    f"{STORY} twice",
    "",
    None,
    "x",
]


@pytest.fixture
def tasks():
    pytest.importorskip("nemo_curator")
    from nemo_curator import tasks

    return tasks


def batch(tasks, texts=TEXTS, kind="arrow", **columns):
    table = pa.table({"text": pa.array(texts, pa.string()), "row": range(len(texts)), **columns})
    return tasks.DocumentBatch(
        "d", table if kind == "arrow" else table.to_pandas(), _metadata={"from": "here"}
    )


def through(stage, given):
    """As an executor calls it: inputs are validated first."""
    (found,) = stage.process_batch([given])
    return found


def test_without_the_package_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nemo_curator", None)
    monkeypatch.setitem(sys.modules, "nemo_curator.stages.base", None)
    monkeypatch.delitem(sys.modules, "toolkit.curator.stage", raising=False)
    with pytest.raises(MissingExtra, match=r"\.\[curator\]"):
        from toolkit.curator import NearDuplicates  # noqa: F401


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(ImportError, match="NearTriplicates"):
        from toolkit.curator import NearTriplicates  # noqa: F401


@pytest.mark.parametrize("kind", ["arrow", "pandas"])
def test_duplicates_of_a_batch_go_and_what_proves_it_stays(tasks, kind):
    from toolkit.curator import NearDuplicates

    found = through(NearDuplicates(), batch(tasks, kind=kind))
    assert found.to_pyarrow()["row"].to_pylist() == [1, 3, 4, 5, 6]  # the longest of the three stories
    assert isinstance(found.data, pa.Table) == (kind == "arrow")
    assert found._metadata["num_removed"] == 2 and found._metadata["from"] == "here"
    evidence = found._metadata["evidence"]
    assert evidence.schema.equals(EVIDENCE)
    assert {row["kept_origin"]["line"] for row in evidence.to_pylist()} == {4}


@pytest.mark.parametrize("kind", ["arrow", "pandas"])
def test_marked_rows_name_the_row_that_stays_and_the_similarity(tasks, kind):
    from toolkit.curator import NearDuplicates

    stage = NearDuplicates(mark=True)
    found = through(stage, batch(tasks, kind=kind))
    assert stage.outputs() == (["data"], ["duplicate_of", "similarity"])
    rows = found.to_pyarrow()
    assert rows["duplicate_of"].to_pylist() == [3, None, 3, None, None, None, None]
    assert [s for s in rows["similarity"].to_pylist() if s == s and s is not None] == [17 / 18, 17 / 18]
    assert rows["row"].to_pylist() == list(range(7))


def test_a_batch_loses_what_the_same_table_loses_in_our_own_dedup(tasks):
    from toolkit.curator import NearDuplicates

    rng = np.random.default_rng(3)
    words = np.array([f"w{i}" for i in range(30)])
    texts = [" ".join(words[rng.integers(0, 30, 12)]) for _ in range(60)]
    texts += [text + " more" for text in texts[::3]] + texts[::4]
    given = batch(tasks, texts, score=pa.array(rng.integers(0, 9, len(texts))))
    stage = NearDuplicates(threshold=0.7, shingle="word:2", keep="score,id")
    found = through(stage, given).data
    ours = toolkit.dedup(given.data, threshold=0.7, shingle="word:2", keep="score,id", workers=1)
    assert len(found) == len(ours.survivors) < len(texts)
    assert sorted(found["text"].to_pylist()) == sorted(ours.survivors["text"].to_pylist())


def test_a_column_that_is_missing_or_no_text_is_refused(tasks):
    from toolkit.curator import NearDuplicates

    with pytest.raises(ValueError, match="failed validation"):
        through(NearDuplicates(text_field="body"), batch(tasks))
    with pytest.raises(RequestError, match="'row' must hold text"):
        through(NearDuplicates(text_field="row"), batch(tasks))


def test_nothing_but_nulls_stays(tasks):
    from toolkit.curator import NearDuplicates

    table = pa.table({"text": pa.nulls(3)})
    assert len(through(NearDuplicates(), tasks.DocumentBatch("d", table)).data) == 3


def test_a_stage_on_a_card_asks_curator_for_one(tasks):
    from toolkit.curator import NearDuplicates

    assert NearDuplicates(device="cuda").resources.requires_gpu
    assert not NearDuplicates().resources.requires_gpu


def test_a_workflow_hands_on_the_files_that_survive(tasks, tmp_path):
    from toolkit.curator import NearDuplicatesWorkflow

    pq.write_table(pa.table({"text": TEXTS[:4]}), tmp_path / "in.parquet")
    result = NearDuplicatesWorkflow(
        str(tmp_path / "in.parquet"), str(tmp_path / "out"), "text", {"workers": 1}
    ).run()
    (task,) = result.pipeline_tasks["dedup"]
    assert pq.read_table(task.data)["text"].to_pylist() == [TEXTS[1], TEXTS[3]]
    assert result.get_metadata("num_removed") == 2
    assert pq.read_table(result.get_metadata("evidence")).num_rows == 2
