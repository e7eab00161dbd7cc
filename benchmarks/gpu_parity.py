"""Every kernel through a door against the Numba kernels: the same bits, on hostile texts and on many.

A check gives cases: what it is, what the door found, what is expected. One that differs is named and the
others go on; one that raises ends its kernel with the words of the error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import gpu_texts, launch
from toolkit import kernels
from toolkit.dedup import bare_words, normalise
from toolkit.dedup.ngrams import build_bare
from toolkit.kernels import bucket, gram, graph, overlap, reference, screen, shingle, word
from toolkit.kernels import minhash as numba_minhash
from toolkit.kernels import rounds as numba_rounds
from toolkit.kernels.cuda import bands, choose, known, ngrams, rounds, sets, sketch, verify, words
from toolkit.kernels.cuda.normalise import normalise_ascii
from toolkit.kernels.device import pick, using

Case = tuple[str, Any, Any]
SEED = 7
K = (1, 7, 33, 127, 128, 129, 256, 512, 1024)
SHINGLES = (("byte", 1), ("byte", 7), ("byte", 24), ("byte", 1000), ("word", 1), ("word", 5), ("word", 13))
NO_FOLDS = np.empty(0, np.uint32)
Row = dict[str, Any]


def parity(door: Any, small: bool, until: float = float("inf")) -> list[Row]:
    """One row a kernel: how many cases, those that differ, an error if any. ``until``: by perf_counter."""
    with using(pick("cpu")):  # what is expected is the CPU's
        return [_row(door, name, check, small, until) for name, check in CHECKS.items()]


def _row(door: Any, name: str, check: Callable, small: bool, until: float) -> Row:
    row: Row = {"kernel": name, "cases": 0, "differ": []}
    start = time.perf_counter()
    try:
        for label, found, expected in check(door, small):
            row["cases"] += 1
            if not _same(door, found, expected):
                row["differ"].append(label)
            if time.perf_counter() > until:
                row["cut short"] = label
                break
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {error}"[:300]
    return row | {"seconds": time.perf_counter() - start}


def _same(door: Any, found: Any, expected: Any) -> bool:
    if isinstance(found, tuple):
        both = zip(found, expected, strict=True)
        return len(found) == len(expected) and all(_same(door, one, other) for one, other in both)
    return np.array_equal(door.numpy(found), expected)


def corpora(small: bool) -> Iterator[tuple[str, gpu_texts.Buffers]]:
    """Hostile and random texts, behind bytes that belong to none; with a card, many more."""
    yield "hostile", gpu_texts.buffers(gpu_texts.HOSTILE, b"xyz")
    yield "hostile in reverse", gpu_texts.buffers(gpu_texts.HOSTILE[::-1])
    yield "nothing", gpu_texts.buffers([])
    yield "empty texts", gpu_texts.buffers([b""] * 40)
    for seed in range(1 if small else 6):
        yield (
            f"random {seed}",
            gpu_texts.buffers(gpu_texts.random_texts(seed, 12 if small else 700), b"1" * seed),
        )
    if not small:
        giant = gpu_texts.letters(3 << 20, 1).tobytes()
        yield "3 MB beside 3 bytes", gpu_texts.buffers([b"abc", giant, b"", b"abd", b"e" * 500])
        yield "16 MB of all lengths", gpu_texts.mixed(16 << 20)


def _sketches(door: Any, small: bool, by_door: Callable, by_numba: Callable) -> Iterator[Case]:
    for name, (data, offsets) in corpora(small):
        wide = name.startswith("hostile") and not small
        for unit, n in SHINGLES if wide else (("byte", 24), ("word", 5)):
            for k in K if wide else (33, 129) if small else (128, 256):
                found = by_door(door, data, offsets, unit, n, k, SEED)
                yield f"{name}, {unit}:{n}, k = {k}", found, by_numba(data, offsets, unit, n, k)


def _affine(door: Any, small: bool) -> Iterator[Case]:
    return _sketches(door, small, sketch.minhash, affine)


def _rounds(door: Any, small: bool) -> Iterator[Case]:
    return _sketches(door, small, rounds.rounds, rounds_1)


def affine(data: np.ndarray, offsets: np.ndarray, unit: str, n: int, k: int) -> np.ndarray:
    """Signatures of affine-1 by Numba."""
    out = np.full((len(offsets) - 1, k), 0xFFFFFFFF, np.uint32)
    kernel = numba_minhash.word_sketch if unit == "word" else numba_minhash.byte_sketch
    kernel(data, offsets, n, *reference.permutations(k, SEED), out)
    return out


def rounds_1(data: np.ndarray, offsets: np.ndarray, unit: str, n: int, k: int) -> np.ndarray:
    """Signatures of rounds-1 by Numba."""
    out = np.full((len(offsets) - 1, k), 0xFFFFFFFF, np.uint32)
    kernel = numba_rounds.word_rounds if unit == "word" else numba_rounds.byte_rounds
    kernel(data, offsets, n, reference.round_constants(k, SEED), out)
    return out


def shingle_sets(data: np.ndarray, offsets: np.ndarray, unit: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sets of shingles by Numba."""
    out, ends = np.zeros(len(data) + 1, np.uint64), np.zeros(len(offsets), np.int64)
    (shingle.word_shingles if unit == "word" else shingle.byte_shingles)(data, offsets, n, out, ends)
    return out[: shingle.sort_unique(out, ends)], ends


