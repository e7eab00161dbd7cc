// CUDA's words in C++, so that a .cu file runs on the CPU as it stands, for tests: exact, not fast.
//
// A thread of a block is a fiber, a stack of its own on the one thread of the processor. It runs until
// it waits for its warp or its block, then the next one runs. Waiting is strict: all 32 lanes of a warp
// must come to the same kind of wait, all threads of a block to the same __syncthreads, and a lane that
// has ended while others wait is an error. So is what CUDA leaves undefined and a card often forgives.
// Blocks run one after another, so shared memory is static; it is filled with 0xA5 before each block,
// because a card's holds what the last block left. `backward` runs the lanes from the last to the first:
// a kernel whose result depends on it lacks a barrier.
#pragma once
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#define __global__
#define __device__ static
#define __forceinline__ inline
#define __restrict__
#define __align__(size) __attribute__((aligned(size)))
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("shared_memory")))

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

extern "C" char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));

namespace host {
enum Wait { RUNS, WARP, BLOCK, ENDED };
struct Fiber {
    jmp_buf where;
    ucontext_t context;
    char *stack = nullptr;
    Wait wait = ENDED;
    int kind = 0, turn = 0;
};
const int STACK = 128 << 10, LANES = 32;
static Fiber *fibers;
static int fiber_count;
static unsigned long long *given;  // what a lane gave to a shuffle, two turns each
static void (*body)(void **arguments);
static void **arguments;
static jmp_buf scheduler;
static int current;
static char complaint[160];

static void give_way(Wait wait, int kind) {
    Fiber &fiber = fibers[current];
    fiber.wait = wait;
    fiber.kind = kind;
    if (!_setjmp(fiber.where)) _longjmp(scheduler, 1);
}

static void life() {
    for (;;) {
        body(arguments);
        give_way(ENDED, 0);
    }
}

static void run(int t) {
    Fiber &fiber = fibers[t];
    current = t;
    threadIdx.x = t;
    if (_setjmp(scheduler)) return;
    if (fiber.stack) _longjmp(fiber.where, 1);
    fiber.stack = (char *)std::malloc(STACK);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK;
    makecontext(&fiber.context, life, 0);
    setcontext(&fiber.context);
}

// Runs a warp until all its lanes wait for the block, or have ended; false where lanes part.
static bool run_warp(int first, int last, bool backward) {
    for (;;) {
        for (bool again = true; again;) {
            again = false;
            for (int i = first; i < last; i++) {
                int t = backward ? first + last - 1 - i : i;
                if (fibers[t].wait == RUNS) run(t);
                again |= fibers[t].wait == RUNS;
            }
        }
        for (int t = first; t < last; t++) {
            if (fibers[t].wait == fibers[first].wait && fibers[t].kind == fibers[first].kind) continue;
            std::snprintf(complaint, sizeof complaint, "lanes part: thread %d waits as %d/%d, thread %d as %d/%d",
                          first, fibers[first].wait, fibers[first].kind, t, fibers[t].wait, fibers[t].kind);
            return false;
        }
        if (fibers[first].wait != WARP) return true;
        for (int t = first; t < last; t++) fibers[t].wait = RUNS;
    }
}

static bool run_block(int threads, bool backward) {
    if (__start_shared_memory) std::memset(__start_shared_memory, 0xA5, __stop_shared_memory - __start_shared_memory);
    for (int t = 0; t < threads; t++) fibers[t].wait = RUNS;
    for (;;) {
        int ended = 0, waiting = 0;
        for (int first = 0; first < threads; first += LANES) {
            int at = backward ? (threads - 1) / LANES * LANES - first : first;
            int last = at + LANES < threads ? at + LANES : threads;
            if (fibers[at].wait == RUNS && !run_warp(at, last, backward)) return false;
            ended += fibers[at].wait == ENDED;
            waiting += fibers[at].wait == BLOCK;
        }
        if (waiting == 0) return true;
        if (ended > 0) {
            std::snprintf(complaint, sizeof complaint, "%d warps wait for %d that have ended", waiting, ended);
            return false;
        }
        for (int t = 0; t < threads; t++) fibers[t].wait = RUNS;
    }
}

static void forget() {
    for (int t = 0; t < fiber_count; t++) std::free(fibers[t].stack);
    delete[] fibers;
    delete[] given;
    fibers = nullptr;
    given = nullptr;
    fiber_count = 0;
}

// shape: blocks in x and y, threads a block. Null, or what went wrong.
static const char *launch(void (*call)(void **), const unsigned *shape, int backward, void **args) {
    const int threads = shape[2];
    if (fiber_count < threads) {
        forget();  // a jump buffer cannot be moved
        fibers = new Fiber[threads];
        given = new unsigned long long[2 * (threads + LANES)]();
        fiber_count = threads;
    }
    body = call;
    arguments = args;
    gridDim = {shape[0], shape[1], 1};
    blockDim = {shape[2], 1, 1};
    threadIdx = {0, 0, 0};
    blockIdx.z = 0;
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
            if (!run_block(threads, backward)) {
                forget();  // stacks in the middle of a kernel are of no use
                return complaint;
            }
    return nullptr;
}

template <int... I> struct Numbers {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { using Type = Numbers<I...>; };
template <class A> struct Plain { using Type = A; };
template <class A> struct Plain<const A> { using Type = A; };

// A kernel with its arguments taken from where they lie.
template <auto kernel> struct Call;
template <class... A, void (*kernel)(A...)> struct Call<kernel> {
    template <int... I> static void with(void **args, Numbers<I...>) {
        kernel(*(typename Plain<A>::Type *)args[I]...);
    }
    static void run(void **args) { with(args, typename Count<sizeof...(A)>::Type()); }
};

// Bytes of each parameter; of a pointer, those of what it points at, negative.
template <class A> struct Size { static const int value = sizeof(A); };
template <class A> struct Size<A *> { static const int value = -(int)sizeof(A); };
template <class... A> int sizes(void (*)(A...), int *out) {
    int all[] = {Size<A>::value..., 0};
    for (int i = 0; i < (int)sizeof...(A); i++) out[i] = all[i];
    return sizeof...(A);
}

static unsigned long long exchange(unsigned long long value, int from, int kind) {
    int turn = fibers[current].turn ^= 1, warp = current / LANES * LANES;
    given[2 * current + turn] = value;
    give_way(WARP, kind);
    return given[2 * (warp + from) + turn];
}
static unsigned vote(bool mine) {
    unsigned all = 0;
    int turn = fibers[current].turn ^= 1, warp = current / LANES * LANES;
    given[2 * current + turn] = mine;
    give_way(WARP, 5);
    for (int lane = 0; lane < LANES; lane++) all |= (unsigned)given[2 * (warp + lane) + turn] << lane;
    return all;
}
}  // namespace host

static inline void __syncthreads() { host::give_way(host::BLOCK, 0); }
static inline void __syncwarp(unsigned = ~0u) { host::give_way(host::WARP, 0); }
static inline void __threadfence() {}
static inline unsigned __ballot_sync(unsigned, int mine) { return host::vote(mine != 0); }
static inline int __any_sync(unsigned, int mine) { return host::vote(mine != 0) != 0; }
static inline int __all_sync(unsigned, int mine) { return host::vote(mine != 0) == ~0u; }
template <class T> T __shfl_sync(unsigned, T value, int from) { return (T)host::exchange(value, from & 31, 1); }
template <class T> T __shfl_up_sync(unsigned, T value, unsigned by) {
    int lane = host::current & 31;
    return (T)host::exchange(value, lane < (int)by ? lane : lane - by, 2);
}
template <class T> T __shfl_down_sync(unsigned, T value, unsigned by) {
    int lane = host::current & 31;
    return (T)host::exchange(value, lane + by > 31 ? lane : lane + by, 3);
}
template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
    return (T)host::exchange(value, (host::current & 31) ^ mask, 4);
}

