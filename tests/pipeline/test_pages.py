"""Freed memory is kept by the toolkit's own command, and by it alone."""

import os
import subprocess
import sys

import pytest

ROUNDS = """
import resource, sys
import numpy as np
from toolkit.pipeline.pages import keep_pages
if sys.argv[1] == "keep":
    keep_pages()
for _ in range(3):
    np.ones(8 << 20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    [np.ones(8 << 20, np.uint8) for _ in range(2)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def said_by(code, *arguments, **environment):
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return ran.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_arrays_of_a_size_come_back_without_a_fault():
    assert int(said_by(ROUNDS, "keep")) < int(said_by(ROUNDS, "leave"))


POOL = """
import sys
if sys.argv[1] == "early":
    import pyarrow
from toolkit.pipeline.pages import keep_pages
keep_pages()
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
@pytest.mark.parametrize("when", ["early", "late"])
def test_arrows_buffers_share_that_memory(when, monkeypatch):
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    assert said_by(POOL, when) == "system"


def test_a_pool_that_somebody_chose_is_left(monkeypatch):
    import pyarrow as pa

    chosen = next(name for name in pa.supported_memory_backends() if name != "system")
    assert said_by(POOL, "late", ARROW_DEFAULT_MEMORY_POOL=chosen) == chosen
