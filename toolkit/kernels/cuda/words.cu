// Words: where they begin, and their hashes, the bits of toolkit/kernels/word.py.
//
// A word is a run of bytes that are not spaces, but each code point of a script without spaces is a word of
// its own. Whether a word begins at a byte is decided by the four bytes before it and the three after it,
// so every byte is asked alone: one bit a byte comes out (marks), and a scan over the counts of 32 says
// where a block's words go (places). Then a thread hashes the words that begin in its 32 bytes:
//
//     h = SEED;   h = (h ^ block) * STEP, h ^= h >> 32   for each 8 bytes;   mix64(h + length)
//
// Some 70 instructions a byte, 400 GB/s of text on an H100; memory (a byte of text in twice, 1.4 of hashes and
// 0.4 of marks and places out) would allow 900. Shingles of words are made of these hashes by minhash.cu, where equal
// pieces of words are equal work; pieces of text would not be. A word of megabytes is one thread's: its
// hash is a chain that no second thread can shorten.
#include "hashing.cuh"
#include "rows.cuh"

// The bytes of the code point at i if it is of a script without spaces, else 0.
__device__ __forceinline__ int unspaced_width(const u8 *text, i64 i, i64 stop) {
    const u32 lead = text[i];
    if (lead < 0xE0 || lead > 0xF7 || i + 3 > stop) return 0;
    const u32 one = text[i + 1], two = text[i + 2];
    if ((one & 0xC0) != 0x80 || (two & 0xC0) != 0x80) return 0;
    if (lead < 0xF0) {
        const u32 point = (lead & 0x0F) << 12 | (one & 0x3F) << 6 | (two & 0x3F);
        const bool in = (point >= 0x3040 && point <= 0x9FFF) || (point >= 0xF900 && point <= 0xFAFF) ||
                        (point >= 0x0E00 && point <= 0x0EFF) || (point >= 0x1000 && point <= 0x109F) ||
                        (point >= 0x1780 && point <= 0x17FF);
        return in ? 3 : 0;
    }
    if (i + 4 > stop || (text[i + 3] & 0xC0) != 0x80) return 0;
    const u32 plane = (lead & 0x07) << 2 | (one & 0x3F) >> 4;
    return plane == 2 || plane == 3 ? 4 : 0;
}

// Whether a word of the text [start, stop) begins at i.
__device__ __forceinline__ bool begins(const u8 *text, i64 i, i64 start, i64 stop) {
    if (text[i] == 0x20) return false;
    if (i == start || text[i - 1] == 0x20 || unspaced_width(text, i, stop)) return true;
    if (text[i - 1] < 0x80) return false;
    for (int back = 1; back <= 4 && i - back >= start; back++) {
        const int width = unspaced_width(text, i - back, stop);
        if (width) return width == back;  // such a code point ends before i, or covers it
    }
    return false;
}

// marks[j]: the bytes 32 j to 32 j + 31 after `base` at which a word begins; counts[j]: how many.
extern "C" __global__ void mark_words(const u8 *text, const i64 *offsets, i64 rows, i64 base, i64 blocks, u32 *marks,
                                      i64 *counts) {
    const i64 j = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= blocks) return;
    const i64 first = max(base + 32 * j, offsets[0]), last = min(base + 32 * j + 32, offsets[rows]);
    u32 found = 0;
    i64 row = row_of(offsets, rows, first), start = offsets[row], stop = offsets[row + 1];
    for (i64 i = first; i < last; i++) {
        if (i >= stop) {
            row = offsets[row + 2] > i ? row + 1 : row_of(offsets, rows, i);  // past empty texts at once
            start = offsets[row];
            stop = offsets[row + 1];
        }
        if (begins(text, i, start, stop)) found |= 1u << (u32)(i - base - 32 * j);
    }
    marks[j] = found;
    counts[j] = __popc(found);
}

// word_offsets[row]: the words before a row's first byte; places[j]: those before block j.
extern "C" __global__ void place_rows(const i64 *offsets, i64 count, i64 base, i64 blocks, const u32 *marks,
                                      const i64 *places, i64 words, i64 *word_offsets) {
    const i64 row = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= count) return;
    const i64 j = (offsets[row] - base) >> 5;
    const u32 before = (1u << ((offsets[row] - base) & 31)) - 1;
    word_offsets[row] = j < blocks ? places[j] + __popc(marks[j] & before) : words;
}

// Whether a word that is no single code point holds the byte at i too.
__device__ __forceinline__ bool goes_on(const u8 *text, i64 i, i64 stop) {
    return text[i] != 0x20 && !unspaced_width(text, i, stop);
}

// The hashes of the words, in order; starts and stops too, if want_places.
extern "C" __global__ void hash_words(const u8 *text, const i64 *offsets, i64 rows, i64 base, i64 blocks,
                                      const u32 *marks, const i64 *places, u64 *hashes, i64 *starts, i64 *stops,
                                      i64 want_places) {
    const i64 j = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= blocks) return;
    u32 left = marks[j];
    i64 to = places[j], row = 0, stop = -1;
    for (; left; left &= left - 1, to++) {
        const i64 start = base + 32 * j + __ffs((int)left) - 1;
        if (start >= stop) {
            row = row_of(offsets, rows, start);
            stop = offsets[row + 1];
        }
        u64 h = WORD_SEED, block = 0;
        i64 i = start;
        const int width = unspaced_width(text, start, stop);
        const i64 last = width ? start + width : stop;
        for (; i < last && (width || i == start || goes_on(text, i, stop)); i++) {
            const u32 byte = (u32)(i - start) & 7;
            block |= (u64)text[i] << 8 * byte;
            if (byte == 7) {
                h = (h ^ block) * WORD_STEP;
                h ^= h >> 32;
                block = 0;
            }
        }
        if ((i - start) & 7) {
            h = (h ^ block) * WORD_STEP;
            h ^= h >> 32;
        }
        hashes[to] = mix64(h + (u64)(i - start));
        if (want_places) {
            starts[to] = start;
            stops[to] = i;
        }
    }
}
