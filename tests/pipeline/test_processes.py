"""Processes that start while their parent still imports: when, and that the pool uses them."""

import subprocess
import sys

import pytest
from lakes import tree, write_lines

import toolkit
from toolkit.pipeline import processes
from toolkit.pipeline.spec.tables import Ingest

SCRIPT = """
import sys
from multiprocessing import forkserver
from toolkit.pipeline import processes
processes.ENOUGH = 100
assert "pyarrow" not in sys.modules
assert processes.start_early([sys.argv[1]], 2, None)
pid = forkserver._forkserver._forkserver_pid
import toolkit
from toolkit.pipeline import workers
processes.START = processes.FORK = 0.0
pools, make = [], workers.Workers._processes
workers.Workers._processes = lambda self, count: pools.append(count) or make(self, count)
from toolkit.pipeline.spec.tables import Ingest
toolkit.ingest(sys.argv[1], sys.argv[2], workers=2, settings=Ingest(shard_bytes=1024))
assert pools == [1] and pid is not None and forkserver._forkserver._forkserver_pid == pid
"""


def test_the_pool_is_that_of_the_server_that_started_early(tmp_path):
    folder = tmp_path / "in"
    for name in "abc":
        write_lines(folder / f"{name}.jsonl", [{"text": f"{name} {i}"} for i in range(50)])
    subprocess.run([sys.executable, "-c", SCRIPT, folder, tmp_path / "two"], check=True)
    toolkit.ingest(folder, tmp_path / "one", workers=1, settings=Ingest(shard_bytes=1024))
    assert tree(tmp_path / "one" / "bronze") == tree(tmp_path / "two" / "bronze")


def test_others_are_waited_for_only_until_they_are_there(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(processes, "START", 2.0)
    monkeypatch.setattr(processes, "FORK", 0.5)
    monkeypatch.setattr(processes, "_begun", [])
    monkeypatch.setattr(processes.time, "monotonic", lambda: now[0])
    assert processes.ready_in() == 2.0
    processes._begun.append(100.0)
    found = []
    for now[0] in (100.0, 101.0, 101.75, 200.0):
        found.append(processes.ready_in())
    assert found == [2.0, 1.0, 0.5, 0.5]


def test_a_folder_a_file_and_a_glob_have_the_size_of_their_files(tmp_path):
    for name in ("a.jsonl", "b.jsonl", "c.txt"):
        (tmp_path / name).write_bytes(b"x" * 10)
    sizes = [processes._size(tmp_path / name) for name in ("", "a.jsonl", "*.jsonl", "no*.such")]
    assert sizes == [30, 10, 20, 0]


@pytest.mark.parametrize(
    ("size", "workers", "cluster"), [(10, 2, None), (1000, 1, None), (1000, 2, "local:2")]
)
def test_no_server_for_little_work_one_worker_or_a_cluster(tmp_path, size, workers, cluster, monkeypatch):
    monkeypatch.setattr(processes, "ENOUGH", 100)
    (tmp_path / "in.jsonl").write_bytes(b"x" * size)
    assert not processes.start_early([tmp_path / "in.jsonl", "no*.such"], workers, cluster)
