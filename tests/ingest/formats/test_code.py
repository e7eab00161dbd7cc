import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.framed import check_frames
from toolkit.ingest.formats import code
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Span

BOM = b"\xef\xbb\xbf"


def read(data, name="d/a.py"):
    return code.frames(data, Span(0, len(data), 1), Options(name))


@pytest.mark.parametrize("data", [b"x = 1\r\n\ty\n", b"\n", b"no end", "# é😀\u2028".encode(), b'"\\"\n'])
def test_text_is_exactly_that_of_the_file(data):
    assert json.loads(read(data).payload(0)) == {
        "path": "d/a.py",
        "language": "python",
        "text": data.decode(),
    }


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.py", "python"), ("b/A.RS", "rust"), ("x.tar.gz.ts", "typescript"), ("a.c.gz", "c"),
     ("Makefile", None), (".py", None), ("a.unknown", None), ("a.R", "r")],
)  # fmt: skip
def test_the_suffix_tells_the_language(name, language):
    assert code.language_of(name) == language


def test_every_suffix_is_a_small_letter_suffix_with_a_language():
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in code.SUFFIXES)
    assert all(code.language_of("a" + suffix) for suffix in code.SUFFIXES)


@pytest.mark.parametrize(("data", "reason"), [(b"a\xff", "utf8.invalid"), (b"a\0", "text.nul_byte")])
def test_what_is_no_text_is_refused_whole(data, reason):
    found = read(BOM + data)
    assert (found.faults[0][0], found.payload(0), int(found.offset[0])) == (reason, data, 3)


def test_a_byte_order_mark_is_no_text():
    assert json.loads(read(BOM + b"x").payload(0))["text"] == "x"
    assert read(BOM + b"x").overhead == {"bom": 3}


def test_a_file_of_nothing_but_a_byte_order_mark_has_no_record():
    assert (len(read(BOM)), read(BOM).overhead) == (0, {"bom": 3})


@given(st.binary(max_size=50) | st.binary(max_size=5).map(BOM.__add__))
def test_every_byte_is_in_the_books(data):
    check_frames(read(data), data, Span(0, len(data), 1))
