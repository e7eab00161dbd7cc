// The identities of all shingles of all texts, at computed places: the bits of toolkit/kernels/shingle.py.
//
//     out[out_offsets[row] + w] = identity of window w of the row
//
// A text of m items has max(m - n + 1, 1) windows, none if empty, so that every place is known beforehand and
// nothing has to be counted. Pieces of text, equal for all warps, are hashed into shared memory in order
// (shingle.cuh) and copied out by whole warps. Bound by memory: 8 bytes out a byte of text, 370 GB/s of text
// on an H100 (590 by some 50 instructions a byte). Sets are made of them by a sort.
#include "shingle.cuh"

#ifndef WARPS
#define WARPS 4
#endif

extern "C" __global__ void __launch_bounds__(32 * WARPS)
identities(const Item *items, const i64 *offsets, i64 rows, i64 n, u64 leaving, u64 plus, i64 stretch,
           const i64 *out_offsets, u64 *out) {
    __shared__ __align__(16) u64 hashes[WARPS][PIECE];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const i64 limit = offsets[rows];
    i64 at = (offsets[0] & ~3ll) + ((i64)blockIdx.x * WARPS + warp) * stretch;
    const i64 end = min(at + stretch, limit);
    if (at >= end) return;
    u64 *found = hashes[warp];
    i64 row = row_of(offsets, rows, at);
    for (; at < end; at += PIECE) {
        const i64 to = min(at + PIECE, end);
        __syncwarp();
        slide(items, at + lane * RUN, end, {n, leaving, plus}, [&](int j, const u64 *four) {
            for (int i = 0; i < 4; i++) found[lane * RUN + j + i] = four[i];
        });
        __syncwarp();
        short_texts(items, offsets, rows, row, at, to, n, lane, [&](i64 where, u64 one) { found[where - at] = one; });
        __syncwarp();
        while (row < rows) {
            const i64 start = offsets[row], stop = offsets[row + 1];
            if (start >= to) break;
            if (start == stop) {
                row = row_of(offsets, rows, stop);
                continue;
            }
            const i64 first = first_window(start, stop, n);
            u64 *place = out + out_offsets[row] + (at - first);
            const int last = (int)(min(stop, to) - at);
            for (int i = (int)(max(first, at) - at) + lane; i < last; i += 32) place[i] = found[i];
            if (stop > to) break;
            row++;
        }
    }
}

// Copies row rows[i] of the items to out_offsets[i], a warp a row.
extern "C" __global__ void pack_rows(const Item *items, const i64 *offsets, const i64 *rows, i64 count,
                                     const i64 *out_offsets, Item *out) {
    const u32 lane = threadIdx.x % 32;
    const i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (i >= count) return;
    const i64 start = offsets[rows[i]], stop = offsets[rows[i] + 1];
    for (i64 at = start + lane; at < stop; at += 32) out[out_offsets[i] + at - start] = items[at];
}
