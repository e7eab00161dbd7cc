// MinHash signatures, scheme affine-1, fused with shingling: texts in, k minima a text out.
//
//     signature[j] = min over shingles of (a_j x + b_j) mod 2^32,   x = identity >> 32,  a_j odd
//
// Work is cut into equal stretches of text, a warp each: one long text holds nobody up. Of each piece of a
// stretch, 32 lanes put the hashes x into shared memory (shingle.cuh); then each lane keeps a, b and the
// minimum of its own OWN permutations in registers, and all lanes read the same four hashes in one load.
// A minimum leaves the registers where a text ends, by atomicMin: several warps may hold parts of a text,
// and the order of minima does not matter.
//
// Cost of a hash, k = 128, in instructions of a warp, counted in sm_90's machine code: 4 multiply-adds (IMAD)
// and 2 minima of three operands (VIMNMX3; 4 of two before and after sm_90), 1/4 of a load, 1/32 of 38 to slide
// and mix and of 7 n / RUN to warm up: 8.1 in all. A multiprocessor takes 64 lanes a clock of each kind and 128
// of all, so an H100's bound is 58 GB/s of text (77 with VIMNMX3) if both kinds share a pipe, 116 if not
// (cost.py). Texts of a few bytes cost more: a text's k minima are k atomics.
//
// More than 32 OWN permutations are a second row of blocks (blockIdx.y), which makes the hashes again: 45
// lanes' instructions a hash beside 2 * 256.
#include "shingle.cuh"

#ifndef OWN
#define OWN 4  // permutations of a lane
#endif
#define AHEAD 4  // loads of four hashes in a turn of the loop
#ifndef WARPS
#define WARPS 4
#endif

#define BLOCKS 6  // of a multiprocessor at least: 80 registers a thread at most

struct Minima {
    u32 a[OWN], b[OWN], low[OWN];
};

__device__ __forceinline__ void lower_one(Minima &my, u32 x) {
#pragma unroll
    for (int p = 0; p < OWN; p++) my.low[p] = min(my.low[p], my.a[p] * x + my.b[p]);
}

__device__ __forceinline__ void lower_four(Minima &my, const u32 *xs) {
    const uint4 x = *(const uint4 *)xs;
#pragma unroll
    for (int p = 0; p < OWN; p++) {
        u32 low = my.low[p];
        low = min(min(low, my.a[p] * x.x + my.b[p]), my.a[p] * x.y + my.b[p]);
        my.low[p] = min(min(low, my.a[p] * x.z + my.b[p]), my.a[p] * x.w + my.b[p]);
    }
}

// The inner loop: a multiply-add and a minimum for each of xs[i..to) and each permutation.
__device__ __forceinline__ void lower(Minima &my, const u32 *xs, int i, int to) {
#pragma unroll 1
    for (; i < to && (i & 3); i++) lower_one(my, xs[i]);
#pragma unroll 1
    for (; i + 4 * AHEAD <= to; i += 4 * AHEAD) {
#pragma unroll
        for (int four = 0; four < AHEAD; four++) lower_four(my, xs + i + 4 * four);
    }
#pragma unroll 1
    for (; i + 4 <= to; i += 4) lower_four(my, xs + i);
#pragma unroll 1
    for (; i < to; i++) lower_one(my, xs[i]);
}

__device__ __forceinline__ void give(Minima &my, u32 *signature, i64 first, i64 k) {
#pragma unroll
    for (int p = 0; p < OWN; p++) {
        const i64 slot = first + 32 * p;
        if (slot < k && my.low[p] != ONES) atomicMin(&signature[slot], my.low[p]);
        my.low[p] = ONES;
    }
}

// Lowers `signatures` (rows, k), all ones at first. A warp takes `stretch` items, a multiple of PIECE.
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS)
minhash(const Item *items, const i64 *offsets, i64 rows, i64 n, u64 leaving, u64 plus, const u32 *a, const u32 *b,
        i64 k, i64 stretch, u32 *signatures) {
    __shared__ __align__(16) u32 hashes[WARPS][PIECE];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const i64 limit = offsets[rows], first = (i64)blockIdx.y * 32 * OWN + lane;
    i64 at = (offsets[0] & ~3ll) + ((i64)blockIdx.x * WARPS + warp) * stretch;
    const i64 end = min(at + stretch, limit);
    if (at >= end) return;
    u32 *xs = hashes[warp];
    Minima my;
#pragma unroll
    for (int p = 0; p < OWN; p++) {
        const bool used = first + 32 * p < k;
        my.a[p] = used ? a[first + 32 * p] : 0;
        my.b[p] = used ? b[first + 32 * p] : ONES;
        my.low[p] = ONES;
    }
    i64 row = row_of(offsets, rows, at);
    for (; at < end; at += PIECE) {
        const i64 to = min(at + PIECE, end);
        __syncwarp();
        slide(items, at + lane * RUN, end, {n, leaving, plus}, [&](int j, const u64 *found) {
            *(uint4 *)(xs + lane * RUN + j) = make_uint4((u32)(found[0] >> 32), (u32)(found[1] >> 32),
                                                         (u32)(found[2] >> 32), (u32)(found[3] >> 32));
        });
        __syncwarp();
        short_texts(items, offsets, rows, row, at, to, n, lane,
                    [&](i64 where, u64 found) { xs[where - at] = (u32)(found >> 32); });
        __syncwarp();
        while (row < rows) {
            const i64 start = offsets[row], stop = offsets[row + 1];
            if (start >= to) break;
            if (start == stop) {
                row = row_of(offsets, rows, stop);  // past all the empty texts here at once
                continue;
            }
            const i64 from = max(first_window(start, stop, n), at);
            lower(my, xs, (int)(from - at), (int)(min(stop, to) - at));
            if (stop > to) break;
            give(my, signatures + row * k, first, k);
            row++;
        }
    }
    if (row < rows) give(my, signatures + row * k, first, k);
}
