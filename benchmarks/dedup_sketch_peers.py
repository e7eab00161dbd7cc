"""How each tool turns a column of texts into signatures of k minima.

    python -m benchmarks.dedup_sketch_peers NAME TEXTS.parquet word:5|byte:24 K CORES OUT.json

``SKETCHERS``: contestant -> a function (shingle, k, cores) that imports what it needs and gives another
one, from an Arrow array of texts to a matrix of n rows and k columns. It is run once on a few texts,
which pays for compiling and starting, and then timed on all. A tool whose work is Python's is given a
process a core, each with its part of the texts, and what it finds goes back through shared memory.
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Sketch = Callable[[pa.Array], Any]
WARM_TEXTS = 64
PIECES = 4  # a core, so that no core waits long for the other


class NotOffered(Exception):
    """The tool has no such shingles."""


def _toolkit(shingle: str, k: int, cores: int, scheme: str, normalised: bool = True) -> Sketch:
    from toolkit import dedup

    def one(texts: pa.Array) -> np.ndarray:
        return dedup.sketch(texts if normalised else dedup.normalise(texts), shingle, k, 1, scheme)

    def threaded(texts: pa.Array) -> np.ndarray:
        with ThreadPoolExecutor(cores) as pool:  # the kernels let go of the interpreter's lock
            return np.concatenate(list(pool.map(one, _pieces(texts, cores * PIECES))))

    return one if cores == 1 else threaded


def _daft(shingle: str, k: int, cores: int) -> Sketch:
    import daft
    from daft.functions import minhash

    size = _words_only(shingle)

    def run(texts: pa.Array) -> np.ndarray:
        frame = daft.from_arrow(pa.table({"text": pa.chunked_array(_pieces(texts, cores * PIECES))}))
        if cores > 1:
            frame = frame.into_partitions(cores * PIECES)
        sketched = minhash(daft.col("text"), num_hashes=k, ngram_size=size, hash_function="xxhash3_64")
        found = frame.select(sketched).to_arrow()["text"].combine_chunks()
        return found.flatten().to_numpy().reshape(-1, k)

    return run


def _rensa(shingle: str, k: int, cores: int) -> Sketch:
    from rensa import RMinHash

    cut = _shingler(shingle)

    def run(texts: pa.Array) -> SimpleNamespace:
        matrix = RMinHash.digest_matrix_from_token_sets((cut(text) for text in texts.to_pylist()), k, 1)
        # It hands out its matrix as lists only: we spare it that, and look at the size.
        return SimpleNamespace(matrix=matrix, shape=(matrix.len(), matrix.get_num_perm()))

    return run


def _datasketch(shingle: str, k: int, cores: int) -> Sketch:
    from datasketch import MinHash

    cut, blank = _shingler(shingle, as_bytes=True), MinHash(k)

    def run(texts: pa.Array) -> np.ndarray:
        out = np.empty((len(texts), k), np.uint32)
        for row, text in enumerate(texts.to_pylist()):
            sketch = MinHash(k, permutations=blank.permutations, scheme=blank.scheme)
            sketch.update_batch(cut(text))
            out[row] = sketch.hashvalues
        return out

    return run


def _datatrove(shingle: str, k: int, cores: int, language: str) -> Sketch:
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    from benchmarks.dedup_job_peers import datatrove_language

    _words_only(shingle)
    folder = tempfile.mkdtemp()
    config = MinhashConfig(n_grams=5, num_buckets=k // 8, hashes_per_bucket=8)
    step = MinhashDedupSignature(folder, config, datatrove_language(language))

    def run(texts: pa.Array) -> np.ndarray:
        out = np.empty((len(texts), k), np.uint64)
        for row, text in enumerate(texts.to_pylist()):
            out[row] = np.concatenate(step.get_signature(step.get_shingles(text)))
        return out

    return run


def _text_dedup(shingle: str, k: int, cores: int) -> Sketch:
    from text_dedup.minhash import RNG, embed_func
    from text_dedup.utils import xxh3_32hash

    most, prime = np.uint32((1 << 32) - 1), np.uint32((1 << 32) - 5)
    draws = [RNG.randint(low, prime, size=(k,), dtype=np.uint32) for low in (1, 0)]
    settings = {"num_perm": k, "ngram_size": _words_only(shingle), "min_length": 1, "hashranges": [(0, k)]}
    settings |= {"permutations": tuple(draws), "hash_func": xxh3_32hash, "dtype": np.uint32}
    settings |= {"max_hash": most, "modulo_prime": prime}

    def run(texts: pa.Array) -> np.ndarray:
        out = np.empty((len(texts), k), np.uint32)
        for row, text in enumerate(texts.to_pylist()):
            out[row] = np.frombuffer(embed_func(text, row, **settings)["__signatures__"][0], ">u4")
        return out

    return run


@dataclass(frozen=True)
class Sketcher:
    """A contestant: the package that must be there, its sketch, and what is to be known of it.

    ``share`` is the part of the texts that it is given, for those that would take hours over all;
    ``forked`` says that it works in a process a core.
    """

    package: str
    make: Callable[[str, int, int], Sketch]
    does: str
    share: float = 1.0
    forked: bool = False


SKETCHERS: dict[str, Sketcher] = {
    "toolkit affine-1": Sketcher("toolkit", partial(_toolkit, scheme="affine-1"), "the shingles' definition"),
    "toolkit rounds-1": Sketcher("toolkit", partial(_toolkit, scheme="rounds-1"), "same shingles"),
    "toolkit affine-1, normalising": Sketcher(
        "toolkit", partial(_toolkit, scheme="affine-1", normalised=False), "same, normalises too"
    ),
    "Daft": Sketcher("daft", _daft, "same words; minhash, xxhash3_64"),
    "rensa": Sketcher(
        "rensa", _rensa, "same shingles, cut in Python; digest_matrix_from_token_sets", 0.25, True
    ),
    "datasketch": Sketcher(
        "datasketch", _datasketch, "same shingles, cut in Python; update_batch, SHA-1", 0.1, True
    ),
    "text-dedup": Sketcher(
        "text-dedup", _text_dedup, "its own words (no punctuation); embed_func, xxh3, 32 bits", 0.1, True
    ),
    "datatrove, white space": Sketcher(
        "datatrove", partial(_datatrove, language="white space"), "its own normalising; words by str.split",
        0.05, True,
    ),
    "datatrove": Sketcher(
        "datatrove", partial(_datatrove, language="eng"), "its own normalising and words (spaCy)", 0.02, True
    ),
}  # fmt: skip


def _words_only(shingle: str) -> int:
    unit, _, size = shingle.partition(":")
    if unit != "word":
        raise NotOffered("it has no shingles of bytes")
    return int(size)


def _shingler(shingle: str, as_bytes: bool = False) -> Callable[[str], list[Any]]:
    """The shingles of a text, cut in Python as fast as Python can."""
    unit, _, size = shingle.partition(":")
    n = int(size)

    def of_words(text: str) -> list[str]:
        words = text.split(" ")
        return [" ".join(words)] if len(words) < n else list(map(" ".join, _windows(words, n)))

    def encoded(text: str) -> list[bytes]:
        words = text.encode().split(b" ")
        return [b" ".join(words)] if len(words) < n else list(map(b" ".join, _windows(words, n)))

    def of_bytes(text: str) -> list[bytes]:
        data = text.encode()
        return [data[at : at + n] for at in range(max(1, len(data) - n + 1))]

    return of_bytes if unit == "byte" else encoded if as_bytes else of_words


def _windows(words: list[Any], n: int) -> Any:
    return zip(*(words[at:] for at in range(n)), strict=False)


def _pieces(texts: pa.Array, count: int) -> list[pa.Array]:
    size = max(1, -(-len(texts) // count))
    return [texts.slice(first, size) for first in range(0, len(texts), size)]


def timed(sketcher: Sketcher, texts: pa.Array, shingle: str, k: int, cores: int) -> float:
    """Seconds from texts to signatures, after a first run on a few."""
    if sketcher.forked and cores > 1:
        return _timed_apart(sketcher, texts, shingle, k, cores)
    run = sketcher.make(shingle, k, cores)
    run(texts.slice(0, WARM_TEXTS))
    start = time.perf_counter()
    found = run(texts)
    seconds = time.perf_counter() - start
    _check(found, texts, k)
    return seconds


def _timed_apart(sketcher: Sketcher, texts: pa.Array, shingle: str, k: int, cores: int) -> float:
    """The same with a process a core; the clock runs from the moment that all are ready."""
    context = multiprocessing.get_context("fork")
    ready, done, errors = context.Barrier(cores + 1), context.Barrier(cores + 1), context.SimpleQueue()
    pieces = _pieces(texts, cores)
    shared = [mmap.mmap(-1, len(piece) * k * 8) for piece in pieces]

    def work(piece: pa.Array, memory: mmap.mmap) -> None:
        try:
            run = sketcher.make(shingle, k, 1)
            run(piece.slice(0, WARM_TEXTS))
            ready.wait()
            found = run(piece)
            _check(found, piece, k)
            if isinstance(found, np.ndarray):
                np.frombuffer(memory, np.uint64).reshape(-1, k)[:] = found
            done.wait()
        except Exception as error:
            errors.put(error if isinstance(error, NotOffered) else f"{type(error).__name__}: {error}")
            ready.abort()
            done.abort()

    workers = [context.Process(target=work, args=pair) for pair in zip(pieces, shared, strict=True)]
    for worker in workers:
        worker.start()
    try:
        ready.wait()
        start = time.perf_counter()
        done.wait()
    except threading.BrokenBarrierError:
        error = errors.get()
        raise error if isinstance(error, NotOffered) else RuntimeError(error) from None
    seconds = time.perf_counter() - start
    for worker in workers:
        worker.join()
    return seconds


def _check(found: np.ndarray, texts: pa.Array, k: int) -> None:
    if found.shape != (len(texts), k):
        raise ValueError(f"{found.shape} is no signature of {k} for each of {len(texts)} texts")


def main() -> None:
    """Time one contestant on one file."""
    name, path, shingle, k, cores, out = sys.argv[1:]
    texts = pq.read_table(path)["text"].combine_chunks()
    texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
    texts = texts.slice(0, max(WARM_TEXTS, int(len(texts) * SKETCHERS[name].share)))
    try:
        seconds = timed(SKETCHERS[name], texts, shingle, int(k), int(cores))
    except NotOffered as reason:
        Path(out).write_text(json.dumps({"lacks": str(reason)}))
        return
    size = int(np.frombuffer(texts.buffers()[1], np.int64)[len(texts)])
    Path(out).write_text(json.dumps({"sketching": seconds, "texts": len(texts), "bytes": size}))


if __name__ == "__main__":
    main()
