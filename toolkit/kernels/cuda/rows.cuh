// Which row a place belongs to: the offsets are asked, some 25 reads for millions of rows.
#pragma once
#include "hashing.cuh"

// The last row that begins at `at` or before: past all empty rows there, the one that holds it.
__device__ __forceinline__ i64 row_of(const i64 *offsets, i64 rows, i64 at) {
    i64 low = 0, high = rows - 1;
    while (low < high) {
        i64 middle = (low + high + 1) >> 1;
        if (offsets[middle] <= at) low = middle;
        else high = middle - 1;
    }
    return low;
}
