"""JSONL under zstd: what bronze is stored in, readable by ``zstdcat | jq`` and by anything else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from toolkit.errors import ToolkitError
from toolkit.storage.atomic import write_atomic

LEVEL = 3


def write_jsonl_zst(path: Path, lines: bytes | bytearray, level: int = LEVEL) -> None:
    """Compress ``lines`` (whole lines, each ended by LF) into one zstd frame at ``path``."""
    write_atomic(path, pa.Codec("zstd", compression_level=level).compress(lines))


def read_jsonl_zst(path: Path) -> list[bytes]:
    """The lines of a shard, without their line ends; ToolkitError when it is damaged."""
    try:
        with pa.input_stream(str(path), compression="zstd") as stream:
            data = stream.read()
    except OSError as error:
        raise ToolkitError(f"cannot read shard {path}: {error}") from error
    lines = data.split(b"\n")
    if lines.pop() != b"":
        raise ToolkitError(f"shard {path} does not end with a line end: it was cut short.")
    return lines
