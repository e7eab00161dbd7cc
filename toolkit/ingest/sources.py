"""Where raw bytes come from: files, folders, globs, compressed or not, in a stated order.

Files are taken in the byte order of their paths. Compression is recognised by a file's
first bytes, not by its name. A plain file can be read from anywhere; a compressed one
only from its start, so its spans are produced in turn by one reader.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from toolkit.errors import RequestError

SUFFIXES = (".jsonl", ".ndjson")
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")

_MAGIC = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)


def expand(base: Path, pattern: str, source: str) -> list[tuple[str, Path]]:
    """Files of a source as (name, path): ``pattern`` is a file, a folder or a glob under ``base``.

    A folder gives its ``.jsonl`` and ``.ndjson`` files, compressed or not, at any depth;
    hidden files are left out. Raises RequestError when nothing is there or cannot be read.
    """
    target = base / pattern
    try:
        if target.is_dir():
            found = [path for path in target.rglob("*") if path.is_file() and _is_jsonl(path)]
            if not any(target.iterdir()):
                raise RequestError(f"source {source!r}: the folder {target} is empty.")
        elif target.is_file():
            return [(Path(pattern).as_posix(), target)]
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
    return sorted(named, key=lambda item: item[0].encode("utf-8", "surrogateescape"))


def codec_of(path: Path) -> str | None:
    """``gz``, ``zst``, ``bz2``, ``xz``, or None for a plain file, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((codec for magic, codec in _MAGIC.items() if head.startswith(magic)), None)


def blocks(path: Path, codec: str | None, size: int = 1 << 20) -> Iterator[bytes]:
    """The decompressed bytes of ``path`` in blocks; RequestError names the place of any damage."""
    done = 0
    try:
        with _open(path, codec) as stream:
            while block := stream.read(size):
                done += len(block)
                yield block
    except PermissionError as error:
        raise RequestError(f"may not read {path}: change its rights or leave it out of the spec.") from error
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


def _open(path: Path, codec: str | None) -> BinaryIO:
    if codec == "gz":
        return gzip.open(path)
    if codec == "bz2":
        return bz2.open(path)
    if codec == "xz":
        return lzma.open(path)
    if codec == "zst":
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return path.open("rb")


def _is_jsonl(path: Path) -> bool:
    name = path.name.lower()
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return name.endswith(SUFFIXES) and not path.name.startswith(".")


def _glob(base: Path, pattern: str) -> Iterator[Path]:
    whole = Path(pattern)
    if whole.is_absolute():
        return Path(whole.anchor).glob(str(whole.relative_to(whole.anchor)))
    return base.glob(pattern)


def _name(path: Path, base: Path, pattern: str) -> str:
    return path.as_posix() if Path(pattern).is_absolute() else path.relative_to(base).as_posix()
