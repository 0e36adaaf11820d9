// Small kernels, each with one defect, or right where the name says so: what the detector must see, and what it must not.
#include "gpu/defects.hpp"

#include <cmath>
#include <memory>
#include <vector>

#include "tessera/gpu/launch.hpp"

namespace tessera::test {

namespace {

using gpu::DeviceBuffer;
using gpu::launch;
using gpu::Stream;
using gpu::View;

// ---- inside a block ----
template <bool Right>
__global__ void reverse(View<float> out) {
    TESSERA_SHARED(float, s, [64]);
    s[threadIdx.x] = float(threadIdx.x);
    if (Right) __syncthreads();
    out[threadIdx.x] = s[63 - threadIdx.x];
}
template <bool Right>
__global__ void reverseInWarp(View<float> out) {
    TESSERA_SHARED(float, s, [32]);
    s[threadIdx.x] = float(threadIdx.x);
    if (Right) __syncwarp();
    out[threadIdx.x] = s[31 - threadIdx.x];
}
// Chunks of a list through shared memory: the barrier before a chunk is overwritten.
template <bool Right>
__global__ void sumChunks(View<const float> in, View<float> out) {
    TESSERA_SHARED(float, s, [64]);
    float sum = 0;
    for (unsigned first = 0; first < in.size(); first += 64) {
        if (Right) __syncthreads();
        s[threadIdx.x] = in[first + threadIdx.x];
        __syncthreads();
        sum += s[63 - threadIdx.x];
    }
    out[threadIdx.x] = sum;
}
__global__ void returnBeforeBarrier(View<float> out) {
    if (threadIdx.x >= 40) return;
    __syncthreads();
    out[threadIdx.x] = 1;
}
// clang-format off
__global__ void barrierInBranches(View<float> out) {
    if (threadIdx.x < 32) __syncthreads(); else __syncthreads();
    out[threadIdx.x] = 1;
}
// clang-format on
__global__ void sharedTooFar(View<float> out) {
    TESSERA_SHARED(float, s, [64]);
    for (unsigned i = threadIdx.x; i <= 64; i += 64) s[i] = 1;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x];
}
__global__ void dynamicTooFar(View<float> out) {
    TESSERA_DYNAMIC_SHARED(float, s);
    s[threadIdx.x + 1] = 1;
    __syncthreads();
    out[threadIdx.x] = s[63];
}
template <bool Right>
__global__ void countInShared(View<float> out) {
    TESSERA_SHARED(float, s, [1]);
    if (threadIdx.x == 0) s[0] = 0;
    __syncthreads();
    if (Right)
        atomicAdd(&s[0], 1.0F);
    else
        s[0] += 1;
    __syncthreads();
    if (threadIdx.x == 0) out[0] = s[0];
}
__global__ void sharedNotInitialised(View<float> out) {
    TESSERA_SHARED(float, s, [64]);
    if (threadIdx.x < 63) s[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x];
}
__global__ void sameValueTwice(View<float> out) {
    TESSERA_SHARED(float, s, [1]);
    s[0] = 1;
    __syncthreads();
    out[threadIdx.x] = s[0];
}

// ---- between blocks ----
template <bool Right>
__global__ void countInGlobal(View<float> out) {
    if (threadIdx.x != 0) return;
    if (Right)
        atomicAdd(&out[0], 1.0F);
    else
        out[0] += 1;
}
// The block that comes last adds up what the others have written.
template <bool Right>
__global__ void lastBlockSums(View<float> part, View<unsigned> done, View<float> out) {
    if (threadIdx.x != 0) return;
    part[blockIdx.x] = 1;
    if (Right) __threadfence();
    const bool last = atomicAdd(&done[0], 1U) == gridDim.x - 1;
    if (Right) __threadfence();
    if (!last) return;
    float sum = 0;
    for (unsigned b = 0; b < gridDim.x; ++b) sum += part[b];
    out[0] = sum;
}
__global__ void readsNeighbourBlock(View<float> a) {
    if (threadIdx.x == 0) a[blockIdx.x] += a[blockIdx.x + 1];
}

// ---- warps ----
__global__ void divergentShuffle(View<float> out) {
    float v = float(threadIdx.x);
    if (threadIdx.x < 16) v = __shfl_down_sync(0xffffffffU, v, 1);
    __syncwarp();
    out[threadIdx.x] = v;
}
__global__ void shuffleFromAbsentLane(View<float> out) {
    float v = float(threadIdx.x);
    if (threadIdx.x < 16) v = __shfl_sync(0x0000ffffU, v, 20);
    out[threadIdx.x] = v;
}

// ---- global memory ----
__global__ void raggedTile(View<float> out, unsigned n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) out[i] = float(i);
}
__global__ void raggedPointer(View<float> out, unsigned n) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) out.data()[i] = float(i);
}
__global__ void copyValues(View<const float> in, View<float> out) {
    out[threadIdx.x] = in[threadIdx.x];
}
__global__ void fill(View<float> out) {
    out[threadIdx.x] = float(threadIdx.x);
}

