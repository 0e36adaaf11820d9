// Sums over a block, in an order that depends on its size alone.
#pragma once

#include "tessera/gpu/launch.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Room for a T: shared memory has no constructors.
template <class T>
struct alignas(T) Uninitialised {
    unsigned char bytes[sizeof(T)];
    __device__ T& value() { return *reinterpret_cast<T*>(bytes); }
};

// The sums of all threads into that of thread 0.
template <int Threads, class T>
__device__ void addUp(Uninitialised<T>* sums) {
    const unsigned t = threadIdx.x;
    for (unsigned half = Threads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) sums[t].value() += sums[t + half].value();
    }
}

// To be called by all `Threads` threads of a one-dimensional block; thread 0 gets the sum. T: trivially copyable, with +=.
template <int Threads, class T>
__device__ T blockSum(const T& mine) {
    TESSERA_SHARED(Uninitialised<T>, sums, [Threads]);
    __syncthreads();  // whoever reads the last sum is done
    sums[threadIdx.x].value() = mine;
    addUp<Threads>(&sums[0]);
    return sums[threadIdx.x].value();
}

// Sum over the warp, the same for all of its lanes.
template <class T>
__device__ T warpSum(T mine) {
    for (int bits = 16; bits > 0; bits /= 2) mine += __shfl_xor_sync(0xffffffffU, mine, bits);
    return mine;
}

// The sums of four values, with half the shuffles: the lanes first share them out.
__device__ inline void warpSum4(float (&v)[4]) {
    constexpr unsigned all = 0xffffffffU;
    const unsigned lane = threadIdx.x % 32;
    const bool upper = (lane & 16U) != 0, odd = (lane & 8U) != 0;
    const float first = (upper ? v[2] : v[0]) + __shfl_xor_sync(all, upper ? v[0] : v[2], 16);
    const float second = (upper ? v[3] : v[1]) + __shfl_xor_sync(all, upper ? v[1] : v[3], 16);
    float sum = (odd ? second : first) + __shfl_xor_sync(all, odd ? first : second, 8);
    for (int bits = 4; bits > 0; bits /= 2) sum += __shfl_xor_sync(all, sum, bits);
    for (int k = 0; k < 4; ++k) v[k] = __shfl_sync(all, sum, (k / 2) * 16 + (k % 2) * 8);
}

// Sum of what the threads before this one have; all `Threads` threads of a one-dimensional block call it.
template <int Threads>
__device__ double sumBefore(double mine) {
    TESSERA_SHARED(double, warps, [Threads / 32]);
    const int lane = int(threadIdx.x % 32), warp = int(threadIdx.x / 32);
    double sum = mine;
    for (unsigned step = 1; step < 32; step *= 2) {
        const double before = __shfl_up_sync(0xffffffffU, sum, step);
        if (lane >= int(step)) sum += before;
    }
    __syncthreads();  // whoever reads the last sums is done
    if (lane == 31) warps[warp] = sum;
    __syncthreads();
    double first = 0;
    for (int w = 0; w < warp; ++w) first += warps[w];
    return first + (sum - mine);
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
