import importlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.formats.framed import check_frames
from toolkit.errors import MissingExtra
from toolkit.ingest.formats import html
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Span

BOM = b"\xef\xbb\xbf"


def frames(data):
    return html.frames(data, Span(0, len(data), 1), Options("d/a.html"))


@pytest.fixture
def read():
    pytest.importorskip("selectolax")
    return lambda page: json.loads(frames(page.encode()).payload(0))["text"]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<p>a  b\n\tc <b> d</b> e</p>", "a b c d e"),
        ("a<b>b</b>c", "abc"),
        ("<div>a<div>b</div>c</div>", "a\nb\nc"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<ul><li>1<li>2 <b>x</b></ul>3", "1\n2 x\n3"),
        ("<p>a</p><pre> x\n  y</pre>b", "a\n x\n  y\nb"),
        ("<table><tr><td>a<td>b<tr><td>c", "a\tb\nc"),
        ("&lt;p&gt; &amp;amp; &eacute;&#128512;", "<p> &amp; é😀"),
        ("a&nbsp;&nbsp;b", "a\u00a0\u00a0b"),
        ("x<script>1</script><style>2</style><template>3</template><noscript>4</noscript>y", "xy"),
        ("x<!-- <p>no</p> -->y<iframe>no</iframe>", "xy"),
        ("<title>t</title><h1>a</h1><option>b", "a\nb"),
        ("a\r\nb<pre>c\r\nd</pre>", "a b\nc\nd"),
        ("<p>unclosed <i>and</p> crossed</i>", "unclosed and\ncrossed"),
    ],
)
def test_visible_text(read, page, text):
    assert read(page) == text


@pytest.mark.parametrize(
    ("page", "title"), [("<title> a\n b &amp; </title>x", "a b &"), ("x", None), ("<title></title>x", None)]
)
def test_the_title_is_kept_apart(read, page, title):
    assert json.loads(frames(page.encode()).payload(0)) == {"path": "d/a.html", "title": title, "text": "x"}


META = b'<meta charset="%b">\xc3\xa9'
EQUIV = b'<META http-equiv=Content-Type content="text/html; charset=%b">\xc3\xa9'


@pytest.mark.parametrize("form", [META, EQUIV])
@pytest.mark.parametrize("name", [b"utf-8", b"UTF8"])
def test_utf8_is_read(read, form, name):
    assert not frames(form % name).faults


@pytest.mark.parametrize("form", [META, EQUIV])
@pytest.mark.parametrize("name", ["iso-8859-1", "windows-1252", "Shift_JIS", "us-ascii"])
def test_another_encoding_is_refused_by_its_name(read, form, name):
    assert frames(form % name.encode()).faults[0] == ("encoding.unsupported", name)


@pytest.mark.parametrize(
    "page",
    [
        BOM + META % b"latin1",
        b"<!-- %b -->x" % (META % b"latin1"),
        b"<meta charset=ascii>x",
        b" " * 2000 + META % b"latin1",
    ],
    ids=["a mark before it", "a comment", "ASCII that is", "too late"],
)
def test_what_does_not_declare_another_encoding_is_read(read, page):
    assert not frames(page).faults


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (b"<p>\xff", "utf8.invalid"),
        (b"<p>a\0b", "text.nul_byte"),
        ("<p>a".encode("utf-16"), "encoding.unsupported"),
        (b"<script>x</script>", "html.no_text"),
        (b" ", "html.no_text"),
        (b"<div>" * 20_000 + b"x", "html.too_deep"),
        (b"<p %b>x" % b" ".join(b"a%d" % n for n in range(20_000)), "html.too_deep"),
    ],
)
def test_what_is_refused_is_kept_whole(read, page, reason):
    start = time.perf_counter()
    found = frames(page)
    assert (found.faults[0][0], found.payload(0)) == (reason, page)
    assert time.perf_counter() - start < 5


def test_unclosed_paragraphs_and_long_attributes_are_not_deep(read):
    assert not frames(b"<p>x<li>y<br>" * 20_000 + b'<svg d="%b"/>' % (b"1 " * 20_000)).faults


@pytest.mark.parametrize("page", [b"<b>" * 9000, b"<a><div>" * 4000, b"<ul><li>" * 4000], ids=repr)
def test_a_deep_page_is_read_without_recursion(read, page):
    assert not frames(page + b"x").faults


TAGS = st.sampled_from(
    [b"<p>", b"</p>", b"<pre>", b"</pre>", b"<br>", b"<td>", b"<table>", b"<!--", b"-->", b"<svg>",
     b"<select>", b"<title>", b"<frameset>", b"<template>", b"&am", b"&#0;", b"x", b" ", b"\n", b"\0",
     b"\xff", b"<meta charset=x>", BOM]
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(TAGS, max_size=20).map(b"".join) | st.binary(max_size=60))
def test_no_bytes_raise_and_every_byte_is_in_the_books(data):
    pytest.importorskip("selectolax")
    check_frames(frames(data), data, Span(0, len(data), 1))


def test_without_the_parser_the_install_line_is_named(monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    for call in (html.require, lambda: frames(b"x")):
        with pytest.raises(MissingExtra, match=r"HTML sources needs the extra 'extract'"):
            call()
