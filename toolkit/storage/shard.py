"""JSONL shards: what bronze is stored in, readable with ``zstdcat | jq`` or ``zcat | jq`` and anything else.

Compressed frames of a fixed size one after another, as every decompressor reads them, made by two
threads where one process does all the work. There is no clock or name in them: equal lines, equal bytes.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from toolkit.errors import ToolkitError
from toolkit.storage.atomic import writing

FRAME = 4 << 20  # bytes of lines in a compressed frame
LEVELS = {"zst": (-7, 22), "gz": (1, 9), "none": (0, 0)}
_SUFFIX = {"zst": ".jsonl.zst", "gz": ".jsonl.gz", "none": ".jsonl"}


def shard_name(part: str, compression: str) -> str:
    """The file name of a part's shard: ``part-00000`` under ``zst`` is ``part-00000.jsonl.zst``."""
    return part + _SUFFIX[compression]


def shard_path(folder: Path, part: str) -> Path:
    """The shard of ``part`` under ``folder``, however compressed; the ``.jsonl.zst`` one if there is none."""
    names = [folder / shard_name(part, compression) for compression in _SUFFIX]
    return next((path for path in names if path.exists()), names[0])


def shards(folder: Path) -> list[Path]:
    """Every shard under ``folder``, in the order of their names."""
    return sorted(path for path in folder.rglob("part-*") if path.name.endswith(tuple(_SUFFIX.values())))


def part_of(shard: Path | str) -> str:
    """The name of the part a shard holds: ``part-00000``."""
    return Path(shard).name.split(".")[0]


def write_shard(path: Path, lines: bytes | bytearray | memoryview, level: int = 1, last: bool = True) -> str:
    """Write ``lines`` (whole lines, each ended by LF) as ``path``'s suffix says, whole or not at all.

    Returns the hex sha256 of what was written; ``last`` as ``atomic.writing`` takes it.
    """
    compress, view, digest = _compressor(path.name, level), memoryview(lines), hashlib.sha256()
    with writing(path, last) as temporary, temporary.open("wb") as file:
        for frame in _compressed(view, compress) if compress else (view,):
            digest.update(frame)
            file.write(frame)
    return digest.hexdigest()


def _compressor(name: str, level: int) -> Callable[[memoryview], bytes] | None:
    if name.endswith(".zst"):
        return lambda lines: pa.Codec("zstd", compression_level=level).compress(lines, asbytes=True)
    return (lambda lines: zlib.compress(lines, level, 31)) if name.endswith(".gz") else None


def _compressed(lines: memoryview, compress: Callable[[memoryview], bytes]) -> Iterator[bytes]:
    """The frames, in order; an empty shard is one empty frame."""
    frames = [lines[at : at + FRAME] for at in range(0, max(1, len(lines)), FRAME)]
    if _others() or _one_core():
        yield from map(compress, frames)
        return
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(compress, frames)


def _others() -> bool:
    """Whether there are other processes, which have the other cores when there is most to do."""
    return multiprocessing.parent_process() is not None or bool(multiprocessing.active_children())


def _one_core() -> bool:
    return hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1


def read_shard(path: Path) -> list[bytes]:
    """The lines of a shard, without their line ends; ToolkitError when it is damaged."""
    data = read_shard_bytes(path)
    lines = data.split(b"\n")
    lines.pop()
    return lines


def open_shard(path: Path) -> pa.NativeFile:
    """A stream of the decompressed bytes of a shard."""
    return pa.input_stream(str(path), compression={".zst": "zstd", ".gz": "gzip"}.get(path.suffix))


def read_shard_bytes(path: Path) -> bytes:
    """The decompressed bytes of a shard; ToolkitError when it is damaged or does not end with a line end."""
    try:
        with open_shard(path) as stream:
            data = stream.read()
    except OSError as error:
        raise ToolkitError(f"cannot read shard {path}: {error}") from error
    if data and not data.endswith(b"\n"):
        raise ToolkitError(f"shard {path} does not end with a line end: it was cut short.")
    return data
