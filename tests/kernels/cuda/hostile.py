"""Texts that break kernels, and the two ways to run one on the host."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import strategies as st

from toolkit.kernels.cuda import Host
from toolkit.kernels.cuda.host import compiler

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no g++ to run kernels on the host")
FORWARD, BACKWARD = Host(), Host(backward=True)
DOORS = pytest.mark.parametrize("door", [FORWARD, BACKWARD], ids=["forward", "backward"])

TEXTS = [
    b"",
    b"a",
    b" ",
    b"\x00",
    b"\xff",
    b"",
    b"",
    b"ab",
    b"\x80\xff\xfe \xe0\xb8 \xf0\xa0\x80 \xe4\xb8",
    bytes(range(256)) * 5,
    "中文字 abc中文x あア ไทย \U00020000\U0003ffff\U0001f600豈 don’t".encode(),
    "中éa中ü中 𠀀éa".encode(),
    b"eight888 nine99999 sixteen-sixteen- seventeen-seventeen",
    b"  two  spaces  ",
    b"w " * 700,
    b"",
    b"x" * 3000,
    b"the cat sat on the mat " * 3,
    "中".encode() * 400,
    b"\xff" * 40,
    b"",
]
PIECES = [b" ", b"a", b"word", b"longer-than-eight", b"\xff", b"\x00", b"\xe4\xb8", *map(str.encode, "’中")]
RANDOM = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join) | st.binary(max_size=300), max_size=8
)


def buffers(texts, before=b""):
    """(data, offsets); ``before`` lies in the buffer and belongs to no text."""
    offsets = np.cumsum([len(before)] + [len(t) for t in texts]).astype(np.int64)
    return np.frombuffer(before + b"".join(texts), np.uint8), offsets


def rows(values, offsets):
    return [values[a:b].tolist() for a, b in pairwise(offsets.tolist())]
