// Farthest point sampling in the published design, for comparison only: one block of 512 threads a cloud, the minima in
// global memory, a strided scan and a tree reduction through shared memory. Written from the description of the
// PointNet++ extension, with its plain C distances, so that the compiler chooses the fused multiply-adds as it did there.

extern "C" __global__ void __launch_bounds__(512)
published(const float *__restrict__ points, float *__restrict__ nearest, long long *__restrict__ out, int size, int n) {
    __shared__ float distances[512];
    __shared__ int indices[512];
    const int thread = threadIdx.x;
    const float *cloud = points + (long long)blockIdx.x * size * 3;
    float *minima = nearest + (long long)blockIdx.x * size;
    long long *samples = out + (long long)blockIdx.x * n;
    int last = 0;
    if (thread == 0) samples[0] = last;
    for (int step = 1; step < n; ++step) {
        const float x1 = cloud[last * 3], y1 = cloud[last * 3 + 1], z1 = cloud[last * 3 + 2];
        int chosen = 0;
        float best = -1.0f;
        for (int k = thread; k < size; k += 512) {
            const float x2 = cloud[k * 3], y2 = cloud[k * 3 + 1], z2 = cloud[k * 3 + 2];
            const float magnitude = x2 * x2 + y2 * y2 + z2 * z2;
            if (magnitude <= 1e-3) continue;
            const float d = (x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1) + (z2 - z1) * (z2 - z1);
            const float smaller = fminf(d, minima[k]);
            minima[k] = smaller;
            chosen = smaller > best ? k : chosen;
            best = smaller > best ? smaller : best;
        }
        distances[thread] = best;
        indices[thread] = chosen;
        for (int half = 256; half; half >>= 1) {
            __syncthreads();
            if (thread < half && distances[thread + half] > distances[thread]) {
                distances[thread] = distances[thread + half];
                indices[thread] = indices[thread + half];
            }
        }
        __syncthreads();
        last = indices[0];
        if (thread == 0) samples[step] = last;
        __syncthreads();
    }
}
