from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toolkit
from toolkit import viz


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    toolkit.synth(folder / "dumps", records=1_500, seed=3)
    return toolkit.run(folder / "dumps" / "spec.toml", workers=1)


@pytest.fixture(scope="module")
def reached(lake):
    return viz.before_dedup(lake.lake)


@pytest.fixture(scope="module")
def distinct(lake, reached):
    truth = pq.read_table(lake.lake.parent / "truth.parquet").to_pylist()
    planted = {(row["path"], row["line"]) for row in truth if row["kind"] == "templated"}
    return [(row["path"], row["line"]) in planted for row in reached.to_pylist()]


def sft_rows(lake, layer: str) -> int:
    paths = (lake.lake / layer).rglob("*.parquet")
    return sum(row["regime"] == "sft" for path in paths for row in pq.read_table(path).to_pylist())


def test_all_that_reached_dedup_is_compared(lake, reached):
    assert len(reached) == sft_rows(lake, "silver") + sft_rows(lake, "evidence/dedup")


def test_the_lakes_own_setting_removes_what_the_lake_removed(lake, reached, distinct):
    assert viz.outcome(reached["said"], distinct).removed == sft_rows(lake, "evidence/dedup")


def test_the_toolkits_way_loses_no_templated_chat_at_any_threshold(reached, distinct):
    lost = [viz.outcome(reached["said"], distinct, threshold).lost for threshold in (0.5, 0.65, 0.8, 0.95)]
    assert sum(distinct) > 0 and lost == [0, 0, 0, 0]


def test_comparing_whole_transcripts_is_noticed_as_ruinous(reached, distinct):
    found = viz.outcome(reached["whole"], distinct, 0.8)
    assert found.ruined and "ruins everything" in repr(found) and "ruins everything" in found._repr_html_()


def test_leaving_out_verification_is_noticed_where_verifying_saves_them(reached, distinct):
    kept = viz.outcome(reached["whole"], distinct, 0.9, verify=True)
    collapsed = viz.outcome(reached["whole"], distinct, 0.9, verify=False)
    assert not kept.ruined and collapsed.ruined


def test_empty_texts_are_duplicates_of_nothing():
    texts = pa.chunked_array([pa.array(["", "", "one two three"], pa.large_string())])
    for verify in (True, False):
        assert viz.outcome(texts, [True, True, True], 0.8, verify).removed == 0


def test_the_picture_has_a_line_for_each_way(reached, distinct):
    axes = viz.lost_by_threshold(reached, distinct, [0.7, 0.8, 0.9]).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 3}
    assert len(lines) == 4 and axes.get_xlabel() and axes.get_ylabel()
    assert np.array_equal(lines["what was said, verified (the toolkit's way)"], [0, 0, 0])
