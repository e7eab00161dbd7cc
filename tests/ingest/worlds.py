"""A small world of raw files of many kinds, its second delivery, and the lake made of it.

Shards are as small as they may be, so that a few kilobytes make dozens of parts. A world is a
folder with ``raw`` and ``lake`` in it; names are relative to it, so work in it.
"""

import csv
import gzip
import io
import json
from pathlib import Path

import toolkit
from toolkit.pipeline.spec.tables import Ingest

SETTINGS = Ingest(shard_bytes=1024, max_line_bytes=1024)
TERMS = {"source": "mixed", "declared_id": "id", "settings": SETTINGS, "logical_date": "2026-11-22"}
SHARED = ("timings.json", "report.html", "watermarks.json")  # how a run went, not what the lake holds
STREAMS = ("first.jsonl", "second.jsonl.gz")


def rows(name: str, count: int, start: int = 0) -> list[bytes]:
    """JSON lines, some of them repeated, broken, blank or too long."""
    lines = [
        json.dumps({"id": f"{name}-{i}", "prompt": f"{name} {i}", "response": f"answer {i} " * 3}).encode()
        for i in range(start, start + count)
    ]
    if count > 20:
        lines[5:5] = [lines[2], b"{broken", b"", b"[1, 2]"]
        lines[15:15] = [
            json.dumps({"id": name, "long": "x" * 3000}).encode(),
            lines[3],
            b"\xff\xfe not UTF-8",
        ]
    return [line + b"\n" for line in lines]


def _csv(answer: str) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows([["id", "prompt", "response"], *([f"c-{i}", f"say {i}", "a, b\nc"] for i in range(40))])
    table.writerow(["c-40", "say 40", answer])
    return text.getvalue().encode()


def first(world: Path) -> None:
    """The first delivery, and what is sent as streams."""
    array = [json.loads(line) for line in rows("array", 20)]
    packed = gzip.compress(b"".join(rows("packed", 30)), mtime=0)
    files = {
        "a.jsonl": b"".join(rows("a", 40)),
        "again.jsonl": b"".join(rows("a", 40)),
        "array.json": json.dumps(array, indent=1).encode(),
        "damaged.jsonl.gz": gzip.compress(b"".join(rows("damaged", 60)), mtime=0)[:-100],
        "packed.jsonl.gz": packed,
        "table.csv": _csv("first"),
        **{f"small-{i}.jsonl": b"".join(rows(f"small{i}", 3)) for i in range(4)},
    }
    for name, data in files.items():
        _write(world / "raw" / name, data)
    _write(world / "streams" / STREAMS[0], b"".join(rows("stream", 40)))
    _write(world / "streams" / STREAMS[1], gzip.compress(b"".join(rows("other", 40)), mtime=0))


def second(world: Path) -> None:
    """The second delivery: grown, corrected, new, repeated and gone files."""
    raw = world / "raw"
    grown = b"".join([*rows("packed", 30), *rows("packed", 20, 30)])
    _write(raw / "a.jsonl", (raw / "a.jsonl").read_bytes() + b"".join(rows("a", 25, 40)))
    _write(raw / "packed.jsonl.gz", gzip.compress(grown, mtime=0))
    _write(raw / "table.csv", _csv("corrected"))
    _write(raw / "new.jsonl", b"".join(rows("new", 30)))
    _write(raw / "small-1.jsonl", b"".join(rows("other1", 3)))
    _write(raw / "small-2-again.jsonl", (raw / "small-2.jsonl").read_bytes())
    (raw / "small-3.jsonl").unlink()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def land(workers: int = 1, **more):
    """The raw files of the world that is the working folder, landed in its lake."""
    return toolkit.ingest("raw", "lake", workers=workers, **TERMS, **more)


def land_stream(stream, workers: int = 1, **more):
    """An open stream, landed in the lake of the world that is the working folder."""
    return toolkit.ingest("-", "lake", workers=workers, stdin=stream, **TERMS, **more)


def held(folder: Path) -> dict[str, bytes]:
    """Every file that says what a lake holds, whole."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in SHARED)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
