// Runs the CUDA kernel in threads of the CPU: one thread for each CUDA thread, barriers for warps, blocks and clusters.
// It shows that the algorithm is right, its indexing and its synchronisation included; not that the PTX is, nor speed.
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define ON_HOST
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct Index {
    unsigned int x;
};
static thread_local Index threadIdx, blockIdx;

static inline float __fmaf_rn(float a, float b, float c) { return std::fmaf(a, b, c); }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}
static inline float __uint_as_float(unsigned int bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
static inline int __clz(int value) { return __builtin_clz((unsigned int)value); }
static inline unsigned int __brev(unsigned int value) {
    unsigned int reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= ((value >> bit) & 1u) << (31 - bit);
    return reversed;
}

struct Warp {
    std::barrier<> together{32};
    unsigned int values[32];
};
struct Shared;
struct Block {
    std::unique_ptr<std::barrier<>> together;
    std::vector<std::unique_ptr<Warp>> warps;
    Shared *shared;
};
static thread_local Block *this_block;
static std::vector<Block> cluster;
static std::unique_ptr<std::barrier<>> cluster_together;
static thread_local unsigned int this_rank;

static inline unsigned int __reduce_max_sync(unsigned int, unsigned int value) {
    Warp &warp = *this_block->warps[threadIdx.x / 32];
    warp.values[threadIdx.x % 32] = value;
    warp.together.arrive_and_wait();
    unsigned int best = 0;
    for (unsigned int other : warp.values) best = other > best ? other : best;
    warp.together.arrive_and_wait();
    return best;
}
static inline void __syncthreads() { this_block->together->arrive_and_wait(); }
static inline void __syncwarp() { this_block->warps[threadIdx.x / 32]->together.arrive_and_wait(); }

struct Best;
static Shared &shared_memory();
static unsigned int block_rank() { return this_rank; }
static void open_barriers(unsigned long long *) { cluster_together->arrive_and_wait(); }
static void expect(unsigned long long *) {}
static void send(Best *slot, unsigned long long *, unsigned int target, const Best &best);
static void await_all(unsigned long long *, unsigned int) { cluster_together->arrive_and_wait(); }
