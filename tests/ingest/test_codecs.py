import bz2
import gzip
import io
import lzma
import os
import pickle
import random
import struct
import threading
import zlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import RequestError
from toolkit.ingest.codecs import (
    Damage,
    codec_of,
    codec_of_head,
    codec_of_stream,
    decompressed,
    decompressed_stream,
    tape,
)
from toolkit.ingest.codecs.zst_parts import zst_parts


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


def zstd_stream(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def zstd_checked(*raw, checksum=None):
    """A frame of raw blocks whose header announces a checksum; the XXH64 of nothing unless given."""
    blocks = b"".join((len(block) << 3).to_bytes(3, "little") + block for block in raw)
    end = bytes.fromhex("99e9d851") if checksum is None else checksum
    return b"\x28\xb5\x2f\xfd\x04\x58" + blocks + b"\x01\0\0" + end


PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": zstd,
}
CODECS = pytest.mark.parametrize("codec", PACK)
RANDOM = random.Random(1)
LINES = b"".join(b'{"n":%d,"x":"%s"}\n' % (n, b"ab" * (n % 5)) for n in range(60_000))
SMALL = b"".join(b'{"n":%d}\n' % RANDOM.getrandbits(16) for _ in range(40))


def read(data, codec, size=1 << 20):
    """What a stream of ``data`` gives, and the Damage that ended it or None."""
    return drain(decompressed_stream(io.BytesIO(data), codec, size))


def drain(blocks):
    found = []
    try:
        found.extend(iter_into(blocks, found))
    except Damage as damage:
        return b"".join(found), damage
    return b"".join(found), None


def iter_into(blocks, found):
    for block in blocks:
        found.append(block)
    return ()


def place(damage):
    return None if damage is None else (damage.offset, damage.size)


def read_path(folder, data, codec, size=1 << 20):
    (folder / "f").write_bytes(data)
    return drain(decompressed(folder / "f", codec, size))


def flip(data, bit):
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def stored(*blocks):
    """gzip with every block stored, so that any of it can be damaged alone."""
    body = b"".join(b"\0" + struct.pack("<HH", len(b), len(b) ^ 0xFFFF) + b for b in blocks)
    data = b"".join(blocks)
    trailer = struct.pack("<II", zlib.crc32(data), len(data))
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + b"\x01\0\0\xff\xff" + trailer


@CODECS
def test_a_codec_is_told_by_the_first_ten_bytes(tmp_path, codec):
    (tmp_path / "f").write_bytes(PACK[codec](b""))
    assert codec_of(tmp_path / "f") == codec_of_head(PACK[codec](b"")[:10]) == codec


@pytest.mark.parametrize(
    "data", [b"", b"BZhello\n{}", b"BZh9\n", b"\x1f\x8b\n", b"(\xb5", b"\xfd7zXZ"], ids=repr
)
def test_plain_bytes_have_no_codec_and_are_read_as_they_are(tmp_path, data):
    assert codec_of_head(data) is None
    assert read_path(tmp_path, data, None) == (data, None)


@CODECS
@pytest.mark.parametrize("data", [b"", b"a", SMALL, LINES], ids=len)
def test_a_whole_file_gives_its_bytes(tmp_path, codec, data):
    assert read_path(tmp_path, PACK[codec](data), codec) == (data, None)
    assert read(PACK[codec](data), codec) == (data, None)


@CODECS
def test_many_members_with_empty_ones_and_padding_are_one_file(codec):
    pack = PACK[codec]
    parts = [b"", b"a\n", SMALL, b"", LINES[:70_000], b"z"]
    packed = b"".join(pack(part) + bytes(4 * n) for n, part in enumerate(parts))
    assert read(packed, codec) == (b"".join(parts), None)


@CODECS
def test_a_thousand_small_members_are_one_file(codec):
    parts = [b"%d\n" % n for n in range(1000)]
    assert read(b"".join(map(PACK[codec], parts)), codec) == (b"".join(parts), None)


@CODECS
def test_padding_longer_than_any_step_is_no_damage(codec):
    packed = PACK[codec](b"a") + bytes(200_001) + PACK[codec](b"b") + bytes(70_000)
    assert read(packed, codec) == (b"ab", None)


