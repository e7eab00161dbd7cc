"""Forgetting removes every trace of the text, rebuilds what depended on it, and lasts."""

import base64
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from lakes import small_world, tree, words

import toolkit
from toolkit.errors import RequestError
from toolkit.storage import read_json, read_shard


def everything(lake):
    """All text of a lake, decompressed and decoded, as one string."""
    texts = []
    for path in sorted(lake.rglob("*")):
        if path.suffix == ".zst":
            texts += [line.decode("utf-8", "replace") for line in read_shard(path)]
        elif path.suffix == ".npy":
            texts.append(repr(np.load(path).tolist()))
        elif path.suffix == ".parquet":
            texts.append(json.dumps(pq.read_table(path).to_pylist()))
        elif path.suffix == ".jsonl":
            raws = (base64.b64decode(json.loads(line)["raw"]) for line in path.read_bytes().splitlines())
            texts += [raw.decode("utf-8", "replace") for raw in raws]
        elif path.is_file():
            texts.append(path.read_text())
    return "\n".join(texts)


def without_a_source(spec, name):
    """The spec's text less one source."""
    text = spec.read_text()
    start = text.index(f'[[source]]\nid = "{name}"')
    ends = [text.find(mark, start + 1) for mark in ("[[source]]", "[decontaminate]")]
    return text[:start] + text[min(end for end in ends if end > 0) :]


@pytest.fixture
def spec(tmp_path):
    found = small_world(tmp_path)
    toolkit.run(found, workers=1)
    return found


def test_a_forgotten_source_leaves_the_lake_of_a_spec_without_it(spec, tmp_path_factory):
    forgotten = toolkit.forget(spec.parent / "lake", source="b", workers=1).lake
    other = small_world(tmp_path_factory.mktemp("other"))
    other.write_text(without_a_source(other, "b"))
    fresh = toolkit.run(other, workers=1).lake
    own = {"MANIFEST.json", "spec.toml", "tombstones.json"}
    assert {k: v for k, v in tree(forgotten).items() if k not in own} == {
        k: v for k, v in tree(fresh).items() if k not in own
    }


def test_no_trace_of_a_forgotten_source_is_left(spec):
    lake = toolkit.forget(spec.parent / "lake", source="b", workers=1).lake
    text = everything(lake)
    assert not any(mark in text for mark in ("mix3x", "more4x", "mix 2", '"nothing"'))
    assert toolkit.audit(lake).ok


def test_a_record_removed_for_a_forgotten_one_comes_back(spec):
    lake = spec.parent / "lake"
    assert "removed" in repr(toolkit.trace(lake, "b.jsonl:31"))
    toolkit.forget(lake, source="a", workers=1)
    assert "gold:" in repr(toolkit.trace(lake, "b.jsonl:31"))


def test_a_forgotten_licence_goes_and_the_rest_of_its_source_stays(spec):
    lake = toolkit.forget(spec.parent / "lake", license="GPL", workers=1).lake
    text = everything(lake)
    assert "more4x" not in text
    assert "mix3x" in text
    assert toolkit.audit(lake).ok


def test_forgotten_ids_go_from_every_source_and_from_quarantine(spec):
    lake = spec.parent / "lake"
    twice = toolkit.trace(lake, "a.jsonl:6").journeys[0].record_id
    broken = toolkit.trace(lake, "a.jsonl:31").journeys[0].record_id
    toolkit.forget(lake, ids=[twice, broken], workers=1)
    text = everything(lake)
    assert "chat5x" not in text
    assert '{"broken": ' not in text
    assert toolkit.audit(lake).ok


def test_only_hashes_are_left_of_what_was_forgotten(spec):
    lake = toolkit.forget(spec.parent / "lake", source="b", workers=1).lake
    stones = read_json(lake / "tombstones.json")
    assert len(stones["sources"]["b"]) == 33
    assert all(len(digest) == 64 for digest in stones["sources"]["b"])


@pytest.mark.parametrize("request_", [{"source": "b"}, {"license": "GPL"}])
def test_running_the_old_spec_again_brings_nothing_back(spec, request_):
    lake = toolkit.forget(spec.parent / "lake", **request_, workers=1).lake
    before = tree(lake)
    again = toolkit.run(spec, workers=1)
    assert not again.worked
    assert tree(lake) == before


def test_bronze_lost_after_forgetting_is_ingested_again_without_the_forgotten(spec):
    lake = toolkit.forget(spec.parent / "lake", license="GPL", workers=1).lake
    before = tree(lake)
    for path in (lake / "bronze" / "b").iterdir():
        path.unlink()
    toolkit.run(spec, workers=1)
    assert tree(lake) == before


def test_a_request_killed_half_way_is_finished_by_the_next_run(spec, monkeypatch):
    lake = spec.parent / "lake"
    monkeypatch.setattr("toolkit.pipeline.forget.apply_tombstones", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        toolkit.forget(lake, license="GPL", workers=1)
    monkeypatch.undo()
    toolkit.run(spec, workers=1)
    assert "more4x" not in everything(lake)
    assert toolkit.audit(lake).ok


def test_what_does_not_depend_on_it_keeps_its_bytes_and_its_files(spec):
    lake = spec.parent / "lake"
    before = {path: path.stat().st_ino for path in (lake / "bronze" / "pairs").iterdir()}
    toolkit.forget(lake, source="b", workers=1)
    assert {path: path.stat().st_ino for path in (lake / "bronze" / "pairs").iterdir()} == before


@pytest.mark.parametrize(
    ("request_", "hint"),
    [({"source": "zzz"}, "it has a, b, pairs, sums"), ({"license": "WTFPL"}, "there are:"),
     ({"ids": ["ab" * 32]}, "1 of 1 ids"), ({}, "takes one of"),
     ({"source": "a", "license": "MIT"}, "takes one of")],
)  # fmt: skip
def test_a_request_that_matches_nothing_changes_nothing(spec, request_, hint):
    before = tree(spec.parent / "lake")
    with pytest.raises(RequestError, match=hint):
        toolkit.forget(spec.parent / "lake", **request_)
    assert tree(spec.parent / "lake") == before


def test_a_lake_without_licences_says_so(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"n":1}\n')
    lake = toolkit.ingest(tmp_path / "a.jsonl", tmp_path / "lake", workers=1).lake
    with pytest.raises(RequestError, match=r"'MIT' in .*; none of its records has a licence\.$"):
        toolkit.forget(lake, license="MIT")


def test_a_text_with_words_of_its_own_is_really_searched(spec):
    assert words("mix3x").split()[5] in everything(spec.parent / "lake")
