// Farthest point sampling: one cluster of thread blocks holds one whole cloud in registers.
//
// A step is a chain: distances to the last sample, the largest of the minima, the next sample. Nothing but the chain
// costs time, so nothing in it leaves the cluster: each thread keeps POINTS points and their minima in registers, a warp
// reduces with redux, a block through shared memory, the cluster by sending each block's best to every block
// (distributed shared memory); a barrier in each block's memory counts the bytes that arrive. Compiled with
//   CLUSTER    blocks a cloud: 1 (any device from sm_80), 2, 4 or 8 (from sm_90)
//   POINTS     points a thread: x, y, z and minimum are four registers each
//   POINTNET2  1: the published extension's skip, ties and fused arithmetic; 0: the default contract
//   THREADS    threads a block; where POINTNET2, CLUSTER * THREADS is a multiple of the published block's threads
//   BLOCKS     blocks that share a multiprocessor: the registers of a thread are limited to what they leave
// No header is included, so that NVRTC needs nothing but this text. The functions that touch the hardware's cluster
// stand together; ON_HOST leaves them out, and a test supplies its own to run the kernel in threads of the CPU.

#ifndef CLUSTER
#define CLUSTER 1
#endif
#ifndef POINTS
#define POINTS 8
#endif
#ifndef POINTNET2
#define POINTNET2 0
#endif

#ifndef THREADS
#define THREADS 1024
#endif
#ifndef BLOCKS
#define BLOCKS 1
#endif
#define WARPS (THREADS / 32)
#define FULL 0xffffffffu

// The best point of one block: its minimum as an ordered integer, its inverted rank, its position.
struct __align__(16) Best {
    unsigned int distance, order;
    float x, y;
    float z;
    unsigned int unused[3];
};

// All shared memory of a block, allocated at launch. Two sets of slots: who is one step ahead writes the other set, and
// nobody is two steps ahead, because a step needs something of every warp and every block.
struct Shared {
    Best bests[2][CLUSTER];
    unsigned long long arrived[2];
    unsigned int warp_distance[2][WARPS], warp_order[2][WARPS];
    float positions[3 * POINTS * THREADS];  // this block's points, to look the winner up
};

#ifndef ON_HOST
__device__ __forceinline__ Shared &shared_memory() {
    extern __shared__ __align__(16) unsigned char dynamic[];
    return *reinterpret_cast<Shared *>(dynamic);
}

#if CLUSTER > 1
__device__ __forceinline__ unsigned int block_rank() {
    unsigned int rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

__device__ __forceinline__ unsigned int address_of(const void *pointer) {
    return (unsigned int)__cvta_generic_to_shared(pointer);
}

// Prepare the barriers of this block, and wait until every block of the cluster has: before that, none may be sent to.
__device__ __forceinline__ void open_barriers(unsigned long long *arrived) {
    if (threadIdx.x == 0) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address_of(&arrived[0])) : "memory");
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address_of(&arrived[1])) : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// One thread of a block announces what this step's barrier waits for: the bests of CLUSTER blocks, 20 bytes each.
__device__ __forceinline__ void expect(unsigned long long *barrier) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address_of(barrier)), "r"(20u * CLUSTER)
                 : "memory");
}

// Write one block's best into the same place of block `target` of the cluster, and count it at the barrier there.
__device__ __forceinline__ void send(Best *slot, unsigned long long *barrier, unsigned int target, const Best &best) {
    unsigned int place, counter;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(place) : "r"(address_of(slot)), "r"(target));
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(counter) : "r"(address_of(barrier)), "r"(target));
    asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(place),
                 "r"(best.distance), "r"(best.order), "r"(__float_as_uint(best.x)), "r"(__float_as_uint(best.y)),
                 "r"(counter)
                 : "memory");
    asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];" ::"r"(place + 16u),
                 "r"(__float_as_uint(best.z)), "r"(counter)
                 : "memory");
}

// Wait until everything that was expected in the barrier's phase of this parity has arrived. The default scope, a block,
// is enough for data in the block's own shared memory; the scope of a cluster would empty the L1 cache in every step.
__device__ __forceinline__ void await_all(unsigned long long *barrier, unsigned int parity) {
    unsigned int done = 0;
    while (!done)
        asm volatile("{\n\t.reg .pred p;\n\t"
                     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n\t"
                     "selp.u32 %0, 1, 0, p;\n\t}"
                     : "=r"(done)
                     : "r"(address_of(barrier)), "r"(parity)
                     : "memory");
}
#endif  // CLUSTER > 1
#endif  // ON_HOST

__device__ __forceinline__ float squared_distance(float dx, float dy, float dz) {
    // Explicit roundings: no compiler option can fuse or unfuse them.
#if POINTNET2
    return __fmaf_rn(dz, dz, __fmaf_rn(dx, dx, __fmul_rn(dy, dy)));
#else
    return __fadd_rn(__fadd_rn(__fmul_rn(dx, dx), __fmul_rn(dy, dy)), __fmul_rn(dz, dz));
#endif
}

// Of equally far points the one with the lowest rank is taken. Ranks are unique and invertible.
__device__ __forceinline__ unsigned int rank_of(unsigned int index, unsigned int size, int bits) {
#if POINTNET2
    unsigned int thread = index & ((1u << bits) - 1u);
    return (bits ? __brev(thread) >> (32 - bits) : 0u) * size + (index >> bits);
#else
    return index;
#endif
}

__device__ __forceinline__ unsigned int index_of(unsigned int rank, unsigned int size, int bits) {
#if POINTNET2
    unsigned int thread = rank / size;
    return ((rank % size) << bits) + (bits ? __brev(thread) >> (32 - bits) : 0u);
#else
    return rank;
#endif
}

