// Normalise v1 of pure ASCII texts: the bits of toolkit/dedup/normalise.py; others are flagged for the host.
//
//     A-Z to a-z, each run of bytes 9-13 and 32 to one space, trimmed
//
// BARE: bare words instead (dedup.bare_words): all but letters and digits is space, an underscore only where
// it is not between two of them. A byte of the output depends on a byte and its neighbours, so each is asked
// alone: one bit a byte says what is kept, a scan over the counts of 32 where it goes. Of a run of spaces the
// first is kept; a text that ends in one gives it back, which a second scan, over texts, takes out of all
// places behind it. Some 120 instructions a byte, 240 GB/s on an H100; memory, at three reads and a write a
// byte, would allow 700.
#include "hashing.cuh"
#include "rows.cuh"

__device__ __forceinline__ bool is_alphanumeric(u32 byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

// What the byte at i of the text [start, stop) becomes.
__device__ __forceinline__ u8 folded(const u8 *text, i64 i, i64 start, i64 stop) {
    const u8 byte = text[i];
    if (byte >= 'A' && byte <= 'Z') return byte + 32;
#ifdef BARE
    const bool inside = byte == '_' && i > start && i + 1 < stop && is_alphanumeric(text[i - 1]) &&
                        is_alphanumeric(text[i + 1]);
    return is_alphanumeric(byte) || inside ? byte : 0x20;
#else
    return byte >= 9 && byte <= 13 ? 0x20 : byte;
#endif
}

// A walk over the rows of a block of 32 bytes.
struct Place {
    i64 row, start, stop;
};
__device__ __forceinline__ void move_to(Place &here, const i64 *offsets, i64 rows, i64 i) {
    if (i < here.stop) return;
    here.row = row_of(offsets, rows, i);
    here.start = offsets[here.row];
    here.stop = offsets[here.row + 1];
}

// flags[row] = 1 for a text that has a byte of 0x80 or above; zeros at first.
extern "C" __global__ void flag_rows(const u8 *text, const i64 *offsets, i64 rows, i64 base, i64 blocks, u8 *flags) {
    const i64 j = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= blocks) return;
    Place here = {0, 0, -1};
    for (i64 i = max(base + 32 * j, offsets[0]); i < min(base + 32 * j + 32, offsets[rows]); i++) {
        if (text[i] < 0x80) continue;
        move_to(here, offsets, rows, i);
        flags[here.row] = 1;
    }
}

// marks[j]: which of the bytes 32 j to 32 j + 31 after `base` are kept; counts[j]: how many.
extern "C" __global__ void mark_kept(const u8 *text, const i64 *offsets, i64 rows, i64 base, i64 blocks,
                                     const u8 *flags, u32 *marks, i64 *counts) {
    const i64 j = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= blocks) return;
    Place here = {0, 0, -1};
    u32 kept = 0;
    for (i64 i = max(base + 32 * j, offsets[0]); i < min(base + 32 * j + 32, offsets[rows]); i++) {
        move_to(here, offsets, rows, i);
        if (flags[here.row]) continue;
        const bool keep = folded(text, i, here.start, here.stop) != 0x20 ||
                          (i > here.start && folded(text, i - 1, here.start, here.stop) != 0x20);
        if (keep) kept |= 1u << (u32)(i - base - 32 * j);
    }
    marks[j] = kept;
    counts[j] = __popc(kept);
}

// before[row]: kept bytes before a row; extra[row]: 1 where the row's last kept byte is a space to be given back.
extern "C" __global__ void row_ends(const u8 *text, const i64 *offsets, i64 rows, i64 base, i64 blocks,
                                    const u8 *flags, const u32 *marks, const i64 *places, i64 total, i64 *before,
                                    i64 *extra) {
    const i64 row = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (row > rows) return;
    i64 ends[2];
    for (int end = 0; end < 2; end++) {
        const i64 at = offsets[min(row + end, rows)] - base, j = at >> 5;
        ends[end] = j < blocks ? places[j] + __popc(marks[j] & ((1u << (at & 31)) - 1)) : total;
    }
    before[row] = ends[0];
    if (row == rows) return;
    const i64 start = offsets[row], stop = offsets[row + 1];
    extra[row] = ends[1] > ends[0] && folded(text, stop - 1, start, stop) == 0x20;
}

// Writes the kept bytes: those of row r from out_offsets[r] on, to out_offsets[r + 1].
extern "C" __global__ void write_kept(const u8 *text, const i64 *offsets, i64 rows, i64 base, i64 blocks,
                                      const u32 *marks, const i64 *places, const i64 *before, const i64 *out_offsets,
                                      u8 *out) {
    const i64 j = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= blocks) return;
    Place here = {0, 0, -1};
    i64 kept = places[j];
    for (u32 left = marks[j]; left; left &= left - 1, kept++) {
        const i64 i = base + 32 * j + __ffs((int)left) - 1;
        move_to(here, offsets, rows, i);
        const i64 to = out_offsets[here.row] + kept - before[here.row];
        if (to < out_offsets[here.row + 1]) out[to] = folded(text, i, here.start, here.stop);
    }
}
