"""Raw chats to packed tokens: all of ``toolkit run`` beside a chain of other tools, same files and cores.

The input is two files a core of chats of about 2 kB, every twentieth a copy of an earlier one with one word
changed, every hundredth line cut short, one record longer than the context, and in the last hundredth of one
file a byte that is no UTF-8. (A line that is a JSON list would end the chain with an exception.) A line is
gone without a word when it is not in what is packed and nothing that was written says so.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import launch
from benchmarks.ingest_speed import chat_lines
from benchmarks.pipeline_chain import CHAINS, CONTEXT, PACKAGES

FILES_A_CORE, RECORD_BYTES = 2, 2_000
PEERS = ("datatrove", "spacy", "datasets", "transformers", "trl", "torch")
Row = dict[str, Any]


def write_chats(folder: Path, megabytes: int, cores: int) -> dict[str, Any]:
    """The input: its bytes, lines, and how many of them are records, each with its twins counted once."""
    folder.mkdir(parents=True)
    files = FILES_A_CORE * cores
    lines = size = records = 0
    for number in range(files):
        wanted = megabytes * 1_000_000 // files // RECORD_BYTES
        with (folder / f"chats-{number}.jsonl").open("wb") as file:
            for kind, line in _lines(number, wanted):
                size += file.write(line)
                lines += 1
                records += kind == "record"
    return {"bytes": size, "lines": lines, "records": records}


def _lines(number: int, wanted: int) -> Iterator[tuple[str, bytes]]:
    """(record, copy or broken, line); the last hundredth of the first file begins with a bad byte."""
    draw, kept = random.Random(number), []
    for place, line in enumerate(islice(chat_lines(RECORD_BYTES, seed=number), wanted)):
        if place % 100 == 99:
            text = line.decode()  # not cut within a character: that would end a file for the chain
            yield "broken", text[: len(text) // 2].encode() + b"\n"
        elif place % 20 == 19:
            yield "copy", _changed(draw.choice(kept), f"c{number}-copy{place}")
        elif number == 0 and place == wanted - wanted // 100:
            yield "broken", line.replace(b"assistant", b"assist\xffant", 1)
        elif number == 0 and place == wanted // 2:
            yield "record", _long(line)
        else:
            kept = [*kept[-49:], line]
            yield "record", line


def _changed(line: bytes, name: str) -> bytes:
    chat = json.loads(line)
    words = chat["messages"][-1]["content"].split(" ")
    words[len(words) // 2] = "changed"
    chat["messages"][-1]["content"], chat["id"] = " ".join(words), name
    return json.dumps(chat, ensure_ascii=False).encode() + b"\n"


def _long(line: bytes) -> bytes:
    chat = json.loads(line)
    chat["messages"][-1]["content"] *= 8 * CONTEXT // RECORD_BYTES
    return json.dumps(chat, ensure_ascii=False).encode() + b"\n"


def speed(
    megabytes: int, cores: int, repeat: int, tokenizer: Path, python: Path, who: Collection[str] = CHAINS
) -> dict[str, Any]:
    """One row a contestant, every repetition included; ``python`` runs ours.

    It may be that of another environment: transformers holds the tokenizers library back.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = write_chats(Path(folder) / "in", megabytes, cores)
        names = [name for name in CHAINS if name in who and all(find_spec(p) for p in _packages(name))]
        left: dict[str, Row] = {}

        def one(name: str) -> launch.Run:
            out = Path(folder) / "out"
            arguments = [name, str(Path(folder) / "in"), str(out), str(cores), str(tokenizer.resolve())]
            runs_it = str(python) if name == "toolkit" else sys.executable
            found = launch.launch([runs_it, "-m", "benchmarks.pipeline_chain", *arguments], cores)
            if "error" not in found:
                left[name] = _ours_left(out / "lake") if name == "toolkit" else _chain_left(out)
                found["stages"] = left[name].pop("stages")
            shutil.rmtree(out, ignore_errors=True)
            print(name, {k: v for k, v in found.items() if k != "stages"}, file=sys.stderr)
            return found

        runs = launch.take_turns(names, one, repeat)
    rows = [_row(name, runs.get(name, []), left.get(name, {}), made) for name in CHAINS if name in who]
    return {**made, "cores": cores, "rows": rows}


def _packages(name: str) -> tuple[str, ...]:
    return PACKAGES["toolkit" if name == "toolkit" else "chain"]


def _row(name: str, runs: list[launch.Run], left: Row, made: dict[str, Any]) -> Row:
    row: Row = {"name": name, "runs": runs}
    seconds = launch.middle(runs)
    if seconds is None:
        return row | {"missing": launch.failure(runs)}
    middles = {key: launch.middle(runs, key) for key in ("seconds", "cpu", "peak_mb")}
    return row | middles | {"mb_a_second": made["bytes"] / 1e6 / seconds} | left


def _ours_left(lake: Path) -> Row:
    manifest = json.loads((lake / "MANIFEST.json").read_text())
    books = {ledger["stage"]: ledger for ledger in manifest["ledgers"]}
    timings = json.loads((lake / "timings.json").read_text())
    told = sum(g["records"] for book in books.values() for g in book["quarantined"].values())
    removed = sum(g["records"] for book in books.values() for g in book["removed"].values())
    out = manifest["ledgers"][-1]["out"]
    return {
        "packed": out["records"], "tokens": out["size"], "told": told + removed,
        "stages": {name: stage["seconds"] for name, stage in timings.items()},
    }  # fmt: skip


def _chain_left(out: Path) -> Row:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    kept = sum(1 for path in (out / "kept").glob("*.jsonl") for _ in path.open("rb"))
    dropped = sum(1 for path in (out / "dropped").glob("*.jsonl") for _ in path.open("rb"))
    packed = pq.read_table(out / "packed.parquet", columns=["input_ids"])
    tokens = pc.sum(pc.list_value_length(packed["input_ids"])).as_py()
    stages = json.loads((out / "seconds.json").read_text())
    return {"packed": kept, "tokens": tokens, "told": dropped, "stages": stages}


def table(found: dict[str, Any]) -> str:
    """As Markdown, and our own seconds by stage."""
    rows = found["rows"]
    ours = next((row.get("seconds") for row in rows if row["name"] == "toolkit"), None)
    head = (
        "",
        "s",
        "theirs : ours",
        "MB/s",
        "CPU s",
        "peak MB",
        "records packed",
        "tokens",
        "gone without a word",
    )
    lines = [head]
    for row in rows:
        if "missing" in row:
            lines.append((row["name"], row["missing"], *[""] * 7))
            continue
        silent = found["lines"] - row["packed"] - row["told"]
        lines.append(
            (row["name"], f"{row['seconds']:.1f}", launch.ratio(row["seconds"], ours),
             f"{row['mb_a_second']:.1f}", f"{row['cpu']:.1f}", f"{row['peak_mb']:.0f}",
             f"{row['packed']:,}", f"{row['tokens']:,}", f"{silent:,}")
        )  # fmt: skip
    told = [
        f"{row['name']}: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in run["stages"].items())
        for row in rows
        for run in row["runs"][:1]
        if "stages" in run
    ]
    first = f"{found['bytes'] / 1e6:.0f} MB, {found['lines']:,} lines, {found['cores']} core(s)"
    return "\n\n".join([first, launch.markdown(lines), *told])
