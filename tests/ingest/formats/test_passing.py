"""What is in no span yet has to be held by the caller: how much that is, where it might grow without end."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.ingest.formats import FORMATS
from toolkit.ingest.formats.delimited_header import HEADER_BYTES
from toolkit.ingest.frames import Options
from toolkit.ingest.span import Limits

SHARD, RECORD, SIZE = 4096, 16384, 2_000_000
LIMITS = Limits(SHARD, RECORD)
BLOCKS = {"odd": (1, 997, 3, 8191, 2, 4096), "small": (509,)}
ONE = SHARD + RECORD  # a record that begins just before its span is full
TWO = SHARD + 2 * RECORD  # and what comes behind it decides where it ends


def filled(head, body, tail=b""):
    return head + body * ((SIZE - len(head) - len(tail)) // len(body)) + tail


# name: (format, rule for documents, bytes, reason of the last of what is set aside, what may be held)
INPUTS = {
    "a line of JSON lines": ("jsonl", "", filled(b'{"a":1}\n{"', b"x", b'"}\n{}\n'), "json.too_long", ONE),
    "a page": ("html", "", filled(b"<p>", b"x\n"), "file.too_long", ONE),
    "a source file": ("code", "", filled(b"", b"x = 1\n"), "file.too_long", ONE),
    "a PDF": ("pdf", "", filled(b"%PDF", b"\0\n"), "file.too_long", ONE),
    "a text as one": ("text", "file", filled(b"", b"x\n\n"), "file.too_long", ONE),
    "a line": ("text", "line", filled(b"a\n", b"x", b"\r\nb\n"), "text.too_long", ONE),
    "a blank line": ("text", "line", filled(b"a\n", b" ", b"\nb\n"), "text.too_long", ONE),
    "a paragraph of one line": ("text", "blank-line", filled(b"a\n\n", b"x", b"\n\nb"), "text.too_long", ONE),
    "a paragraph": ("text", "blank-line", filled(b"a\n\n", b"xy \n", b"\nb"), "text.too_long", ONE),
    "a blank line after a paragraph": (
        "text", "blank-line", filled(b"x" * 16000 + b"\n", b" ", b"\nb"), "text.too_long", TWO),
    "a line that turns out not to be blank": (
        "text", "blank-line", filled(b"x" * 16000 + b"\n", b" ", b"x\nb"), "text.too_long", TWO),
    "paragraphs with long blank lines": (
        "text", "blank-line", filled(b"", b"x" * 16000 + b"\n" + b" " * 16000 + b"\n"), None, TWO),
    "a marked document": ("text", "marker:--", filled(b"a\n--\n", b"x \n\n", b"--\nb"), "text.too_long", ONE),
    "a marked line": ("text", "marker:--", filled(b"a\n--\n", b"-", b"\n--\nb"), "text.too_long", ONE),
    "no header": ("csv", "", filled(b"", b"x"), "csv.no_header", TWO),
    "a bad header": ("csv", "", filled(b"a,a\n", b"1,2\n"), "csv.bad_header", TWO),
    "a row": ("csv", "", filled(b"a,b\n1,", b"2", b"\r\n3,4\n"), "json.too_long", TWO),
    "a row of many fields": ("tsv", "", filled(b"a\tb\n", b"2\t", b"\n3\t4\n"), "json.too_long", TWO),
    "a row of many quoted fields": (
        "csv", "", filled(b"a,b\n", b'"' + b"x\n" * 5000 + b'",'), "json.too_long", TWO),
    "a row too long before its stray quote": (
        "csv", "", filled(b"a,b\n" + b"x," * 50_000, b'"' + b"x" * 999), "json.too_long", TWO),
    "a stray quote": ("csv", "", filled(b'a,b\n1,"', b"x"), "csv.unclosed_quote", TWO),
    "a stray quote with lines": ("csv", "", filled(b'a,b\n1,"2\n', b"1,2\n"), "csv.unclosed_quote", TWO),
    "many stray quotes": (
        "csv", "", filled(b"a,b\n", b'1,"2\n' + b"3,4\n" * 6000), "csv.unclosed_quote", TWO),
    "an array broken": ("json_array", "", filled(b'[{"a":1}', b'{"b":2},\n'), "json.array_broken", ONE),
    "values broken": ("json", "", filled(b'{"a":1}\n', b"?\n"), "json.values_broken", ONE),
    "an element": ("json_array", "", filled(b'[{"a":1},"', b"x\n", b'",1]'), "json.too_long", ONE),
    "an element that is a number": ("json_array", "", filled(b"[", b"1"), "json.too_long", ONE),
    "a value": ("json", "", filled(b'{"a":1}\n{"b":[', b"[],\n"), "json.too_long", ONE),
    "blanks of an array": ("json_array", "", filled(b"[1", b" \n", b",2]"), None, ONE),
}  # fmt: skip


def blocks_of(data, sizes):
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size


def cut(form, rule, blocks, limits=LIMITS):
    return FORMATS[form].cut(blocks, limits, Options("f", rule))


def held_at_times(form, rule, data, sizes, spans):
    """(bytes that have passed, those of them in no span) before every block and every span."""
    passed, covered, found = 0, 0, []

    def fed():
        nonlocal passed
        for block in blocks_of(data, sizes):
            found.append((passed, passed - covered))
            passed += len(block)
            yield block

    for span in cut(form, rule, fed()):
        spans.append(span)
        found.append((passed, passed - covered))
        covered = span.stop
    return found


@pytest.mark.parametrize("sizes", BLOCKS)
@pytest.mark.parametrize("name", INPUTS)
def test_what_is_held_does_not_grow_with_the_file(name, sizes):
    form, rule, data, fault, allowed = INPUTS[name]
    spans, block = [], max(BLOCKS[sizes])
    held = held_at_times(form, rule, data, BLOCKS[sizes], spans)
    before = HEADER_BYTES + block if form in ("csv", "tsv") else 0  # the header is looked for in all of this
    assert max(count for passed, count in held if passed > before) <= allowed + block + 4
    assert [span.fault for span in spans if span.fault][-1:] == ([fault] if fault else [])
    assert spans == list(cut(form, rule, [data]))


PARTS = [
    b"x",
    b"x" * 9,
    b" ",
    b" " * 9,
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"--",
    b'"',
    b'""',
    b",",
    b",",
    b"[",
    b"]",
    b"{}",
]
HEADS = {"csv": b"a,b\n", "json_array": b"[", "json": b""}


@pytest.mark.parametrize(
    ("form", "rule"),
    [("text", rule) for rule in ("blank-line", "line", "file", "marker:--")]
    + [("csv", ""), ("json", ""), ("json_array", "")],
)
@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from(PARTS), max_size=60).map(b"".join),
    st.builds(Limits, st.integers(1, 12), st.integers(1, 24)),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_spans_do_not_depend_on_when_they_were_yielded(form, rule, data, limits, sizes):
    data = HEADS.get(form, b"") + data
    assert list(cut(form, rule, blocks_of(data, sizes), limits)) == list(cut(form, rule, [data], limits))
