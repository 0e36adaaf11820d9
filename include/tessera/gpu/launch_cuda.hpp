// launch.hpp on CUDA devices.
#pragma once

#ifdef TESSERA_GPU_CUDA

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tessera/core/error.hpp"
#include "tessera/core/hd.hpp"

#define TESSERA_GPU_BACKEND cuda
#define TESSERA_SHARED(T, name, dims) __shared__ T name dims
#define TESSERA_DYNAMIC_SHARED(T, name)                             \
    extern __shared__ __align__(16) unsigned char tesseraDynamic[]; \
    T* const name = reinterpret_cast<T*>(tesseraDynamic)

namespace tessera::gpu {
inline namespace cuda {

inline constexpr const char* backendName = "cuda";

// An Error that names the call's line where a CUDA call failed.
inline void check(cudaError_t e, SourceLocation where = SourceLocation::current()) {
    if (e != cudaSuccess)
        throw Error(std::string("CUDA: ") + cudaGetErrorString(e) + " at " + where.file_name() + ":" +
                        std::to_string(where.line()),
                    where);
}

inline bool deviceFound() {
    int count = 0;
    const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    if (!found) cudaGetLastError();  // it has been heard
    return found;
}
inline void chooseDevice(int nodeRank) {
    int count = 0;
    if (const cudaError_t e = cudaGetDeviceCount(&count); e != cudaSuccess || count == 0)
        throw Error(std::string("resources.backend cuda: no GPU was found: ") +
                    cudaGetErrorString(e == cudaSuccess ? cudaErrorNoDevice : e));
    check(cudaSetDevice(nodeRank % count));
    // What buffers leave stays with the process, up to half of the device: else every wait for a stream would give it back.
    std::size_t available = 0, total = 0;
    check(cudaMemGetInfo(&available, &total));
    cudaMemPool_t pool{};
    check(cudaDeviceGetDefaultMemPool(&pool, nodeRank % count));
    std::uint64_t kept = total / 2;
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept));
}
// Of the chosen device, among those of its machine: its place on the bus.
inline std::string deviceName() {
    int device = 0;
    char place[32] = {};
    check(cudaGetDevice(&device));
    check(cudaDeviceGetPCIBusId(place, int(sizeof place), device));
    return std::string("GPU ") + place;
}
inline std::size_t freeMemory() {
    std::size_t available = 0, total = 0;
    check(cudaMemGetInfo(&available, &total));
    int device = 0;
    cudaMemPool_t pool{};
    std::uint64_t reserved = 0, used = 0;
    check(cudaGetDevice(&device));
    check(cudaDeviceGetDefaultMemPool(&pool, device));
    check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved));
    check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
    return available + std::size_t(reserved - used);
}

// [byte] in the DeviceBuffers of this process.
inline std::atomic<std::size_t>& allocated() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
}

// [byte] in the PinnedBuffers of this process, and the most that was ever in them.
inline std::atomic<std::size_t>& locked() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
}
inline std::atomic<std::size_t>& mostLocked() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
}
namespace detail {
inline void lock(std::size_t bytes) {
    const std::size_t now = locked() += bytes;
    if (now > mostLocked()) mostLocked() = now;
}
}  // namespace detail

// Launches of this process.
inline std::atomic<std::uint64_t>& launches() {
    static std::atomic<std::uint64_t> count{0};
    return count;
}

// A grid that remembers where its launch was written.
struct Grid {
    dim3 size;
    SourceLocation site;
    Grid(dim3 g, SourceLocation s = SourceLocation::current()) : size(g), site(s) {}
    Grid(unsigned g, SourceLocation s = SourceLocation::current()) : size(g), site(s) {}
    Grid(int g, SourceLocation s = SourceLocation::current()) : size(unsigned(g)), site(s) {}
};

class Stream {
public:
    Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
    ~Stream() { cudaStreamDestroy(stream_); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    void synchronize() const { check(cudaStreamSynchronize(stream_)); }
    // Whether all work is done; fails as synchronize() does.
    bool done() const {
        const cudaError_t e = cudaStreamQuery(stream_);
        if (e == cudaErrorNotReady) {
            cudaGetLastError();  // it is no error
            return false;
        }
        check(e);
        return true;
    }
    cudaStream_t native() const { return stream_; }

private:
    cudaStream_t stream_{};
};

class Event {
public:
    Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    void record(const Stream& s) { check(cudaEventRecord(event_, s.native())); }
    void wait(const Stream& s) const { check(cudaStreamWaitEvent(s.native(), event_, 0)); }
    void synchronize() const { check(cudaEventSynchronize(event_)); }

private:
    cudaEvent_t event_{};
};

template <class T>
class DeviceBuffer;

template <class T>
class View {
public:
    View() = default;
    template <class U>
    requires std::is_same_v<const U, T> TESSERA_HD View(const View<U>& o) : data_(o.data()), size_(o.size()) {}

