"""An independent reader of a dump: gzip, zstd and plain files as lists of raw lines."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@lru_cache(maxsize=64)
def raw(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            data = stream.read()
    return data


@lru_cache(maxsize=64)
def lines(path: Path) -> list[bytes]:
    """Physical lines without their ends; line n is item n - 1."""
    data = raw(path).removeprefix(b"\xef\xbb\xbf")
    return [line.removesuffix(b"\r") for line in data.removesuffix(b"\n").split(b"\n")] if data else []


def record(path: Path, line: int) -> dict[str, Any]:
    return json.loads(lines(path)[line - 1])


def truth(out: Path) -> list[dict[str, Any]]:
    return pq.read_table(out / "truth.parquet").to_pylist()


def training_files(out: Path) -> list[Path]:
    ours = ("annotation", "synthetic", "production", "public", "web")
    return sorted(path for folder in ours for path in (out / folder).iterdir())


def strings(value: Any) -> list[str]:
    """All strings in a JSON value, in order."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def turns(row: dict[str, Any]) -> list[tuple[str, str]]:
    """What is said in a row of any shape, as (speaker, text)."""
    if "messages" in row:
        return [(turn["role"], turn["content"]) for turn in row["messages"]]
    if "conversations" in row:
        names = {"human": "user", "gpt": "assistant"}
        return [(names.get(turn["from"], turn["from"]), turn["value"]) for turn in row["conversations"]]
    if "chosen" in row:
        prompt, chosen, rejected = row.get("prompt"), row["chosen"], row["rejected"]
        if prompt is None:
            cut = chosen.rindex("\n\nAssistant: ")
            mark = len("\n\nAssistant: ")
            prompt = chosen[:cut].replace("\n\nHuman: ", " ").replace("\n\nAssistant: ", " ").strip()
            chosen, rejected = chosen[cut + mark :], rejected[cut + mark :]
        return [("prompt", prompt), ("chosen", chosen), ("rejected", rejected)]
    if "verifier" in row or "canonical_solution" in row:
        return [("prompt", row["prompt"])]
    if "question" in row and "####" in row["answer"]:
        return [("prompt", row["question"])]
    if "request" in row:
        return [("user", row["request"]["text"]), ("assistant", row["reply"]["text"])]
    if "gold" in row:
        return [("user", row["instruction"]), ("assistant", row["gold"]["text"])]
    if "instances" in row:
        one = row["instances"][0]
        return [("user", row["instruction"]), ("user", one["input"]), ("assistant", one["output"])]
    if "instruction" in row:
        return [("user", row["instruction"]), ("user", row["input"]), ("assistant", row["output"])]
    first = row.get("prompt", row.get("question"))
    last = next(row[key] for key in ("completion", "response", "output", "answer") if key in row)
    return [("user", first), ("assistant", last)]


def said(row: dict[str, Any]) -> str:
    """User, assistant, prompt, chosen and rejected text, without system and tool turns."""
    return " ".join(text for who, text in turns(row) if who not in ("system", "tool") and text)


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def jaccard(a: str, b: str) -> float:
    x, y = shingles(a), shingles(b)
    return len(x & y) / len(x | y)
