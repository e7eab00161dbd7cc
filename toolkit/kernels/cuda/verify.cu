// The exact overlap of two sets of shingles: the bits of toolkit/kernels/overlap.py.
//
//     both = |A and B|,   union = |A| + |B| - both,     A and B ascending, without repeats
//
// A warp takes a pair. Its lanes take 32 members of the smaller set at a time and look each up in the larger:
// from where the last 32 ended, by steps that double, then by halving. Work is min(|A|, |B|) / 32 times
// log2(|A| / |B| + 64): a text of 3 bytes against one of 3 megabytes is one look-up of 22 steps, where a merge
// would pass over all of the larger. Of two equal sets 32 members lie within some 64 of the other, in lines
// that the 32 lanes share, so the bound is memory: 8 bytes a member, 400 G members a second on an H100.
#include "hashing.cuh"

extern "C" __global__ void overlap(const u64 *hashes, const i64 *offsets, const i64 *pairs, i64 count, i64 *shared,
                                   i64 *united) {
    const u32 lane = threadIdx.x % 32;
    const i64 p = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (p >= count) return;
    i64 i = offsets[pairs[2 * p]], i_stop = offsets[pairs[2 * p] + 1];
    i64 j = offsets[pairs[2 * p + 1]], j_stop = offsets[pairs[2 * p + 1] + 1];
    const i64 total = i_stop - i + j_stop - j;
    if (i_stop - i > j_stop - j) {
        i64 other = i;
        i = j;
        j = other;
        other = i_stop;
        i_stop = j_stop;
        j_stop = other;
    }
    i64 both = 0;
    for (; i < i_stop && j < j_stop; i += 32) {
        i64 low = j;  // the first of the larger set that may be x or above
        if (i + lane < i_stop) {
            const u64 x = hashes[i + lane];
            i64 step = 64;
            while (low + step < j_stop && hashes[low + step] < x) {
                low += step + 1;
                step *= 2;
            }
            i64 high = min(low + step, j_stop);
            while (low < high) {
                const i64 middle = low + (high - low) / 2;
                if (hashes[middle] < x) low = middle + 1;
                else high = middle;
            }
            both += low < j_stop && hashes[low] == x;
        }
        j = __shfl_sync(ALL_LANES, low, 31);  // where it is used again, lane 31 had a member: the largest
    }
    for (int apart = 16; apart; apart /= 2) both += __shfl_xor_sync(ALL_LANES, both, apart);
    if (lane == 0) {
        shared[p] = both;
        united[p] = total - both;
    }
}

// out[p]: in how many slots the signatures of a pair are equal.
extern "C" __global__ void agreements(const u32 *signatures, i64 k, const i64 *pairs, i64 count, i64 *out) {
    const u32 lane = threadIdx.x % 32;
    const i64 p = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (p >= count) return;
    const u32 *one = signatures + pairs[2 * p] * k, *other = signatures + pairs[2 * p + 1] * k;
    i64 equal = 0;
    for (i64 slot = lane; slot < k; slot += 32) equal += one[slot] == other[slot];
    for (int apart = 16; apart; apart /= 2) equal += __shfl_xor_sync(ALL_LANES, equal, apart);
    if (lane == 0) out[p] = equal;
}
