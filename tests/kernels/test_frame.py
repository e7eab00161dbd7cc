"""Lines against a reader of single bytes."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.kernels import reference_lines
from toolkit.kernels.json_lines import frame

PIECES = [b"\n", b"\r\n", b"\r", b" ", b"\t", b"x", b"x" * 63, b"\n" * 64, b"\x0b", b"\x0c", b"\x8a", b"\0"]
BYTES = st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join) | st.binary(max_size=200)


def lines(data):
    return list(zip(*(column.tolist() for column in frame(np.frombuffer(data, np.uint8))), strict=True))


@settings(deadline=None, max_examples=300)
@given(BYTES)
@example(b"")
@example(b"\r")
@example(b"\r\r\n")
@example(b"\n\r\n\r")
def test_lines_are_those_that_a_reader_of_single_bytes_finds(data):
    assert lines(data) == reference_lines.frame(data)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"])
def test_line_ends_are_found_at_every_place_in_a_block(end):
    texts = [b"x" * before + b"\r\n" + b" " * after + end for before in range(66) for after in (0, 1, 63, 64)]
    assert [lines(text) for text in texts] == [reference_lines.frame(text) for text in texts]


@settings(deadline=None)
@given(BYTES)
def test_lines_lie_in_order_and_only_line_ends_between_them(data):
    rest, end = b"", 0
    for start, stop, _ in lines(data):
        assert end <= start <= stop
        rest, end = rest + data[end:start], stop
    assert set(rest + data[end:]) <= {0x0A, 0x0D}
