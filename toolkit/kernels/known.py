"""Known answers: every hashing kernel on a few hostile texts, against digests written down here.

A digest that changes means that ids and signatures already on disk no longer mean the same
thing: a bug, a stale compiled kernel, or a scheme that needs a new name.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from toolkit.errors import GateError
from toolkit.kernels.buffers import text_buffers

TEXTS = (
    "",
    "a",
    "the cat sat on the mat",
    "don\u2019t stop \u4e2d\u6587abc\u5b57 \u0e44\u0e17\u0e22 \ud55c\uad6d\uc5b4 \U0001f600\U00020000 end",
    "exactly8 longer-than-eight-bytes x " * 40,
    "\u00a0 Mixed\tCASE \u2003 \u0160koda\u3000",
)
LINES = (
    b'{"id":1,"license":"mit","text":"caf\xc3\xa9 \\u00e9 joe@site.org"}\r\n\r\n'
    b'{"model":"m","id":[1.5e3,{"a":\r null}]}\n{"id":1e999,"x":"%b"}\n'
    b'{"a":"\xff"}\n{"generator_model":"m\\n"}' % (b"y" * 100)
)
DIGESTS = {
    "hash128": "de2b96dc615afe9a",
    "checksum": "a681361ddb445e2a",
    "words": "3bb58710245386e6",
    "word_shingles": "facf5f1996dfe109",
    "byte_shingles": "3ff1327e1ea04dd7",
    "word_sketch": "675e9a7f827b530d",
    "byte_sketch": "2d0c99329d9843eb",
    "word_rounds": "81551e3152e98aa4",
    "byte_rounds": "b27cb6ffb785203f",
    "band_keys": "036e0a9ef6bd71ff",
    "classify": "4f1366f56ad5b2eb",
    "collapse": "4b4251fa3c0099f5",
    "unpunctuate": "d155bb1af4c59398",
    "screen": "757454746a2d4d39",
    "frame": "757ebf91c79b3ba1",
    "scan": "73aebe74d5544a14",
    "alike": "ffb9ddd6196ae994",
    "bronze_lines": "6f4207741e5775e1",
}


def digest(*arrays: np.ndarray) -> str:
    """Return 16 hex digits over the little-endian bytes of some integer arrays."""
    h = hashlib.sha256()
    for array in arrays:
        h.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    return h.hexdigest()[:16]


def _hashes(data: np.ndarray, offsets: np.ndarray) -> dict[str, str]:
    from toolkit.kernels import bucket, hashing, minhash, reference, rounds, shingle, word

    n = len(offsets) - 1
    ids = np.zeros((n, 2), np.uint64)
    hashing.hash128(data, offsets, ids)
    sums = [hashing.checksum(data[: offsets[row]]) for row in range(n + 1)]
    found = {"hash128": digest(ids), "checksum": digest(np.array(sums, np.uint64))}
    found["words"] = digest(*word.word_table(data, offsets))
    a, b = reference.permutations(12, 1)
    constants = reference.round_constants(12, 1)
    kernels = (("word", 3, shingle.word_shingles, minhash.word_sketch, rounds.word_rounds),
               ("byte", 8, shingle.byte_shingles, minhash.byte_sketch, rounds.byte_rounds))  # fmt: skip
    for unit, size, shingles, sketch, play in kernels:
        out, ends = np.zeros(len(data) + n, np.uint64), np.zeros(n + 1, np.int64)
        count = shingles(data, offsets, size, out, ends)
        found[f"{unit}_shingles"] = digest(out[:count], ends)
        signatures = np.full((n, 12), 0xFFFFFFFF, np.uint32)
        play(data, offsets, size, constants, signatures)
        found[f"{unit}_rounds"] = digest(signatures)
        signatures[:] = 0xFFFFFFFF
        sketch(data, offsets, size, a, b, signatures)
        found[f"{unit}_sketch"] = digest(signatures)
    keys = np.zeros((n, 4), np.uint64)
    bucket.band_keys(signatures, 3, keys)
    return found | {"band_keys": digest(keys)}


def _texts(data: np.ndarray, offsets: np.ndarray) -> dict[str, str]:
    from toolkit.kernels import screen, space

    n = len(offsets) - 1
    classes, out, ends = np.zeros(n, np.uint8), np.zeros(2 * len(data), np.uint8), np.zeros(n + 1, np.int64)
    lower = np.arange(0x20000, dtype=np.int32)
    lower[0xC0:0xDF] += 0x20
    space.classify(data, offsets, (lower % 251).astype(np.uint8), classes)
    size = space.collapse(data, offsets, data, offsets, np.full(n, -1, np.int64), lower, out, ends)
    found = {"classify": digest(classes), "collapse": digest(out[:size], ends)}
    size = space.unpunctuate(data, offsets, out, ends)
    found["unpunctuate"] = digest(out[:size], ends)
    sums = np.zeros((n, len(data) + 1), np.uint64)
    counts = [screen.sums_of(data, offsets, row, sums[row]) for row in range(n)]
    sums[np.array(counts) < 0] = 0
    return found | {"screen": digest(sums, np.array(counts))}


def _lines() -> dict[str, str]:
    from toolkit.kernels import json_lines

    data = np.frombuffer(LINES, np.uint8)
    start, stop, blank = json_lines.frame(data)
    scan = json_lines.scan(data, start, stop)
    number, first = json_lines.alike(data, scan.places)
    flat = json_lines.flatten(data, start, stop)
    ids = json_lines.digests(flat, start, stop)
    place = (np.arange(len(start)) * 997, start, stop - start)
    facts = [b'"n":%d' % n for n in range(len(first))]
    bronze = json_lines.bronze_lines(flat, start, stop, ids, *place, b'"f"', facts, number)
    return {
        "frame": digest(start, stop, blank),
        "scan": digest(scan.verdict, scan.shape, scan.places, scan.ask, scan.mail),
        "alike": digest(number, first),
        "bronze_lines": digest(bronze, json_lines.leading_u64(ids)),
    }


def known_answer() -> bool:
    """Run every hashing kernel on TEXTS and compare with DIGESTS: True, or GateError naming the kernel.

    Compiles the kernels, or loads them from the cache on disk, so it also warms them.
    """
    data, offsets = text_buffers(pa.array(TEXTS, pa.large_string()))
    found = _hashes(data, offsets) | _texts(data, offsets) | _lines()
    for name, expected in DIGESTS.items():
        if found[name] != expected:
            raise GateError(
                f"kernel {name} gives {found[name]} on the known texts, expected {expected}: "
                "delete toolkit/kernels/__pycache__ and try again; if it stays, do not use this build"
            )
    return True
