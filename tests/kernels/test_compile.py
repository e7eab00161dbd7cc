"""Kernels compile at first use, for the types that they declare, whoever comes first."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from numba import njit, types

import toolkit
from toolkit.kernels.compile import kernel


def made():
    @kernel(types.int64(types.int64))
    def inner(x):
        return x + 1

    @kernel(types.int64(types.int64))
    def outer(x):
        return 2 * inner(x)

    return inner, outer


def test_nothing_is_compiled_before_the_first_call():
    inner, outer = made()
    assert not inner.signatures and not outer.signatures
    assert outer(3) == 8
    assert outer.signatures == [(types.int64,)]


def test_other_types_are_converted_or_refused_but_never_compiled_for():
    _, outer = made()
    assert outer(True) == 4
    with pytest.raises(TypeError):
        outer("three")
    assert outer.signatures == [(types.int64,)]


def test_threads_that_come_at_once_find_one_kernel():
    inner, outer = made()
    together = threading.Barrier(8)

    @njit(nogil=True)
    def caller(x):
        return outer(x) + inner(x)

    def call(number):
        together.wait()
        return (inner, outer, caller)[number % 3](number)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [1, 4, 9, 4, 10, 18, 7, 16]
    assert inner.signatures == outer.signatures == [(types.int64,)]


def test_what_lies_on_the_disk_is_loaded_without_what_only_a_compiler_needs(tmp_path):
    """A third of a second of every command; and what has to be compiled still can be, beside it."""
    home = Path(toolkit.__file__).parent.parent
    code = (
        "import sys, numpy as np\n"
        "from toolkit.kernels.hashing import checksum, mix64\n"
        "found = int(checksum(np.arange(100, dtype=np.uint8))), mix64(7)\n"
        "print('numba.np.npyimpl' in sys.modules, *found)\n"
        "from toolkit.kernels.json_lines import count_newlines\n"
        "print(count_newlines(np.full(5, 10, np.uint8)), 'numba.np.npyimpl' in sys.modules)\n"
    )
    told = []
    for folder in (tmp_path, tmp_path, None):
        if folder is None:  # of what is loaded and what is compiled, in one process
            for path in tmp_path.rglob("*count_newlines*"):
                path.unlink()
        env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(home)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        told.append(done.stdout.split())
    answers = [line[1:4] for line in told]
    assert answers[0] == answers[1] == answers[2] and answers[0][2] == "5"
    assert [line[0] for line in told] == ["True", "False", "False"]
    assert [line[4] for line in told] == ["True", "False", "True"]


def test_without_compiling_a_kernel_is_its_python():
    code = "from toolkit.kernels.hashing import mix64\nimport numpy as np\nmix64(np.uint64(7))"
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(Path(toolkit.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
