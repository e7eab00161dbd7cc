"""Parquet with plenty of text and known kin, made as fast as it can be read again: for jobs of gigabytes.

Words of one script a text, drawn as often as words are (``dedup_texts``), 40 to 400 a text. A fifth of the
texts repeat the one before them: a quarter of these as they are, the others with one to three words changed.
Each file is made by itself from its number, so that processes share the work.
"""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.dedup_texts import HAN, KANA, SHARES, SYLLABLES
from toolkit.pipeline.processes import usable_cores

FILE_BYTES = 64 << 20
VOCABULARY = 6_000
KIN, COPIES = 0.2, 0.25
ROWS = 10_000  # of a row group


def corpus(folder: Path, size: int, seed: int = 0) -> int:
    """Write about ``size`` bytes of text into ``folder`` and return how many there are."""
    folder.mkdir(parents=True)
    count = max(1, round(size / FILE_BYTES))
    jobs = [(folder / f"part-{number:05d}.parquet", size // count, seed + number) for number in range(count)]
    if count == 1:
        return _file(*jobs[0])
    with ProcessPoolExecutor(min(usable_cores(), count), get_context("spawn")) as pool:
        return sum(pool.map(_file, *zip(*jobs, strict=True)))


def _file(path: Path, size: int, seed: int) -> int:
    pieces, written = [], 0
    for script, share in SHARES.items():
        texts = _texts(script, int(size * share), seed)
        pieces.append(texts.cast(pa.large_string()))
        written += int(pc.sum(pc.binary_length(texts)).as_py() or 0)
    texts = pa.concat_arrays(pieces)
    order = np.random.default_rng(seed).permutation(len(texts))
    ids = pa.array([f"t{seed:05d}-{number:08d}" for number in range(len(texts))])
    table = pa.table({"id": ids, "text": texts.take(pa.array(order))})
    pq.write_table(table, path, row_group_size=ROWS)
    return written


def _texts(script: str, size: int, seed: int) -> pa.Array:
    """Texts of one script, about ``size`` bytes."""
    rng, words = np.random.default_rng([seed, *script.encode()]), _vocabulary(script)
    mean = float(np.mean([len(word.encode()) for word in words])) + 1
    count = max(1, int(size / (220 * mean)))
    counts = rng.integers(40, 401, count)
    kin = rng.random(count) < KIN
    kin[0] = False
    base = np.maximum.accumulate(np.where(kin, 0, np.arange(count)))  # a text's own number, or its original's
    counts = counts[base]
    weights = np.cumsum(1 / (np.arange(len(words)) + 3))
    ends = np.concatenate([[0], np.cumsum(counts)])
    drawn = np.searchsorted(weights / weights[-1], rng.random(ends[-1])).astype(np.int32)
    place = np.arange(ends[-1]) - np.repeat(ends[:-1], counts)
    drawn = drawn[np.repeat(ends[base], counts) + place]
    changed = np.flatnonzero(kin & (rng.random(count) >= COPIES))
    for _ in range(3):
        at = ends[changed] + rng.integers(0, counts[changed])
        drawn[at] = rng.integers(0, len(words), len(at))
        changed = changed[rng.random(len(changed)) < 0.5]
    flat = pa.array(words, pa.string()).take(pa.array(drawn))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat), " ")


def _vocabulary(script: str) -> list[str]:
    if script == "han":
        return [*HAN, *KANA]
    draw, parts = random.Random(script), SYLLABLES[script].split()
    return list(
        {"".join(draw.choices(parts, k=draw.choice((1, 2, 2, 3, 3, 4)))): None for _ in range(VOCABULARY)}
    )
