// Shared memory of the block that runs.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "gpu/simt/fibre.hpp"

namespace tessera::gpu::simt {

// Every variable is allocated by itself, of exactly its size, so that a red zone follows, and begins as NaN. Released with
// the block: the next one finds nothing of it.
class BlockMemory {
public:
    // false: there is no memory
    bool begin(std::size_t dynamicBytes) {
        variables_ = 0;
        used_ = dynamicBytes;
        dynamic_ = allocate(dynamicBytes, 128);
        return dynamic_ != nullptr;
    }
    void end() {
        const race::Unseen unseen;
        std::free(std::exchange(dynamic_, nullptr));
        for (std::size_t i = 0; i < variables_; ++i) std::free(list_[i].memory);
        variables_ = 0;
    }
    void* dynamic() const { return dynamic_; }
    // nullptr: more than `limit` bytes in all, or more than `most` variables
    void* variable(const void* key, std::size_t bytes, std::size_t alignment, std::size_t limit) {
        for (std::size_t i = 0; i < variables_; ++i)
            if (list_[i].key == key) return list_[i].memory;
        used_ += bytes;
        if (variables_ == most || used_ > limit) return nullptr;
        void* memory = allocate(bytes, alignment);
        if (memory) list_[variables_++] = {key, memory};
        return memory;
    }
    std::size_t used() const { return used_; }

private:
    static constexpr std::size_t most = 32;
    struct Variable {
        const void* key;
        void* memory;
    };

    static void* allocate(std::size_t bytes, std::size_t alignment) {
        const race::Unseen unseen;
        void* memory = nullptr;
        if (posix_memalign(&memory, alignment > 16 ? alignment : 16, bytes > 0 ? bytes : 1) != 0) return nullptr;
        std::memset(memory, 0xff, bytes);
        return memory;
    }

    void* dynamic_ = nullptr;
    Variable list_[most];
    std::size_t variables_ = 0, used_ = 0;
};

}  // namespace tessera::gpu::simt
