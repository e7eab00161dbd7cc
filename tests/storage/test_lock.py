import os
import signal
import subprocess
import sys

import pytest

from toolkit.errors import ToolkitError
from toolkit.storage import locked

HOLD = """
import sys, time
from pathlib import Path
from toolkit.storage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused(tmp_path, holder):
    with pytest.raises(ToolkitError, match="is being written by another run"), locked(tmp_path):
        pass


def test_a_kill_releases_the_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert True


def test_an_exception_releases_the_lock(tmp_path):
    with pytest.raises(ValueError, match="x"), locked(tmp_path):
        raise ValueError("x")
    with locked(tmp_path):
        assert True


def test_a_lock_leaves_nothing_behind(tmp_path):
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
