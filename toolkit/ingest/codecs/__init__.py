"""Compressed bytes, read so that damage costs only what is damaged.

Every byte that can still be decoded is delivered, in order; then ``Damage`` tells from which byte
of the compressed file nothing could be used. Bytes and offset depend on the file alone.

    codec  Damage.offset                                          delivered before it, unverified
    gz     the byte where inflate noticed; a trailer's first      back to the member's start
    xz     the byte where the decoder noticed                     back to the block's start
    zst    the start of the block, checksum or frame              back to the frame's start
    bz2    the first byte after the last whole block              nothing: blocks are checked first

A member that gives nothing is damaged from its first byte. A file that ends too early is damaged
from its end in gz and xz (size 0: every byte was used), in bz2 and zst from the open block.
What is lost beside the damage: in gz at most one byte of output, decoded from the very byte that
is wrong; in zst a run of bytes 0xFF (never found in UTF-8) that ends where the damage begins.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from toolkit.ingest.codecs.magic import codec_of, codec_of_head, codec_of_stream
from toolkit.ingest.codecs.members import member_blocks
from toolkit.ingest.codecs.resize import resized
from toolkit.ingest.codecs.tape import Blocks, Damage, Tape, opened
from toolkit.ingest.codecs.zst import zst_blocks

__all__ = ["Damage", "codec_of", "codec_of_head", "codec_of_stream", "decompressed", "decompressed_stream"]


def decompressed(path: Path, codec: str | None, size: int = 1 << 20) -> Blocks:
    """The decompressed bytes of ``path`` in blocks of at most ``size``, none empty.

    Members that follow each other, skippable zstd frames and zero bytes between members are read
    as one file. Raises Damage after the last byte that could be decoded, and RequestError when
    the file may not be read. Memory: a few blocks; in bz2 up to 46 MB where one block gives that.
    """
    with opened(path) as file:
        yield from resized(_decoded(Tape(file, seekable=True), codec, size), size)


def decompressed_stream(file: BinaryIO, codec: str | None, size: int = 1 << 20) -> Blocks:
    """As ``decompressed``, from an open stream that cannot go back, such as a pipe.

    After damage the rest of the stream is read, to know its size. A bz2 or xz member of more than
    64 MiB is not kept to be decoded again: there the last 256 KiB before the damage may be lost
    (in bz2 a whole block) and the offset is that of a step of at most 16 KiB.
    """
    return resized(_decoded(Tape(file, seekable=False), codec, size), size)


def _decoded(tape: Tape, codec: str | None, size: int) -> Blocks:
    if codec is None:
        while block := tape.read(size):
            yield block
    elif codec == "zst":
        yield from zst_blocks(tape)
    else:
        yield from member_blocks(tape, codec)
