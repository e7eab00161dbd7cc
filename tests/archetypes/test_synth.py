"""The dump as a whole: the same bytes, the right counts, nothing of anyone else's touched."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from toolkit.archetypes import Synth, file_names, synth
from toolkit.errors import RequestError

from .dump import lines, raw, training_files


def digests(out: Path) -> dict[str, str]:
    files = [path for path in out.rglob("*") if path.is_file()]
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_same_seed_gives_the_same_bytes_in_every_file(tmp_path):
    first, second = (synth(tmp_path / name, records=1500, seed=3).out for name in ("a", "b"))
    assert digests(first) == digests(second)
    assert sorted(digests(first)) == sorted(file_names())


def test_another_seed_gives_other_bytes_in_every_file_but_the_spec(tmp_path):
    first, second = (digests(synth(tmp_path / str(seed), records=600, seed=seed).out) for seed in (3, 4))
    assert [name for name in first if first[name] == second[name]] == ["spec.toml"]


def test_first_records_of_a_file_change_with_the_seed_alone_not_with_the_machine_state(tmp_path):
    synth(tmp_path / "warm", records=300, seed=9)
    again = digests(synth(tmp_path / "again", records=300, seed=9).out)
    assert digests(tmp_path / "warm") == again


@pytest.mark.parametrize("records", [1, 2, 7, 100, 200, 999, 1000, 2049])
def test_the_record_count_is_exact(tmp_path, records):
    result = synth(tmp_path / "dump", records=records, seed=1)
    found = sum(
        1 for path in training_files(result.out) if "retry" not in path.name for line in lines(path) if line
    )
    assert found == records == sum(result.sources.values())


def test_the_result_counts_the_decompressed_bytes_and_the_files(dump: Synth, out: Path):
    assert dump.bytes == sum(len(raw(path)) for path in training_files(out))
    assert dump.files == {name: (out / name).stat().st_size for name in file_names()}


def test_the_result_reads_well_as_text_and_as_html(dump: Synth):
    assert "6,000 records" in repr(dump) and "near_duplicate" in repr(dump)
    assert "<table>" in dump._repr_html_() and "web-pages" in dump._repr_html_()


def test_progress_is_told_after_every_chunk_and_ends_at_the_total(tmp_path):
    calls: list[tuple[int, int]] = []
    synth(tmp_path / "dump", records=500, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (500, 500) and calls == sorted(calls)


@pytest.mark.parametrize(("records", "seed"), [(0, 0), (-5, 0), (10, -1), (10, 2**63)])
def test_impossible_requests_are_refused(tmp_path, records, seed):
    with pytest.raises(RequestError):
        synth(tmp_path / "dump", records=records, seed=seed)
    assert not (tmp_path / "dump").exists()


def test_a_file_as_out_is_refused(tmp_path):
    (tmp_path / "dump").write_text("mine")
    with pytest.raises(RequestError, match="is a file"):
        synth(tmp_path / "dump", records=10)


def test_a_folder_with_anything_else_is_refused_and_left_alone(tmp_path):
    synth(tmp_path, records=50)
    (tmp_path / "web" / "notes.txt").write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(RequestError, match=r"web/notes\.txt"):
        synth(tmp_path, records=60)
    assert digests(tmp_path) == before


def test_a_folder_with_a_part_of_a_dump_is_refused(tmp_path):
    (tmp_path / "spec.toml").write_text("[lake]\n")
    with pytest.raises(RequestError, match="holds 1 of"):
        synth(tmp_path, records=10)


def test_an_earlier_dump_is_replaced(tmp_path):
    synth(tmp_path / "a", records=900, seed=1)
    synth(tmp_path / "a", records=100, seed=2)
    assert digests(tmp_path / "a") == digests(synth(tmp_path / "b", records=100, seed=2).out)


def test_an_interrupted_run_leaves_no_final_names_and_can_be_repeated(tmp_path):
    def stop(done: int, total: int) -> None:
        if done > 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synth(tmp_path / "a", records=800, seed=5, progress=stop)
    assert [path.name for path in (tmp_path / "a").iterdir()] == [".synth-partial"]
    synth(tmp_path / "a", records=800, seed=5)
    assert digests(tmp_path / "a") == digests(synth(tmp_path / "b", records=800, seed=5).out)


def test_the_spec_names_sources_that_cover_every_training_file_once(out: Path):
    spec = tomllib.loads((out / "spec.toml").read_text())
    found = [path for source in spec["source"] for path in out.glob(source["path"])]
    assert sorted(found) == training_files(out)
    assert {s["regime"] for s in spec["source"]} == {"sft", "preference", "rl", "auto"}
    assert {s["type"] for s in spec["source"]} == {
        "human_annotation", "synthetic", "production_log", "public_dataset", "web_scrape"
    }  # fmt: skip


def test_the_spec_names_evaluation_files_that_have_its_fields(out: Path):
    import json

    spec = tomllib.loads((out / "spec.toml").read_text())
    for one in spec["decontaminate"]["set"]:
        rows = [json.loads(line) for line in lines(out / one["path"])]
        assert all(isinstance(row[field], str) for row in rows for field in one["fields"])


PEAK = """
import resource, sys
from toolkit.archetypes import synth
synth(sys.argv[1] + "/warm", records=2000)
synth(sys.argv[1] + "/dump", records=int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_is_flat(tmp_path):
    peaks = []
    for records in (20_000, 60_000):
        folder = tmp_path / str(records)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, folder, str(records)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout) / 1024)
    # 40,000 more records are 54 MB of lines
    assert peaks[1] - peaks[0] < 16, f"peak memory grew from {peaks[0]:.0f} to {peaks[1]:.0f} MiB"
