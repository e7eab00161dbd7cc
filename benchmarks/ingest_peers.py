"""How each tool reads a file into records, and how it reads JSON lines to write JSON lines.

``READERS``: tool and setting -> a function from a path to the records it delivers, as Python values.
``WRITERS``: contestant -> a function (files, folder, compression, workers) that writes JSON lines.
Every library is imported inside, so that a tool that is not installed is missing by itself.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

BLOCK = 1 << 20


# Ourselves. What stands here is all that the benchmark knows of the toolkit's command line.


def toolkit_command(
    files: Iterable[Path | str], out: Path, workers: int = 1, compression: str = "zstd-1"
) -> list[str]:
    """The command that ingests ``files`` into the lake ``out``; ``-`` is standard input."""
    command = [sys.executable, "-m", "toolkit", "ingest", *map(str, files), "--out", str(out)]
    packing = ["none"] if compression == "none" else ["zst", "--level", str(_level(compression))]
    return [*command, "--compression", *packing, "--workers", str(workers), "-q"]


def toolkit_ingest(path: Path, out: Path) -> tuple[list[bytes], list[tuple[str, bytes]]]:
    """Payloads kept and (reason, bytes) set aside, in the order of the lake's files."""
    import toolkit

    toolkit.ingest(path, out, workers=1)
    return toolkit_read(out)


def toolkit_read(out: Path) -> tuple[list[bytes], list[tuple[str, bytes]]]:
    """What lies in a lake: the payloads' own bytes, and (reason, bytes) of what was set aside."""
    from toolkit.ingest import payload_of

    kept = [payload_of(line)[1] for path in sorted(_shards(out / "bronze")) for line in _shard_lines(path)]
    aside = []
    for path in sorted((out / "quarantine" / "ingest").rglob("part-*.jsonl*")):
        entries = [json.loads(line) for line in _shard_lines(path)]
        aside += [(entry["reason"], base64.b64decode(entry["raw"] or "")) for entry in entries]
    return kept, aside


def _shards(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("part-*") if ".jsonl" in path.name and ".tmp" not in path.name)


def _shard_lines(path: Path) -> list[bytes]:
    import pyarrow as pa

    codec = {".zst": "zstd", ".gz": "gzip"}.get(path.suffix)
    with pa.input_stream(str(path), compression=codec) as stream:
        return stream.read().split(b"\n")[:-1]


# Readers.


def _datatrove(path: Path, plain: bool) -> list[Any]:
    from datatrove.pipeline.readers import JsonlReader, ParquetReader
    from datatrove.pipeline.readers.csv import CsvReader
    from loguru import logger

    logger.remove()
    if _format(path) in ("json", "tsv"):
        raise NotImplementedError("it has no reader for JSON arrays, and its reader of CSV knows only commas")
    kinds = {"parquet": ParquetReader, "csv": CsvReader}
    kind = kinds.get(_format(path), JsonlReader)
    reader = kind(str(path.parent), glob_pattern=path.name, adapter=None if plain else _keep_row)
    reader.add_file_path = False  # a field of the trace, which is no part of the row
    documents = list(reader.run(rank=0, world_size=1))
    if plain:
        return [{"text": d.text, "id": d.id, **d.metadata} for d in documents]
    return [document.metadata for document in documents]


def _duckdb(path: Path, setting: str) -> list[Any]:
    import duckdb

    connection = duckdb.connect()
    source = _duckdb_source(_format(path), setting)
    if setting == "objects" and "objects" in source:
        return _texts(connection.execute(f"SELECT json FROM {source}", [str(path)]).fetchall())
    return _texts(connection.execute(f"SELECT to_json(t) FROM {source} t", [str(path)]).fetchall())


def _duckdb_source(kind: str, setting: str) -> str:
    if kind == "parquet":
        return "read_parquet(?)"
    if kind in ("csv", "tsv"):
        return "read_csv(?)" if setting == "default" else "read_csv(?, ignore_errors=true, all_varchar=true)"
    if setting == "objects":
        return "read_json_objects(?, ignore_errors=true)" if kind == "jsonl" else "read_json_objects(?)"
    more = ", format='newline_delimited', ignore_errors=true, sample_size=-1" if kind == "jsonl" else ""
    return f"read_json(?{more if setting != 'default' else ''})"


