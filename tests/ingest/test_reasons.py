"""Each reason code is documented, and each documented code comes out of a file of its own."""

import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toolkit
from ingest.codes import codes_in
from ingest.taken import DOOR, reasons
from toolkit.ingest import Limits, Options, Part, land, take_census
from toolkit.ingest.landing import land_rows
from toolkit.ingest.reasons import REASONS
from toolkit.ingest.validate import MAX_DEPTH
from toolkit.pipeline.spec.tables import Ingest

ROOM = Path(toolkit.__file__).parent / "ingest"
SMALL = Ingest(shard_bytes=1024, max_line_bytes=1024)
LONG = b"x" * 1500
HEAD = b"id,text\n"
LIBRARIES = {"html": "selectolax", "pdf": "pypdf"}


def altered():
    """A gzip member of stored blocks in which one byte is not the one that was packed."""
    packed = gzip.compress(b'{"id":1,"text":"right"}\n', compresslevel=0, mtime=0)
    return packed.replace(b"right", b"wrong")


def parquet(values):
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": values}), sink)
    return sink.getvalue()


def pdf(password=None):
    """A page without text."""
    pypdf = pytest.importorskip("pypdf")
    writer, sink = pypdf.PdfWriter(), io.BytesIO()
    writer.add_blank_page(100, 100)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(sink)
    return sink.getvalue()


# (code, suffix, bytes of the file or a function that makes them, further arguments of ``toolkit.ingest``)
FILES = [
    ("utf8.invalid", ".jsonl", b'{"a":"\xff"}\n', {}),
    ("utf8.invalid", ".csv", HEAD + b"1,\xff\n", {}),
    ("utf8.invalid", ".txt", b"caf\xe9\n", {}),
    ("utf8.invalid", ".py", b"# caf\xe9\n", {}),
    ("utf8.invalid", ".html", b"<p>caf\xe9", {}),
    ("utf8.invalid", ".parquet", lambda: parquet(pa.array([b"\xff"]).view(pa.string())), {}),
    ("encoding.unsupported", ".jsonl", '{"a":1}\n'.encode("utf-16"), {}),
    ("encoding.unsupported", ".html", b'<meta charset="latin1"><p>caf\xe9', {}),
    ("json.nul_byte", ".jsonl", b'{"a":1}\n\0\0\0\n', {}),
    ("json.nul_byte", ".csv", HEAD + b"1,\0\n", {}),
    ("json.too_long", ".jsonl", b'{"a":"%b"}\n' % (b"x" * 1100), {}),
    ("json.too_long", ".jsonl", b'{"a":"%b"}\n' % (LONG * 4), {}),
    ("json.too_long", ".json", b'[{"a":"%b"}]' % LONG, {}),
    ("json.too_long", ".csv", HEAD + b"1,%b\n" % LONG, {}),
    ("json.too_deep", ".jsonl", b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), {}),
    ("json.truncated", ".jsonl", b'{"a":"x', {}),
    ("json.truncated", ".json", b'[{"a":1},{"a":', {}),
    ("json.trailing_garbage", ".jsonl", b'{"a":1}{"b":2}\n', {}),
    ("json.non_finite", ".jsonl", b'{"a":NaN}\n', {}),
    ("json.non_finite", ".parquet", lambda: parquet([1.0, float("inf")]), {}),
    ("json.invalid", ".jsonl", b"{'a':1}\n", {}),
    ("json.not_object", ".jsonl", b"[1]\n", {}),
    ("json.empty_object", ".jsonl", b"{}\n", {}),
    ("json.array_broken", ".json", b'[{"a":1} {"a":2}]', {}),
    ("json.values_broken", ".json", b'{\n"a":1}\n, {"a":2}', {}),
    ("text.nul_byte", ".txt", b"a\0b\n", {}),
    ("text.nul_byte", ".py", b"a = '\0'\n", {}),
    ("text.too_long", ".txt", LONG, {}),
    ("csv.no_header", ".csv", b"a" * 70_000, {}),
    ("csv.bad_header", ".csv", b"id,id\n1,2\n", {}),
    ("csv.wrong_width", ".csv", HEAD + b"1\n", {}),
    ("csv.stray_quote", ".csv", HEAD + b'1,"a"b\n', {}),
    ("csv.unclosed_quote", ".csv", HEAD + b'1,"a\n', {}),
    ("csv.unclosed_quote", ".csv", HEAD + b'1,"a\n' + b"2,b\n" * 500, {}),
    ("parquet.damaged", ".parquet", b"PAR1 and no more", {}),
    ("html.too_deep", ".html", b"<b>" * 10_001, {"settings": Ingest()}),
    ("html.no_text", ".html", b"<script>1</script>", {}),
    ("pdf.damaged", ".pdf", b"%PDF-1.4 and no more", {}),
    ("pdf.encrypted", ".pdf", lambda: pdf("secret"), {"settings": Ingest()}),
    ("pdf.no_text", ".pdf", pdf, {"settings": Ingest()}),
    ("file.too_long", ".py", b"# %b" % LONG, {}),
    ("file.too_long", ".txt", LONG, {"document": "file"}),
    ("compression.damaged", ".jsonl.gz", gzip.compress(b'{"a":1}\n', mtime=0) + b"rubbish", {}),
    ("compression.altered", ".jsonl.gz", altered, {}),
    ("schema.missing_field", ".jsonl", b'{"a":1}\n', {"require": ["b"]}),
    ("schema.missing_field", ".jsonl", b'{"a":null}\n', {"require": ["a"]}),
    ("schema.wrong_type", ".jsonl", b'{"a":1}\n', {"require": ["a:text"]}),
]
CHANGED = "file.changed"  # made by hand below


