"""A lake's bronze, read back: records as Python objects, or Arrow batches without an object a row.

A shard is in memory at a time. The order is that of the lake: sources as its spec names them, parts
by number, lines as they lie. Lines that came twice (``evidence/identity``) are left out on demand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from toolkit.errors import RequestError, ToolkitError
from toolkit.kernels import bronze_heads as heads
from toolkit.kernels.buffers import to_text
from toolkit.kernels.json_lines import alike
from toolkit.storage import part_of, read_json, read_parquet, read_shard, read_shard_bytes

ROWS = 8192

BRONZE_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),  # sha256 of the payload's bytes, hex
        ("source_id", pa.string()),
        ("source_type", pa.string()),
        ("path", pa.string()),  # the raw file
        ("line", pa.int64()),  # from 1
        ("offset", pa.int64()),  # in bytes of the decompressed file
        ("length", pa.int64()),  # in bytes
        ("license", pa.string()),
        ("consent", pa.bool_()),
        ("pii", pa.string()),
        ("generator_model", pa.string()),
        ("logical_date", pa.string()),  # ISO 8601
        ("payload", pa.large_string()),  # the JSON text, byte for byte
    ]
)
"""The columns of every batch. ``payload`` is text as it was sent: numbers, key order and escapes included."""

_FACTS = ("source_id", "source_type", "license", "consent", "pii", "generator_model", "logical_date")
_decode = msgspec.json.Decoder().decode
_MAX_DIGITS = 4300  # beyond this Python refuses to convert


def records(lake: str | Path, source: str | None = None, repeats: bool = False) -> Iterator[dict[str, Any]]:
    """The records of a finished lake: the fields of each bronze line, ``payload`` decoded.

    Integers are exact at any length; an escaped lone surrogate comes as ``json.loads`` gives it.
    ``repeats``: also the lines that the lake found to be there already. Raises RequestError at
    once when there is no finished lake, or no such ``source``, there.
    """
    return (record for path in shard_paths(lake, source) for record in shard_records(path, repeats))


def batches(
    lake: str | Path, source: str | None = None, repeats: bool = False, rows: int = ROWS
) -> Iterator[pa.RecordBatch]:
    """The records of a finished lake as Arrow batches of BRONZE_SCHEMA, payloads verbatim.

    A batch has at most ``rows`` rows, all of one shard. Otherwise as ``records``.
    """
    paths = shard_paths(lake, source)
    check_rows(rows)
    return (batch for path in paths for batch in sliced(shard_batch(path, repeats), rows))


def check_rows(rows: int) -> None:
    """RequestError unless a batch may have that many rows."""
    if rows < 1:
        raise RequestError(f"rows must be at least 1, found {rows}.")


def sliced(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch, without copying, into some of at most ``rows`` rows."""
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def shard_paths(lake: str | Path, source: str | None = None) -> list[Path]:
    """The shards of a finished lake, or of one ``source`` of it, in order; errors as of ``records``."""
    manifest = read_manifest(lake)
    names = [item["id"] for item in manifest["sources"]]
    if source is not None and source not in names:
        raise RequestError(f"{lake} has no source {source!r}; it has {', '.join(names)}.")
    parts = [file["path"] for file in manifest["files"] if _is_shard(file["path"])]
    order = {name: place for place, name in enumerate(names)}
    wanted = [path for path in parts if source in (None, path.split("/")[1])]
    return [Path(lake) / path for path in sorted(wanted, key=lambda path: _place(path, order))]


def read_manifest(lake: str | Path) -> dict[str, Any]:
    """The root manifest of a finished lake; RequestError when there is none."""
    path = Path(lake) / "MANIFEST.json"
    if not path.is_file():
        raise RequestError(f"{lake} is no finished lake (no {path.name}): give the folder that --out named.")
    return read_json(path)


def shard_records(path: Path, repeats: bool = False) -> Iterator[dict[str, Any]]:
    """The records of one shard of a lake."""
    gone = set() if repeats else _repeated(path)
    for line in read_shard(path):
        record = record_of(line)
        if not gone or _place_of(record["origin"]) not in gone:
            yield record


def shard_batch(path: Path, repeats: bool = False) -> pa.RecordBatch:
    """All of one shard of a lake as a batch of BRONZE_SCHEMA; ToolkitError when it is no bronze shard."""
    try:
        return batch_of(read_shard_bytes(path), set() if repeats else _repeated(path))
    except ValueError as error:
        raise ToolkitError(f"{path}: {error}.") from None