def _texts(fetched: list[tuple[Any]]) -> list[Any]:
    rows = [None if text is None else _parsed(text) for (text,) in fetched]
    # Where it cannot make columns it delivers one column of JSON, which is as good.
    return [row["json"] if isinstance(row, dict) and row.keys() == {"json"} else row for row in rows]


def _parsed(text: str) -> Any:
    try:
        return exact_json(text)
    except ValueError:
        return text  # what it delivers as JSON is none


def _polars(path: Path, careful: bool) -> list[Any]:
    import polars

    kind = _format(path)
    if kind == "parquet":
        return polars.read_parquet(path).to_dicts()
    if kind in ("csv", "tsv"):
        more = (
            {"infer_schema": False, "ignore_errors": True, "truncate_ragged_lines": True} if careful else {}
        )
        return polars.read_csv(path, separator="\t" if kind == "tsv" else ",", **more).to_dicts()
    if kind == "json":
        return polars.read_json(path, **({"infer_schema_length": None} if careful else {})).to_dicts()
    more = {"ignore_errors": True, "infer_schema_length": None} if careful else {}
    return polars.read_ndjson(path, **more).to_dicts()


def _pandas(path: Path, careful: bool) -> list[Any]:
    import pandas

    kind = _format(path)
    if kind == "parquet":
        return pandas.read_parquet(path).to_dict("records")
    if kind in ("csv", "tsv"):
        more = {"dtype": str, "keep_default_na": False, "on_bad_lines": "warn"} if careful else {}
        return pandas.read_csv(path, sep="\t" if kind == "tsv" else ",", **more).to_dict("records")
    more = {"dtype": False, "convert_dates": False} if careful else {}
    return pandas.read_json(path, lines=kind == "jsonl", **more).to_dict("records")


def _pyarrow(path: Path, careful: bool) -> list[Any]:
    import pyarrow
    from pyarrow import csv, json, parquet

    kind = _format(path)
    if kind == "parquet":
        return parquet.read_table(path).to_pylist()
    if kind == "csv" or kind == "tsv":
        parse = {"newlines_in_values": True, "invalid_row_handler": lambda _row: "skip"} if careful else {}
        texts = dict.fromkeys(("id", "text", "note"), pyarrow.string())
        return csv.read_csv(
            path,
            parse_options=csv.ParseOptions(delimiter="\t" if kind == "tsv" else ",", **parse),
            convert_options=csv.ConvertOptions(column_types=texts) if careful else None,
        ).to_pylist()
    large = json.ReadOptions(block_size=64 << 20) if careful else None
    return json.read_json(path, read_options=large).to_pylist()


def _ours(path: Path) -> tuple[list[bytes], list[tuple[str, bytes]]]:
    return toolkit_ingest(path, path.parent / "lake")


@dataclass(frozen=True)
class Reader:
    """A tool at one setting: the package that must be there, and what is printed of the setting."""

    package: str
    read: Callable[[Path], Any]
    setting: str


