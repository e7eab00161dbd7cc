// Signatures of scheme rounds-1: the bits of toolkit/kernels/rounds.py.
//
//     h = mix64(identity ^ c_r),  slot = (h mod 2^32) k div 2^32,  value = h div 2^32
//     signature[slot] = least value in the first round r < k that hits the slot; else in round k + slot
//
// A slot holds r << 32 | value while at work, so that one minimum decides both and no order matters. Round 0
// passes over equal pieces of text, as minhash.cu does; a warp's minima lie in its own table in shared memory
// and go out where a text ends. A hash is read against its slot first: of m hashes only some k ln(m / k) lower
// one. Some 43 instructions to make an identity, 34 for the round: on an H100 210 GB/s of text if all arithmetic
// shares 64 lanes a clock, 390 by what is issued (cost.py); k matters little.
//
// A long text needs no more. The others (fewer than some k ln k shingles) play on from their identities, a
// block a text, several rounds at once where shingles are few: a later round never lowers an earlier one's.
//
// k above SLOTS is cut into ranges of slots, a second row of blocks each, which hash everything again.
#include "shingle.cuh"

#ifndef SLOTS
#define SLOTS 128  // of a warp's table; all of k where it fits
#endif
#ifndef WARPS
#define WARPS 2
#endif

__device__ __forceinline__ u32 slot_of(u64 h, u32 k) { return __umulhi((u32)h, k); }

__device__ __forceinline__ void give(u32 *table, u64 *least, i64 first, i64 k, u32 lane) {
    __syncwarp();
    for (i64 slot = lane; slot < SLOTS && first + slot < k; slot += 32) {
        if (table[slot] != ONES) atomicMin(&least[first + slot], (u64)table[slot]);
        table[slot] = ONES;
    }
    __syncwarp();
}

// Lowers `least` uint64 (rows, k), all ones at first, to round 0's minima.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
first_round(const Item *items, const i64 *offsets, i64 rows, i64 n, u64 leaving, u64 plus, u64 constant, i64 k,
            i64 stretch, u64 *least) {
    __shared__ __align__(16) u64 hashes[WARPS][PIECE];
    __shared__ u32 tables[WARPS][SLOTS];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const i64 limit = offsets[rows], base = (i64)blockIdx.y * SLOTS;
    i64 at = (offsets[0] & ~3ll) + ((i64)blockIdx.x * WARPS + warp) * stretch;
    const i64 end = min(at + stretch, limit);
    if (at >= end) return;
    u64 *found = hashes[warp];
    u32 *table = tables[warp];
    for (u32 slot = lane; slot < SLOTS; slot += 32) table[slot] = ONES;
    i64 row = row_of(offsets, rows, at);
    for (; at < end; at += PIECE) {
        const i64 to = min(at + PIECE, end);
        __syncwarp();
        slide(items, at + lane * RUN, end, {n, leaving, plus}, [&](int j, const u64 *four) {
            for (int i = 0; i < 4; i++) found[lane * RUN + j + i] = mix64(four[i] ^ constant);
        });
        __syncwarp();
        short_texts(items, offsets, rows, row, at, to, n, lane,
                    [&](i64 where, u64 one) { found[where - at] = mix64(one ^ constant); });
        __syncwarp();
        while (row < rows) {
            const i64 start = offsets[row], stop = offsets[row + 1];
            if (start >= to) break;
            if (start == stop) {
                row = row_of(offsets, rows, stop);
                continue;
            }
            const int last = (int)(min(stop, to) - at);
            for (int i = (int)(max(first_window(start, stop, n), at) - at) + lane; i < last; i += 32) {
                const u64 h = found[i];
                const u32 slot = slot_of(h, (u32)k) - (u32)base, value = (u32)(h >> 32);
                if (slot >= SLOTS || value > table[slot]) continue;
                if (value < ONES) atomicMin(&table[slot], value);
                else atomicMin(&least[row * k + base + slot], (u64)value);  // a hit, though it looks like none
            }
            if (stop > to) break;
            give(table, least + row * k, base, k, lane);
            row++;
        }
    }
    if (row < rows) give(table, least + row * k, base, k, lane);
}

// Plays rounds 1, 2 ... for rows[i] with the identities ids[offsets[i]..offsets[i + 1]), a block a row.
extern "C" __global__ void later_rounds(const u64 *ids, const i64 *offsets, const i64 *rows, const u64 *constants,
                                        i64 k, u64 *least) {
    __shared__ u64 table[SLOTS];
    __shared__ u32 missing;
    const i64 row = rows[blockIdx.x], first = offsets[blockIdx.x], count = offsets[blockIdx.x + 1] - first;
    const i64 base = (i64)blockIdx.y * SLOTS, slots = min((i64)SLOTS, k - base);
    if (threadIdx.x == 0) missing = 0;
    __syncthreads();
    for (i64 slot = threadIdx.x; slot < slots; slot += blockDim.x) {
        table[slot] = least[row * k + base + slot];
        if (table[slot] == ONES_64) atomicAdd(&missing, 1u);
    }
    __syncthreads();
    const i64 at_once = count ? max(1ll, (i64)blockDim.x / count) : 0;
    for (i64 number = 1; number < k && count; number += at_once) {
        const u32 left = missing;
        __syncthreads();  // nobody counts down before everybody has read
        if (left == 0) break;
        for (i64 t = threadIdx.x; t < min(at_once, k - number) * count; t += blockDim.x) {
            const i64 round = number + t / count;
            const u64 h = mix64(ids[first + t % count] ^ constants[round]);
            const u32 slot = slot_of(h, (u32)k) - (u32)base;
            const u64 value = (u64)round << 32 | h >> 32;
            if (slot >= SLOTS || value >= ((volatile u64 *)table)[slot]) continue;
            if (atomicMin(&table[slot], value) == ONES_64) atomicAdd(&missing, (u32)-1);
        }
        __syncthreads();
    }
    for (i64 slot = threadIdx.x; slot < slots; slot += blockDim.x) {
        u64 value = table[slot];
        if (value == ONES_64)
            for (i64 i = first; i < first + count; i++)
                value = min(value, mix64(ids[i] ^ constants[k + base + slot]) >> 32);
        least[row * k + base + slot] = value;
    }
}
