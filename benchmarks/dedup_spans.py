"""Decontamination beside datatrove's: a million 13-grams of evaluation items, on one core.

The texts are of eight scripts and of ``WORDS`` words; in one of a hundred stands a piece of an item, 20
words long, between words of its own. Whoever finds another number of texts is not comparable, and it shows.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import launch
from benchmarks.dedup_spans_peers import NGRAM, SEEKERS
from benchmarks.dedup_texts import Words

WORDS, ITEM_WORDS, LEAK_WORDS, LEAK_EVERY = 300, 112, 20, 100
Row = dict[str, Any]


def spans(megabytes: float, grams: int, repeat: int) -> list[Row]:
    """One row a contestant."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items = _items(max(1, grams // (ITEM_WORDS - NGRAM + 1)))
        texts, leaked = _texts(int(megabytes * 1e6), items)
        pq.write_table(pa.table({"text": [" ".join(item) for item in items]}), folder / "items.parquet")
        pq.write_table(pa.table({"text": texts}), folder / "texts.parquet")
        there = [name for name, seeker in SEEKERS.items() if find_spec(seeker.package)]
        runs = launch.take_turns(there, lambda contestant: _run(contestant, folder), repeat)
    return [_row(name, runs.get(name, []), leaked) for name in SEEKERS]


def _items(count: int) -> list[list[str]]:
    supply = Words(11)
    return [supply.draw(supply.script(), ITEM_WORDS) for _ in range(count)]


def _texts(size: int, items: list[list[str]]) -> tuple[list[str], set[int]]:
    supply, draw, texts = Words(12), random.Random(13), []
    written, leaked = 0, set()
    while written < size:
        words = supply.draw(supply.script(), WORDS)
        if len(texts) % LEAK_EVERY == LEAK_EVERY // 2:
            item, at = draw.choice(items), draw.randrange(ITEM_WORDS - LEAK_WORDS)
            words[100 : 100 + LEAK_WORDS] = item[at : at + LEAK_WORDS]
            leaked.add(len(texts))
        texts.append(" ".join(words))
        written += len(texts[-1].encode())
    return texts, leaked


def _run(name: str, folder: Path) -> launch.Run:
    out = folder / "out.json"
    arguments = [name, str(folder / "items.parquet"), str(folder / "texts.parquet"), str(out)]
    cost = launch.launch([sys.executable, "-m", "benchmarks.dedup_spans_peers", *arguments], 1)
    return cost if "error" in cost else cost | json.loads(out.read_text())


def _row(name: str, runs: list[launch.Run], leaked: set[int]) -> Row:
    row: Row = {"name": name, "does": SEEKERS[name].does}
    seconds = launch.middle(runs, "searching")
    if seconds is None:
        return row | {"missing": launch.failure(runs), "runs": runs}
    good = next(run for run in runs if "error" not in run)
    touched, given = set(good["touched"]), {number for number in leaked if number < good["texts"]}
    kept = [{key: value for key, value in run.items() if key != "touched"} for run in runs]
    return row | {
        "runs": kept,
        "mb_per_s": good["bytes"] / 1e6 / seconds,
        "megabytes": good["bytes"] / 1e6,
        "grams": good["grams"],
        "indexing": launch.middle(runs, "indexing"),
        "leaked": len(given),
        "found": len(touched & given),
        "others": len(touched - given),
    }


def table(rows: list[Row]) -> str:
    """As Markdown; the ratio says how much faster ours is."""
    ours = next((row["mb_per_s"] for row in rows if row["name"] == "toolkit" and "missing" not in row), None)
    lines = [("tool", "MB/s, one core", "ours : theirs", "grams", "index s", "MB given", "leaks found", "of",
              "others", "does")]  # fmt: skip
    for row in rows:
        if "missing" in row:
            lines.append((row["name"], row["missing"], *[""] * 7, row["does"]))
            continue
        lines.append(
            (row["name"], f"{row['mb_per_s']:.1f}", launch.ratio(ours, row["mb_per_s"]), f"{row['grams']:,}",
             f"{row['indexing']:.1f}", f"{row['megabytes']:.1f}", f"{row['found']:,}", f"{row['leaked']:,}",
             f"{row['others']:,}", row["does"])
        )  # fmt: skip
    return launch.markdown(lines)
