// Runs the blocks of a grid one after the other, and the threads of a block as fibres, in an order of its own choice.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "gpu/simt/block_memory.hpp"
#include "gpu/simt/fibre.hpp"
#include "tessera/gpu/launch_simt.hpp"

namespace tessera::gpu::simt {

constexpr int warpsMost = 32, threadsMost = 1024;

// One CUDA thread. The fibre comes first: a pointer to it is one to the thread.
struct Thread {
    enum class State : std::uint8_t { ready, waiting, done };

    Fibre fibre;
    uint3 index{};
    int rank = -1;  // in the block; -1: not a thread of a kernel
    State state = State::done;
    Collective op = Collective::none;  // that it waits in
    unsigned mask = 0;
    std::uint64_t value = 0, result = 0;
    int source = 0;
    Site site{};
};

class Scheduler {
public:
    static Scheduler& global();

    void run(const Grid&, dim3 block, std::size_t sharedBytes, void (*body)(void*), void* argument);

    // Called by threads of the kernel.
    std::uint64_t collective(Collective, unsigned mask, std::uint64_t value, int source, Site);
    void* sharedVariable(const void* key, std::size_t bytes, std::size_t alignment);
    void* dynamicShared() const { return memory_.dynamic(); }
    void beforeAtomic();
    void fence();
    int lane() const { return current_->rank & 31; }
    // Ends the launch with an Error. No text of the caller's: what is left on a stack that is given up is lost.
    [[noreturn]] void fail(const Thread&, const char* what, std::uint64_t value, std::uint64_t limit);
    Thread& current() { return *current_; }

private:
    static constexpr int pools = race::detecting ? 2 : 1;

    static void entry(boost::context::detail::transfer_t);
    void threadMain();
    void makeFibres(std::size_t n);
    void runBlock(dim3 block);
    void switchTo(Thread&);
    Thread& next();
    void makeReady(Thread&);
    void releaseBlock();
    void releaseWarp(const Thread& last);
    template <class Members>
    void join(Members members, void* tag);
    std::uint64_t random();
    std::string where() const;
    std::string deadlock() const;

    // Neighbouring blocks use different fibres, dealt at random to the threads: races between blocks are then races
    // between fibres. (Fresh fibres for every block would cost TSan half a millisecond a thread.)
    std::vector<Thread> pool_[pools];
    std::vector<Thread*> threads_;  // of the block, by rank
    Thread main_;
    Thread* current_ = &main_;

    std::vector<Thread*> ready_;  // a ring
    std::size_t head_ = 0, tail_ = 0;
    int size_ = 0, live_ = 0, arrived_ = 0;
    unsigned alive_[warpsMost] = {},
             parked_[warpsMost] = {};  // lanes that have not returned; that wait in a collective

    BlockMemory memory_;
    std::size_t dynamicBytes_ = 0;
    void (*body_)(void*) = nullptr;
    void* argument_ = nullptr;
    Site site_{};
    std::exception_ptr failure_;
    std::uint64_t randomState_ = 1, launches_ = 0, blocks_ = 0;
    bool shuffled_ = true, broken_ = true, running_ = false;

    char* barrierTags_ = nullptr;  // TSan: one for the block, one a warp; new for every block
    std::uint64_t beginTag_ = 0, endTag_ = 0, fenceTag_ = 0;
};

}  // namespace tessera::gpu::simt
