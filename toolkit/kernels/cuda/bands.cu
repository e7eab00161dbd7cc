// The key of each band of each signature: the bits of toolkit/kernels/bucket.py.
//
//     h = mix64(rows + (band + 1) GOLDEN);   h = mix64(h ^ slot) GOLDEN  for each slot of the band;   mix64(h)
//
// A thread takes a band of a row; its neighbours take the next bands of the same row, so that a warp reads
// slots that lie together. Four bytes in and 29 instructions a slot: an H100 could do 8 G signatures of 128 slots
// a second by the instructions that it issues, 5 G by its memory.
#include "hashing.cuh"

extern "C" __global__ void band_keys(const u32 *signatures, i64 count, i64 k, i64 bands, i64 rows, u64 *out) {
    const i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count * bands) return;
    const i64 row = at / bands, band = at % bands;
    const u32 *slots = signatures + row * k + band * rows;
    u64 h = mix64((u64)rows + (u64)(band + 1) * GOLDEN);
    for (i64 slot = 0; slot < rows; slot++) h = mix64(h ^ slots[slot]) * GOLDEN;
    out[at] = mix64(h);
}
