// Streams and device memory of the SIMT backend.
#include <cstdlib>
#include <limits>
#include <map>
#include <new>
#include <thread>

#include "gpu/simt/scheduler.hpp"
#ifdef TESSERA_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tessera::gpu {
inline namespace simtBackend {
namespace detail {

namespace {

constexpr std::align_val_t alignment{256};

// All device memory that is allocated, and how many are at work on it.
struct Device {
    std::map<void*, std::size_t> memory;
    int depth = 0;

    void protect([[maybe_unused]] bool on) const {
#ifdef TESSERA_SIMT_ASAN
        for (const auto& [p, bytes] : memory)
            on ? __asan_poison_memory_region(p, bytes) : __asan_unpoison_memory_region(p, bytes);
#endif
    }
};
Device& device() {
    static Device d;
    return d;
}

int devices() {
    const char* text = std::getenv("TESSERA_SIMT_DEVICES");
    return text != nullptr ? std::atoi(text) : std::numeric_limits<int>::max();
}
int chosen = 0;

}  // namespace

DeviceAccess::DeviceAccess() {
    if (device().depth++ == 0) device().protect(false);
}
DeviceAccess::~DeviceAccess() {
    if (--device().depth == 0) device().protect(true);
}

void* allocateDevice(std::size_t bytes) {
    const DeviceAccess access;
    void* p = ::operator new(bytes, alignment);
    std::memset(p, 0xff, bytes);  // NaN
    device().memory[p] = bytes;
    return p;
}

void freeDevice(void* p) noexcept {
    const DeviceAccess access;
    device().memory.erase(p);
    ::operator delete(p, alignment);
}

bool isDeviceMemory(const void* p, std::size_t bytes) {
    const auto& memory = device().memory;
    auto next = memory.upper_bound(const_cast<void*>(p));
    if (next == memory.begin()) return false;
    const auto& [first, size] = *--next;
    const std::size_t before = std::size_t(static_cast<const char*>(p) - static_cast<const char*>(first));
    return before <= size && bytes <= size - before;
}

void runGrid(const Grid& grid, dim3 block, std::size_t sharedBytes, void (*body)(void*), void* argument) {
    simt::Scheduler::global().run(grid, block, sharedBytes, body, argument);
}

}  // namespace detail

bool deviceFound() {
    return detail::devices() > 0;
}
void chooseDevice(int nodeRank) {
    if (!deviceFound()) throw Error("resources.backend simt: no device was found (TESSERA_SIMT_DEVICES)");
    detail::chosen = nodeRank % detail::devices();
}
std::string deviceName() {
    return "simulated device " + std::to_string(detail::chosen);
}

bool Stream::runUntil(const bool* reached) const {
    while (!queue_.empty() && !(reached != nullptr && *reached)) {
        Work work = std::move(queue_.front());
        queue_.pop_front();
        try {
            const detail::DeviceAccess access;
            if (work.run()) continue;
        } catch (...) {
            std::erase_if(queue_, [](const Work& w) { return !w.always; });
            throw;
        }
        queue_.push_front(std::move(work));
        return false;
    }
    return true;
}

void Stream::synchronize() const {
    while (!done()) std::this_thread::yield();
}

void Stream::synchronizeUntil(const bool& reached) const {
    while (!runUntil(&reached)) std::this_thread::yield();
}

Stream::~Stream() {
    try {
        synchronize();
    } catch (...) {  // whoever wanted to know has asked before
        synchronize();
    }
}

}  // namespace simtBackend
}  // namespace tessera::gpu
