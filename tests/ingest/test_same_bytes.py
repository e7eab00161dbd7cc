"""One delivery and then another, on any number of workers, on a cluster, and on one that loses a worker."""

import subprocess
import sys
from pathlib import Path

import pytest

from ingest import worlds


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return delivered_twice(tmp_path_factory.mktemp("one"), lambda: worlds.land(workers=1))


def delivered_twice(world, land):
    """What the lake holds after each delivery, less the line that names its folder."""
    found = []
    for deliver in (worlds.first, worlds.second):
        deliver(world)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(world)
            land()
        found.append(worlds.held(world / "lake"))
        found[-1].pop("spec.toml")
    return found


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, expected, workers):
    assert delivered_twice(tmp_path, lambda: worlds.land(workers=workers)) == expected


def on_a_cluster(body):
    """Run a script that may start processes of its own."""
    tests = Path(worlds.__file__).resolve().parent.parent
    script = Path("script.py")
    script.write_text(f"import sys\nsys.path.insert(0, {str(tests)!r})\nfrom ingest import worlds\n{body}")
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)


def test_a_dask_cluster_writes_the_same_bytes(tmp_path, expected):
    pytest.importorskip("distributed", reason="pip install -e '.[distributed]'")
    assert delivered_twice(tmp_path, lambda: on_a_cluster("worlds.land(None, cluster='local:2')")) == expected


LOSING_A_WORKER = """
import os, signal, threading, time
from pathlib import Path
from distributed import Client, LocalCluster

def kill_one():
    while len(set(lake.rglob("part-*.manifest.json")) - there) < 3:
        time.sleep(0.001)
    os.kill(victim, signal.SIGKILL)
    killed.append(not (lake / "MANIFEST.json").exists())

lake, killed = Path("lake"), []
there = set(lake.rglob("part-*.manifest.json"))
if __name__ == "__main__":
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))
        thread = threading.Thread(target=kill_one)
        thread.start()
        worlds.land(None, executor=client.get_executor(pure=False))
        thread.join()
    assert killed == [True], killed
"""


def test_a_dask_cluster_that_loses_a_worker_half_way_writes_the_same_bytes(tmp_path, expected):
    pytest.importorskip("distributed", reason="pip install -e '.[distributed]'")
    assert delivered_twice(tmp_path, lambda: on_a_cluster(LOSING_A_WORKER)) == expected