READERS: dict[str, Reader] = {
    "toolkit": Reader("toolkit", _ours, "toolkit.ingest(FILE, DIR): defaults"),
    "datatrove": Reader("datatrove", partial(_datatrove, plain=True), "defaults"),
    "datatrove, adapter": Reader(
        "datatrove", partial(_datatrove, plain=False), "an adapter that keeps every row"
    ),
    "DuckDB": Reader("duckdb", partial(_duckdb, setting="default"), "read_json, read_csv: defaults"),
    "DuckDB, ignore_errors": Reader(
        "duckdb",
        partial(_duckdb, setting="ignore"),
        "newline_delimited, ignore_errors, sample_size=-1; CSV: ignore_errors, all_varchar",
    ),
    "DuckDB, objects": Reader(
        "duckdb", partial(_duckdb, setting="objects"), "read_json_objects, ignore_errors (no columns)"
    ),
    "Polars": Reader("polars", partial(_polars, careful=False), "defaults"),
    "Polars, ignore_errors": Reader(
        "polars",
        partial(_polars, careful=True),
        "ignore_errors, infer_schema_length=None; CSV: infer_schema=False, truncate_ragged_lines",
    ),
    "pandas": Reader("pandas", partial(_pandas, careful=False), "read_json(lines=True), read_csv: defaults"),
    "pandas, no guessing": Reader(
        "pandas",
        partial(_pandas, careful=True),
        "dtype=False, convert_dates=False; CSV: dtype=str, keep_default_na=False, on_bad_lines='warn'",
    ),
    "pyarrow": Reader("pyarrow", partial(_pyarrow, careful=False), "defaults"),
    "pyarrow, large blocks": Reader(
        "pyarrow",
        partial(_pyarrow, careful=True),
        "64 MiB blocks; CSV: texts, newlines_in_values, bad rows skipped",
    ),
}


def exact_json(text: str | bytes) -> Any:
    """A JSON text as Python values, with a mark where a key is given twice."""
    return json.loads(text, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else {"\0twice": [list(pair) for pair in pairs]}


def _format(path: Path) -> str:
    return path.name.split(".")[1]


# Writers: JSON lines in, JSON lines out.


@contextmanager
def _sink(path: Path, compression: str) -> Iterator[BinaryIO]:
    with path.open("wb") as file:
        if compression == "none":
            yield file
            return
        import zstandard

        with zstandard.ZstdCompressor(level=_level(compression)).stream_writer(file) as stream:
            yield stream


def _level(compression: str) -> int:
    """1 of ``zstd-1``."""
    return int(compression.removeprefix("zstd-"))


def _out(path: Path, folder: Path, compression: str) -> Path:
    return folder / (path.stem + (".jsonl" if compression == "none" else ".jsonl.zst"))


def _each(one: Callable[..., None]) -> Callable[..., None]:
    """A contestant that takes one file at a time; with more workers, in as many processes."""

    def write(files: list[Path], folder: Path, compression: str, workers: int) -> None:
        jobs = [(one, path, _out(path, folder, compression), compression) for path in files]
        if workers == 1:
            for job in jobs:
                _job(job)
            return
        from multiprocessing import get_context

        with get_context("fork").Pool(workers) as pool:
            pool.map(_job, jobs, chunksize=1)

    return write


def _job(job: tuple[Callable[..., None], Path, Path, str]) -> None:
    one, path, out, compression = job
    with _sink(out, compression) as sink:
        one(path, sink)


def _write_copy(path: Path, sink: BinaryIO) -> None:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sink.write(block)


def _write_loop(path: Path, sink: BinaryIO, codec: str) -> None:
    loads, dumps = _codec(codec)
    with path.open("rb", buffering=BLOCK) as file:
        for line in file:
            sink.write(dumps(loads(line)) + b"\n")


def _codec(name: str) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
    if name == "orjson":
        import orjson

        return orjson.loads, orjson.dumps
    if name == "msgspec":
        import msgspec

        return msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    return json.loads, lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _write_pandas(path: Path, sink: BinaryIO) -> None:
    import pandas

    with pandas.read_json(path, lines=True, chunksize=10_000, dtype=False, convert_dates=False) as chunks:
        for chunk in chunks:
            text = chunk.to_json(orient="records", lines=True, force_ascii=False, double_precision=15)
            sink.write(text.encode())


def _write_pyarrow(path: Path, sink: BinaryIO) -> None:
    import orjson
    from pyarrow import json as reader

    for batch in reader.open_json(path, read_options=reader.ReadOptions(block_size=16 << 20)):
        for record in batch.to_pylist():
            sink.write(orjson.dumps(record) + b"\n")


def _write_polars(files: list[Path], folder: Path, compression: str, workers: int) -> None:
    import polars

    more = {}
    if compression != "none":
        more = {"compression": "zstd", "compression_level": _level(compression)}
    polars.scan_ndjson(files).sink_ndjson(_out(Path("all"), folder, compression), **more)


def _write_duckdb(files: list[Path], folder: Path, compression: str, workers: int) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads={workers}; SET preserve_insertion_order=true")
    more = "" if compression == "none" else ", COMPRESSION zstd"
    source = ", ".join(f"'{path}'" for path in files)
    target = _out(Path("all"), folder, compression)
    connection.execute(f"COPY (SELECT * FROM read_json([{source}])) TO '{target}' (FORMAT json{more})")


def _write_datatrove(files: list[Path], folder: Path, compression: str, workers: int) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    packing = None if compression == "none" else "zstd"
    if packing:
        _fix_level_of_fsspec(_level(compression))
    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(str(files[0].parent), glob_pattern="*.jsonl", adapter=_keep_row),
            JsonlWriter(str(folder), compression=packing, adapter=_give_row),
        ],
        tasks=len(files),
        workers=workers,
        logging_dir=str(folder / "logs"),
        start_method="fork",  # so that workers compress at the level set here
    ).run()


