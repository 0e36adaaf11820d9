#include "gpu/simt/fibre.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace tessera::gpu::simt {

bool allocateStack(Fibre& f, std::size_t bytes) {
    const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return false;
    mprotect(memory, page, PROT_NONE);
    f.stack = static_cast<char*>(memory) + page;
    f.stackBytes = bytes;
    return true;
}

void restart(Fibre& f, void (*entry)(boost::context::detail::transfer_t)) {
    f.fakeStack = nullptr;
    race::destroyFibre(f.tsan);
    f.tsan = race::newFibre();
#ifdef TESSERA_SIMT_ASAN
    __asan_unpoison_memory_region(f.stack, f.stackBytes);
#endif
    f.context = boost::context::detail::make_fcontext(f.stack + f.stackBytes, f.stackBytes, entry);
}

}  // namespace tessera::gpu::simt
