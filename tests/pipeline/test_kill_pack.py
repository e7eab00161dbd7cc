"""``toolkit pack`` killed at any moment and run again: the folder is that of an uninterrupted run."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from lakes import tree, words, write_lines

import toolkit
from toolkit.packing import train

PAIR = {"prompt": "which?", "chosen": "this one", "rejected": "that"}
ASKED = {"prompt": "what is 6 times 7?", "answer": "42"}
PARTS = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Files of which each becomes a part, with records of all regimes, one too long, and a broken line."""
    folder = tmp_path_factory.mktemp("world")
    for part in range(PARTS):
        chats = [{"prompt": f"about {i}", "response": words(f"chat{part}-{i}x")} for i in range(20)]
        long = {"prompt": "go on", "response": words("long", 400)}
        write_lines(folder / "in" / f"{part}.jsonl", [*chats, PAIR, ASKED, long, b'{"broken": '])
    (folder / "tokenizer.json").write_bytes(train([json.dumps(chats)], 400, ()))
    return folder


@pytest.fixture(scope="module")
def whole(world):
    return tree(pack(world, world / "whole").out)


def pack(world, out):
    return toolkit.pack(str(world / "in"), world / "tokenizer.json", out, 512, workers=2)


def start(world, out, workers):
    command = [sys.executable, "-m", "toolkit", "pack", str(world / "in"), "--out", str(out), "-q"]
    command += ["--tokenizer", str(world / "tokenizer.json"), "--context", "512", "--workers", str(workers)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, start_new_session=True, **quiet)


def kill(process, moment):
    """Kill a run and its workers as soon as ``moment()`` is true; return whether it was in time."""
    while process.poll() is None and not moment():
        time.sleep(0.001)
    in_time = process.poll() is None
    if in_time:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return in_time


MOMENTS = [
    ".work/silver/.tmp-*",
    ".work/silver/part-00002.manifest.json",
    "tokenizer.json",
    ".work/tokens/part-00001.arrow",
    "evidence/packing/.tmp-*",
    ".work/gold/sft.*",
    "gold/sft/part-00000.parquet",
    "gold/rl/*.parquet",
    "MANIFEST.json",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment_and_run_again(tmp_path, world, whole, moment):
    out = tmp_path / "out"
    kill(start(world, out, 1), lambda: any(out.glob(moment)))
    pack(world, out)
    assert tree(out) == whole


def test_killed_again_and_again_at_random(tmp_path, world, whole):
    out, draw, killed = tmp_path / "out", random.Random(5), 0
    for workers in (1, 2, 1, 2, 1):
        begun, made = time.time(), draw.randrange(1, 12)  # after so many files of its own

        def seen(begun=begun, made=made):
            return sum(when >= begun for when in _times(out)) >= made

        killed += kill(start(world, out, workers), seen)
        if (out / "MANIFEST.json").exists():
            break
    assert killed
    pack(world, out)
    assert tree(out) == whole


def _times(folder):
    """When each file was written, of those that are still there when they are asked."""
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                yield path.stat().st_mtime
        except OSError:
            continue
