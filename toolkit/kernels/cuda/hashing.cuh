// Integer hashing, the bits of toolkit/kernels/hashing.py and word.py.
//
//     mix64(x)    x ^= x>>30, x *= A, x ^= x>>27, x *= B, x ^= x>>31                (splitmix64)
//
// A card has 32-bit lanes: a product of 64 bits is three multiply-adds, a shift two instructions. mix64
// is about 20 of them, 16 where only its high half is used.
#pragma once
typedef unsigned char u8;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

const u64 GOLDEN = 0x9E3779B97F4A7C15ull;
const u64 MIX_A = 0xBF58476D1CE4E5B9ull, MIX_B = 0x94D049BB133111EBull;
const u64 STEP = 0xD1342543DE82EF95ull;  // the base of the polynomial of a shingle
const u64 WORD_SEED = 0x8A5CD789635D2DFFull, WORD_STEP = 0xD6E8FEB86659FD93ull;
const u32 ONES = 0xFFFFFFFFu;
const u64 ONES_64 = ~0ull;
const u32 ALL_LANES = 0xFFFFFFFFu;

// h STEP + item, and that plus a product of an item that leaves: the high halves first, then one product of
// 64 bits with all the rest as its addend, which is what a multiply-add takes. Left to itself a compiler adds
// the pieces of each product one by one, half as many instructions again.
__device__ __forceinline__ u64 step(u64 h, u32 item) {
    const u32 high = (u32)h * (u32)(STEP >> 32) + (u32)(h >> 32) * (u32)STEP;
    return (u64)(u32)h * (u32)STEP + ((u64)high << 32 | item);
}

__device__ __forceinline__ u64 step(u64 h, u32 item, u32 old, u64 out) {
    const u32 high = old * (u32)(out >> 32) + (u32)h * (u32)(STEP >> 32) + (u32)(h >> 32) * (u32)STEP;
    return (u64)(u32)h * (u32)STEP + ((u64)old * (u32)out + ((u64)high << 32 | item));
}

__device__ __forceinline__ u64 mix64(u64 x) {
    x = (x ^ (x >> 30)) * MIX_A;
    x = (x ^ (x >> 27)) * MIX_B;
    return x ^ (x >> 31);
}

__device__ __forceinline__ u32 byte_of(u32 word, int at) { return __byte_perm(word, 0, 0x4440 + at); }
