from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from toolkit.errors import RequestError
from toolkit.kernels import text_buffers, to_text

TEXTS = ["one", None, "", "z\u2019", "four"]


def rows(array):
    data, offsets = text_buffers(array)
    return [bytes(data[a:b]).decode() for a, b in pairwise(offsets)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_nulls_and_chunks_read_as_their_rows(kind):
    whole = pa.array(TEXTS, kind)
    assert rows(whole) == ["one", "", "", "z\u2019", "four"]
    assert rows(whole.slice(2, 2)) == ["", "z\u2019"]
    assert rows(pa.chunked_array([whole, whole.slice(3)])) == [*rows(whole), "z\u2019", "four"]
    assert rows(pa.chunked_array([], kind)) == rows(pa.array([], kind)) == []


def test_the_bytes_are_where_arrow_keeps_them():
    array = pa.array(TEXTS)
    assert text_buffers(array)[0].ctypes.data == array.buffers()[2].address


def test_bytes_under_a_null_belong_to_no_text():
    buffers = [pa.py_buffer(b"\x05"), pa.py_buffer(np.array([0, 1, 2, 3], np.int32)), pa.py_buffer(b"abc")]
    assert rows(pa.Array.from_buffers(pa.string(), 3, buffers)) == ["a", "", "c"]


def test_other_types_are_refused():
    with pytest.raises(RequestError, match="int64"):
        text_buffers(pa.array([1]))


def test_text_goes_back_to_arrow():
    assert to_text(*text_buffers(pa.array(["a", "bc"]))).to_pylist() == ["a", "bc"]
