// Shingles on a card: the identity of every window of n items that ends in a piece of the texts.
//
//     H(s_1..s_n) = mix64( sum over j of  s_j P^(n-j)  mod 2^64 )        see toolkit/kernels/shingle.py
//
// All texts lie end to end, and what is cut is that one stream of items: a warp takes a piece, each of
// its lanes a run of it. A lane warms up over the n items before its run, then slides: h P + new - old P^n,
// three multiply-adds for h P, two for a byte times 64 bits. It slides over the ends of texts too; windows that
// cross one are not read (first_window). Instructions an item of a run of R bytes: about 12 to slide, 16 to
// mix and 5 n / R to warm up, so that n should not be far above R.
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

#ifdef ITEM_BYTES
__device__ __forceinline__ u32 word_at(const u8 *text, i64 at) {
    return at < 0 ? 0 : *(const u32 *)(text + at);
}

// Calls put(j, four identities) for j = 0, 4, 8 ... of the run that begins at `at`, a multiple of four.
template <class Put>
__device__ __forceinline__ void slide(const u8 *text, i64 at, i64 limit, Windows of, Put put) {
    const u64 out = 0 - of.leaving;
    i64 gone = at - of.n;  // the first byte to leave
    u64 h = 0;
    const u8 *before = text + (gone < 0 ? 0 : gone);
#pragma unroll 8
    for (int left = (int)(at - (gone < 0 ? 0 : gone)); left > 0; left--) h = step(h, *before++);
    const u32 shift = 8 * (u32)(gone & 3);
    gone &= ~3ll;
    u32 low = word_at(text, gone);
    const int count = (int)(limit - at < RUN ? limit - at : RUN);
    for (int j = 0; j < count; j += 4) {
        const u32 high = word_at(text, gone + j + 4), old = __funnelshift_r(low, high, shift);
        const u32 entering = *(const u32 *)(text + at + j);
        low = high;
        u64 found[4];
#pragma unroll
        for (int byte = 0; byte < 4; byte++) {
            h = step(h, byte_of(entering, byte), byte_of(old, byte), out);
            found[byte] = mix64(h + of.plus);
        }
        put(j, found);
    }
}
#else
__device__ __forceinline__ u64 item_at(const u64 *items, i64 at, i64 limit) {
    return at < 0 || at >= limit ? 0 : items[at];
}

template <class Put>
__device__ __forceinline__ void slide(const u64 *items, i64 at, i64 limit, Windows of, Put put) {
    u64 h = 0;
#ifdef ITEM_WORDS
    for (i64 i = at - of.n < 0 ? 0 : at - of.n; i < at; i++) h = h * STEP + item_at(items, i, limit);
#endif
    const int count = (int)(limit - at < RUN ? limit - at : RUN);
    for (int j = 0; j < count; j += 4) {
        u64 found[4];
#pragma unroll
        for (int more = 0; more < 4; more++) {
            const u64 entering = item_at(items, at + j + more, limit);
#ifdef ITEM_WORDS
            h = h * STEP + (entering - of.leaving * item_at(items, at + j + more - of.n, limit));
            found[more] = mix64(h);
#else
            found[more] = entering;
#endif
        }
        put(j, found);
    }
}
#endif

// Calls put(at, identity) for each text shorter than n that ends in [from, to); lanes share the rows.
template <class Put>
__device__ __forceinline__ void short_texts(const Item *items, const i64 *offsets, i64 rows, i64 row, i64 from, i64 to,
                                            i64 n, u32 lane, Put put) {
    for (row += lane; row < rows && offsets[row] < to; row += 32) {
        const i64 start = offsets[row], stop = offsets[row + 1];
        if (start == stop || stop - start >= n || stop > to || stop <= from) continue;
        u64 h = 0;
#ifdef ITEM_BYTES
        for (i64 i = start; i < stop; i++) h = h * STEP + (items[i] + 1);
#else
        for (i64 i = start; i < stop; i++) h = h * STEP + items[i];
#endif
        put(stop - 1, mix64(h));
    }
}