// ---- what runs them ----
bool differs(const std::vector<float>& v, float (*expected)(std::size_t)) {
    for (std::size_t i = 0; i < v.size(); ++i)
        if (!(v[i] == expected(i))) return true;
    return false;
}
float one(std::size_t) {
    return 1;
}
float index63(std::size_t i) {
    return float(63 - i);
}
float index31(std::size_t i) {
    return float(31 - i);
}

// The values of out after a kernel of one block.
template <class Kernel, class... A>
std::vector<float> valuesOf(unsigned threads, std::size_t sharedBytes, Kernel kernel, A&&... args) {
    Stream s;
    DeviceBuffer<float> out(threads, s);
    std::vector<float> values(threads);
    launch(1, threads, sharedBytes, s, kernel, std::forward<A>(args)..., out.view());
    out.download(values.data());
    s.synchronize();
    return values;
}

template <bool Right>
bool chunks() {
    Stream s;
    const std::vector<float> ramp = [] {
        std::vector<float> r;
        for (int i = 0; i < 640; ++i) r.push_back(float(i));
        return r;
    }();
    DeviceBuffer<float> in(640, s), out(64, s);
    std::vector<float> values(64);
    in.upload(ramp.data());
    launch(1, 64, 0, s, sumChunks<Right>, in.view(), out.view());
    out.download(values.data());
    s.synchronize();
    return differs(values, [](std::size_t i) { return float(10 * (63 - i) + 64 * 45); });
}
template <bool Right>
bool globalCount() {
    Stream s;
    DeviceBuffer<float> out(1, s);
    float value = 0;
    out.zero();
    launch(32, 32, 0, s, countInGlobal<Right>, out.view());
    out.download(&value);
    s.synchronize();
    return value != 32;
}
template <bool Right>
bool lastBlock() {
    Stream s;
    DeviceBuffer<float> part(32, s), out(1, s);
    DeviceBuffer<unsigned> done(1, s);
    done.zero();
    float value = 0;
    launch(32, 32, 0, s, lastBlockSums<Right>, part.view(), done.view(), out.view());
    out.download(&value);
    s.synchronize();
    return value != 32;
}
bool neighbourBlock() {
    Stream s;
    const std::vector<float> ones(33, 1);
    DeviceBuffer<float> a(33, s);
    std::vector<float> values(33);
    a.upload(ones.data());
    launch(32, 32, 0, s, readsNeighbourBlock, a.view());
    a.download(values.data());
    s.synchronize();
    return differs({values.begin(), values.begin() + 32}, [](std::size_t) { return 2.0F; });
}
template <class Kernel>
bool ragged(Kernel kernel) {
    Stream s;
    DeviceBuffer<float> out(64, s);
    launch(2, 48, 0, s, kernel, out.view(), 64U);
    s.synchronize();
    return false;
}
bool freshMemory() {
    Stream s;
    DeviceBuffer<float> in(32, s), out(32, s);
    std::vector<float> values(32);
    launch(1, 32, 0, s, copyValues, in.view(), out.view());
    out.download(values.data());
    s.synchronize();
    return std::isnan(values[7]);
}
bool hostReads() {
    Stream s;
    DeviceBuffer<float> out(32, s);
    launch(1, 32, 0, s, fill, out.view());
    s.synchronize();
    return out.data()[3] != 3;
}
bool notSynchronized() {
    Stream s;
    DeviceBuffer<float> out(32, s);
    std::vector<float> values(32, -1);
    launch(1, 32, 0, s, fill, out.view());
    out.download(values.data());
    const bool wrong = values[3] != 3;
    s.synchronize();
    return wrong;
}
template <bool Right>
bool twoStreams() {
    Stream first, second;
    DeviceBuffer<float> a(32, first), b(32, second);
    std::vector<float> values(32);
    gpu::Event done;
    launch(1, 32, 0, first, fill, a.view());
    done.record(first);
    if (Right) done.wait(second);
    launch(1, 32, 0, second, copyValues, a.view(), b.view());
    b.download(values.data());
    second.synchronize();
    first.synchronize();
    return differs(values, [](std::size_t i) { return float(i); });
}
bool hostMemoryFreed() {
    Stream s;
    DeviceBuffer<float> a(64, s);
    auto from = std::make_unique<std::vector<float>>(64, 1.0F);
    a.upload(from->data());
    from.reset();
    s.synchronize();
    return false;
}
bool launched(unsigned threads, std::size_t sharedBytes) {
    Stream s;
    DeviceBuffer<float> out(threads, s);
    launch(1, threads, sharedBytes, s, fill, out.view());
    s.synchronize();
    return false;
}

}  // namespace

