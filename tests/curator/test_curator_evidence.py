"""What Curator's fuzzy dedup removed becomes evidence, with the similarity that it never measured."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from toolkit.curator import to_evidence, write_removal_ids
from toolkit.errors import RequestError
from toolkit.records import EVIDENCE

ID, GROUP = "_curator_dedup_id", "_duplicate_group_id"
STORY = "the cat sat on the mat today and then it went away again slowly home to sleep until the morning came"
# A chain: 1 is like 2 and 2 like 3, as connected components see them; 2 and 3 were removed for 1.
TEXTS = {1: STORY, 2: f"{STORY} anew", 3: "nothing of that kind at all is said here", 7: "x", 8: "X ", 9: ""}


def written(folder, removed, groups):
    """Their two outputs, in more than one file as theirs are."""
    for name, table in {"ids": pa.table({ID: removed}), "groups": pa.table(groups)}.items():
        (folder / name).mkdir()
        for part in range(2):
            pq.write_table(
                table.take(pa.array(range(part, len(table), 2), pa.int64())),
                folder / name / f"part.{part}.parquet",
            )
    return folder / "ids", folder / "groups"


def documents(texts=TEXTS):
    rows = pa.table({ID: list(texts), "text": list(texts.values()), "name": [f"doc-{i}" for i in texts]})
    return [rows.slice(0, 2), rows.slice(2)]


@pytest.fixture
def found(tmp_path):
    groups = {ID: [3, 1, 2, 8, 7], GROUP: [5, 5, 5, 6, 6]}
    return to_evidence(*written(tmp_path, [3, 8, 2], groups), documents(), name_field="name")


def test_each_removal_has_the_similarity_of_its_texts(found):
    assert found.schema.equals(EVIDENCE)
    rows = found.select(["removed_id", "kept_id", "method", "score", "threshold"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("doc-2", "doc-1", "near", 17 / 18, 0.8),
        ("doc-3", "doc-1", "near", 0.0, 0.8),
        ("doc-8", "doc-7", "exact", 1.0, 0.8),
    ]
    detail = {"by": "nemo_curator", "group": 5, "shingle": "word:5", "intersection": 17, "union": 18}
    assert json.loads(found["detail"][0].as_py()) == detail


def test_a_group_of_which_nobody_stays_and_texts_that_are_not_given_have_no_score(tmp_path):
    paths = written(tmp_path, [1, 2, 7, 9], {ID: [1, 2, 7, 8, 9, 10], GROUP: [0, 0, 1, 1, 2, 2]})
    rows = to_evidence(*paths, documents({8: "x", 9: "", 10: ""})).to_pylist()
    assert [(row["removed_id"], row["kept_id"], row["score"]) for row in rows] == [
        ("1", None, None), ("2", None, None), ("7", "8", None), ("9", "10", None),
    ]  # fmt: skip
    assert to_evidence(*paths, []).num_rows == 4


def test_nothing_removed_is_no_evidence(tmp_path):
    paths = written(
        tmp_path, pa.array([], pa.int64()), {ID: pa.array([], pa.int64()), GROUP: pa.array([], pa.int64())}
    )
    assert to_evidence(*paths, documents()).num_rows == 0


def test_an_id_in_no_group_a_missing_file_and_a_missing_column_are_refused(tmp_path):
    ids, groups = written(tmp_path, [1, 99], {ID: [1, 2], GROUP: [0, 0]})
    with pytest.raises(RequestError, match="id 99 is to be removed, but is in no group"):
        to_evidence(ids, groups, documents())
    with pytest.raises(RequestError, match="no such file or folder"):
        to_evidence(tmp_path / "none", groups, documents())
    with pytest.raises(RequestError, match=f"no column '{GROUP}'"):
        to_evidence(ids, ids, documents())
    with pytest.raises(RequestError, match=f"two documents have the {ID} 1"):
        to_evidence(*written_again(tmp_path), [*documents(), *documents()])


def written_again(folder):
    (folder / "again").mkdir()
    return written(folder / "again", [2], {ID: [1, 2], GROUP: [0, 0]})


def test_curators_own_removal_takes_only_what_was_verified(tmp_path):
    pytest.importorskip("nemo_curator")
    from nemo_curator.stages.text.deduplication.removal import TextDuplicatesRemovalStage
    from nemo_curator.tasks import DocumentBatch

    paths = written(tmp_path, [2, 3], {ID: [1, 2, 3], GROUP: [5, 5, 5]})
    batches = [DocumentBatch("d", table) for table in documents()]
    found = to_evidence(*paths, batches)
    verified = found.filter(pc.greater_equal(found["score"], found["threshold"]))
    folder = write_removal_ids(verified, tmp_path / "verified")
    stage = TextDuplicatesRemovalStage(str(folder), duplicate_id_field=ID)
    left = [stage.process(batch).to_pandas()[ID].tolist() for batch in batches]
    assert left == [[1], [3, 7, 8, 9]]
