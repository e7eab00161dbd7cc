"""Rows numbered by what they say, against a dictionary."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.kernels import reference_lines
from toolkit.kernels.json_lines import alike

TEXTS = st.sampled_from([-1, -2, b"", b"a", b"b", b"ab", b"a\0", b"x" * 40, b"x" * 39 + b"y", b"x" * 41])


def numbered(rows, width):
    data, places = bytearray(), []
    for text in (text for row in rows for text in row):
        places += [text, text] if isinstance(text, int) else [len(data), len(data) + len(text)]
        data += b"" if isinstance(text, int) else text
    table = np.array(places, np.int64).reshape(-1, width, 2)
    return tuple(column.tolist() for column in alike(np.frombuffer(bytes(data), np.uint8), table))


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 3).flatmap(lambda k: st.tuples(st.just(k), st.lists(st.tuples(*[TEXTS] * k)))))
def test_rows_that_say_the_same_get_one_number(drawn):
    width, rows = drawn
    assert numbered(rows, width) == reference_lines.alike(rows)


def test_many_different_rows_get_as_many_numbers():
    rows = [(b"%d" % (n * n % 5003),) for n in range(9000)]
    assert numbered(rows, 1) == reference_lines.alike(rows)
