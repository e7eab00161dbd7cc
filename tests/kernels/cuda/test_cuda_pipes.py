"""The kernel that a clock is put to does what it says, and no compiler takes work out of it."""

import numpy as np
import pytest
from hostile import FORWARD, needs_compiler

from toolkit.kernels.cuda import build, cost, pipes
from toolkit.kernels.cuda.machine_code import loops

needs_nvdisasm = pytest.mark.skipif(
    not build.compilers() or build.find_tool("nvdisasm") is None,
    reason="no nvdisasm to read machine code with: pip install nvidia-cuda-nvdisasm",
)


def expected(what, turns):
    held, threads = pipes.values(), np.arange(pipes.THREADS)[:, None]
    v = (threads + np.arange(pipes.CHAINS)).astype(np.uint32)
    a = held[(threads + np.arange(pipes.CHAINS)) % pipes.VALUES] | np.uint32(1)
    w = v * a
    for x in np.tile(held, turns).reshape(-1, 4):
        for i in range(4 if "MULTIPLY" in what else 0):
            v = v * a + x[i]
        if "MINIMUM" in what:
            w = np.maximum(np.minimum(np.maximum(np.minimum(w, x[0]), x[1]), x[2]), x[3])
        if "THREE" in what:
            w = np.maximum(np.minimum(w, min(x[0], x[1])), max(x[2], x[3]))
    return (v ^ w).sum(axis=1, dtype=np.uint32)


@needs_compiler
@pytest.mark.parametrize("what", pipes.WHAT)
def test_each_thread_multiplies_and_compares_what_it_says(what):
    found = pipes.run(FORWARD, what, 2, 2)
    assert np.array_equal(found, np.tile(expected(what, 2), 2))


@needs_nvdisasm
@pytest.mark.parametrize(
    ("architecture", "what"), [("sm_90", pipes.WHAT[2]), ("sm_90", pipes.WHAT[3]), ("sm_120", pipes.WHAT[3])]
)
def test_the_loop_holds_the_operations_that_are_counted(tmp_path, architecture, what):
    cubin = tmp_path / "pipes.cubin"
    build.compile_source("pipes.cu", architecture, dict.fromkeys(what, 1), cubin)
    loop = max(loops(cubin, "pipes"), key=lambda ops: sum(ops.values()))
    an_operation = loop["LDS.128"] * 4
    minima = sum(n for op, n in loop.items() if "MNMX" in op)
    halves = 1 if "THREE" not in what or architecture in cost.THREE_OPERANDS else 2
    assert loop["IMAD"] + minima / halves == pipes.operations(what, 1, 1) / 256 / 256 * an_operation
