"""White space around contents, in UTF-8, is what ``str.strip`` takes for it."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from toolkit.kernels.buffers import text_buffers
from toolkit.packing.fill import stripped

WHITE = "".join(c for c in map(chr, range(0x110000)) if c.isspace())


def test_every_code_point_is_white_space_or_not_as_python_has_it():
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    bare = stripped(*text_buffers(pa.array(points, pa.large_string())))
    assert [points[i] for i in np.flatnonzero(bare[:, 0] == bare[:, 1])] == list(WHITE)


@given(st.lists(st.text(st.sampled_from(WHITE + "aé中😀\u200b\u0080\u2000"), max_size=8)))
def test_what_is_left_of_a_text_is_what_strip_leaves(texts):
    data, offsets = text_buffers(pa.array(texts, pa.large_string()))
    for text, (start, end) in zip(texts, stripped(data, offsets).tolist(), strict=True):
        assert bytes(data[start:end]).decode() == text.strip()


@given(st.lists(st.binary(max_size=6)))
def test_bytes_that_are_no_utf8_are_stripped_within_their_bounds(parts):
    offsets = np.cumsum([0, *map(len, parts)])
    bare = stripped(np.frombuffer(b"".join(parts), np.uint8), offsets)
    assert (bare[:, 0] >= offsets[:-1]).all() and (bare[:, 1] <= offsets[1:]).all()
    assert (bare[:, 0] <= bare[:, 1]).all()
