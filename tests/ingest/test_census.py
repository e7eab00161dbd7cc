import bz2
import gzip
import hashlib
import lzma

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.taken import HUGE, accepted, quarantined, reasons, take_file
from toolkit.ingest import Before, Limits, Options, Span, take_census
from toolkit.ingest.codecs import decompressed
from toolkit.ingest.formats import jsonl
from toolkit.ingest.landing import read_spans
from toolkit.kernels.reference import checksum

PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
}
CODECS = pytest.mark.parametrize("codec", PACK)
DATA = b"".join(b'{"n":%d,"x":"%b"}\n' % (n, b"x" * (n % 97)) for n in range(30_000)) + b'{"no":"line end"}'
SMALL = DATA[:5000]


def naive_spans(data, size, largest=HUGE):
    """Cut after the first line end at or after the wanted size; a line beyond every limit in pieces."""
    spans, start, line, at = [], 0, 1, 0
    for number, text in enumerate(
        data.splitlines(keepends=True) if b"\r" not in data else split(data), start=1
    ):
        if len(text.removesuffix(b"\n")) > max(size, largest):
            if at > start:
                spans.append((start, at, line, None))
            pieces = range(at, at + len(text), size)
            spans += [(p, min(p + size, at + len(text)), number, "json.too_long") for p in pieces]
            start, line = at + len(text), number + 1
        elif at + len(text) - start >= size:
            spans.append((start, at + len(text), line, None))
            start, line = at + len(text), number + 1
        at += len(text)
    return spans + ([(start, at, line, None)] if at > start else [])


def split(data):
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def cut(blocks, size, largest=HUGE):
    found = jsonl.cut(blocks, Limits(size, largest), Options("f"))
    return [(span.start, span.stop, span.line, span.fault) for span in found]


def packed(folder, data):
    (folder / "f").write_bytes(data)
    return folder / "f"


def census(folder, data, size=100_000, form="jsonl", before=()):
    return take_census(packed(folder, data), form, Limits(size, HUGE), Options("f"), before)


PIECES = st.lists(st.sampled_from([b"\n", b"a", b"\r\n", b"bb", b"c" * 9]), max_size=8).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(st.lists(PIECES), st.integers(1, 30), st.one_of(st.integers(1, 30), st.just(HUGE)))
@example([b"ccccc", b"c\n", b"\n"], 3, 3)
@example([b"a\nccccccc", b"cc", b"\nb"], 4, 2)
@example([b"cccc\n"], 3, 4)
def test_spans_are_those_of_the_naive_cut_however_the_blocks_fall(pieces, size, largest):
    assert cut(pieces, size, largest) == naive_spans(b"".join(pieces), size, largest)


def test_the_piece_of_an_endless_line_is_no_larger_than_a_shard():
    blocks = (b"x" * 1000 for _ in range(1000))
    assert max(stop - start for start, stop, *_ in cut(blocks, 4096, 4096)) == 4096


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\n", b"a\nb", b"\n\n", b"\r"], ids=repr)
def test_lines_are_counted_with_or_without_a_last_line_end(tmp_path, data):
    assert census(tmp_path, data).lines == len(data.split(b"\n")) - (data.endswith(b"\n") or not data)


def test_a_census_hashes_the_whole_file(tmp_path):
    assert census(tmp_path, DATA).sha256 == hashlib.sha256(DATA).hexdigest()


def test_each_span_has_the_hash_of_the_file_up_to_its_end(tmp_path):
    spans = census(tmp_path, DATA).spans
    assert [s.sha256 for s in spans] == [hashlib.sha256(DATA[: s.stop]).hexdigest() for s in spans]


def test_each_span_has_the_checksum_of_its_bytes(tmp_path):
    spans = census(tmp_path, DATA).spans
    assert [s.check for s in spans] == [f"{checksum(DATA[s.start : s.stop]):016x}" for s in spans]


@CODECS
def test_a_compressed_file_has_the_census_of_its_bytes(tmp_path, codec):
    plain, other = census(tmp_path, DATA), census(tmp_path, PACK[codec](DATA))
    assert (other.spans, other.size, other.lines, other.sha256) == (
        plain.spans, plain.size, plain.lines, plain.sha256,
    )  # fmt: skip


@CODECS
def test_spans_of_a_compressed_file_are_read_as_those_of_the_plain_one(tmp_path, codec):
    found = census(tmp_path, PACK[codec](DATA), 50_000)
    read = list(read_spans(tmp_path / "f", found.codec, found.spans))
    assert read == [DATA[span.start : span.stop] for span in found.spans]


@CODECS
def test_some_spans_of_a_file_can_be_read_without_the_others(tmp_path, codec):
    found = census(tmp_path, PACK[codec](DATA), 50_000)
    some = found.spans[1::3]
    read = list(read_spans(tmp_path / "f", found.codec, some))
    assert read == [DATA[span.start : span.stop] for span in some]


