"""What every kernel computes, in plain Python: slow, obvious, and the contract.

CPU and GPU kernels agree with these functions on every bit. All integers are unsigned and
wrap at 64 bits; bytes are unsigned; blocks are little-endian whatever the machine. Arguments
are those of the kernels (``data``, ``offsets``), except that results are returned.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

M64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: splitmix64's step
MIX_A, MIX_B = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
WORD_SEED, WORD_STEP = 0x8A5CD789635D2DFF, 0xD6E8FEB86659FD93
SHINGLE_STEP = 0xD1342543DE82EF95  # odd: the base of the polynomial
EXACT_SEEDS = (0x243F6A8885A308D3, 0x13198A2E03707344)
EXACT_STEPS = (0x9FB21C651E98DF25, 0xC2B2AE3D27D4EB4F)
SPACE = 0x20

# Scripts written without spaces: each code point is a word. (first, last), inclusive.
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x9FFF),  # kana, bopomofo, CJK ideographs and what lies between
    (0xF900, 0xFAFF),  # CJK compatibility ideographs
    (0x20000, 0x3FFFF),  # supplementary ideographic planes
)


def mix64(x: int) -> int:
    """Finalise 64 bits so that each input bit moves every output bit (splitmix64, Steele 2014)."""
    x = ((x ^ (x >> 30)) * MIX_A) & M64
    x = ((x ^ (x >> 27)) * MIX_B) & M64
    return x ^ (x >> 31)


def splitmix64(seed: int, i: int) -> int:
    """Return draw ``i`` (from 0) of the splitmix64 stream of ``seed``; any draw without the others."""
    return mix64((seed + (i + 1) * GOLDEN) & M64)


def _blocks(text: bytes) -> list[int]:
    return [int.from_bytes(text[i : i + 8], "little") for i in range(0, len(text), 8)]


def _rotate(x: int, bits: int) -> int:
    return ((x << bits) | (x >> (64 - bits))) & M64


def _hash128_text(text: bytes) -> tuple[int, int]:
    one, two = EXACT_SEEDS
    for block in _blocks(text):
        one = ((one ^ block) * EXACT_STEPS[0]) & M64
        one ^= one >> 32
        two = ((_rotate(two, 29) + block) * EXACT_STEPS[1]) & M64
        two ^= two >> 29
    return mix64(one ^ len(text)), mix64((two + len(text) * GOLDEN) & M64)


def texts(data: np.ndarray, offsets: np.ndarray) -> list[bytes]:
    """Return the rows as Python bytes."""
    return [bytes(data[a:b]) for a, b in pairwise(offsets)]


def hash128(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return two 64-bit hashes of each text's bytes and length: uint64 (n, 2)."""
    rows = [_hash128_text(text) for text in texts(data, offsets)]
    return np.array(rows, np.uint64).reshape(-1, 2)


def checksum(data: bytes) -> int:
    """Return 64 bits over ``data``: four streams in turn, each stepped by ``rotate(s ^ block, 29) * odd``.

    A step is a bijection of the stream, so one changed block always changes the sum before the last
    mixing; more of them meet by chance only, once in about 2^64.
    """
    whole = len(data) - len(data) % 32
    lanes = [*EXACT_SEEDS, *EXACT_STEPS]
    for i, block in enumerate(_blocks(data[:whole])):
        lanes[i % 4] = (_rotate(lanes[i % 4] ^ block, 29) * EXACT_STEPS[0]) & M64
    for block in _blocks(data[whole:]):
        first, *others = lanes
        lanes = [*others, (_rotate(first ^ block, 29) * EXACT_STEPS[0]) & M64]
    a, b, c, d = lanes
    total = mix64(a)
    for lane in (b, c):
        total = mix64((total + lane) & M64)
    return mix64(((total + d) & M64) ^ len(data))


def hash_word(word: bytes) -> int:
    """Return the 64-bit hash of one word: zero-padded 8-byte blocks, then the length, then mixed."""
    h = WORD_SEED
    for block in _blocks(word):
        h = ((h ^ block) * WORD_STEP) & M64
        h ^= h >> 32
    return mix64((h + len(word)) & M64)


def unspaced_width(text: bytes, i: int) -> int:
    """Return the bytes of the UNSPACED code point at ``i``, or 0 when there is none (or it is broken)."""
    lead = text[i]
    width = 3 if 0xE0 <= lead <= 0xEF else 4 if 0xF0 <= lead <= 0xF7 else 0
    tail = text[i + 1 : i + width]
    if not width or len(tail) != width - 1 or any(b & 0xC0 != 0x80 for b in tail):
        return 0
    point = lead & (0x0F if width == 3 else 0x07)
    for b in tail:
        point = point << 6 | b & 0x3F
    return width if any(lo <= point <= hi for lo, hi in UNSPACED) else 0


