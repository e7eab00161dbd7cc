"""Text to ids: the tokenizers library's own batch call beside ours, on the same texts, in one process.

    python benchmarks/packing_encode.py DATA [--megabytes 50]

DATA holds gpt2/ (vocab.json, merges.txt), gsm8k/ and hh_rlhf/. Theirs is ``encode_batch`` on a list of
str that is already there, ids left inside the library, and the same from Arrow text to ids in one array
(releases from 1.0). Ours is from Arrow text to int32 ids and int64 lengths, all of it. All get 8 MB a
call, as in a pipeline. Rounds alternate; the best of each is printed, in wall time and in CPU time.
Choose cores with ``taskset``, the release with the environment.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from toolkit.packing import READY, encode_runs, from_vocab, load, runs_of
from toolkit.packing.tokens.library import VERSION
from toolkit.records.schema import MESSAGE

ROUNDS = 5
THEIRS = "theirs, batch alone"


def texts(data: Path) -> Iterator[str]:
    """Every text of the two sets."""
    for name in ("train", "test"):
        for line in (data / "gsm8k" / f"{name}.jsonl").open(encoding="utf-8"):
            yield from json.loads(line).values()
    with gzip.open(data / "hh_rlhf" / "harmless-base-test.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield from json.loads(line).values()


def repeated(every: list[str], size: int) -> list[str]:
    """Texts over and over, each time with another number in front, so that none is there twice."""
    out, used, turn = [], 0, 0
    while used < size:
        for text in every:
            out.append(f"{turn} {text}")
            used += len(out[-1].encode())
            if used >= size:
                break
        turn += 1
    return out


def best(calls: dict[str, Callable[[], object]], size: int, tokens: int) -> None:
    """Time each call ROUNDS times, in turn; print the best of each, and both beside the first's."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    first = None
    for name, times in found.items():
        wall, cpu = (min(t[k] for t in times) for k in (0, 1))
        first = first or (wall, cpu)
        print(
            f"  {name:24s} {size / wall / 1e6:7.1f} MB/s {tokens / wall / 1e6:6.2f} M tokens/s wall   "
            f"{size / cpu / 1e6:7.1f} MB/s of CPU   {first[0] / wall:.2f} / {first[1] / cpu:.2f} of the first"
        )


def batch_call(tokenizer: Tokenizer) -> Callable[[list[str]], object]:
    """The fastest batch call of the release, with special tokens as text."""
    if hasattr(tokenizer, "encode_batch_fast"):
        return partial(tokenizer.encode_batch_fast, add_special_tokens=False)
    return partial(tokenizer.encode_batch, add_special_tokens=False, encode_special_tokens=True)


def arrow_to_ids(call: Callable[[list[str]], Any], column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """What ours returns, from their batch call: ids end to end, and lengths."""
    runs = [np.asarray(found.ids_array, np.int32) for found in call(column.to_pylist())]
    return np.concatenate(runs), np.array([run.size for run in runs])


def sliced(call: Callable[[Any], object], parts: list[Any]) -> Callable[[], object]:
    """One call a part, whose result goes before the next."""

    def every() -> None:
        for part in parts:
            call(part)

    return every


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--megabytes", type=float, default=50)
    arguments = parser.parse_args()
    gpt2 = arguments.data / "gpt2"
    pinned = load(from_vocab(gpt2 / "vocab.json", gpt2 / "merges.txt"))
    control = tuple(pinned.control.values())
    theirs = batch_call(pinned.tokenizer)
    many = repeated(list(texts(arguments.data)), int(arguments.megabytes * 1e6))
    size, calls = sum(len(t.encode()) for t in many), max(1, round(arguments.megabytes / 8))
    lists = [many[i * len(many) // calls : (i + 1) * len(many) // calls] for i in range(calls)]
    columns = [pa.array(part, pa.large_string()) for part in lists]
    tokens = sum(pinned.library.encode(column)[0].size for column in columns)
    print(f"tokenizers {VERSION}: {len(many):,} texts, {size / 1e6:.1f} MB, {tokens:,} tokens")
    calls_of = {
        "theirs, batch alone": sliced(theirs, lists),
        "theirs, Arrow to ids": sliced(partial(arrow_to_ids, theirs), columns),
        "ours, Arrow to ids": sliced(pinned.library.encode, columns),
    }
    best(calls_of, size, tokens)
    talks = [
        [
            [{"role": "user", "content": a}, {"role": "assistant", "content": b}]
            for a, b in zip(part[::2], part[1::2], strict=False)
        ]
        for part in lists
    ]
    runs = [runs_of(pa.array(part, pa.list_(MESSAGE)), READY["chatml"]) for part in talks]
    lists = [[text for text in part.texts.to_pylist() if text] for part in runs]
    size = sum(len(t.encode()) for part in lists for t in part)
    tokens = sum(encode_runs(part, pinned, control)[0].size for part in runs)
    print(f"as conversations: {sum(map(len, lists)):,} text runs, {size / 1e6:.1f} MB, {tokens:,} tokens")
    ours = sliced(lambda part: encode_runs(part, pinned, control), runs)
    best({"theirs, batch alone": sliced(theirs, lists), "ours, runs to ids": ours}, size, tokens)


if __name__ == "__main__":
    main()