@pytest.mark.parametrize("length", [0, 1, 70_000])
def test_skippable_zstd_frames_are_skipped(length):
    skip = b"\x5f\x2a\x4d\x18" + length.to_bytes(4, "little") + bytes(length)
    assert read(skip + zstd(b"a") + skip + skip + zstd_stream(LINES) + skip, "zst") == (b"a" + LINES, None)


def test_zstd_with_a_checksum_in_blocks_of_its_own_is_read():
    assert read(zstd_checked() + zstd(b"a"), "zst") == (b"a", None)


@CODECS
def test_a_bomb_comes_in_blocks_of_the_size_asked_for(codec):
    zeros, size = 50_000_000, 300_000
    lengths = [
        len(block) for block in decompressed_stream(io.BytesIO(PACK[codec](bytes(zeros))), codec, size)
    ]
    assert sum(lengths) == zeros
    assert max(lengths) <= size


@CODECS
def test_no_block_is_empty(codec):
    packed = PACK[codec](b"") + PACK[codec](LINES) + PACK[codec](b"")
    assert all(decompressed_stream(io.BytesIO(packed), codec))


def test_small_blocks_come_together():
    lengths = [len(block) for block in decompressed_stream(io.BytesIO(lzma.compress(LINES)), "xz")]
    assert min(lengths[:-1]) > 50_000


@CODECS
def test_a_file_cut_anywhere_gives_a_start_of_the_truth_that_grows_with_it(codec):
    packed, before = PACK[codec](SMALL[:200]) + PACK[codec](SMALL[200:]), 0
    first = len(PACK[codec](SMALL[:200]))
    for cut in range(11, len(packed)):
        found, damage = read(packed[:cut], codec)
        assert SMALL.startswith(found)
        assert (damage is None) == (cut == first)
        assert len(found) >= before
        before = len(found)


def test_a_gzip_file_cut_anywhere_gives_every_stored_block_before_the_cut():
    blocks = [SMALL[at : at + 20] for at in range(0, len(SMALL), 20)]
    packed = stored(*blocks)
    for cut in range(11, len(packed)):
        found, damage = read(packed[:cut], "gz")
        whole = (cut - 10) // 25 * 20
        assert found == SMALL[: max(whole, whole + (cut - 10) % 25 - 5)]
        assert place(damage) == ((cut, 0) if found else (0, cut))


def test_a_gzip_file_cut_anywhere_gives_all_that_a_bare_inflate_gives():
    packed = gzip.compress(LINES[:3000])
    for cut in range(11, len(packed)):
        assert read(packed[:cut], "gz")[0] == zlib.decompressobj(31).decompress(packed[:cut])


@CODECS
def test_a_flipped_bit_is_damage_or_changes_nothing(tmp_path, codec):
    packed = PACK[codec](SMALL[:300]) + PACK[codec](SMALL[300:])
    for bit in range(len(packed) * 8):
        found, damage = read(flip(packed, bit), codec)
        assert damage is not None or found == SMALL or codec == "zst"  # zstd without a checksum can not know
        assert damage is None or damage.offset + damage.size == len(packed)


def test_bzip2_never_gives_an_altered_byte():
    packed = bz2.compress(SMALL)
    assert {SMALL.startswith(read(flip(packed, bit), "bz2")[0]) for bit in range(32, len(packed) * 8)} == {
        True
    }


@CODECS
def test_whole_members_before_the_damage_are_given_whole(codec):
    good, bad = PACK[codec](LINES[:100_000]), PACK[codec](LINES[100_000:200_000])
    for bit in RANDOM.sample(range(len(bad) * 8), 25):
        found, damage = read(good + flip(bad, bit), codec)
        assert found.startswith(LINES[:100_000])
        assert damage is None or damage.offset >= len(good)


@CODECS
@pytest.mark.parametrize(
    "garbage", [b"x", b"not a member", b"\x1f\x8b", b"BZh", b"\xfd7z", b"\x28\xb5\x2f", b"{}\n" * 30_000]
)
def test_bytes_after_the_last_member_are_damage_from_their_first_byte(codec, garbage):
    packed = PACK[codec](SMALL) + bytes(8)
    found, damage = read(packed + garbage, codec)
    assert (found, place(damage)) == (SMALL, (len(packed), len(garbage)))


