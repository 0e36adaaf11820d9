// A fibre: a stack of its own and a place to go on. Switching tells the sanitizers, which else lose track of the stack
// (ASan) or take all fibres for one thread (TSan).
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#ifdef TESSERA_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TESSERA_SIMT_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" {
void __tsan_acquire(void*);
void __tsan_release(void*);
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
}
#endif

namespace tessera::gpu::simt {

// What TSan is told; nothing in other builds.
namespace race {

#ifdef TESSERA_SIMT_TSAN
inline constexpr bool detecting = true;
inline void acquire(void* tag) {
    __tsan_acquire(tag);
}
inline void release(void* tag) {
    __tsan_release(tag);
}
inline void* newFibre() {
    return __tsan_create_fiber(0);
}
inline void destroyFibre(void* f) {
    if (f) __tsan_destroy_fiber(f);
}
inline void* thisFibre() {
    return __tsan_get_current_fiber();
}
// Speaks in the name of a fibre from here on. It orders nothing: threads of a kernel are not ordered by being run.
inline void become(void* fibre) {
    __tsan_switch_to_fiber(fibre, __tsan_switch_to_fiber_no_sync);
}
// What the scheduler does with memory inside is no access of a kernel's; malloc and free make TSan forget its past.
struct Unseen {
    Unseen() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~Unseen() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
};
#else
inline constexpr bool detecting = false;
inline void acquire(void*) {}
inline void release(void*) {}
inline void* newFibre() {
    return nullptr;
}
inline void destroyFibre(void*) {}
inline void* thisFibre() {
    return nullptr;
}
inline void become(void*) {}
struct Unseen {
    Unseen() {}
    ~Unseen() {}
};
#endif

}  // namespace race

struct Fibre {
    boost::context::detail::fcontext_t context = nullptr;
    void* fakeStack = nullptr;  // of ASan
    void* tsan = nullptr;
    char* stack = nullptr;
    std::size_t stackBytes = 0;
};

// Goes on in `to`; comes back when somebody switches to `from`.
inline void switchFibre(Fibre& from, Fibre& to) {
#ifdef TESSERA_SIMT_ASAN
    __sanitizer_start_switch_fiber(&from.fakeStack, to.stack, to.stackBytes);
#endif
    race::become(to.tsan);
    const boost::context::detail::transfer_t t = boost::context::detail::jump_fcontext(to.context, &from);
    static_cast<Fibre*>(t.data)->context = t.fctx;
#ifdef TESSERA_SIMT_ASAN
    __sanitizer_finish_switch_fiber(from.fakeStack, nullptr, nullptr);
#endif
}

// The first thing on a new fibre. starter: learns its own stack where it does not know it yet.
inline void fibreBegins(boost::context::detail::transfer_t t, [[maybe_unused]] Fibre& starter) {
    static_cast<Fibre*>(t.data)->context = t.fctx;
#ifdef TESSERA_SIMT_ASAN
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (!starter.stack) {
        starter.stack = const_cast<char*>(static_cast<const char*>(bottom));
        starter.stackBytes = bytes;
    }
#endif
}

// A stack below which a page faults; f.stack is null before.
bool allocateStack(Fibre& f, std::size_t bytes);
// To begin in `entry` at the next switch, whatever it did before.
void restart(Fibre& f, void (*entry)(boost::context::detail::transfer_t));

}  // namespace tessera::gpu::simt