def ingested(folder, suffix, data, **options):
    """The reason of each entry that the verb sets aside of a file."""
    path = folder / f"f{suffix}"
    path.write_bytes(data)
    lake = toolkit.ingest(path, folder / "lake", workers=1, **{"settings": SMALL} | options).lake
    aside = sorted(lake.glob("quarantine/ingest/**/*.jsonl"))
    return [json.loads(line)["reason"] for path in aside for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize(
    ("code", "suffix", "data", "options"), FILES, ids=[f"{code}{suffix}" for code, suffix, _, _ in FILES]
)
def test_a_file_comes_to_its_reason(code, suffix, data, options, tmp_path):
    if library := LIBRARIES.get(suffix.strip(".")):
        pytest.importorskip(library)
    found = ingested(tmp_path, suffix, data() if callable(data) else data, **options)
    assert code in found
    assert set(found) <= {code, "json.truncated", "compression.damaged"}  # a damaged file may cut a line


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_file_that_changed_while_it_was_read_comes_to_its_reason(form, tmp_path):
    path, options, part = tmp_path / "f", Options("f"), Part(DOOR, 1024)
    path.write_bytes(parquet([1]) if form == "parquet" else b'{"a":1}\n')
    census = take_census(path, form, Limits(1024, 1024), options)
    path.write_bytes(parquet([2]) if form == "parquet" else b'{"a":2}\n')
    if form == "parquet":
        land_rows(part, census.spans[0], path, None, options)
    else:
        land(part, census.spans[0], path.read_bytes(), form, options)
    assert reasons(part) == [CHANGED]


def test_every_code_has_a_file():
    assert {code for code, *_ in FILES} | {CHANGED} == set(REASONS)


def test_the_codes_are_those_that_stand_in_the_code():
    modules = (path for path in ROOM.rglob("*.py") if path.name != "reasons.py")
    assert set().union(*map(codes_in, modules)) == set(REASONS)


def test_the_codes_stand_in_groups():
    groups = [code.partition(".")[0] for code in REASONS]
    first = sorted(set(groups), key=groups.index)
    assert groups == sorted(groups, key=first.index)


def test_a_sentence_is_one_sentence():
    assert all(text.endswith(".") and text[0].isupper() and ". " not in text for text in REASONS.values())


def test_the_depth_that_is_allowed_is_the_one_that_is_written_down():
    assert f" {MAX_DEPTH} " in REASONS["json.too_deep"]