def _words(door: Any, small: bool) -> Iterator[Case]:
    for name, (data, offsets) in corpora(small):
        yield name, words.word_table(door, data, offsets), word.word_table(data, offsets)


def _sets(door: Any, small: bool) -> Iterator[Case]:
    for name, (data, offsets) in corpora(small):
        for unit, n in SHINGLES if not small and name.startswith("hostile") else (("byte", 24), ("word", 5)):
            found = sets.shingle_sets(door, data, offsets, unit, n)
            yield f"{name}, {unit}:{n}", found, shingle_sets(data, offsets, unit, n)


def _verify(door: Any, small: bool) -> Iterator[Case]:
    rng = np.random.default_rng(3)
    for most in (0, 2, 40, 1000) if small else (0, 2, 40, 1000, 100_000):
        members = [
            rng.integers(0, 4 * most + 2, int(size), np.uint64) for size in rng.integers(0, most + 1, 20)
        ]
        held = [np.unique(m) for m in [*members, np.array([2**64 - 1, 0], np.uint64)]]
        hashes, offsets = np.concatenate(held), np.cumsum([0] + [len(m) for m in held])
        pairs = rng.integers(0, len(held), (400, 2))
        shared, union = np.empty(400, np.int64), np.empty(400, np.int64)
        overlap.intersections(hashes, offsets, pairs, shared, union)
        yield f"sets of up to {most}", verify.jaccard(door, hashes, offsets, pairs), (shared, union)


def _bands(door: Any, small: bool) -> Iterator[Case]:
    rng = np.random.default_rng(5)
    for k, count, size in ((1, 1, 1), (128, 21, 6), (127, 127, 1), (130, 1, 130), (1024, 170, 6)):
        signatures = rng.integers(0, 3, (50 if small else 20_000, k), dtype=np.uint32) * np.uint32(0x7FFFFFFF)
        keys, equal = np.empty((len(signatures), count), np.uint64), np.empty(200, np.int64)
        bucket.band_keys(signatures, size, keys)
        yield f"{count} bands of {size}", bands.band_keys(door, signatures, count, size), keys
        pairs = rng.integers(0, len(signatures), (200, 2))
        overlap.agreements(signatures, pairs, equal)
        yield f"agreement of {k}", verify.agreement(door, signatures, pairs), equal


def graphs(small: bool) -> Iterator[tuple[str, int, np.ndarray]]:
    """(what it is, documents, pairs (preferred, other)): stars, chains, and graphs at random."""
    rng, size = np.random.default_rng(11), 300 if small else 100_000
    rest = np.arange(1, size)
    yield "no pairs", 5, np.empty((0, 2), np.int64)
    yield "a star", size, np.stack([np.zeros_like(rest), rest], 1)
    yield "a chain", size, np.stack([rest - 1, rest], 1)
    for degree in (1, 4) if small else (0.5, 1, 4, 30):
        ends = np.sort(rng.integers(0, size, (int(size * degree), 2)), 1)
        yield f"{degree} pairs a document", size, np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)


