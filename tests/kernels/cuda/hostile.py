"""Texts that break kernels (those of the GPU's benchmark), and the two ways to run one on the host."""

from itertools import pairwise

import pytest
from hypothesis import strategies as st

from benchmarks.gpu_texts import HOSTILE as TEXTS  # noqa: F401
from benchmarks.gpu_texts import PIECES, buffers  # noqa: F401
from toolkit.kernels.cuda import Host
from toolkit.kernels.cuda.host import compiler

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no g++ to run kernels on the host")
FORWARD, BACKWARD = Host(), Host(backward=True)
DOORS = pytest.mark.parametrize("door", [FORWARD, BACKWARD], ids=["forward", "backward"])

RANDOM = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join) | st.binary(max_size=300), max_size=8
)


def rows(values, offsets):
    return [values[a:b].tolist() for a, b in pairwise(offsets.tolist())]
