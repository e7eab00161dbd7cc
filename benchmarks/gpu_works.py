"""What is timed on a card: each kernel on each kind of text, and the least time that the card could take.

    bound  =  the longer of   operations / operations a second   and   bytes / bytes a second

both as measured on this card in this run (``gpu_card.rates``). Operations and bytes are the least that the
kernel's algorithm can do with, as its head comment counts them; ``counts`` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import gpu_texts
from benchmarks.gpu_card import pairs_a_second
from benchmarks.gpu_parity import evaluation_items
from toolkit.dedup import bare_words
from toolkit.dedup.ngrams import NgramIndex, build_bare
from toolkit.kernels.cuda import bands, choose, ngrams, rounds, sets, sketch, verify, words
from toolkit.kernels.cuda.normalise import normalise_ascii

LENGTHS = (2_000, 200_000, 200)  # should time run out, the first were measured
ROUND_OPERATIONS = 40  # of rounds-1 a shingle: two mixings and the polynomial, see cost.rounds_bounds
BAND_OPERATIONS = 30  # of a band key a slot: see bands.cu
PAIR_BYTES = 66  # of choose: a pair is read once to settle (25) and once to name the survivor (41)


@dataclass(frozen=True)
class Work:
    """One thing to time: of how much, with which arrays, the kernels that count, the bound in seconds."""

    name: str
    of: str
    amount: float
    unit: str
    run: Callable[[Any, Any], Any]
    arrays: tuple[np.ndarray, ...]
    kernels: tuple[str, ...]
    seconds: float
    counts: str


@dataclass(frozen=True)
class Limits:
    """What this card does a second."""

    operations: dict[str, float]
    bytes: dict[str, float]
    architecture: str

    @property
    def integer(self) -> float:
        """Integer operations a second, of the best mix."""
        return max(rate for name, rate in self.operations.items() if "three" not in name)

    def affine(self, windows: int, k: int, bytes_: float) -> tuple[float, str]:
        """Seconds, and what is counted."""
        pairs = pairs_a_second(self.operations, self.architecture)
        return max(windows * k / pairs, bytes_ / self.bytes["memory"]), f"{k} pairs a shingle"

    def work(self, operations: float, bytes_: float) -> float:
        """Seconds."""
        return max(operations / self.integer, bytes_ / self.bytes["memory"])


def works(limits: Limits, size: int) -> Iterator[tuple[str, Callable[[], Work]]]:
    """(name, how to make it): made only when its turn comes, since texts take room."""
    texts = {f"texts of {length:,} bytes": (gpu_texts.of_length, length) for length in LENGTHS}
    for of, (make, length) in (texts | {"one giant among many": (gpu_texts.one_giant, 200)}).items():

        def given(make=make, length=length, share=1) -> gpu_texts.Buffers:
            args = (size // share,) if make is gpu_texts.one_giant else (length, size // share)
            return make(*args)

        for unit, n in (("byte", 24), ("word", 5)):
            for k in (128, 256):
                yield (
                    _named("affine-1", of, unit, n, k),
                    (lambda g=given, o=of, u=unit, n=n, k=k: _affine(limits, o, g(), u, n, k)),
                )
            yield (
                _named("rounds-1", of, unit, n, 128),
                (lambda g=given, o=of, u=unit, n=n: _rounds(limits, o, g(), u, n, 128)),
            )
            yield (
                f"sets, {unit}:{n}, {of}",
                (lambda g=given, o=of, u=unit, n=n: _sets(limits, o, g(share=8), u, n)),
            )
        yield f"words, {of}", lambda g=given, o=of: _words(limits, o, g())
        yield f"normalise, {of}", lambda g=given, o=of: _normalise(limits, o, g())
        yield f"n-grams, {of}", lambda g=given, o=of: _ngrams(limits, o, g())
    yield "verify", lambda: _verify(limits, size // 16)
    yield "bands", lambda: _bands(limits, size // 512)
    yield "choose", lambda: _choose(limits, size // 256)


def _named(name: str, of: str, unit: str, n: int, k: int) -> str:
    return f"{name}, {unit}:{n}, k = {k}, {of}"


def _items(data: np.ndarray, offsets: np.ndarray, unit: str, n: int) -> tuple[int, int]:
    """(bytes that are shingled, shingles)."""
    if unit == "byte":
        lengths, each = np.diff(offsets), 1
    else:
        lengths, each = np.diff(word_offsets(data, offsets)), 8
    return each * int(lengths.sum()), int(np.maximum(lengths - n + 1, lengths > 0).sum())


def word_offsets(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Where each text's words begin among all words, for texts of letters and spaces, none empty."""
    letter = data != 32
    begins = letter.copy()
    begins[1:] &= ~letter[:-1]
    begins[offsets[:-1]] = letter[offsets[:-1]]
    return np.concatenate([[0], np.cumsum(np.add.reduceat(begins, offsets[:-1], dtype=np.int64))])


def _affine(limits: Limits, of: str, texts: gpu_texts.Buffers, unit: str, n: int, k: int) -> Work:
    read, windows = _items(*texts, unit, n)
    seconds, counts = limits.affine(windows, k, read + 4 * k * (len(texts[1]) - 1))
    run = lambda d, a: sketch.minhash(d, *a, unit, n, k)  # noqa: E731
    return Work(
        _named("affine-1", of, unit, n, k), of, len(texts[0]), "B", run, texts, ("minhash",), seconds, counts
    )