def spans(text: bytes) -> list[tuple[int, int]]:
    """Return (start, stop) of each word: runs of non-space bytes, cut around UNSPACED code points."""
    found, start, i = [], 0, 0
    while i < len(text):
        width = 0 if text[i] == SPACE else unspaced_width(text, i)
        if text[i] == SPACE or width:
            if start < i:
                found.append((start, i))
            if width:
                found.append((i, i + width))
            i += width or 1
            start = i
        else:
            i += 1
    if start < len(text):
        found.append((start, len(text)))
    return found


def word_hashes(text: bytes) -> list[int]:
    """Return the hash of each word of a text, in order."""
    return [hash_word(text[a:b]) for a, b in spans(text)]


def _polynomial(items: list[int]) -> int:
    h = 0
    for item in items:
        h = (h * SHINGLE_STEP + item) & M64
    return mix64(h)


def _shingles_text(items: list[int], n: int) -> list[int]:
    if len(items) < n:
        return [_polynomial(items)] if items else []
    return [_polynomial(items[i : i + n]) for i in range(len(items) - n + 1)]


def shingles(data: np.ndarray, offsets: np.ndarray, unit: str, n: int) -> list[list[int]]:
    """Return each text's 64-bit shingle identities in order, repeats included; ``unit``: word or byte."""
    rows = texts(data, offsets)
    return [_shingles_text(word_hashes(t) if unit == "word" else [b + 1 for b in t], n) for t in rows]


def permutations(k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (a, b), uint32 each, of scheme affine-1: low (made odd) and high half of splitmix64's draws."""
    draws = [splitmix64(seed & M64, i) for i in range(k)]
    a = np.array([d & 0xFFFFFFFF | 1 for d in draws], np.uint32)
    return a, np.array([d >> 32 for d in draws], np.uint32)


def sketch(data: np.ndarray, offsets: np.ndarray, unit: str, n: int, k: int, seed: int) -> np.ndarray:
    """Return signatures of scheme affine-1: min over shingles of (a*x + b) mod 2^32, x their high half."""
    a, b = (p.astype(np.uint64) for p in permutations(k, seed))
    rows = shingles(data, offsets, unit, n)
    out = np.full((len(rows), k), 0xFFFFFFFF, np.uint32)
    for row, ids in enumerate(rows):
        for identity in ids:
            value = (a * np.uint64(identity >> 32) + b) & np.uint64(0xFFFFFFFF)
            out[row] = np.minimum(out[row], value.astype(np.uint32))
    return out


def round_constants(k: int, seed: int) -> np.ndarray:
    """Return what tells the 2k rounds of scheme rounds-1 apart: splitmix64's draws, uint64[2k]."""
    return np.array([splitmix64(seed & M64, i) for i in range(2 * k)], np.uint64)


def _rounds_slot(ids: set[int], slot: int, k: int, constants: list[int]) -> int:
    for number, constant in enumerate(constants):
        hashes = [mix64(identity ^ constant) for identity in ids]
        if number < k:
            hashes = [h for h in hashes if (h & 0xFFFFFFFF) * k >> 32 == slot]
        elif number != k + slot:
            continue
        if hashes:
            return min(h >> 32 for h in hashes)
    return 0xFFFFFFFF


def rounds_sketch(data: np.ndarray, offsets: np.ndarray, unit: str, n: int, k: int, seed: int) -> np.ndarray:
    """Return signatures of scheme rounds-1, uint32 (n, k): a slot's least value in the first round to hit it.

    Round r hashes a shingle's identity to h = mix64(identity ^ constant r): the low half times k,
    divided by 2^32, is the slot that it hits, the high half its value. A slot that no shingle hits
    in k rounds takes the least value of all in round k + slot.
    """
    constants = [int(c) for c in round_constants(k, seed)]
    rows = shingles(data, offsets, unit, n)
    slots = [[_rounds_slot(set(ids), slot, k, constants) for slot in range(k)] for ids in rows]
    return np.array(slots, np.uint32).reshape(-1, k)


def band_keys(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Return the 64-bit key of each band of each signature, its number mixed in: uint64 (n, bands)."""
    out = np.zeros((len(signatures), bands), np.uint64)
    for i, signature in enumerate(signatures):
        for band in range(bands):
            h = splitmix64(rows, band)
            for slot in signature[band * rows : (band + 1) * rows]:
                h = mix64(h ^ int(slot)) * GOLDEN & M64
            out[i, band] = mix64(h)
    return out
