// Shingles on a card: the identity of every window of n items that ends in a piece of the texts.
//
//     H(s_1..s_n) = mix64( sum over j of  s_j P^(n-j)  mod 2^64 )        see toolkit/kernels/shingle.py
//
// All texts lie end to end, and what is cut is that one stream of items: a warp takes a piece, each of
// its lanes a run of it. A lane warms up over the n items before its run, then slides: h P + new - old P^n,
// three multiply-adds for h P, two for a byte times 64 bits. It slides over the ends of texts too; windows that
// cross one are not read (first_window). An item takes 38 instructions: 15 to slide, 16 to mix and 7 to load,
// to take bytes apart and to keep count; an item of the warm-up 7, n of them for RUN, so that n should not be
// far above RUN.
//
// ITEM_BYTES (the default): an item is a byte plus one. What the ones add up to is the same for every window,
// `plus`, and comes last; leaving them out lets a byte before the buffer be zero. A lane reads its run, and
// the bytes that leave, four at a time: the buffer begins at a multiple of four bytes.
// ITEM_WORDS: an item is the hash of a word. ITEM_SETS: an identity that is mixed already, and n is 1.
#pragma once
#include "hashing.cuh"
#include "rows.cuh"

#ifndef RUN
#define RUN 36  // items of a lane: RUN / 4 odd, so that 8 lanes that store 16 bytes each meet 32 banks
#endif
const int PIECE = 32 * RUN;

#if defined(ITEM_WORDS) || defined(ITEM_SETS)
typedef u64 Item;
#else
#define ITEM_BYTES
typedef u8 Item;
#endif

struct Windows {
    i64 n;
    u64 leaving, plus;  // P^n; 1 + P + ... + P^(n-1) for bytes, 0 for words
};

// The item at which a text's first window ends: a text shorter than n is one window.
__device__ __forceinline__ i64 first_window(i64 start, i64 stop, i64 n) {
    return stop - start < n ? stop - 1 : start + n - 1;
}

// Calls put(j, four identities) for j = 0, 4, 8 ... of the run that begins at items[at], a multiple of four.
// Places are counted from the run: 32 bits each, so that they cost one register and not two.
template <class Put>
__device__ __forceinline__ void slide(const Item *items, i64 at, i64 limit, Windows of, Put put) {
    if (at >= limit) return;
    const Item *run = items + at;
    const int count = (int)min(limit - at, (i64)RUN), n = (int)of.n;
    const int lowest = (int)max(-at, (i64)-n);  // where the buffer begins
    u64 h = 0;
#ifdef ITEM_BYTES
#pragma unroll 4
    for (int i = lowest; i < 0; i++) h = step(h, run[i]);
    const u64 out = 0 - of.leaving;
    const u32 shift = 8 * (u32)(-n & 3);
    const u32 *entering = (const u32 *)run, *leaving = (const u32 *)(run + (-n & ~3));
    int before = (lowest - (-n & ~3)) / 4;  // words of `leaving` that lie before the buffer
    u32 low = before > 0 ? 0 : *leaving;
#pragma unroll 1
    for (int j = 0; j < count; j += 4) {
        leaving++;
        const u32 high = --before > 0 ? 0 : *leaving, old = __funnelshift_r(low, high, shift), fresh = *entering++;
        low = high;
        u64 found[4];
#pragma unroll
        for (int byte = 0; byte < 4; byte++) {
            h = step(h, byte_of(fresh, byte), byte_of(old, byte), out);
            found[byte] = mix64(h + of.plus);
        }
        put(j, found);
    }
#else
#ifdef ITEM_WORDS
#pragma unroll 4
    for (int i = lowest; i < 0; i++) h = h * STEP + run[i];
#endif
#pragma unroll 1
    for (int j = 0; j < count; j += 4) {
        u64 found[4];
#pragma unroll
        for (int more = j; more < j + 4; more++) {
            const u64 entering = more < count ? run[more] : 0;
#ifdef ITEM_WORDS
            const u64 old = more - n >= lowest && more < count ? run[more - n] : 0;
            h = h * STEP + (entering - of.leaving * old);
            found[more - j] = mix64(h);
#else
            found[more - j] = entering;
#endif
        }
        put(j, found);
    }
#endif
}

// Calls put(at, identity) for each text shorter than n that ends in [from, to); lanes share the rows.
template <class Put>
__device__ __forceinline__ void short_texts(const Item *items, const i64 *offsets, i64 rows, i64 row, i64 from,
                                            i64 to, i64 n, u32 lane, Put put) {
    for (row += lane; row < rows && offsets[row] < to; row += 32) {
        const i64 start = offsets[row], stop = offsets[row + 1];
        if (start == stop || stop - start >= n || stop > to || stop <= from) continue;
        u64 h = 0;
#ifdef ITEM_BYTES
#pragma unroll 1
        for (int i = 0; i < (int)(stop - start); i++) h = step(h, items[start + i] + 1);
#else
#pragma unroll 1
        for (int i = 0; i < (int)(stop - start); i++) h = h * STEP + items[start + i];
#endif
        put(stop - 1, mix64(h));
    }
}