def _choose(door: Any, small: bool) -> Iterator[Case]:
    rng = np.random.default_rng(13)
    for name, n, pairs in graphs(small):
        shared, union = rng.integers(1, 5, len(pairs)), rng.integers(5, 8, len(pairs))
        kept_by, parent = np.full(n, -1, np.int64), np.arange(n)
        graph.choose(pairs, np.lexsort((pairs[:, 0], pairs[:, 1])), shared, union, kept_by)
        yield name, choose.choose(door, n, pairs, shared, union)[0], kept_by
        graph.components(pairs, parent)
        yield f"components of {name}", choose.components(door, n, pairs), parent


def evaluation_items(count: int, seed: int = 17) -> tuple[list[str], pa.Array]:
    """Items of all tiers, and texts of which some hold one, a part of one, or none."""
    rng, vocabulary = np.random.default_rng(seed), [f"w{i}" for i in range(400)]

    def sentence(size: int) -> str:
        return " ".join(vocabulary[i] for i in rng.integers(0, len(vocabulary), size))

    items = [sentence(int(size)) for size in rng.integers(0, 60, count)]
    texts = [sentence(int(size)) for size in rng.integers(0, 300, count)] + items
    texts += [f"{sentence(20)} {item} {sentence(20)}" for item in items]
    texts += [" ".join(item.split()[3:16]) for item in items]
    return items, pa.array([*texts, "72", ""], pa.large_string())


def _ngrams(door: Any, small: bool) -> Iterator[Case]:
    items, texts = evaluation_items(20 if small else 3_000)
    data, offsets = kernels.text_buffers(bare_words(texts))
    for tiers in ((13, 8, 5), (1, 1, 1), (30, 13, 2)):
        index = build_bare(bare_words(pa.array(items)), *tiers)
        flags = np.empty(len(texts), np.uint8)
        screen.screen(data, offsets, True, NO_FOLDS, *index.screening, flags)
        yield f"proposals, tiers {tiers}", ngrams.propose(door, data, offsets, index.screening), flags
        table = word.word_table(data, offsets)
        for tier in index.tables:
            grams, by_door = tier.identities(table, 2**64 - 1), ngrams.rolling
            if tier.how == gram.WHOLE:
                by_door = ngrams.wholes
            yield f"grams of {tier.length}", by_door(door, table[2], table[3], tier.length), grams
            hits = np.empty((2, len(grams)), np.int64)
            count = gram.scan(grams, tier.slots, tier.hash, *hits)
            yield (
                f"hits of {tier.length}",
                ngrams.scan(door, grams, tier.slots, tier.hash),
                (*hits[:, :count],),
            )


def _normalise(door: Any, small: bool) -> Iterator[Case]:
    for name, (data, offsets) in corpora(small):
        texts = [data[a:b].tobytes() for a, b in pairwise(offsets.tolist())]
        ascii = [text.isascii() for text in texts]
        plain = pa.array(
            [t.decode() if a else "" for t, a in zip(texts, ascii, strict=True)], pa.large_string()
        )
        for bare, by_host in ((False, normalise), (True, bare_words)):
            expected, ends = kernels.text_buffers(by_host(plain))
            flags = np.array([not a for a in ascii], np.uint8)
            found = normalise_ascii(door, data, offsets, bare)
            yield f"{name}{', bare' * bare}", found, (expected[: ends[-1]], ends, flags)


def _known(door: Any, small: bool) -> Iterator[Case]:
    yield "known answers", np.array(known.known_answer(door)), np.array(True)


CHECKS: dict[str, Callable[[Any, bool], Iterator[Case]]] = {
    "known answers": _known,
    "affine-1": _affine,
    "rounds-1": _rounds,
    "words": _words,
    "sets": _sets,
    "verify": _verify,
    "bands": _bands,
    "choose": _choose,
    "n-grams": _ngrams,
    "normalise": _normalise,
}


def failed(rows: list[Row]) -> list[str]:
    """The kernels that differ, raised, or were not compared at all."""
    return [row["kernel"] for row in rows if row["differ"] or "error" in row or not row["cases"]]


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [("kernel", "cases", "the CPU's bits", "s")]
    for row in rows:
        said = (
            f"NO: {'; '.join(row['differ'][:3])}"
            if row["differ"]
            else "yes"
            if row["cases"]
            else "not compared"
        )
        said += f" until {row['cut short']}, then no time was left" if "cut short" in row else ""
        said += f"; {row['error']}" if "error" in row else ""
        lines.append((row["kernel"], str(row["cases"]), said.replace("|", "/"), f"{row['seconds']:.1f}"))
    return launch.markdown(lines)
