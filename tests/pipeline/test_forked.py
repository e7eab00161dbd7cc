"""Processes forked from the toolkit's own command: when, the same bytes, and gone when they should be."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lakes import tree, write_lines

import toolkit
from toolkit.pipeline import processes
from toolkit.pipeline.spec.tables import Ingest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or processes.find_spec("cupy") is not None, reason="where a fork is safe"
)
SHARD = "0.05"  # MiB


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    for name in "abcd":
        write_lines(folder / f"{name}.jsonl", [{"text": f"{name} {i} " + "x" * 200} for i in range(5_000)])
    return folder


@pytest.fixture(scope="module")
def whole(raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "lake"
    toolkit.ingest(raw, out, workers=1, settings=Ingest(shard_bytes=int(float(SHARD) * 2**20)))
    return tree(out / "bronze")


def start(raw, out, workers=3):
    command = [sys.executable, "-m", "toolkit", "ingest", str(raw), "--out", str(out)]
    command += ["--shard-mb", SHARD, "--workers", str(workers), "-q"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def children(process):
    """The processes that ``process`` started, once there are some; none when it ended before."""
    while process.poll() is None:
        try:
            found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        except OSError:
            found = []
        if len(found) == 2:
            return [int(pid) for pid in found]
        time.sleep(0.001)
    return []


def ended(process):
    """How it ended, and what it said."""
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def gone(pids, seconds=20):
    """Whether none of these processes runs any more, waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        states = [_state(pid) for pid in pids]
        if all(state in "ZX" for state in states):
            return True
        time.sleep(0.01)
    return False


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def test_the_command_forks_itself_and_writes_the_same_bytes(raw, tmp_path, whole):
    process = start(raw, tmp_path / "lake")
    pids = children(process)
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]
    code, said = ended(process)
    assert code == 0, said
    assert len(pids) == 2 and all(b"forkserver" not in command for command in commands)
    assert tree(tmp_path / "lake" / "bronze") == whole
    assert gone(pids)


def test_what_comes_through_a_pipe_is_worked_on_by_forks_too(raw, tmp_path):
    data = b"".join(path.read_bytes() for path in sorted(raw.glob("*.jsonl")))
    command = [sys.executable, "-m", "toolkit", "ingest", "-", "--out", str(tmp_path / "two")]
    command += ["--shard-mb", SHARD, "--workers", "2", "-q"]
    done = subprocess.run(command, input=data, capture_output=True)
    assert done.returncode == 0, done.stderr
    settings = Ingest(shard_bytes=int(float(SHARD) * 2**20))
    toolkit.ingest("-", tmp_path / "one", workers=1, settings=settings, stdin=io.BytesIO(data))
    assert tree(tmp_path / "two" / "bronze") == tree(tmp_path / "one" / "bronze")


def test_killed_it_leaves_nobody_behind(raw, tmp_path, whole):
    process = start(raw, tmp_path / "lake")
    pids = children(process)
    process.kill()
    ended(process)
    assert pids and gone(pids)
    assert ended(start(raw, tmp_path / "lake"))[0] == 0
    assert tree(tmp_path / "lake" / "bronze") == whole


def test_a_killed_worker_is_an_error_that_says_what_to_do(raw, tmp_path, whole):
    process = start(raw, tmp_path / "lake")
    pids = children(process)
    os.kill(pids[0], signal.SIGKILL)
    code, said = ended(process)
    assert code == 1 and b"fewer --workers" in said and b"Traceback" not in said
    assert gone(pids)
    assert ended(start(raw, tmp_path / "lake"))[0] == 0
    assert tree(tmp_path / "lake" / "bronze") == whole


def test_interrupted_on_a_terminal_all_of_them_stop(raw, tmp_path, whole):
    process = start(raw, tmp_path / "lake")
    pids = children(process)
    os.killpg(process.pid, signal.SIGINT)
    code, said = ended(process)
    assert code == 130 and b"interrupted" in said and b"Traceback" not in said
    assert gone(pids)
    assert ended(start(raw, tmp_path / "lake"))[0] == 0
    assert tree(tmp_path / "lake" / "bronze") == whole


def test_nobody_elses_process_is_forked_nor_one_with_threads(monkeypatch):
    monkeypatch.setattr(processes, "_own", [])
    assert not processes.may_fork() and processes.forked(1) is None
    processes.own_process()
    assert processes.may_fork()
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert processes.forked(1) is None
    finally:
        done.set()
        other.join()


def test_a_fork_that_fails_leaves_nobody_waiting():
    """No room for the second of three: the first ends, and a server is to start them."""
    code = (
        "import os\n"
        "from toolkit.pipeline import processes\n"
        "processes.own_process()\n"
        "fork, made = os.fork, []\n"
        "def limited():\n"
        "    if made:\n"
        "        raise OSError(12, 'no room')\n"
        "    made.append(fork())\n"
        "    return made[0]\n"
        "os.fork = limited\n"
        "assert processes.forked(3) is None and len(made) == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