    TESSERA_HD T& operator[](std::size_t i) const { return data_[i]; }
    TESSERA_HD T* data() const { return data_; }
    TESSERA_HD std::size_t size() const { return size_; }
    View part(std::size_t first, std::size_t count) const {
        expects(first <= size_ && count <= size_ - first, "a part inside the view");
        return {data_ + first, count};
    }

private:
    template <class>
    friend class DeviceBuffer;
    View(T* data, std::size_t size) : data_(data), size_(size) {}

    T* data_ = nullptr;
    std::size_t size_ = 0;
};

template <class T>
class DeviceBuffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    DeviceBuffer() = default;
    DeviceBuffer(std::size_t n, const Stream& s) : size_(n), stream_(&s) {
        if (n == 0) return;
        check(cudaMallocAsync(reinterpret_cast<void**>(&data_), n * sizeof(T), s.native()));
        allocated() += n * sizeof(T);
    }
    ~DeviceBuffer() {
        if (!data_) return;
        cudaFreeAsync(data_, stream_->native());
        allocated() -= size_ * sizeof(T);
    }
    DeviceBuffer(DeviceBuffer&& o) noexcept { swap(o); }
    DeviceBuffer& operator=(DeviceBuffer&& o) noexcept {
        swap(o);
        return *this;
    }

    std::size_t size() const { return size_; }
    const T* data() const { return data_; }
    T* data() { return data_; }
    View<T> view() { return {data_, size_}; }
    View<const T> view() const { return {data_, size_}; }

    void upload(const T* from) { copy(data_, from, size_, cudaMemcpyHostToDevice); }
    void upload(const T* from, std::size_t count) {
        expects(count <= size_, "no more values than the buffer holds");
        copy(data_, from, count, cudaMemcpyHostToDevice);
    }
    void download(T* to) const { copy(to, data_, size_, cudaMemcpyDeviceToHost); }
    void download(T* to, std::size_t first, std::size_t count) const {
        expects(first <= size_ && count <= size_ - first, "a part of the buffer");
        copy(to, data_ + first, count, cudaMemcpyDeviceToHost);
    }
    void zero() {
        if (size_ != 0) check(cudaMemsetAsync(data_, 0, size_ * sizeof(T), stream_->native()));
    }

private:
    void swap(DeviceBuffer& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
        std::swap(stream_, o.stream_);
    }
    void copy(T* to, const T* from, std::size_t n, cudaMemcpyKind kind) const {
        if (n != 0) check(cudaMemcpyAsync(to, from, n * sizeof(T), kind, stream_->native()));
    }

    T* data_ = nullptr;
    std::size_t size_ = 0;
    const Stream* stream_ = nullptr;
};

// Between host memory and any part of a device buffer, in the stream's order.
inline void download(const Stream& s, void* to, const void* from, std::size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, s.native()));
}
inline void upload(const Stream& s, void* to, const void* from, std::size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, s.native()));
}

template <class T>
class PinnedBuffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    PinnedBuffer() = default;
    explicit PinnedBuffer(std::size_t n) : size_(n) {
        if (n == 0) return;
        check(cudaMallocHost(reinterpret_cast<void**>(&data_), n * sizeof(T)));
        detail::lock(n * sizeof(T));
    }
    ~PinnedBuffer() {
        if (!data_) return;
        cudaFreeHost(data_);
        locked() -= size_ * sizeof(T);
    }
    PinnedBuffer(PinnedBuffer&& o) noexcept { swap(o); }
    PinnedBuffer& operator=(PinnedBuffer&& o) noexcept {
        swap(o);
        return *this;
    }
    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t i) { return data_[i]; }

private:
    void swap(PinnedBuffer& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
    }
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

template <class... P, class... A>
void launch(const Grid& grid, dim3 block, std::size_t sharedBytes, const Stream& stream, void (*kernel)(P...),
            A&&... args) {
    if (grid.size.x == 0 || grid.size.y == 0 || grid.size.z == 0) return;
    static_assert((!std::is_pointer_v<std::remove_cvref_t<P>> && ...), "kernels take views, not pointers");
    ++launches();
    const void* function = reinterpret_cast<const void*>(kernel);
    constexpr std::size_t withoutAsking = 48 << 10;
    if (sharedBytes > withoutAsking)
        check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, int(sharedBytes)), grid.site);
    std::tuple<std::remove_cvref_t<P>...> arguments{std::forward<A>(args)...};
    std::apply(
        [&](auto&... a) {
            void* pointers[] = {static_cast<void*>(&a)...};
            check(cudaLaunchKernel(function, grid.size, block, pointers, sharedBytes, stream.native()), grid.site);
        },
        arguments);
}

}  // namespace cuda
}  // namespace tessera::gpu

#endif
