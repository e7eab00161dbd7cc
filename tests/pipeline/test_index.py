"""``[dedup] index``: sketches stay in the lake, and what comes later is compared with them."""

import json

import pyarrow as pa
import pytest
from lakes import small_world, tree, words, write_lines

import toolkit
from toolkit.storage import read_ipc

INDEX = "\n[dedup]\nindex = true\n"
MORE = """
[[source]]
id = "z"
type = "synthetic"
path = "z.jsonl"
rank = 9
"""


def spec_of(folder, extra=""):
    spec = small_world(folder, INDEX)
    text = spec.read_text()
    assert "[dedup]" in text
    again = [
        {"prompt": "about 4", "response": words("chat4x") + " end"},
        {"prompt": "q", "response": words("z")},
    ]
    write_lines(folder / "z.jsonl", again)
    spec.write_text(text.replace("[[source]]", extra + "[[source]]", 1))
    return spec


def test_what_is_added_ends_as_from_scratch_and_old_texts_are_not_sketched_again(tmp_path):
    first = toolkit.run(spec_of(tmp_path / "one"), workers=1)
    old = len(list((first.lake / "index").rglob("*.sketch.arrow")))
    assert old and toolkit.audit(first.lake).ok
    grown = toolkit.run(spec_of(tmp_path / "one", MORE), workers=2)
    timings = json.loads((grown.lake / "timings.json").read_bytes())
    assert timings["refine"]["done_before"] == timings["sketch"]["done_before"] == old
    assert timings["refine"]["tasks"] == old + 1
    whole = toolkit.run(spec_of(tmp_path / "two", MORE), workers=1)
    assert tree(grown.lake) == tree(whole.lake)
    assert toolkit.audit(grown.lake).ok
    gone = pa.concat_tables(
        [pa.parquet.read_table(path) for path in (grown.lake / "evidence" / "dedup").rglob("*.parquet")]
    ).to_pylist()
    assert {(row["removed_source"], row["kept_source"]) for row in gone} >= {("z", "a")}


def test_the_index_forgets_and_goes_when_it_is_not_wanted(tmp_path):
    run = toolkit.run(spec_of(tmp_path, MORE), workers=1)
    assert held(run.lake, "chat4x")
    toolkit.forget(run.lake, source="a", workers=1)
    assert not (run.lake / "index" / "a").exists() and toolkit.audit(run.lake).ok
    toolkit.forget(run.lake, license="GPL", workers=1)
    assert not held(run.lake, "more3x") and held(run.lake, "mix3x")
    assert toolkit.audit(run.lake).ok


def held(lake, word):
    tables = [read_ipc(path) for path in (lake / "index").rglob("part-?????.arrow")]
    return any(word in text for table in tables for text in table["normal"].to_pylist())


@pytest.mark.parametrize("index", ["true", "false"])
def test_the_same_records_stay_with_and_without_it(tmp_path, index):
    spec = spec_of(tmp_path)
    plain = tree(toolkit.run(spec, workers=1).lake)
    spec.write_text(spec.read_text().replace("index = true", f"index = {index}"))
    again = toolkit.run(spec, workers=1).lake
    assert (again / "index").exists() == (index == "true")
    silver = [name for name in plain if name.startswith("silver/") and name.endswith(".parquet")]
    assert silver and all(tree(again)[name] == plain[name] for name in silver)
