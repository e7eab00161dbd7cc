"""Small worlds for the pipeline's tests, and a picture of a lake's bytes to compare."""

import hashlib
import json
from pathlib import Path

RUN_FILES = {"timings.json", "report.html", "watermarks.json"}


def tree(lake: Path) -> dict[str, str]:
    """sha256 of every file that says what the lake holds, without the line that names its folder."""
    found = {}
    for path in sorted(lake.rglob("*")):
        if path.is_file() and path.name not in RUN_FILES:
            data = path.read_bytes()
            if path.name == "spec.toml":
                data = b"\n".join(line for line in data.splitlines() if not line.startswith(b"base"))
            found[path.relative_to(lake).as_posix()] = hashlib.sha256(data).hexdigest()
    return found


def words(topic: str, count: int = 40, step: int = 1) -> str:
    """A text of ``count`` different words about ``topic``."""
    return " ".join(f"{topic}{i * step}" for i in range(count))


def write_lines(path: Path, rows: list) -> Path:
    """Write JSON objects, or raw bytes, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def small_world(folder: Path, extra: str = "") -> Path:
    """Two sft sources (the second repeats rows of the first), pairs and prompts; returns the spec's path."""
    chats = [{"prompt": f"about {i}", "response": words(f"chat{i}x")} for i in range(30)]
    other = [{"prompt": f"more {i}", "response": words(f"more{i}x"), "license": "GPL"} for i in range(10)]
    mixed = [{"prompt": f"mix {i}", "response": words(f"mix{i}x")} for i in range(20)]
    near = {"prompt": "about 3", "response": words("chat3x") + " end"}
    pairs = [
        {"prompt": f"say {i}", "chosen": words(f"good{i}x"), "rejected": words(f"bad{i}x")} for i in range(12)
    ]
    sums = [{"question": f"{words(f'sum{i}x', 15)} gives?", "answer": f"it is\n#### {i}"} for i in range(15)]
    write_lines(folder / "a.jsonl", [*chats, b'{"broken": ', b"[1, 2]"])
    write_lines(folder / "b.jsonl", [*mixed, *other, near, chats[5], {"nothing": "known"}])
    write_lines(folder / "pairs.jsonl", pairs)
    write_lines(folder / "sums.jsonl", sums)
    write_lines(folder / "eval.jsonl", [{"question": words("mix7x", 20)}, {"question": words("other", 20)}])
    spec = folder / "spec.toml"
    spec.write_text(SPEC + extra)
    return spec


SPEC = """
[lake]
path = "lake"
logical_date = "2026-11-22"

[[source]]
id = "a"
type = "public_dataset"
path = "a.jsonl"
license = "MIT"
regime = "sft"
rank = 1

[[source]]
id = "b"
type = "web_scrape"
path = "b.jsonl"
license = "CC-BY-4.0"
regime = "sft"
rank = 2

[[source]]
id = "pairs"
type = "human_annotation"
path = "pairs.jsonl"
license = "MIT"
regime = "preference"

[[source]]
id = "sums"
type = "synthetic"
path = "sums.jsonl"
license = "MIT"
regime = "rl"

[decontaminate]
ngram = 13
[[decontaminate.set]]
id = "eval"
path = "eval.jsonl"

[packing]
context = 512
vocab_size = 400
"""