@CODECS
@pytest.mark.parametrize("lost", [1, 30, 2000])
def test_of_a_damaged_file_what_precedes_is_kept_and_the_rest_set_aside_whole(tmp_path, codec, lost):
    raw = PACK[codec](DATA)[:-lost]
    found, parts = take_file(packed(tmp_path, raw), 100_000)
    lines = [payload for part in parts for _, payload in accepted(part)]
    rest = [span for span in found.spans if span.packed]
    assert lines == DATA.split(b"\n")[: len(lines)]
    assert [raw[span.start : span.stop] for span in rest] == [
        data
        for part, span in zip(parts, found.spans, strict=True)
        if span.packed
        for _, data in quarantined(part)
    ]
    assert rest[-1].stop == len(raw)
    assert sum(span.stop - span.start for span in found.spans) == found.size


def test_of_a_truncated_gzip_file_nothing_that_can_be_read_is_lost(tmp_path):
    raw = gzip.compress(DATA)[:-2000]
    _, parts = take_file(packed(tmp_path, raw), 100_000)
    whole = b"".join(block for block in _until_damage(decompressed(tmp_path / "f", "gz")))
    kept = [raw for part in parts for _, raw in [*accepted(part), *quarantined(part)]]
    assert b"\n".join(kept[: whole.count(b"\n")]) == whole[: whole.rindex(b"\n")]


def _until_damage(blocks):
    try:
        yield from blocks
    except Exception:
        return


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_file_in_another_encoding_is_set_aside_whole(tmp_path, encoding):
    data = '{"prompt": "é", "response": "b"}\n'.encode(encoding) * 20
    _, parts = take_file(packed(tmp_path, data), 100)
    assert {reason for part in parts for reason in reasons(part)} == {"encoding.unsupported"}
    assert b"".join(raw for part in parts for _, raw in quarantined(part)) == data


def test_a_file_that_grew_is_cut_from_where_it_ended(tmp_path):
    old = DATA[: DATA.index(b"\n", 40_000) + 1]
    first = census(tmp_path, old)
    before = [Before(first.size, first.lines, first.sha256)]
    grown = census(tmp_path, DATA, before=before)
    assert (grown.start, grown.size, grown.lines) == (len(old), len(DATA), 30_001)
    assert (grown.spans[0].start, grown.spans[0].line) == (len(old), old.count(b"\n") + 1)
    assert grown.sha256 == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("change", ["first byte", "no line end", "shorter"])
def test_a_file_that_changed_otherwise_is_cut_whole(tmp_path, change):
    old = {"first byte": b"[" + SMALL[1:] + b"\n", "no line end": SMALL[:4000], "shorter": SMALL + b"\n"}[
        change
    ]
    now = SMALL[:-300] if change == "shorter" else SMALL + b"\nmore\n"
    first = census(tmp_path, old)
    found = census(tmp_path, now, before=[Before(first.size, first.lines, first.sha256)])
    assert (found.start, found.spans[0].start) == (0, 0)


def test_a_span_that_changed_since_is_set_aside_as_it_is_now(tmp_path):
    path = packed(tmp_path, b'{"a":1}\n{"a":2}\n')
    found = take_census(path, "jsonl", Limits(8, HUGE), Options("f.jsonl"))
    path.write_bytes(b'{"a":1}\n{"b"')
    parts = _land(path, found)
    assert [payload for part in parts for _, payload in accepted(part)] == [b'{"a":1}']
    assert [raw for part in parts for _, raw in quarantined(part)] == [b'{"b"']
    assert reasons(parts[1]) == ["file.changed"]
    assert parts[1].ledger(8).overhead["vanished"] == 4


def _land(path, found):
    from ingest.taken import take

    data = read_spans(path, found.codec, found.spans)
    return [take(raw, span) for raw, span in zip(data, found.spans, strict=True)]


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b'[{"a":1}]', "json_array"),
        (b'\xef\xbb\xbf \n [{"a":1}]', "json_array"),
        (b'{"a":1}\n{"a":2}\n', "jsonl"),
        (b'{\n "a": 1\n}\n', "json"),
        (b'{"a":1}', "json"),
        (b"", "json"),
    ],
)
def test_what_a_json_file_is_shows_in_its_first_bytes(tmp_path, data, form):
    assert census(tmp_path, data, form="json").format == form


def test_spans_are_contiguous_and_cover_the_file(tmp_path):
    spans = census(tmp_path, DATA, 1000).spans
    ends = [0, *(span.stop for span in spans)]
    assert [span.start for span in spans] == ends[:-1] and ends[-1] == len(DATA)


def test_a_span_is_plain_data():
    assert Span(0, 1, 1) == Span(0, 1, 1, None, "", b"", "", False, "")
