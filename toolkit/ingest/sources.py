"""Where raw bytes come from: files, folders, globs, compressed or not, in a stated order.

Files are taken in the byte order of their paths. Compression is recognised by a file's
first bytes, not by its name. A plain file can be read from anywhere; a compressed one
only from its start, so its spans are produced in turn by one reader.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa

from toolkit.errors import RequestError

SUFFIXES = (".jsonl", ".ndjson")
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")

_MAGIC = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "zst": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL),
    "bz2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
}
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)


def expand(base: Path, pattern: str, source: str) -> list[tuple[str, Path]]:
    """Files of a source as (name, path): ``pattern`` is a file, a folder or a glob under ``base``.

    A folder gives its ``.jsonl`` and ``.ndjson`` files, compressed or not, at any depth;
    hidden files are left out. Raises RequestError when nothing is there or cannot be read.
    """
    target = base / pattern
    try:
        if target.is_dir():
            found = [path for path in _walk(target) if path.is_file() and _is_jsonl(path)]
            if not any(target.iterdir()):
                raise RequestError(f"source {source!r}: the folder {target} is empty.")
        elif target.is_file():
            found = [target]
        else:
            found = [path for path in _glob(base, pattern) if path.is_file()]
    except PermissionError as error:
        raise RequestError(f"source {source!r}: may not read {error.filename or target}.") from error
    if not found:
        raise RequestError(
            f"source {source!r}: no file at {target}. Expected a file, a folder with "
            f"{' or '.join(SUFFIXES)} files, or a glob; paths are relative to the spec."
        )
    named = [(_name(path, base, pattern), path) for path in found]
    for name, _ in named:
        if not _is_utf8(name):
            raise RequestError(f"source {source!r}: the file name {name!r} is not UTF-8. Rename the file.")
    return sorted(named, key=lambda item: item[0].encode())


def codec_of(path: Path) -> str | None:
    """``gz``, ``zst``, ``bz2``, ``xz``, or None for a plain file, from its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(10)
    except PermissionError as error:
        raise _may_not_read(path) from error
    return next((codec for codec, magic in _MAGIC.items() if magic.match(head)), None)


def blocks(path: Path, codec: str | None, size: int = 1 << 20) -> Iterator[bytes]:
    """The decompressed bytes of ``path`` in blocks; RequestError names the place of any damage."""
    done = 0
    try:
        for block in filter(None, _decompressed(path, codec, size)):
            done += len(block)
            yield block
    except PermissionError as error:
        raise _may_not_read(path) from error
    except _DAMAGE as error:
        raise RequestError(
            f"{path} is damaged after {done} decompressed bytes ({error}). "
            "Deliver it again or leave it out of the spec; nothing was published."
        ) from error


def read_span(path: Path, start: int, stop: int) -> bytes:
    """Bytes ``start`` to ``stop`` of a plain file; RequestError when it has become shorter."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(stop - start)
    if len(data) != stop - start:
        raise RequestError(f"{path} changed while it was read: {stop} bytes expected. Run again.")
    return data


def spans_of_stream(path: Path, codec: str, stops: Iterable[int]) -> Iterator[bytes]:
    """The decompressed bytes of ``path`` cut at the offsets ``stops``, in order."""
    held, done, feed = bytearray(), 0, blocks(path, codec)
    for stop in stops:
        while done + len(held) < stop:
            block = next(feed, None)
            if block is None:
                raise RequestError(f"{path} changed while it was read: {stop} bytes expected. Run again.")
            held += block
        yield bytes(held[: stop - done])
        del held[: stop - done]
        done = stop


def _decompressed(path: Path, codec: str | None, size: int) -> Iterator[bytes]:
    if codec in ("bz2", "xz"):
        yield from _members(path, bz2.BZ2Decompressor if codec == "bz2" else lzma.LZMADecompressor, size)
        return
    with _open(path, codec) as stream:
        while block := stream.read(size):
            yield block


def _members(path: Path, decoder: Callable[[], Any], size: int) -> Iterator[bytes]:
    # bz2.open and lzma.open drop whatever follows the last good member without a word.
    member = None
    with path.open("rb") as file:
        while data := file.read(size):
            while data:
                if member is None:
                    data = data.lstrip(b"\0")  # padding between members, as in a tar file or by xz
                    member = decoder() if data else None
                    continue
                yield member.decompress(data, size)
                while not member.eof and not member.needs_input:
                    yield member.decompress(b"", size)
                data, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None:
        raise EOFError("it ends in the middle of a stream")


def _open(path: Path, codec: str | None) -> BinaryIO:
    if codec == "gz":
        return gzip.open(path)
    if codec == "zst":
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return path.open("rb")


def _is_jsonl(path: Path) -> bool:
    name = path.name.lower()
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return name.endswith(SUFFIXES) and not path.name.startswith(".")


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names)


def _refuse(error: OSError) -> NoReturn:
    raise error


def _glob(base: Path, pattern: str) -> list[Path]:
    # As in a shell, and unlike Path.glob, a wildcard does not match a leading dot.
    return [base / name for name in set(glob.glob(pattern, root_dir=base, recursive=True))]  # noqa: PTH207


def _name(path: Path, base: Path, pattern: str) -> str:
    return path.as_posix() if Path(pattern).is_absolute() else path.relative_to(base).as_posix()


def _is_utf8(name: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _may_not_read(path: Path) -> RequestError:
    return RequestError(f"may not read {path}: change its rights or leave it out of the spec.")
