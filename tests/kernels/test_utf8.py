"""UTF-8 as Python's strict decoder sees it, on every border and at every place in a block."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.kernels.json_lines import GOOD, scan

BORDERS = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
           0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF]  # fmt: skip


def accepted(texts):
    """Whether the scanner takes each text as one of JSON."""
    rows = [b'{"":"%b"}' % text for text in texts]
    stop = np.cumsum([len(row) for row in rows])
    start = stop - [len(row) for row in rows]
    return (scan(np.frombuffer(b"".join(rows), np.uint8), start, stop).verdict == GOOD).tolist()


def decodes(text):
    try:
        return bool(text.decode() or True)
    except UnicodeDecodeError:
        return False


def test_every_pair_of_bytes_from_0x80():
    texts = [bytes(pair) for pair in itertools.product(range(0x80, 0x100), repeat=2)]
    assert accepted(texts) == [decodes(text) for text in texts]


def test_every_two_three_and_four_bytes_on_the_borders():
    texts = [bytes(t) for n in (2, 3) for t in itertools.product(BORDERS, repeat=n)]
    texts += [
        bytes(t)
        for t in itertools.product(
            [0xEF, *BORDERS[-7:]], BORDERS, [0x7F, 0x80, 0xBF, 0xC0], [0x41, 0x80, 0xBF, 0xC2]
        )
    ]
    assert accepted(texts) == [decodes(text) for text in texts]


def test_every_code_point_is_accepted_and_no_surrogate():
    points = [
        *range(0x80, 0x800, 7),
        *range(0x800, 0x11000, 31),
        0xFFFF,
        *range(0x10000, 0x110000, 997),
        0x10FFFF,
    ]
    texts = [chr(point).encode("utf-8", "surrogatepass") for point in points]
    assert accepted(texts) == [not 0xD800 <= point <= 0xDFFF for point in points]


ENDS = [b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xe0\x9f\x80", b"\xe0\xa0\x80", b"\xed\x9f\xbf",
        b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
        b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"]  # fmt: skip


def test_a_sequence_is_judged_alike_at_every_place_in_a_block():
    texts = [
        b"x" * before + end + b"y" * after for end in ENDS for before in range(130) for after in (0, 1, 64)
    ]
    assert accepted(texts) == [decodes(text) for text in texts]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from([bytes([b]) for b in BORDERS] + ["é".encode(), "€".encode(), "😀".encode()]),
        max_size=150,
    )
)
def test_random_bytes_from_the_borders(pieces):
    text = b"".join(pieces)
    assert accepted([text, "中".encode() * 30 + text]) == [decodes(text)] * 2


def test_a_row_cut_inside_a_character_is_not_completed_by_what_follows():
    data = np.frombuffer('{"a":"é"}'.encode(), np.uint8)
    for stop in range(len(data)):
        assert scan(data, np.array([0]), np.array([stop])).verdict[0] != GOOD