// Seen: by what each build sees it. A plain build cannot see races whose values come out right: threads change places at
// barriers, warp operations and atomics only.
const std::vector<Defect>& defects() {
    constexpr Seen error = Seen::error, value = Seen::value, report = Seen::report, never = Seen::never,
                   luck = Seen::luck;
    static const std::vector<Defect> table{
        {"missing __syncthreads",
         {value, value, report},
         [] { return differs(valuesOf(64, 0, reverse<false>), index63); }},
        {"right: __syncthreads",
         {never, never, never},
         [] { return differs(valuesOf(64, 0, reverse<true>), index63); }},
        {"missing __syncwarp",
         {value, value, report},
         [] { return differs(valuesOf(32, 0, reverseInWarp<false>), index31); }},
        {"right: __syncwarp",
         {never, never, never},
         [] { return differs(valuesOf(32, 0, reverseInWarp<true>), index31); }},
        {"write after read between chunks", {value, value, report}, chunks<false>},
        {"right: chunks", {never, never, never}, chunks<true>},
        {"return before a barrier",
         {error, error, error},
         [] {
             valuesOf(64, 0, returnBeforeBarrier);
             return false;
         }},
        {"barrier in both branches",
         {error, error, error},
         [] {
             valuesOf(64, 0, barrierInBranches);
             return false;
         }},
        {"shared array, one past the end",
         {luck, report, luck},
         [] { return differs(valuesOf(64, 0, sharedTooFar), one); }},
        {"dynamic shared memory, one past the end",
         {luck, report, luck},
         [] { return differs(valuesOf(64, 256, dynamicTooFar), one); }},
        {"non-atomic sum in shared memory",
         {never, never, report},
         [] { return valuesOf(64, 0, countInShared<false>)[0] != 64; }},
        {"right: atomic sum in shared memory",
         {never, never, never},
         [] { return valuesOf(64, 0, countInShared<true>)[0] != 64; }},
        {"non-atomic sum between blocks", {never, never, report}, globalCount<false>},
        {"right: atomic sum between blocks", {never, never, never}, globalCount<true>},
        {"last block without __threadfence", {never, never, report}, lastBlock<false>},
        {"right: last block with __threadfence", {never, never, never}, lastBlock<true>},
        {"depends on the order of blocks", {value, value, report}, neighbourBlock},
        {"shared memory not initialised",
         {value, value, value},
         [] { return differs(valuesOf(64, 0, sharedNotInitialised), one); }},
        {"fresh device memory", {value, value, value}, freshMemory},
        {"race of equal values", {never, never, report}, [] { return differs(valuesOf(64, 0, sameValueTwice), one); }},
        {"divergent shuffle of a full mask",
         {error, error, error},
         [] {
             valuesOf(32, 0, divergentShuffle);
             return false;
         }},
        {"shuffle from an absent lane",
         {error, error, error},
         [] {
             valuesOf(32, 0, shuffleFromAbsentLane);
             return false;
         }},
        {"ragged tile, by index", {error, error, error}, [] { return ragged(raggedTile); }},
        {"ragged tile, by pointer", {luck, report, luck}, [] { return ragged(raggedPointer); }},
        {"host reads device memory", {luck, report, luck}, hostReads},
        {"result read before it is there", {value, value, value}, notSynchronized},
        {"missing event between streams", {value, value, value}, twoStreams<false>},
        {"right: event between streams", {never, never, never}, twoStreams<true>},
        {"host memory freed under a copy", {luck, report, luck}, hostMemoryFreed},
        {"block of 1025 threads", {error, error, error}, [] { return launched(1025, 0); }},
        {"too much shared memory", {error, error, error}, [] { return launched(32, 200 << 10); }},
    };
    return table;
}

}  // namespace tessera::test
