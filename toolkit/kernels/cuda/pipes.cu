// Do multiply-adds and minima share a pipe? A clock decides: each alone, then both.
//
//     v = v a + x               MULTIPLY: one a value and lane's accumulator
//     w = min or max(w, x)      MINIMUM: in turn, so that no two become one instruction of three operands
//     w = min or max(w, x, y)   THREE: one of three operands where the card has it, else two
//
// Values come from shared memory, four at a load, as in minhash.cu. If MULTIPLY and MINIMUM together take as
// long as the longer of the two, each has a pipe of its own; if as long as their sum, they share one. A thread
// does 4 CHAINS multiply-adds and as many minima (THREE: half as many) a load.
#include "hashing.cuh"

#define CHAINS 8  // accumulators of a thread: what hides the latency of one
#define VALUES 256

extern "C" __global__ void __launch_bounds__(256) pipes(const u32 *values, i64 turns, u32 *out) {
    __shared__ __align__(16) u32 held[VALUES];
    for (u32 i = threadIdx.x; i < VALUES; i += blockDim.x) held[i] = values[i];
    __syncthreads();
    u32 v[CHAINS], w[CHAINS], a[CHAINS];
#pragma unroll
    for (int c = 0; c < CHAINS; c++) {
        v[c] = threadIdx.x + c;
        a[c] = held[(threadIdx.x + c) % VALUES] | 1;
        w[c] = v[c] * a[c];
    }
    for (i64 turn = 0; turn < turns; turn++) {
#pragma unroll 4
        for (int i = 0; i < VALUES; i += 4) {
            const uint4 x = *(const uint4 *)(held + i);
#pragma unroll
            for (int c = 0; c < CHAINS; c++) {
#ifdef MULTIPLY
                v[c] = v[c] * a[c] + x.x;
                v[c] = v[c] * a[c] + x.y;
                v[c] = v[c] * a[c] + x.z;
                v[c] = v[c] * a[c] + x.w;
#endif
#ifdef MINIMUM
                w[c] = max(min(w[c], x.x), x.y);
                w[c] = max(min(w[c], x.z), x.w);
#endif
#ifdef THREE
                w[c] = min(min(w[c], x.x), x.y);
                w[c] = max(max(w[c], x.z), x.w);
#endif
            }
        }
    }
    u32 sum = 0;
#pragma unroll
    for (int c = 0; c < CHAINS; c++) sum += v[c] ^ w[c];
    out[(i64)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
