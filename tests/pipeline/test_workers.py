"""Where jobs run: here while that is sooner, then in other processes too; always in the jobs' order."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import toolkit
from toolkit.errors import ToolkitError
from toolkit.pipeline import processes
from toolkit.pipeline.workers import Workers
from toolkit.storage import PartManifest


@dataclass(frozen=True)
class Nap:
    """A job that sleeps and says where."""

    number: int
    seconds: float

    def done(self):
        return None

    def run(self):
        time.sleep(self.seconds)
        return [PartManifest(str(self.number), "", [], [], {"process": os.getpid()})]


def run(count, jobs):
    told = []
    with Workers(count) as pool:
        outcomes = pool.run(jobs, told.append)
    assert [outcome.manifests[0].task for outcome in outcomes] == [str(job.number) for job in jobs]
    assert sorted(map(id, told)) == sorted(map(id, outcomes))
    return [outcome.manifests[0].facts["process"] for outcome in outcomes]


def test_short_work_starts_no_process(monkeypatch):
    monkeypatch.setattr(processes, "START", 20.0)
    monkeypatch.setattr(processes, "_begun", [])  # whatever tests before this one started
    assert set(run(2, [Nap(i, 0.001) for i in range(50)])) == {os.getpid()}


def test_long_work_is_shared_with_this_process(monkeypatch):
    monkeypatch.setattr(processes, "START", 0.05)
    used = run(3, [Nap(i, 0.05) for i in range(60)])
    assert used[0] == used[-1] == os.getpid() and len(set(used)) == 3


def test_a_job_that_fails_in_another_process_or_here_fails_the_stage(monkeypatch):
    monkeypatch.setattr(processes, "START", 0.0)
    for bad in (0, 9):
        jobs = [Nap(i, -1.0 if i == bad else 0.01) for i in range(10)]
        with pytest.raises(ValueError, match="non-negative"):
            run(2, jobs)


@dataclass(frozen=True)
class Fail(Nap):
    """A job that fails like the ends of a queue do."""

    def run(self):
        super().run()
        raise IndexError("mine")


@pytest.mark.parametrize("bad", [1, 9])
def test_no_error_of_a_job_is_taken_for_the_end_of_the_jobs(monkeypatch, bad):
    monkeypatch.setattr(processes, "START", 0.0)
    jobs = [(Fail if i == bad else Nap)(i, 0.01) for i in range(10)]
    with pytest.raises(IndexError, match="mine"):
        run(2, jobs)


@dataclass(frozen=True)
class Die(Nap):
    """A job in which its process is killed; never this one."""

    parent: int = 0

    def run(self):
        if os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run()


def test_a_pool_that_loses_a_process_is_an_error_while_this_one_still_has_jobs(monkeypatch):
    monkeypatch.setattr(processes, "START", 0.0)
    jobs = [Die(i, 0.05, os.getpid()) for i in range(40)]
    with pytest.raises(ToolkitError, match="worker process was killed"):
        run(3, jobs)


def test_somebodys_pool_that_loses_a_process_is_an_error_and_still_ends():
    code = (
        "import os, sys\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from test_workers import Die, Nap\n"
        "from toolkit.errors import ToolkitError\n"
        "from toolkit.pipeline.workers import Workers\n"
        "pool = ProcessPoolExecutor(2)\n"
        "try:\n"
        "    with Workers(executor=pool) as workers:\n"
        "        workers.run([Die(0, 0.0), *(Nap(i, 0.0) for i in range(1, 4000))], lambda outcome: None)\n"
        "except ToolkitError as error:\n"
        "    print(error)\n"
    )
    env = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{Path(toolkit.__file__).parent.parent}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "worker process was killed" in done.stdout