def _fix_level_of_fsspec(level: int) -> None:
    """datatrove writes through fsspec, whose own level of zstd is 10 and has no setting."""
    import zstandard
    from fsspec.compression import register_compression

    def writer(file: BinaryIO, mode: str = "wb", **_: Any) -> Any:
        return zstandard.ZstdCompressor(level=level).stream_writer(file)

    register_compression("zstd", writer, "zst", force=True)


def _keep_row(_self: Any, data: dict[str, Any], _path: str, place: int) -> dict[str, Any]:
    return {"text": "x", "id": str(place), "metadata": data}


def _give_row(_self: Any, document: Any) -> dict[str, Any]:
    return document.metadata


def _write_toolkit(files: list[Path], folder: Path, compression: str, workers: int) -> None:
    command = toolkit_command(files, folder / "lake", workers, compression)
    os.execv(command[0], command)  # this process becomes the command itself


@dataclass(frozen=True)
class Writer:
    """A contestant: the packages that must be there, its work, and what it does beside copying."""

    packages: tuple[str, ...]
    write: Callable[[list[Path], Path, str, int], None]
    does: str


_LOOP = "parses and writes anew: keeps neither spacing nor escapes; stops at the first bad line; no trace"
WRITERS: dict[str, Writer] = {
    "toolkit": Writer(
        ("toolkit",),
        _write_toolkit,
        "keeps bytes; validates; sha256 of every record; source, line and offset of every record; "
        "quarantine; books; fsync",
    ),
    "datatrove": Writer(
        ("datatrove",), _write_datatrove, "drops bad lines; JSON parsed and written anew; file path"
    ),
    "DuckDB": Writer(
        ("duckdb",), _write_duckdb, "typed columns, NULL where a key is absent; its own zstd level; no trace"
    ),
    "Polars": Writer(("polars",), _write_polars, "typed columns, null where a key is absent; no trace"),
    "pandas": Writer(
        ("pandas", "zstandard"), _each(_write_pandas), "typed columns in chunks of 10,000; no trace"
    ),
    "pyarrow": Writer(
        ("pyarrow", "orjson", "zstandard"),
        _each(_write_pyarrow),
        "typed columns; has no JSON writer, so rows go through Python and orjson; no trace",
    ),
    "json loop": Writer(("zstandard",), _each(partial(_write_loop, codec="json")), _LOOP),
    "orjson loop": Writer(("orjson", "zstandard"), _each(partial(_write_loop, codec="orjson")), _LOOP),
    "msgspec loop": Writer(("msgspec", "zstandard"), _each(partial(_write_loop, codec="msgspec")), _LOOP),
    "copy": Writer(
        ("zstandard",), _each(_write_copy), "reads and writes blocks, looks at nothing: the bound, no peer"
    ),
}


if __name__ == "__main__":
    name, folder, target, packing, count = sys.argv[1:]
    WRITERS[name].write(sorted(Path(folder).glob("*.jsonl")), Path(target), packing, int(count))
