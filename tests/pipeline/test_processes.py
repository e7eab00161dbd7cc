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
workers.START, pools, make = 0.0, [], workers.Workers._processes
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


@pytest.mark.parametrize(
    ("size", "workers", "cluster"), [(10, 2, None), (1000, 1, None), (1000, 2, "local:2")]
)
def test_no_server_for_little_work_one_worker_or_a_cluster(tmp_path, size, workers, cluster, monkeypatch):
    monkeypatch.setattr(processes, "ENOUGH", 100)
    (tmp_path / "in.jsonl").write_bytes(b"x" * size)
    assert not processes.start_early([tmp_path / "in.jsonl", "no*.such"], workers, cluster)
