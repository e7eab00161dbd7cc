"""Killed at any moment and run again: the lake is that of an uninterrupted run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lakes import small_world, tree

import toolkit

SHARDS = "\n[ingest]\nshard_bytes = 2048\n"


def start(spec, *options):
    command = [sys.executable, "-m", "toolkit", "run", str(spec), "-q", *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # not so in the background
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    spec = small_world(tmp_path_factory.mktemp("whole"), SHARDS)
    lake = toolkit.run(spec, workers=2).lake
    return tree(lake)


def wait_for(lake, pattern, process):
    """Wait until the lake holds a file that matches, or the run is over."""
    while process.poll() is None and not any(lake.glob(pattern)):
        time.sleep(0.002)


MOMENTS = [
    "spec.toml",
    "bronze/a/*.zst",
    "bronze/b/part-00001*",
    "bronze/**/.tmp-*",
    ".work/refined/b/*.npy",
    ".work/dedup/order.npy",
    ".work/dedup/band-003*",
    ".work/dedup/verdict.arrow",
    "silver/b/part-00000.parquet",
    "silver/stage.manifest.json",
    "tokenizer.json",
    ".work/tokens/a/*.arrow",
    "gold/sft/*.parquet",
    "timings.json",
    "MANIFEST.json",
    "report.html",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment_and_run_again(tmp_path, whole, moment):
    spec = small_world(tmp_path, SHARDS)
    process = start(spec, "--workers", "1")
    wait_for(tmp_path / "lake", moment, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    toolkit.run(spec, workers=1)
    assert tree(tmp_path / "lake") == whole
    assert toolkit.audit(tmp_path / "lake").ok


def test_killed_again_and_again_without_its_workers(tmp_path, whole):
    spec = small_world(tmp_path, SHARDS)
    for delay in (1.5, 2.0, 2.5, 3.0, 3.5):
        process = start(spec, "--workers", "2")
        time.sleep(delay)
        process.kill()
        process.wait()
    toolkit.run(spec, workers=2)
    assert tree(tmp_path / "lake") == whole


def test_workers_of_a_killed_run_leave_with_it(tmp_path):
    process = start(small_world(tmp_path, SHARDS), "--workers", "2")
    wait_for(tmp_path / "lake", ".work/refined/a/*.arrow", process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while _group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _group(process.pid) == []


def test_a_lost_output_is_made_again(tmp_path, whole):
    spec = small_world(tmp_path, SHARDS)
    lake = toolkit.run(spec, workers=1).lake
    for name in (
        "bronze/b/part-00001.jsonl.zst",
        "silver/a/part-00000.parquet",
        "gold/rl/part-00000.parquet",
    ):
        (lake / name).unlink()
        toolkit.run(spec, workers=1)
        assert tree(lake) == whole, name


def test_interrupted_answers_130_and_resumes(tmp_path, whole):
    spec = small_world(tmp_path, SHARDS)
    process = start(spec, "--workers", "1")
    wait_for(tmp_path / "lake", "bronze/a/*.zst", process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    toolkit.run(spec, workers=1)
    assert tree(tmp_path / "lake") == whole


def _group(leader):
    """Processes of the session that ``leader`` started, from /proc."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    "moment", [".work/refined/b/*.npy", ".work/dedup/verdict.arrow", ".work/tokens/a/*.arrow"]
)
def test_killed_with_its_machine_what_had_not_reached_the_disk_is_made_again(tmp_path, whole, moment):
    spec, work = small_world(tmp_path, SHARDS), tmp_path / "lake" / ".work"
    process = start(spec, "--workers", "1")
    wait_for(tmp_path / "lake", moment, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    files = [path for path in work.rglob("*") if path.is_file() and path.parent != work]
    for path in files:  # sizes and names had reached it, contents had not
        if not path.name.endswith(".json"):
            path.write_bytes(bytes(path.stat().st_size))
    assert files
    if (work / "boot").exists():
        (work / "boot").write_text("another")
    toolkit.run(spec, workers=1)
    assert tree(tmp_path / "lake") == whole
    assert toolkit.audit(tmp_path / "lake").ok