// One thread at a time runs, so what is atomic on a card is plain here.
template <class T> T atomicMin(T *at, T value) { T old = *at; if (value < old) *at = value; return old; }
template <class T> T atomicMax(T *at, T value) { T old = *at; if (value > old) *at = value; return old; }
template <class T> T atomicAdd(T *at, T value) { T old = *at; *at = old + value; return old; }
template <class T> T atomicOr(T *at, T value) { T old = *at; *at = old | value; return old; }
// But where a thread may lose to another, all of its warp come this far before one goes on, so that some do.
template <class T> T atomicCAS(T *at, T wanted, T value) {
    host::give_way(host::RUNS, 0);
    T old = *at;
    if (old == wanted) *at = value;
    return old;
}

template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }
static inline unsigned __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}

static inline unsigned __byte_perm(unsigned low, unsigned high, unsigned select) {
    unsigned long long both = (unsigned long long)high << 32 | low;
    unsigned found = 0;
    for (int i = 0; i < 4; i++) found |= (unsigned)(both >> 8 * (select >> 4 * i & 7) & 0xFF) << 8 * i;
    return found;
}

#define HOST_KERNEL(name)                                                                              \
    extern "C" const char *run_##name(const unsigned *shape, int backward, void **args) {             \
        return host::launch(host::Call<name>::run, shape, backward, args);                             \
    }                                                                                                  \
    extern "C" int sizes_##name(int *out) { return host::sizes(name, out); }
