// Farthest point sampling: one cluster of thread blocks holds one whole cloud in registers.
//
// A step is a chain: distances to the last sample, the largest of the minima, the next sample. Nothing but the chain
// costs time, so nothing in it leaves the cluster: each thread keeps POINTS points and their minima in registers, a warp
// reduces with redux, a block through shared memory, the cluster by writing each block's best into every block
// (distributed shared memory) and one cluster barrier. Compiled with
//   CLUSTER    blocks a cloud: 1 (any device from sm_80), 2, 4 or 8 (from sm_90)
//   POINTS     points a thread, at most 8: x, y, z and minimum are 32 of the 64 registers a thread may have
//   POINTNET2  1: the published extension's skip, ties and fused arithmetic; 0: the default contract
//   THREADS    threads a block: 1024; less only in the tests
// No header is included, so that NVRTC needs nothing but this text. The four functions that touch the hardware's
// cluster stand together; ON_HOST leaves them out, and a test supplies its own to run the kernel in threads of the CPU.

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
#define WARPS (THREADS / 32)
#define FULL 0xffffffffu

// The best point of one block: its minimum as an ordered integer, its inverted rank, its position.
struct __align__(16) Best {
    unsigned int distance, order;
    float x, y;
    float z;
    unsigned int unused[3];
};

// All shared memory of a block, allocated at launch.
struct Shared {
    Best bests[2][CLUSTER];
    unsigned int warp_distance[WARPS], warp_order[WARPS];
    float positions[3 * POINTS * THREADS];  // this block's points, to look the winner up
};

#ifndef ON_HOST
__device__ __forceinline__ Shared &shared_memory() {
    extern __shared__ __align__(16) unsigned char dynamic[];
    return *reinterpret_cast<Shared *>(dynamic);
}

__device__ __forceinline__ unsigned int block_rank() {
    unsigned int rank = 0;
#if CLUSTER > 1
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
    return rank;
}

__device__ __forceinline__ void synchronise() {
#if CLUSTER > 1
    asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
    __syncthreads();
#endif
}

// Write one block's best into the same place of the shared memory of block `target` of the cluster.
__device__ __forceinline__ void publish(Best *slot, unsigned int target, const Best &best) {
#if CLUSTER > 1
    unsigned int local = (unsigned int)__cvta_generic_to_shared(slot), remote;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(local), "r"(target));
    asm volatile("st.shared::cluster.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(remote), "r"(best.distance), "r"(best.order),
                 "r"(__float_as_uint(best.x)), "r"(__float_as_uint(best.y))
                 : "memory");
    asm volatile("st.shared::cluster.b32 [%0], %1;" ::"r"(remote + 16u), "r"(__float_as_uint(best.z)) : "memory");
#else
    *slot = best;
#endif
}
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
__launch_bounds__(THREADS, 1)
farthest_point_sample(const float *__restrict__ points, const long long *__restrict__ start,
                      const long long *__restrict__ lengths, long long *__restrict__ out, int size, int n) {
    Shared &shared = shared_memory();
    const unsigned int block = block_rank();
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
    synchronise();  // every block of the cluster runs before the first writes into another's shared memory

    for (int step = 1; step < n; ++step) {
        unsigned int distance = 0, order = 0;  // also what skipped and missing points count as: below every real point
#pragma unroll
        for (int i = 0; i < POINTS; ++i) {
            const float d = squared_distance(x[i] - sx, y[i] - sy, z[i] - sz);
            nearest[i] = d < nearest[i] ? d : nearest[i];
            const bool open = nearest[i] >= 0.0f;
            const unsigned int index = (i * CLUSTER + block) * THREADS + thread;
            const unsigned int far = open ? __float_as_uint(nearest[i]) : 0u;
            const unsigned int key = open ? ~rank_of(index, size, bits) : 0u;
            const bool better = far > distance || (far == distance && key > order);
            distance = better ? far : distance;
            order = better ? key : order;
        }
        reduce_warp(distance, order);
        if (lane == 0) {
            shared.warp_distance[warp] = distance;
            shared.warp_order[warp] = order;
        }
        __syncthreads();
        if (warp == 0) {
            distance = lane < WARPS ? shared.warp_distance[lane] : 0u;
            order = lane < WARPS ? shared.warp_order[lane] : 0u;
            reduce_warp(distance, order);
            if (lane < CLUSTER) {
                Best best = {distance, order, 0.0f, 0.0f, 0.0f, {0u, 0u, 0u}};
                if (order) {
                    const unsigned int index = index_of(~order, size, bits);
                    const unsigned int place = index / (CLUSTER * THREADS) * THREADS + index % THREADS;
                    best.x = shared.positions[place];
                    best.y = shared.positions[POINTS * THREADS + place];
                    best.z = shared.positions[2 * POINTS * THREADS + place];
                }
                publish(&shared.bests[step & 1][block], lane, best);
            }
            __syncwarp();
        }
        synchronise();
        // Two sets of slots: a block one step ahead writes the other set. More than one step ahead the barrier forbids.
        const Best *candidates = shared.bests[step & 1];
        int top = 0;
        distance = candidates[0].distance;
        order = candidates[0].order;
#pragma unroll
        for (int i = 1; i < CLUSTER; ++i) {
            const unsigned int far = candidates[i].distance, key = candidates[i].order;
            const bool better = far > distance || (far == distance && key > order);
            top = better ? i : top;
            distance = better ? far : distance;
            order = better ? key : order;
        }
        if (order) {
            chosen = (int)index_of(~order, size, bits);
            sx = candidates[top].x;
            sy = candidates[top].y;
            sz = candidates[top].z;
        } else {  // every point is skipped
            chosen = 0;
            sx = base[0];
            sy = base[1];
            sz = base[2];
        }
        if (writes) out[cloud * n + step] = chosen;
    }
}