def record_of(line: bytes) -> dict[str, Any]:
    """A bronze line, decoded."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, ValueError):
        return json.loads(line, parse_int=_integer)


def batch_of(lines: bytes | np.ndarray, gone: Set[tuple[str, int, int]] = frozenset()) -> pa.RecordBatch:
    """Bronze lines, each ended by LF, as a batch; without those at the places ``gone``.

    Raises ValueError for what is no bronze line.
    """
    data = np.frombuffer(lines, np.uint8) if isinstance(lines, bytes) else lines
    places = bronze_places(data, gone)
    columns = head_columns(data, places)
    columns["payload"] = to_text(*heads.gather(data, *places[:, heads.PAYLOAD : heads.PAYLOAD + 2].T))
    arrays = [columns[field.name].cast(field.type) for field in BRONZE_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=BRONZE_SCHEMA)


def bronze_places(data: np.ndarray, gone: Set[tuple[str, int, int]] = frozenset()) -> np.ndarray:
    """Where the parts of bronze lines lie (``kernels.bronze_heads``), but for those lines whose (path,
    line, offset) is in ``gone``. Raises ValueError for what is no bronze line.
    """
    places = heads.bronze_heads(data)
    if not gone:
        return places
    paths, path = _paths(data, places)
    numbers = [places[:, heads.LINE + k].tolist() for k in range(2)]
    named = zip((paths[k] for k in path.tolist()), *numbers, strict=True)
    return places[np.array([place not in gone for place in named], bool)]


def head_columns(data: np.ndarray, places: np.ndarray) -> dict[str, pa.Array]:
    """What the bronze lines at ``places`` say of their payloads: the columns of BRONZE_SCHEMA but
    ``payload``, and ``source_rank`` (int32).
    """
    paths, path = _paths(data, places)
    texts, which = _different(data, places, heads.FACTS)
    facts = [_decode(b"{%b}" % text) for text in texts]
    ids = places[:, heads.ID]
    columns = {
        "record_id": to_text(*heads.gather(data, ids, ids + 64)),
        "path": _spread(paths, path, pa.string()),
        "source_rank": _spread([fact["source_rank"] for fact in facts], which, pa.int32()),
    }
    for name in _FACTS:
        columns[name] = _spread([fact[name] for fact in facts], which, BRONZE_SCHEMA.field(name).type)
    for k, name in enumerate(("line", "offset", "length")):
        columns[name] = pa.array(places[:, heads.LINE + k])
    return columns


def _paths(data: np.ndarray, places: np.ndarray) -> tuple[list[str], np.ndarray]:
    paths, path = _different(data, places, heads.PATH)
    return [json.loads(text) for text in paths], path


def _different(data: np.ndarray, places: np.ndarray, column: int) -> tuple[list[bytes], np.ndarray]:
    """The different texts of a column, and which of them each row has."""
    spots = np.ascontiguousarray(places[:, column : column + 2]).reshape(-1, 1, 2)
    number, first = alike(data, spots)
    return [data[a:b].tobytes() for a, b in spots[first, 0].tolist()], number


def _spread(values: list[Any], which: np.ndarray, kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind).take(pa.array(which))


def _repeated(path: Path) -> set[tuple[str, int, int]]:
    """The places of the lines of a shard that the lake found to be there already."""
    lake, source = path.parents[2], path.parent.name
    proof = lake / "evidence" / "identity" / source / f"{part_of(path)}.parquet"
    if not proof.exists():
        return set()
    return set(map(_place_of, read_parquet(proof, ["removed_origin"])["removed_origin"].to_pylist()))


def _place_of(origin: dict[str, Any]) -> tuple[str, int, int]:
    return origin["path"], origin["line"], origin["offset"]


def _is_shard(path: str) -> bool:
    return path.startswith("bronze/") and ".jsonl" in path.rpartition("/")[2]


def _place(path: str, order: dict[str, int]) -> tuple[int, int]:
    _, source, name = path.split("/")
    return order[source], int(part_of(name).removeprefix("part-"))


def _integer(digits: str) -> int:
    """An integer of any length, exact: Python itself refuses a very long one."""
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    if digits.startswith("-"):
        return -_integer(digits[1:])
    low = len(digits) // 2
    return _integer(digits[:-low]) * 10**low + _integer(digits[-low:])
