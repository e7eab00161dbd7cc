"""Nothing stale is ever taken for fresh, whatever was killed and changed in between."""

import json

import pyarrow.parquet as pq
import pytest
from lakes import small_world, tree, words, write_lines

import toolkit
from toolkit.errors import RequestError, ToolkitError
from toolkit.pipeline.stages import bronze_part, gold, refine
from toolkit.pipeline.tombstones import Tombstones
from toolkit.storage import read_json, write_json


def prompts(count):
    return [{"prompt": f"{words('sum', 9)} {i}?", "answer": f"{i}"} for i in range(count)]


def rl_spec(folder, **packing):
    spec = folder / "spec.toml"
    spec.write_text('[[source]]\nid = "s"\ntype = "synthetic"\npath = "s.jsonl"\nregime = "rl"\n')
    return spec


class KilledError(BaseException):
    """Stands for a kill: nothing may catch it."""


def kill_at(monkeypatch, owner, name, call):
    """Make the ``call``-th call of a method die before it does anything."""
    real, calls = getattr(owner, name), iter(range(10_000))

    def method(self, *arguments):
        if next(calls) == call:
            raise KilledError
        return real(self, *arguments)

    monkeypatch.setattr(owner, name, method)


def test_reordered_input_after_a_kill_between_gold_parts_loses_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr(gold, "ROWS_A_PART", 10)
    rows = prompts(25)
    write_lines(tmp_path / "s.jsonl", rows)
    kill_at(monkeypatch, gold.GoldJob, "run", 1)
    with pytest.raises(KilledError):
        toolkit.run(rl_spec(tmp_path), workers=1)
    write_lines(tmp_path / "s.jsonl", rows[::-1])
    lake = toolkit.run(rl_spec(tmp_path), workers=1).lake
    ids = [i for path in (lake / "gold/rl").glob("*.parquet") for i in pq.read_table(path)["id"].to_pylist()]
    assert (len(ids), len(set(ids))) == (25, 25)


def test_files_of_equal_size_from_another_run_are_not_trusted(tmp_path, monkeypatch):
    near = [{"prompt": f"p{i}", "response": words(f"t{i // 2}x", 60) + f" {i}"} for i in range(40)]
    for name in ("a", "b"):
        write_lines(tmp_path / f"{name}.jsonl", near[name == "b" :: 2])
    body = "".join(f'[[source]]\nid = "{n}"\ntype = "synthetic"\npath = "{n}.jsonl"\n' for n in "ab")
    spec = tmp_path / "spec.toml"

    def run(seed):
        spec.write_text(f"{body}[dedup]\nseed = {seed}\n")
        return toolkit.run(spec, workers=1)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_at(patch, toolkit.pipeline.stages.similar.BandJob, "run", 0)
        run(1)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(refine.PartManifest, "write", lambda self, path: (_ for _ in ()).throw(KilledError))
        run(2)
    assert sum(row[4] for row in run(1).rows()) == 20


@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize("victim", ["write_shard", "PartManifest"])
def test_a_forget_killed_between_two_files_is_finished_by_the_same_command(
    tmp_path, monkeypatch, victim, call
):
    lake = toolkit.run(small_world(tmp_path), workers=1).lake
    for path in tmp_path.glob("*.jsonl"):
        path.unlink()
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        real, calls = getattr(bronze_part, victim), iter(range(10_000))
        patch.setattr(
            bronze_part, victim, lambda *given, **how: _die() if next(calls) == call else real(*given, **how)
        )
        toolkit.forget(lake, license="MIT", workers=1)
    found = toolkit.forget(lake, license="MIT", workers=1)
    assert toolkit.audit(lake).ok
    assert (found.rows()[0][1], found.rows()[0][2]) == (92, 33)
    assert b"chat3x" not in b"".join(path.read_bytes() for path in lake.rglob("*.json*"))


def _die():
    raise KilledError


def test_forget_refuses_a_lake_whose_bronze_is_not_whole_and_changes_nothing(tmp_path):
    lake = toolkit.run(small_world(tmp_path, "\n[ingest]\nshard_bytes = 2048\n"), workers=1).lake
    (lake / "bronze/a/part-00001.manifest.json").unlink()
    before = tree(lake)
    with pytest.raises(ToolkitError, match=r"part-00001.manifest.json is missing"):
        toolkit.forget(lake, source="b", workers=1)
    assert tree(lake) == before


def test_a_forget_that_ends_while_a_run_reads_its_sources_is_not_undone(tmp_path, monkeypatch):
    spec = small_world(tmp_path)
    lake = toolkit.run(spec, workers=1).lake
    monkeypatch.setattr("toolkit.pipeline.run.Tombstones.read", _first_then(Tombstones(), Tombstones.read))
    write_json(lake / "tombstones.json", Tombstones(sources={"a": []}).to_dict())
    with pytest.raises(ToolkitError, match="changed while its sources were read"):
        toolkit.run(spec, workers=1)


def _first_then(first, later):
    answers = [first]
    return lambda lake: answers.pop() if answers else later(lake)


def test_an_evaluation_set_taken_out_of_the_spec_leaves_the_lake(tmp_path):
    spec = small_world(tmp_path)
    toolkit.run(spec, workers=1)
    text = spec.read_text()
    start, end = text.index("[[decontaminate.set]]"), text.index("[packing]")
    spec.write_text(text[:start] + text[end:])
    assert not (toolkit.run(spec, workers=1).lake / "eval_items.parquet").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('path = "eval.jsonl"', 'path = "eval.jsonl"\nfields = ["nope"]', "no field 'nope'"),
        ("vocab_size = 400", 'tokenizer = "eval.jsonl"', r"eval.jsonl"),
        ("ngram = 13", "ngram = 4", "expected at most ngram = 4"),
        ("ngram = 13", "ngram = 13\n[dedup]\nthreshold = 0.81234567891", "nine decimals"),
        ('[[source]]\nid = "b"', '[[source]]\nid = "c"', "holds source 'b', which the spec no longer names"),
    ],
)
def test_a_request_known_to_fail_leaves_the_finished_lake_as_it_was(tmp_path, old, new, message):
    spec = small_world(tmp_path)
    lake = toolkit.run(spec, workers=1).lake
    before = tree(lake)
    spec.write_text(spec.read_text().replace(old, new))
    with pytest.raises(RequestError, match=message):
        toolkit.run(spec, workers=1)
    assert tree(lake) == before


@pytest.mark.parametrize("cluster", ["local:0", "local:x", "bogus", "tcp://"])
def test_a_cluster_that_is_none_is_refused_at_once(tmp_path, cluster):
    with pytest.raises(RequestError, match="expected local:N or an address"):
        toolkit.run(small_world(tmp_path), cluster=cluster)


def test_any_fact_changed_in_the_root_manifest_is_found(tmp_path):
    lake = toolkit.run(small_world(tmp_path), workers=1).lake
    whole = read_json(lake / "MANIFEST.json")
    for key in whole:
        changed = {**whole, key: "changed"}
        (lake / "MANIFEST.json").write_text(json.dumps(changed))
        assert not toolkit.audit(lake).ok, key
        del changed[key]
        (lake / "MANIFEST.json").write_text(json.dumps(changed))
        assert not toolkit.audit(lake).ok, key
