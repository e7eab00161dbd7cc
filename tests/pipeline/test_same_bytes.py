"""The same bytes on any number of workers, on a cluster, in any folder."""

import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from lakes import small_world, tree, words, write_lines

import toolkit

SHARDS = "\n[ingest]\nshard_bytes = 2048\n"


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    spec = small_world(tmp_path_factory.mktemp("one"), SHARDS)
    return tree(toolkit.run(spec, workers=1).lake)


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, expected, workers):
    lake = toolkit.run(small_world(tmp_path, SHARDS), workers=workers).lake
    assert tree(lake) == expected


def test_another_folder_gives_the_same_bytes(tmp_path, expected):
    folder = tmp_path / "deeper" / "Ünï cödé"
    lake = toolkit.run(small_world(folder, SHARDS), workers=1).lake
    assert tree(lake) == expected


def test_another_process_with_another_hash_seed_gives_the_same_bytes(tmp_path, expected):
    spec = small_world(tmp_path, SHARDS)
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "RAYON_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "toolkit", "run", str(spec), "-q", "--workers", "1"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert tree(tmp_path / "lake") == expected


def test_a_dask_cluster_writes_the_same_bytes(tmp_path, expected):
    pytest.importorskip("distributed", reason="pip install -e '.[distributed]'")
    spec = small_world(tmp_path, SHARDS)
    command = [sys.executable, "-m", "toolkit", "run", str(spec), "-q", "--cluster", "local:2"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert tree(tmp_path / "lake") == expected


def test_a_script_without_a_main_guard_can_call_run(tmp_path, expected):
    spec = small_world(tmp_path, SHARDS)
    script = tmp_path / "script.py"
    script.write_text(f"import toolkit\ntoolkit.run({str(spec)!r}, workers=2)\n")
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True, timeout=120)
    assert tree(tmp_path / "lake") == expected


def test_a_rerun_changes_no_file_and_no_time_stamp(tmp_path):
    spec = small_world(tmp_path)
    lake = toolkit.run(spec, workers=1).lake
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*")}
    again = toolkit.run(spec, workers=1)
    assert not again.worked
    assert {path: path.stat().st_mtime_ns for path in lake.rglob("*")} == before


def test_a_changed_setting_rebuilds_and_changing_it_back_restores_the_bytes(tmp_path, expected):
    spec = small_world(tmp_path, SHARDS)
    toolkit.run(spec, workers=1)
    text = spec.read_text()
    spec.write_text(text.replace("context = 512", "context = 256"))
    assert tree(toolkit.run(spec, workers=1).lake) != expected
    spec.write_text(text)
    assert tree(toolkit.run(spec, workers=1).lake) == expected


def test_a_date_given_by_the_first_run_is_remembered(tmp_path):
    spec = small_world(tmp_path)
    text = spec.read_text()
    spec.write_text(text.replace("2026-11-22", "2001-02-03"))
    toolkit.run(spec, workers=1)
    spec.write_text(text.replace('logical_date = "2026-11-22"\n', ""))
    assert not toolkit.run(spec, workers=1).worked


def test_another_answer_field_reaches_gold_though_ids_and_prompts_are_the_same(tmp_path):
    write_lines(
        tmp_path / "s.jsonl", [{"p": f"{words('sum', 9)} {i}?", "x": f"{i}", "y": f"{i}9"} for i in range(5)]
    )
    spec, body = tmp_path / "spec.toml", 'id = "s"\ntype = "synthetic"\npath = "s.jsonl"\nregime = "rl"\n'
    for field, answer in (("x", "3"), ("y", "39")):
        spec.write_text(f'[[source]]\n{body}map = {{ prompt = "p", answer = "{field}" }}\n')
        lake = toolkit.run(spec, workers=1).lake
        assert answer in pq.read_table(lake / "gold/rl/part-00000.parquet")["answer"].to_pylist()


@pytest.mark.parametrize(
    "change",
    [
        ("threshold = 0.5", ""),
        ("shingle = 'byte:8'", ""),
        ("", "min_chars = 200"),
        ("", "deny_licenses = ['GPL']"),
        ("", "max_reject_share = 0.9"),
    ],
)
def test_a_lake_after_a_change_of_settings_is_that_of_a_fresh_run(tmp_path, change):
    dedup, other = change
    table = "ingest" if "reject" in other else "quality"
    extra = f"\n[dedup]\n{dedup}\n[{table}]\n{other}\n"
    changed = small_world(tmp_path / "changed")
    toolkit.run(changed, workers=1)
    changed.write_text(changed.read_text() + extra)
    after = toolkit.run(changed, workers=1).lake
    assert tree(after) == tree(toolkit.run(small_world(tmp_path / "fresh", extra), workers=1).lake)
