"""How each tool looks for evaluation items in training texts, by n-grams of 13 words.

    python -m benchmarks.dedup_spans_peers NAME ITEMS.parquet TEXTS.parquet OUT.json

The index is built first, timed by itself; then all texts are looked through on one core. ``touched`` are
the texts in which the tool found anything.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NGRAM = 13
Search = Callable[[pa.ChunkedArray], set[int]]


def _toolkit(items: pa.ChunkedArray) -> tuple[Search, int]:
    from toolkit import dedup

    index = dedup.build_index(items, NGRAM)
    return lambda texts: set(dedup.find(index, texts)["row"].to_pylist()), len(index.tables[0].hash)


def _datatrove(items: pa.ChunkedArray, language: str) -> tuple[Search, int]:
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
    from datatrove.utils.text import ngrams, simplify_text

    from benchmarks.dedup_job_peers import datatrove_language

    folder = Path(tempfile.mkdtemp())
    step = NGramsDecontFilter(
        str(folder), NGramsDecontConfig(n_grams=NGRAM), None, datatrove_language(language)
    )
    # Its indexer imports lighteval and downloads tasks, so its index file is written here by its own rules.
    hashes = {
        step.hash_func(" ".join(gram))
        for text in items.to_pylist()
        for gram in ngrams(step.tokenizer.word_tokenize(simplify_text(text, step.config.norm_config)), NGRAM)
    }
    np.array(list(hashes), step.config.hash_config.np_descr).tofile(folder / "bench.index.hashes")
    step.load_index_hashes()

    def search(texts: pa.ChunkedArray) -> set[int]:
        documents = (Document(text, str(row)) for row, text in enumerate(texts.to_pylist()))
        return {row for row, document in enumerate(documents) if step.filter(document) is not True}

    return search, len(hashes)


@dataclass(frozen=True)
class Seeker:
    """A contestant: its package, how it makes its search, what it does, its part of the texts."""

    package: str
    make: Callable[[pa.ChunkedArray], tuple[Search, int]]
    does: str
    share: float = 1.0


SEEKERS: dict[str, Seeker] = {
    "toolkit": Seeker("toolkit", _toolkit, "normalises; every item of every text, words compared, spans"),
    "datatrove, white space": Seeker(
        "datatrove", partial(_datatrove, language="white space"),
        "normalises its way; words by str.split; hashes alone; ends a text at its first hit", 0.1,
    ),
    "datatrove": Seeker(
        "datatrove", partial(_datatrove, language="eng"), "the same with its own words (spaCy)", 0.03
    ),
}  # fmt: skip


def main() -> None:
    """Time one contestant."""
    name, items, source, out = sys.argv[1:]
    seeker = SEEKERS[name]
    texts = pq.read_table(source)["text"]
    texts = texts.slice(0, max(16, int(len(texts) * seeker.share)))
    size = sum(map(len, map(str.encode, texts.to_pylist())))
    start = time.perf_counter()
    search, grams = seeker.make(pq.read_table(items)["text"])
    built = time.perf_counter() - start
    search(texts.slice(0, 16))
    start = time.perf_counter()
    touched = search(texts)
    seconds = time.perf_counter() - start
    found: dict[str, Any] = {"searching": seconds, "indexing": built, "grams": grams, "bytes": size}
    Path(out).write_text(json.dumps(found | {"texts": len(texts), "touched": sorted(touched)}))


if __name__ == "__main__":
    main()