@pytest.mark.parametrize("at", range(1, 9))
def test_a_gzip_trailer_that_does_not_match_gives_all_and_is_damage_from_its_start(at):
    packed = gzip.compress(SMALL)
    found, damage = read(flip(packed, (len(packed) - at) * 8), "gz")
    assert (found, place(damage)) == (SMALL, (len(packed) - 8, 8))
    assert "checksum does not match" in damage.detail
    assert "may be altered" in damage.detail


def test_an_xz_check_that_does_not_match_gives_all():
    packed = lzma.compress(SMALL)
    index = len(packed) - 12 - 4 * (int.from_bytes(packed[-8:-4], "little") + 1)
    found, damage = read(flip(packed, (index - 8) * 8), "xz")
    assert (found, place(damage)) == (SMALL, (index - 1, len(packed) - index + 1))
    assert "may be altered" in damage.detail


def test_a_zstd_checksum_that_does_not_match_gives_all_and_is_damage_from_its_start():
    packed = zstd_checked(SMALL, checksum=b"oops")
    found, damage = read(packed, "zst")
    assert (found, place(damage)) == (SMALL, (len(packed) - 4, 4))
    assert "checksum" in damage.detail


def bzip2_blocks():
    """Three blocks of random bytes, and where the second and the third begin, in bits."""
    data = RANDOM.randbytes(250_000)
    packed = bz2.compress(data, 1)
    bits = f"{int.from_bytes(packed):0{len(packed) * 8}b}"
    magic = f"{0x314159265359:048b}"
    second = bits.index(magic, 40)
    return data, packed, second, bits.index(magic, second + 1)


