// launch.hpp on the CPU.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tessera/core/error.hpp"
#include "tessera/gpu/simt.hpp"

#define TESSERA_GPU_BACKEND simtBackend

namespace tessera::gpu {
inline namespace simtBackend {

inline constexpr const char* backendName = "simt";

// TESSERA_SIMT_DEVICES: how many a machine has; unset: one a process.
bool deviceFound();
void chooseDevice(int nodeRank);
// Of the chosen device, among those of its machine.
std::string deviceName();
constexpr std::size_t freeMemory() {
    return std::size_t(1) << 30;
}

// [byte] in the DeviceBuffers of this process.
inline std::atomic<std::size_t>& allocated() {
    static std::atomic<std::size_t> bytes{0};
    return bytes;
}

// [byte] The most that was ever in them.
inline std::atomic<std::size_t>& mostAllocated() {
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
    simt::Site site;
    Grid(dim3 g, simt::Site s = simt::Site::current()) : size(g), site(s) {}
    Grid(unsigned g, simt::Site s = simt::Site::current()) : size(g), site(s) {}
    Grid(int g, simt::Site s = simt::Site::current()) : size(unsigned(g)), site(s) {}
};

namespace detail {

// Runs all blocks; throws Error.
void runGrid(const Grid&, dim3 block, std::size_t sharedBytes, void (*body)(void*), void* argument);

// Device memory, readable inside a DeviceAccess only.
void* allocateDevice(std::size_t bytes);
void freeDevice(void*) noexcept;
bool isDeviceMemory(const void*, std::size_t bytes);
class DeviceAccess {
public:
    DeviceAccess();
    ~DeviceAccess();
    DeviceAccess(const DeviceAccess&) = delete;
    DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace detail

class Stream {
public:
    Stream() = default;
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    void synchronize() const;
    void synchronizeUntil(const bool& reached) const;
    // Whether all work is done; fails as synchronize() does. SIMT: does what can be done now.
    bool done() const { return runUntil(nullptr); }
    // Until that is so, or all is done. False: something waits for another process.
    bool runUntil(const bool* reached) const;
    const Stream* native() const { return this; }
    void push(std::function<void()> work) const {
        pushPolled([work = std::move(work)] {
            work();
            return true;
        });
    }
    // Work that waits for another process: asked until it is done.
    void pushPolled(std::function<bool()> work) const { queue_.push_back({std::move(work), false}); }
    // Done even where work before it has failed.
    void pushFree(void* deviceMemory) const {
        queue_.push_back({[deviceMemory] {
                              detail::freeDevice(deviceMemory);
                              return true;
                          },
                          true});
    }

private:
    struct Work {
        std::function<bool()> run;
        bool always;
    };
    mutable std::deque<Work> queue_;
};

class Event {
public:
    void record(const Stream& s) {
        state_ = std::make_shared<State>(State{&s, false});
        s.push([state = state_] { state->done = true; });
    }
    void wait(const Stream& s, simt::Site site = simt::Site::current()) const {
        if (!state_ || simt::dropsWait(site)) return;
        s.push([state = state_] {
            if (!state->done) state->stream->synchronizeUntil(state->done);
        });
    }
    void synchronize(simt::Site site = simt::Site::current()) const {
        if (state_ && !simt::dropsWait(site) && !state_->done) state_->stream->synchronizeUntil(state_->done);
    }

private:
    struct State {
        const Stream* stream;
        bool done;
    };
    std::shared_ptr<State> state_;
};

template <class T>
class DeviceBuffer;

template <class T>
class View {
public:
    View() = default;
    template <class U>
    requires std::is_same_v<const U, T> View(const View<U>& o) : data_(o.data()), size_(o.size()) {}

    T& operator[](std::size_t i) const {
        if (i >= size_) simt::failThread("reaches out of a view", i, size_);
        return data_[i];
    }
    T* data() const { return data_; }
    std::size_t size() const { return size_; }
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
        data_ = static_cast<T*>(detail::allocateDevice(n * sizeof(T)));
        const std::size_t now = allocated() += n * sizeof(T);
        if (now > mostAllocated()) mostAllocated() = now;
        // What another stream has written before the memory was this stream's is lost.
        s.push([p = data_, n] { std::memset(static_cast<void*>(p), 0xff, n * sizeof(T)); });
    }
    ~DeviceBuffer() {
        if (!data_) return;
        stream_->pushFree(data_);
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

    void upload(const T* from) { copy(data_, from, size_); }
    void upload(const T* from, std::size_t count) { copy(data_, from, checked(count)); }
    void download(T* to) const { copy(to, data_, size_); }
    void download(T* to, std::size_t first, std::size_t count) const {
        expects(first <= size_ && count <= size_ - first, "a part of the buffer");
        copy(to, data_ + first, count);
    }
    void zero() {
        if (size_ != 0) stream_->push([p = data_, n = size_] { std::memset(static_cast<void*>(p), 0, n * sizeof(T)); });
    }

private:
    void swap(DeviceBuffer& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
        std::swap(stream_, o.stream_);
    }
    std::size_t checked(std::size_t count) const {
        expects(count <= size_, "no more values than the buffer holds");
        return count;
    }
    void copy(T* to, const T* from, std::size_t n) const {
        if (n != 0) stream_->push([=] { std::memcpy(static_cast<void*>(to), from, n * sizeof(T)); });
    }

    T* data_ = nullptr;
    std::size_t size_ = 0;
    const Stream* stream_ = nullptr;
};

// Between host memory and any part of a device buffer, in the stream's order.
inline void download(const Stream& s, void* to, const void* from, std::size_t bytes) {
    s.push([=] { std::memcpy(to, from, bytes); });
}
inline void upload(const Stream& s, void* to, const void* from, std::size_t bytes) {
    s.push([=] { std::memcpy(to, from, bytes); });
}

template <class T>
class PinnedBuffer {
public:
    PinnedBuffer() = default;
    explicit PinnedBuffer(std::size_t n) : size_(n) {
        if (n == 0) return;
        data_ = Memory(new T[n], {n * sizeof(T)});
        detail::lock(n * sizeof(T));
        std::memset(static_cast<void*>(data_.get()), 0xff, n * sizeof(T));
    }
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t i) { return data_[i]; }

private:
    struct Free {
        std::size_t bytes = 0;
        void operator()(T* p) const {
            delete[] p;
            locked() -= bytes;
        }
    };
    using Memory = std::unique_ptr<T[], Free>;
    Memory data_;
    std::size_t size_ = 0;
};

template <class... P, class... A>
void launch(const Grid& grid, dim3 block, std::size_t sharedBytes, const Stream& stream, void (*kernel)(P...),
            A&&... args) {
    if (grid.size.x == 0 || grid.size.y == 0 || grid.size.z == 0) return;
    static_assert((!std::is_pointer_v<std::remove_cvref_t<P>> && ...), "kernels take views, not pointers");
    using Arguments = std::tuple<std::remove_cvref_t<P>...>;
    struct Call {
        void (*kernel)(P...);
        Arguments arguments;
    };
    ++launches();
    stream.push([=, call = Call{kernel, Arguments{std::forward<A>(args)...}}]() mutable {
        const auto body = [](void* p) {
            const Call& c = *static_cast<const Call*>(p);
            std::apply(c.kernel, c.arguments);
        };
        detail::runGrid(grid, block, sharedBytes, body, &call);
    });
}

}  // namespace simtBackend
}  // namespace tessera::gpu
