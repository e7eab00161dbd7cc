"""Killed with SIGKILL at random moments and run again: the bytes of a run that nobody killed.

``TOOLKIT_KILLS=200`` kills each scenario that often; ``TOOLKIT_SEED`` draws other moments.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

import toolkit
from ingest import mortal, worlds

KILLS = int(os.environ.get("TOOLKIT_KILLS", "6"))
SEED = int(os.environ.get("TOOLKIT_SEED", "1"))
AGAIN = 0.25  # share of the killed runs whose rerun is killed as well
MOST_RERUNS = 5

# (what lies in the lake before, what is being landed): None is the raw files, else a stream's name
SCENARIOS = {
    "a fresh lake": ((), None),
    "a second delivery": ((None,), None),
    "a stream": ((), worlds.STREAMS[0]),
    "a second stream": ((worlds.STREAMS[0],), worlds.STREAMS[1]),
}


class Mortal:
    """The other end of ``mortal.py``."""

    def __init__(self, folder):
        worlds.first(folder)
        command = [sys.executable, mortal.__file__, str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, world, stream=None, workers=1, delay=None, whom="group"):
        """Start a run, kill it after ``delay`` seconds if any, and tell what came of it."""
        request = {"world": str(world), "stream": stream, "workers": workers, "delay": delay, "whom": whom}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        """Let it end."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    other = Mortal(tmp_path_factory.mktemp("warm"))
    yield other
    other.close()


def prepare(world, before, runs):
    """Deliver what comes before, and put the lake aside as it is then."""
    worlds.first(world)
    (world / "before").mkdir()
    for stream in before:
        assert runs.run(world, stream)["end"] == "done"
        shutil.copytree(world / "lake", world / "before", dirs_exist_ok=True)
    if before:
        worlds.second(world)


def reset(world):
    """The lake as it was before."""
    shutil.rmtree(world / "lake", ignore_errors=True)
    if any((world / "before").iterdir()):
        shutil.copytree(world / "before", world / "lake")


def whole(world, stream, runs):
    """The lake of a run that nobody kills, and how long such a run takes with 1 and with 2 workers."""
    seconds = {}
    for workers in (2, 1, 2, 1):
        reset(world)
        answer = runs.run(world, stream, workers)
        assert answer["end"] == "done", answer["message"]
        seconds[workers] = min(answer["seconds"], seconds.get(workers, answer["seconds"]))
    assert toolkit.audit(world / "lake").ok
    return worlds.held(world / "lake"), seconds


def finish(world, stream, workers, runs):
    """Run until it is done; how many runs that took."""
    for count in range(1, MOST_RERUNS + 1):
        answer = runs.run(world, stream, workers)
        assert answer["end"] in ("done", "refused"), answer["message"]
        if answer["end"] == "done":
            return count
    raise AssertionError(answer["message"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_random_moments_and_run_again(tmp_path, runs, scenario):
    before, stream = SCENARIOS[scenario]
    prepare(tmp_path, before, runs)
    expected, seconds = whole(tmp_path, stream, runs)
    raw, draw, seen = worlds.held(tmp_path / "raw"), random.Random(f"{SEED} {scenario}"), Counter()
    for number in range(KILLS):
        reset(tmp_path)
        workers, again = draw.choice((1, 2)), True
        while again:
            moment = draw.uniform(0, seconds[workers]), draw.choice(("group", "parent"))
            killed = runs.run(tmp_path, stream, workers, *moment)
            assert killed["end"] in ("killed", "done"), (number, moment, killed["message"])
            assert killed["left"] == 0, (number, moment, "workers outlived their run")
            seen[killed["end"], "published" if killed["published"] else "unfinished"] += 1
            again = draw.random() < AGAIN
        seen["reruns"] += finish(tmp_path, stream, workers, runs)
        assert differing(worlds.held(tmp_path / "lake"), expected) == [], (number, workers, moment)
    assert worlds.held(tmp_path / "raw") == raw
    print(f"{scenario}: {KILLS} lakes, a run takes {seconds}, {dict(seen)}")


def differing(found, expected):
    """Names of the files that are not the same in both."""
    return sorted(name for name in found | expected if found.get(name) != expected.get(name))


def command(*paths):
    terms = ["--source=mixed", "--declared-id=id", "--date=2026-11-22"]
    sizes = [f"--shard-mb={1024 / 2**20}", f"--max-record-mb={1024 / 2**20}"]
    options = ["--out=lake", "--workers=2", "-q", *terms, *sizes]
    return [sys.executable, "-m", "toolkit", "ingest", *paths, *options]


@pytest.mark.parametrize("whom", [os.killpg, os.kill])
def test_the_command_line_killed_at_random_moments_and_run_again(tmp_path, runs, whom):
    prepare(tmp_path, (), runs)
    expected, seconds = whole(tmp_path, None, runs)
    draw = random.Random(f"{SEED} {whom.__name__}")
    for _ in range(max(1, KILLS // 10)):
        reset(tmp_path)
        process = subprocess.Popen(command("raw"), cwd=tmp_path, start_new_session=True)
        while process.poll() is None and not (tmp_path / "lake").exists():
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 3 * seconds[2]))  # its workers are slower to start than those forked here
        whom(process.pid, signal.SIGKILL)
        process.wait()
        assert mortal.left(process.pid) == 0
        finish(tmp_path, None, 2, runs)
        assert differing(worlds.held(tmp_path / "lake"), expected) == []


def test_a_stream_that_came_before_adds_nothing(tmp_path, runs):
    prepare(tmp_path, (worlds.STREAMS[0],), runs)
    before = worlds.held(tmp_path / "lake")
    assert runs.run(tmp_path, worlds.STREAMS[0])["end"] == "done"
    assert differing(worlds.held(tmp_path / "lake"), before) == []