def test_a_damaged_bzip2_block_costs_that_block_and_what_follows(tmp_path):
    data, packed, second, third = bzip2_blocks()
    for bit in (second + 100, second + 400_000, third - 20):
        found, damage = read_path(tmp_path, flip(packed, bit ^ 7), "bz2")
        assert 99_000 < len(found) < 100_001
        assert data.startswith(found)
        assert damage.offset == -(-second // 8)
        assert (found, place(damage)) == (read(flip(packed, bit ^ 7), "bz2")[0], place(damage))


def test_a_bzip2_file_that_ends_in_a_block_is_damaged_from_that_block():
    data, packed, second, third = bzip2_blocks()
    for cut in (second // 8 + 100, third // 8 - 5):
        found, damage = read(packed[:cut], "bz2")
        assert data.startswith(found)
        assert place(damage) == (-(-second // 8), cut + second // -8)


def zstd_places(packed):
    return [at for at, _ in zst_parts(tape.Tape(io.BytesIO(packed), True))]


def test_a_damaged_zstd_block_costs_that_block_and_what_follows():
    data = RANDOM.randbytes(300_000).hex().encode()
    packed = zstd_stream(data)
    places = zstd_places(packed)
    found, damage = read(flip(packed, (places[3] + 1) * 8 + 5), "zst")
    assert found == data[: 2 << 17]
    assert place(damage) == (places[3], len(packed) - places[3])


def test_a_zstd_file_that_ends_in_a_block_is_damaged_from_that_block():
    data = RANDOM.randbytes(300_000).hex().encode()
    packed = zstd_stream(data)
    places = zstd_places(packed)
    found, damage = read(packed[: places[3] + 9], "zst")
    assert (found, place(damage)) == (data[: 2 << 17], (places[3], 9))


def test_xz_gives_what_comes_before_a_damaged_byte_in_the_middle():
    data = RANDOM.randbytes(60_000).hex().encode()
    packed = lzma.compress(data)
    found, damage = read(flip(packed, len(packed) // 2 * 8), "xz")
    assert found[: len(data) * 2 // 5] == data[: len(data) * 2 // 5]
    assert damage.offset >= len(packed) // 2


def test_gzip_gives_what_comes_before_a_damaged_stored_block_to_the_byte():
    blocks = [b"%03d\n" % n for n in range(500)]
    packed = stored(*blocks)
    header = 10 + 9 * 250  # of the block in the middle; its lengths are checked by its fifth byte
    assert read(flip(packed, (header + 1) * 8), "gz")[0] == b"".join(blocks[:250])
    assert read(flip(packed, (header + 1) * 8), "gz")[1].offset == header + 4


@CODECS
@settings(deadline=None, max_examples=40)
@given(st.data())
def test_the_bytes_and_the_place_of_damage_do_not_depend_on_the_size(codec, data):
    lengths = st.lists(st.integers(0, 3000), max_size=4)
    parts = [LINES[:length] for length in data.draw(lengths)]
    packed = bytearray(b"".join(map(PACK[codec], parts)))
    for _ in range(data.draw(st.integers(0, 2)) if packed else 0):
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    packed = bytes(packed[: data.draw(st.integers(0, len(packed)))])
    results = [read(packed, codec, size) for size in (1, 7, 1000, 1 << 20)]
    assert len({(found, place(damage), damage and damage.detail) for found, damage in results}) == 1


@CODECS
@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=300))
def test_any_bytes_whatsoever_are_read_or_damage_within_the_file(codec, data):
    _, damage = read(PACK[codec](b"a")[:10] + data, codec)
    assert damage is None or 0 <= damage.offset == len(data) + 10 - damage.size


@CODECS
def test_a_pipe_gives_what_the_file_gives(tmp_path, codec):
    packed = PACK[codec](LINES) + PACK[codec](LINES)
    for data in (packed, packed[:-1000], flip(packed, len(packed) * 6), packed + b"garbage"):
        found, damage = read_path(tmp_path, data, codec)
        piped, also = drain(through_a_pipe(data))
        assert (piped, place(also)) == (found, place(damage))


def through_a_pipe(data):
    out, into = os.pipe()
    writer = threading.Thread(target=write_in_bits, args=(into, data))
    writer.start()
    with open(out, "rb", buffering=0) as file:  # noqa: PTH123
        codec, stream = codec_of_stream(file)
        yield from decompressed_stream(stream, codec)
    writer.join()


@CODECS
def test_a_file_that_is_opened_gives_what_a_stream_gives(tmp_path, codec):
    packed = PACK[codec](SMALL) + bytes(4) + PACK[codec](SMALL)
    for bit in RANDOM.sample(range(len(packed) * 8), 200):
        data = flip(packed, bit)[: RANDOM.randrange(len(packed) // 2, len(packed) + 1)]
        (found, damage), (also, other) = read_path(tmp_path, data, codec), read(data, codec)
        assert (found, place(damage), str(damage)) == (also, place(other), str(other))


def write_in_bits(into, data):
    with open(into, "wb", buffering=0) as file:  # noqa: PTH123
        for start in range(0, len(data), 3001):
            file.write(data[start : start + 3001])


@pytest.mark.parametrize("data", [b"", b"{", b'{"a":1}\n' * 5], ids=len)
def test_telling_the_codec_of_a_stream_loses_no_byte(data):
    codec, stream = codec_of_stream(io.BytesIO(data))
    assert (codec, b"".join(decompressed_stream(stream, codec, 3))) == (None, data)


@pytest.mark.parametrize("size", [1, 9, 10, 11, 100, -1])
def test_a_stream_whose_codec_was_told_can_be_read_in_any_size(size):
    stream = codec_of_stream(io.BytesIO(SMALL))[1]
    assert b"".join(iter(lambda: stream.read(size), b"")) == SMALL


@pytest.mark.parametrize("codec", ["bz2", "xz"])
def test_a_member_too_long_to_keep_is_damaged_from_its_step(monkeypatch, codec):
    monkeypatch.setattr(tape, "KEEP", 10_000)
    data = RANDOM.randbytes(50_000).hex().encode()
    packed = PACK[codec](data)
    found, damage = read(flip(packed, (len(packed) - 20) * 8), codec)
    assert data.startswith(found)
    assert damage.offset % 4096 == 0


@CODECS
def test_an_error_of_the_disk_is_no_damage(codec):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        read_all = decompressed_stream(Broken(), codec)
        next(read_all)


def refuse(*_args, **_kwargs):
    raise PermissionError(13, "Permission denied", "x")


@pytest.mark.parametrize(
    "use", [codec_of, lambda path: next(decompressed(path, None))], ids=["codec", "bytes"]
)
def test_a_file_that_may_not_be_read_is_an_error_with_the_path(tmp_path, monkeypatch, use):
    monkeypatch.setattr(type(tmp_path), "open", refuse)
    with pytest.raises(RequestError, match=r"may not read .*a\.jsonl"):
        use(tmp_path / "a.jsonl")


def test_damage_survives_another_process():
    damage = pickle.loads(pickle.dumps(Damage(3, 4, "why")))
    assert (damage.offset, damage.size, damage.detail) == (3, 4, "why")
    assert str(damage) == "damaged at byte 3, 4 bytes not used: why"