def _rounds(limits: Limits, of: str, texts: gpu_texts.Buffers, unit: str, n: int, k: int) -> Work:
    read, windows = _items(*texts, unit, n)
    seconds = limits.work(ROUND_OPERATIONS * windows, read + 8 * k * (len(texts[1]) - 1))
    run = lambda d, a: rounds.rounds(d, *a, unit, n, k)  # noqa: E731
    launched = ("first_round", "later_rounds")
    counts = f"{ROUND_OPERATIONS} operations a shingle, one round"
    return Work(
        _named("rounds-1", of, unit, n, k), of, len(texts[0]), "B", run, texts, launched, seconds, counts
    )


def _sets(limits: Limits, of: str, texts: gpu_texts.Buffers, unit: str, n: int) -> Work:
    read, windows = _items(*texts, unit, n)
    run = lambda d, a: sets.shingle_sets(d, *a, unit, n)  # noqa: E731
    seconds, counts = (
        limits.work(0, read + 8 * windows),
        "items in, 8 bytes a shingle out; the sort is beside",
    )
    return Work(
        f"sets, {unit}:{n}, {of}", of, len(texts[0]), "B", run, texts, ("identities",), seconds, counts
    )


def _words(limits: Limits, of: str, texts: gpu_texts.Buffers) -> Work:
    found = int(word_offsets(*texts)[-1])
    run = lambda d, a: words.word_items(d, *a)  # noqa: E731
    seconds, launched = (
        limits.work(0, 2 * len(texts[0]) + 8 * found),
        ("mark_words", "place_rows", "hash_words"),
    )
    counts = "text in twice, 8 bytes a word out"
    return Work(f"words, {of}", of, len(texts[0]), "B", run, texts, launched, seconds, counts)


def _normalise(limits: Limits, of: str, texts: gpu_texts.Buffers) -> Work:
    launched = ("flag_rows", "mark_kept", "row_ends", "write_kept")
    seconds, counts = limits.work(0, 4 * len(texts[0])), "text in three times and out once"
    run = lambda d, a: normalise_ascii(d, *a)[0]  # noqa: E731
    return Work(f"normalise, {of}", of, len(texts[0]), "B", run, texts, launched, seconds, counts)


@cache
def _index(items: int) -> NgramIndex:
    return build_bare(bare_words(pa.array(evaluation_items(items)[0])), 13, 8, 5)


def _ngrams(limits: Limits, of: str, texts: gpu_texts.Buffers) -> Work:
    index = _index(min(20_000, len(texts[0]) // 100 + 1))
    found = int(word_offsets(*texts)[-1])
    seconds, counts = limits.work(2 * 13 * found, 8 * found), "8 bytes and 13 multiply-adds of 64 bits a word"
    return Work(
        f"n-grams, {of}", of, len(texts[0]), "B", lambda d, a: ngrams.propose(d, *a, index.screening), texts,
        ("propose",), seconds, counts,
    )  # fmt: skip


def _verify(limits: Limits, members: int) -> Work:
    """Disjoint pairs of sets of 1,000 members, half of them shared."""
    rng, each = np.random.default_rng(1), 1_000
    count = max(2, members // each // 2 * 2)
    hashes = rng.integers(0, 2**63, count * each).astype(np.uint64).reshape(-1, each)
    hashes[1::2, ::2] = hashes[::2, ::2]
    hashes.sort(axis=1)
    pairs = np.arange(count, dtype=np.int64).reshape(-1, 2)
    arrays = (hashes.reshape(-1), np.arange(count + 1, dtype=np.int64) * each, pairs)
    seconds, counts = limits.work(0, sum(a.nbytes for a in arrays) + 16 * len(pairs)), "each member in once"
    run = lambda d, a: verify.jaccard(d, *a)  # noqa: E731
    return Work(
        "verify", "sets of 1,000", count * each, "members", run, arrays, ("overlap",), seconds, counts
    )


def _bands(limits: Limits, count: int) -> Work:
    signatures = np.random.default_rng(1).integers(0, 2**32, (max(1, count), 128), dtype=np.uint32)
    slots = len(signatures) * 21 * 6
    seconds = limits.work(BAND_OPERATIONS * slots, signatures.nbytes + 8 * 21 * len(signatures))
    run = lambda d, a: bands.band_keys(d, a[0], 21, 6)  # noqa: E731
    counts = f"{BAND_OPERATIONS} operations a slot, 21 x 6 slots"
    return Work(
        "bands", "k = 128", len(signatures), "signatures", run, (signatures,), ("band_keys",), seconds, counts
    )


def _choose(limits: Limits, count: int) -> Work:
    """Two pairs a document, at random."""
    rng, n = np.random.default_rng(1), max(4, count // 2)
    ends = np.sort(rng.integers(0, n, (count, 2)), axis=1)
    pairs = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)
    arrays = (pairs, rng.integers(8, 10, len(pairs)), np.full(len(pairs), 10))
    run = lambda d, a: choose.choose(d, n, *a)[0]  # noqa: E731
    seconds, counts = limits.work(0, PAIR_BYTES * len(pairs)), f"{PAIR_BYTES} bytes a pair, one round"
    launched = ("settle", "name_survivors")
    return Work("choose", "2 pairs a document", len(pairs), "pairs", run, arrays, launched, seconds, counts)
