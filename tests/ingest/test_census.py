import bz2
import contextlib
import gzip
import hashlib
import lzma
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.ingest import Span, blocks, codec_of, read_span, spans_of_stream, take_census
from toolkit.ingest.census import _Cutter

PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
}
CODECS = pytest.mark.parametrize("codec", PACK)
DATA = b"".join(b"%d " % n + b"x" * (n % 97) + b"\n" for n in range(30_000)) + b"no line end"
SMALL = DATA[:5000]


def naive_spans(data, size):
    spans, start, line = [], 0, 1
    for at, byte in enumerate(data):
        if byte == 10 and at + 1 - start >= size:
            spans.append(Span(start, at + 1, line))
            line += data.count(b"\n", start, at + 1)
            start = at + 1
    return spans + ([Span(start, len(data), line)] if start < len(data) else [])


def packed(folder, data):
    (folder / "f").write_bytes(data)
    return folder / "f"


def census(folder, data, size=100_000):
    return take_census("f", packed(folder, data), size)


def unpacked(path):
    return b"".join(blocks(path, codec_of(path)))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.lists(st.sampled_from([b"\n", b"a", b"\r\n", b"bb"]), min_size=1, max_size=8).map(b"".join)),
    st.integers(1, 30),
)
def test_spans_are_those_of_the_naive_cut_however_the_blocks_fall(pieces, size):
    cutter = _Cutter(size)
    for piece in pieces:
        cutter.feed(piece)
    assert list(cutter.finish()) == naive_spans(b"".join(pieces), size)


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\n", b"a\nb", b"\n\n", b"\r"], ids=repr)
def test_lines_are_counted_with_or_without_a_last_line_end(tmp_path, data):
    assert census(tmp_path, data).lines == len(data.split(b"\n")) - (data.endswith(b"\n") or not data)


def test_a_census_hashes_the_whole_file(tmp_path):
    assert census(tmp_path, DATA).sha256 == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("size", [1, 1000, 100_000, 1 << 30])
def test_a_file_of_several_blocks_is_cut_as_the_naive_cut_does(tmp_path, size):
    assert census(tmp_path, DATA, size).spans == tuple(naive_spans(DATA, size))


@CODECS
def test_a_compressed_file_has_the_census_of_its_bytes(tmp_path, codec):
    plain, other = census(tmp_path, DATA), census(tmp_path, PACK[codec](DATA))
    assert (other.spans, other.size, other.lines, other.sha256) == (
        plain.spans, plain.size, plain.lines, plain.sha256,
    )  # fmt: skip


@CODECS
def test_a_codec_is_recognised_by_the_first_bytes(tmp_path, codec):
    assert census(tmp_path, PACK[codec](b"")).codec == codec


@CODECS
def test_spans_of_a_compressed_file_are_those_of_the_plain_one(tmp_path, codec):
    path = packed(tmp_path, PACK[codec](DATA))
    stops = [span.stop for span in naive_spans(DATA, 50_000)]
    assert list(spans_of_stream(path, codec, stops)) == [
        DATA[a:b] for a, b in zip([0, *stops], stops, strict=False)
    ]


@CODECS
@pytest.mark.parametrize("cut", [0, 7, 2500, len(SMALL)])
def test_every_member_of_a_concatenated_file_is_read(tmp_path, codec, cut):
    pack = PACK[codec]
    assert unpacked(packed(tmp_path, pack(SMALL[:cut]) + pack(b"") + pack(SMALL[cut:]))) == SMALL


@CODECS
def test_many_small_members_are_read_whole(tmp_path, codec):
    members = [b"%d\n" % n for n in range(300)]
    assert unpacked(packed(tmp_path, b"".join(map(PACK[codec], members)))) == b"".join(members)


@CODECS
@pytest.mark.parametrize("size", [1, 2, 3, 17, 4096])
def test_the_size_of_a_block_does_not_change_the_bytes(tmp_path, codec, size):
    path = packed(tmp_path, PACK[codec](DATA[:5000]) + PACK[codec](DATA[5000:9000]))
    assert b"".join(blocks(path, codec, size)) == DATA[:9000]


@CODECS
def test_a_file_that_packs_to_almost_nothing_is_read_whole(tmp_path, codec):
    zeros = bytes(5_000_000)
    assert unpacked(packed(tmp_path, PACK[codec](zeros))) == zeros


@CODECS
@pytest.mark.parametrize("lost", [1, 2, 5, 30])
def test_a_truncated_file_is_refused_by_name(tmp_path, codec, lost):
    with pytest.raises(RequestError, match=r"/f is damaged after \d+ decompressed bytes"):
        census(tmp_path, PACK[codec](SMALL)[:-lost])


@CODECS
@pytest.mark.parametrize("kept", [10, 20])
def test_a_file_cut_inside_its_second_member_is_refused(tmp_path, codec, kept):
    pack = PACK[codec]
    with pytest.raises(RequestError, match="is damaged"):
        census(tmp_path, pack(SMALL) + pack(SMALL)[:kept])


@CODECS
def test_bytes_after_the_last_member_are_refused_and_not_dropped(tmp_path, codec):
    with pytest.raises(RequestError, match="is damaged"):
        census(tmp_path, PACK[codec](SMALL) + b"not a member")


@CODECS
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path, codec):
    good = PACK[codec](DATA[:2000])
    for at in random.Random(1).sample(range(10, len(good)), 30):
        path = packed(tmp_path, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with contextlib.suppress(RequestError):
            assert codec == "zst" or unpacked(path) == DATA[:2000]


def test_zstd_with_a_skippable_frame_first_is_zstd(tmp_path):
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    assert unpacked(packed(tmp_path, skippable + PACK["zst"](SMALL))) == SMALL


@pytest.mark.parametrize("data", [b"BZhello\n{}", b"BZh9\n", b"\x1f\x8b\n", b"(\xb5", b"\xfd7zXZ"], ids=repr)
def test_plain_bytes_that_start_like_a_codec_are_plain(tmp_path, data):
    assert unpacked(packed(tmp_path, data)) == data


def test_a_file_that_became_shorter_is_refused(tmp_path):
    with pytest.raises(RequestError, match="changed while it was read"):
        read_span(packed(tmp_path, b"abc"), 0, 4)


@CODECS
def test_a_compressed_file_that_became_shorter_is_refused(tmp_path, codec):
    with pytest.raises(RequestError, match="changed while it was read"):
        list(spans_of_stream(packed(tmp_path, PACK[codec](b"abc")), codec, [4]))
