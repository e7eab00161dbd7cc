// Which n-grams of words are indexed: the bits of toolkit/kernels/gram.py, and of screen.py for bare texts.
//
//     gram(w) = sum over j of  s_(w+j) P^(n-1-j)  mod 2^64,      s the word hashes
//
// A thread takes a word, finds its row (some 400 instructions of halving: the most of it) and sums the n words
// from it on, 8 instructions each. Then one question to a filter (every t-th q-gram, see screen.py), which for
// nearly all texts ends it; the table is asked only around a q-gram that the filter holds. Both fit in the
// second-level cache up to some millions of grams. 500 instructions a word of 13-grams are 370 GB/s of text on an
// H100. What is found still only proposes: words are compared elsewhere.
#include "hashing.cuh"
#include "rows.cuh"

__device__ __forceinline__ u64 gram_at(const u64 *hashes, i64 from, i64 n) {
    u64 h = 0;
    for (i64 w = from; w < from + n; w++) h = h * STEP + hashes[w];
    return h;
}

// out[w]: the gram of n words from w on, 0 where the text ends first.
extern "C" __global__ void rolling(const u64 *hashes, const i64 *offsets, i64 rows, i64 n, u64 *out) {
    const i64 w = offsets[0] + (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (w >= offsets[rows]) return;
    out[w] = w + n <= offsets[row_of(offsets, rows, w) + 1] ? gram_at(hashes, w, n) : 0;
}

// out[w]: the sum over all words of a text at its first word, if it has at most `most`; else 0.
extern "C" __global__ void wholes(const u64 *hashes, const i64 *offsets, i64 rows, i64 most, u64 *out) {
    const i64 w = offsets[0] + (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (w >= offsets[rows]) return;
    const i64 row = row_of(offsets, rows, w), count = offsets[row + 1] - offsets[row];
    out[w] = w == offsets[row] && count <= most ? gram_at(hashes, w, count) : 0;
}

// entries[w]: the first entry with the hash of gram w, or -1; `slots` is the table of gram.insert.
extern "C" __global__ void scan(const u64 *grams, i64 count, const i64 *slots, i64 size, const u64 *entry_hash,
                                i64 *entries) {
    const i64 w = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (w >= count) return;
    const u64 h = grams[w];
    i64 at = (i64)(h & (u64)(size - 1)), found = -1;
    for (; slots[at] >= 0; at = (at + 1) & (size - 1)) {
        if (entry_hash[slots[at]] == h) {
            found = slots[at];
            break;
        }
    }
    entries[w] = found;
}

__device__ __forceinline__ bool in_filter(u64 gram, const u64 *bits, i64 size) {
    const u64 wanted = 1ull << (gram & 63) | 1ull << ((gram >> 6) & 63);
    return (bits[(gram >> 20) & (u64)(size - 1)] & wanted) == wanted;
}

__device__ __forceinline__ bool in_table(u64 gram, const u64 *table, i64 size) {
    for (u64 at = (gram >> 12) & (u64)(size - 1); table[at]; at = (at + 1) & (u64)(size - 1))
        if (table[at] == (gram | 1)) return true;
    return false;
}

// flags[row] = 1 where a text of bare words may hold an indexed n-gram; zeros at first. See screen.proposes.
extern "C" __global__ void propose(const u64 *hashes, const i64 *offsets, i64 rows, i64 tiers, const i64 *lengths,
                                   const i64 *steps, const i64 *filters, u64 mask, const u64 *bits, const u64 *table,
                                   i64 size, u8 *flags) {
    const i64 w = offsets[0] + (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (w >= offsets[rows]) return;
    const i64 row = row_of(offsets, rows, w), first = offsets[row], count = offsets[row + 1] - first, j = w - first;
    for (i64 tier = 0; tier < tiers; tier++) {
        const i64 n = lengths[tier], step = steps[tier], room = filters[tier + 1] - filters[tier];
        const u64 *filter = bits + filters[tier];
        if (step == 0) {
            if (j || count > n) continue;
            const u64 gram = gram_at(hashes, first, count) & mask;
            if (in_filter(gram, filter, room) && in_table(gram, table, size)) flags[row] = 1;
            continue;
        }
        const i64 q = n - step + 1;
        if (j % step || j + q > count || !in_filter(gram_at(hashes, w, q) & mask, filter, room)) continue;
        for (i64 k = max(0ll, j - step + 1); k <= min(j, count - n); k++)
            if (in_table(gram_at(hashes, first + k, n) & mask, table, size)) flags[row] = 1;
    }
}