__device__ __forceinline__ void reduce_warp(unsigned int &distance, unsigned int &order) {
    unsigned int best = __reduce_max_sync(FULL, distance);
    order = __reduce_max_sync(FULL, distance == best ? order : 0u);
    distance = best;
}

extern "C" __global__ void
#if CLUSTER > 1 && !defined(ON_HOST)
__cluster_dims__(CLUSTER, 1, 1)
#endif
__launch_bounds__(THREADS, BLOCKS)
farthest_point_sample(const float *__restrict__ points, const long long *__restrict__ start,
                      const long long *__restrict__ lengths, long long *__restrict__ out, int size, int n) {
    Shared &shared = shared_memory();
#if CLUSTER > 1
    const unsigned int block = block_rank();
    open_barriers(shared.arrived);
#else
    const unsigned int block = 0;
#endif
    const unsigned int thread = threadIdx.x, lane = thread & 31u, warp = thread >> 5;
    const long long cloud = blockIdx.x / CLUSTER;
    const int length = (int)lengths[cloud];
    const float *base = points + cloud * size * 3;
    int bits = 31 - __clz(length);
    bits = bits > 9 ? 9 : bits;  // the published block: the largest power of two up to the length, at most 512

    float x[POINTS], y[POINTS], z[POINTS], nearest[POINTS];
#pragma unroll
    for (int i = 0; i < POINTS; ++i) {
        const int index = (i * CLUSTER + (int)block) * THREADS + (int)thread;
        const bool real = index < length;
        x[i] = real ? base[index * 3ll] : 0.0f;
        y[i] = real ? base[index * 3ll + 1] : 0.0f;
        z[i] = real ? base[index * 3ll + 2] : 0.0f;
        shared.positions[i * THREADS + thread] = x[i];
        shared.positions[(POINTS + i) * THREADS + thread] = y[i];
        shared.positions[(2 * POINTS + i) * THREADS + thread] = z[i];
#if POINTNET2
        const bool skipped = (double)squared_distance(x[i], y[i], z[i]) <= 1e-3;
        nearest[i] = real && !skipped ? 1e10f : -1.0f;
#else
        nearest[i] = real ? __uint_as_float(0x7f800000u) : -1.0f;
#endif
    }
    int chosen = (int)start[cloud];
    float sx = base[chosen * 3ll], sy = base[chosen * 3ll + 1], sz = base[chosen * 3ll + 2];
    const bool writes = block == 0 && thread == 0;
    if (writes && n > 0) out[cloud * n] = chosen;

    for (int step = 1; step < n; ++step) {
        const unsigned int set = step & 1;
        // A thread's points ascend in rank, so the first of its equals stays. Skipped and missing points stay at -1.
        float farthest = -1.0f;
        unsigned int place = 0;
#pragma unroll
        for (int i = 0; i < POINTS; ++i) {
            nearest[i] = fminf(squared_distance(x[i] - sx, y[i] - sy, z[i] - sz), nearest[i]);
            const bool better = nearest[i] > farthest;
            farthest = better ? nearest[i] : farthest;
            place = better ? i : place;
        }
        const bool open = farthest >= 0.0f;
        unsigned int distance = open ? __float_as_uint(farthest) : 0u;
        unsigned int order = open ? ~rank_of((place * CLUSTER + block) * THREADS + thread, size, bits) : 0u;
        reduce_warp(distance, order);
        if (lane == 0) {
            shared.warp_distance[set][warp] = distance;
            shared.warp_order[set][warp] = order;
        }
        __syncthreads();
        const float *winner = shared.positions;
        unsigned int stride = POINTS * THREADS;
#if CLUSTER > 1
        if (warp == 0) {
            distance = lane < WARPS ? shared.warp_distance[set][lane] : 0u;
            order = lane < WARPS ? shared.warp_order[set][lane] : 0u;
            reduce_warp(distance, order);
            if (lane == 0) expect(&shared.arrived[set]);
            if (lane < CLUSTER) {
                const unsigned int index = order ? index_of(~order, size, bits) : 0u;
                const unsigned int at = index / (CLUSTER * THREADS) * THREADS + index % THREADS;
                const Best best = {distance, order, winner[at], winner[at + stride], winner[at + 2 * stride], {0u, 0u, 0u}};
                send(&shared.bests[set][block], &shared.arrived[set], lane, best);
            }
            __syncwarp();
        }
        await_all(&shared.arrived[set], (unsigned int)((step - 1) >> 1) & 1u);
        const Best *bests = shared.bests[set];
        distance = lane < CLUSTER ? bests[lane].distance : 0u;
        order = lane < CLUSTER ? bests[lane].order : 0u;
        reduce_warp(distance, order);
#else
        distance = lane < WARPS ? shared.warp_distance[set][lane] : 0u;
        order = lane < WARPS ? shared.warp_order[set][lane] : 0u;
        reduce_warp(distance, order);
#endif
        if (order) {
            chosen = (int)index_of(~order, size, bits);
#if CLUSTER > 1
            winner = &bests[(unsigned int)chosen / THREADS % CLUSTER].x;
            stride = 1;
#else
            winner += chosen;
#endif
            sx = winner[0];
            sy = winner[stride];
            sz = winner[2 * stride];
        } else {  // every point is skipped
            chosen = 0;
            sx = base[0];
            sy = base[1];
            sz = base[2];
        }
        if (writes) out[cloud * n + step] = chosen;
    }
}
