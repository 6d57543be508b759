// Included after the kernel, when the layout of its shared memory is known.
static Shared &shared_memory() { return *this_block->shared; }

static void send(Best *slot, unsigned long long *, unsigned int target, const Best &best) {
    const auto offset = reinterpret_cast<char *>(slot) - reinterpret_cast<char *>(this_block->shared);
    *reinterpret_cast<Best *>(reinterpret_cast<char *>(cluster[target].shared) + offset) = best;
}

extern "C" int shared_size() { return (int)sizeof(Shared); }

extern "C" void run(const float *points, const long long *start, const long long *lengths, long long *out, int batch,
                    int size, int n) {
    std::vector<Shared> memory(CLUSTER);
    for (int cloud = 0; cloud < batch; ++cloud) {
        cluster_together = std::make_unique<std::barrier<>>(CLUSTER * THREADS);
        cluster.clear();
        cluster.resize(CLUSTER);
        std::vector<std::thread> threads;
        for (unsigned int rank = 0; rank < CLUSTER; ++rank) {
            std::memset(&memory[rank], 0xff, sizeof(Shared));
            cluster[rank].shared = &memory[rank];
            cluster[rank].together = std::make_unique<std::barrier<>>(THREADS);
            for (int warp = 0; warp < WARPS; ++warp) cluster[rank].warps.push_back(std::make_unique<Warp>());
        }
        for (unsigned int rank = 0; rank < CLUSTER; ++rank)
            for (unsigned int thread = 0; thread < THREADS; ++thread)
                threads.emplace_back([=] {
                    threadIdx.x = thread;
                    blockIdx.x = (unsigned int)cloud * CLUSTER + rank;
                    this_rank = rank;
                    this_block = &cluster[rank];
                    farthest_point_sample(points, start, lengths, out, size, n);
                });
        for (std::thread &thread : threads) thread.join();
    }
}
