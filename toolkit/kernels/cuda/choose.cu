// What stays and what goes, by rounds: the bits of toolkit/kernels/graph.py.
//
//     a document goes if a preferred neighbour stays;  it stays if all its preferred neighbours go
//
// That is the lexicographically first maximal independent set, the one that a single pass by preference finds.
// A round asks all open documents at once, a warp each, which reads its pairs side by side; whatever the order
// in which warps see each other's answers, an answer once given is right and stays. A random order needs
// about log n rounds (Blelloch, Fineman, Shun 2012), a chain as many as it is long: whoever launches stops
// after some and finishes on the host. A round costs 16 bytes for each pair of an open document.
//
// Components: lock-free union, the larger root under the smaller, so that a root is its smallest member.
#include "hashing.cuh"

const u8 OPEN = 0, STAYS = 1, GOES = 2;

// losers[i]'s pairs are by_loser[starts[i]..starts[i + 1]); `open` uint64[1] counts those without an answer.
extern "C" __global__ void settle(const i64 *pairs, const i64 *by_loser, const i64 *losers, const i64 *starts,
                                  i64 count, u8 *state, u64 *open) {
    const u32 lane = threadIdx.x % 32;
    const i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (i >= count) return;
    volatile u8 *answer = state;
    if (__any_sync(ALL_LANES, answer[losers[i]] != OPEN)) return;
    bool goes = false, waits = false;
    for (i64 first = starts[i]; first < starts[i + 1] && !goes; first += 32) {
        u8 theirs = GOES;
        if (first + lane < starts[i + 1]) theirs = answer[pairs[2 * by_loser[first + lane]]];
        goes = __any_sync(ALL_LANES, theirs == STAYS);
        waits |= __any_sync(ALL_LANES, theirs == OPEN);
    }
    if (lane) return;
    if (goes) answer[losers[i]] = GOES;
    else if (!waits) answer[losers[i]] = STAYS;
    else atomicAdd(open, 1ull);
}

// kept_by[loser]: of its neighbours that stay the most similar, ties to the most preferred; -1 if it stays.
extern "C" __global__ void name_survivors(const i64 *pairs, const i64 *by_loser, const i64 *losers, const i64 *starts,
                                          i64 count, const i64 *shared, const i64 *united, const u8 *state,
                                          i64 *kept_by) {
    const u32 lane = threadIdx.x % 32;
    const i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (i >= count) return;
    i64 best = -1;
    if (state[losers[i]] == GOES) {
        for (i64 at = starts[i] + lane; at < starts[i + 1]; at += 32) {
            const i64 p = by_loser[at];
            if (state[pairs[2 * p]] != STAYS) continue;
            if (best < 0 || shared[p] * united[best] > shared[best] * united[p]) best = p;
        }
    }
    for (int apart = 16; apart; apart /= 2) {
        const i64 other = __shfl_xor_sync(ALL_LANES, best, apart);
        if (other < 0) continue;
        if (best < 0) best = other;
        else {
            const i64 theirs = shared[other] * united[best], mine = shared[best] * united[other];
            if (theirs > mine || (theirs == mine && pairs[2 * other] < pairs[2 * best])) best = other;
        }
    }
    if (lane == 0) kept_by[losers[i]] = best < 0 ? -1 : pairs[2 * best];
}

__device__ __forceinline__ u64 root_of(volatile u64 *parent, u64 at) {
    for (u64 up = parent[at]; up != at; up = parent[at]) {
        parent[at] = parent[up];  // an ancestor still, if somebody was faster
        at = up;
    }
    return at;
}

extern "C" __global__ void unite(const i64 *pairs, i64 count, u64 *parent) {
    const i64 p = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (p >= count) return;
    u64 one = root_of(parent, (u64)pairs[2 * p]), other = root_of(parent, (u64)pairs[2 * p + 1]);
    while (one != other) {
        const u64 high = max(one, other), low = min(one, other);
        const u64 before = atomicCAS(&parent[high], high, low);
        if (before == high) return;
        one = root_of(parent, before);  // somebody else was faster: go on from where it hangs now
        other = root_of(parent, low);
    }
}

// Reads only what unite left: a shorter path written here could hide another thread's answer.
extern "C" __global__ void flatten(i64 count, const u64 *parent, u64 *smallest) {
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    u64 at = (u64)i;
    while (parent[at] != at) at = parent[at];
    smallest[i] = at;
}
