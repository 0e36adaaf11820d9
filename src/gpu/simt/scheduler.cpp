// Compiled without -fsanitize: TSan must not see the scheduler's own accesses, and its calls into malloc and memset are
// hidden by race::Unseen.
#include "gpu/simt/scheduler.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace tessera::gpu::simt {

Scheduler& Scheduler::global() {
    static Scheduler s;
    return s;
}

std::uint64_t Scheduler::random() {  // xorshift64 (Marsaglia 2003)
    randomState_ ^= randomState_ << 13;
    randomState_ ^= randomState_ >> 7;
    randomState_ ^= randomState_ << 17;
    return randomState_ >> 16;
}

void Scheduler::makeReady(Thread& t) {
    t.state = Thread::State::ready;
    ready_[tail_++ & (ready_.size() - 1)] = &t;
}

// One of those that can run; the launching context where there is none.
Thread& Scheduler::next() {
    const std::size_t waiting = tail_ - head_, wrap = ready_.size() - 1;
    if (waiting == 0) return main_;
    if (shuffled_) std::swap(ready_[head_ & wrap], ready_[(head_ + random() % waiting) & wrap]);
    return *ready_[head_++ & wrap];
}

void Scheduler::switchTo(Thread& to) {
    if (&to == current_) return;
    Thread& from = *current_;
    current_ = &to;
    threadIdx = to.index;
    switchFibre(from.fibre, to.fibre);
}

// When a barrier completes, what its members did before it happens before what they do behind it. It is said here, in the
// name of each member: said by the members when they go on, a late one would also see what a quick one has published for
// the next barrier, and races between the two would go unseen.
template <class Members>
void Scheduler::join(Members members, void* tag) {
    if constexpr (race::detecting) {
        members([&](Thread& t) {
            race::become(t.fibre.tsan);
            race::release(tag);
        });
        members([&](Thread& t) {
            race::become(t.fibre.tsan);
            race::acquire(tag);
        });
        race::become(current_->fibre.tsan);
    }
}

namespace {

bool same(const Site& a, const Site& b) {
    return a.line() == b.line() && a.column() == b.column() &&
           (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

}  // namespace

// All threads have arrived; where they are at different barriers they stay, which deadlock() reports.
void Scheduler::releaseBlock() {
    std::uint64_t count = 0;
    for (const Thread* t : threads_) {
        if (!same(t->site, threads_[0]->site)) return;
        count += t->value;
    }
    arrived_ = 0;
    join(
        [&](auto each) {
            for (Thread* t : threads_) each(*t);
        },
        barrierTags_);
    for (Thread* t : threads_) {
        t->result = count;
        makeReady(*t);
    }
}

// Shuffles and votes order no memory: only __syncwarp() joins.
void Scheduler::releaseWarp(const Thread& last) {
    const int warp = last.rank >> 5, base = warp * 32;
    const unsigned mask = last.mask, group = mask & alive_[warp];
    const Collective op = last.op;
    const Site site = last.site;
    if (group & ~parked_[warp]) return;  // some are still to come
    const auto members = [&](auto each) {
        for (unsigned rest = group; rest != 0; rest &= rest - 1)
            each(*threads_[std::size_t(base + std::countr_zero(rest))]);
    };
    bool alike = true;
    unsigned votes = 0;
    members([&](const Thread& t) {
        alike = alike && t.op == op && t.mask == mask && same(t.site, site);
        if (t.value != 0) votes |= 1U << (t.rank & 31);
    });
    if (!alike) return;
    parked_[warp] &= ~group;
    if (op == Collective::warpBarrier) join(members, barrierTags_ + 8 * (warp + 1));
    members([&](Thread& t) {
        if (op == Collective::shuffle) {
            const int source = t.source & 31;
            if (!(group >> source & 1))
                fail(t, "shuffles from a lane that does not take part", std::uint64_t(source), group);
            t.result = threads_[std::size_t(base + source)]->value;
        } else if (op == Collective::match) {
            t.result = 0;
            members([&](const Thread& o) { t.result |= std::uint64_t(o.value == t.value) << (o.rank & 31); });
        } else {
            t.result = votes;
        }
    });
    members([&](Thread& t) { makeReady(t); });
}

std::uint64_t Scheduler::collective(Collective op, unsigned mask, std::uint64_t value, int source, Site site) {
    Thread& t = *current_;
    if (t.rank < 0) throw Error("a function of CUDA threads was called outside a kernel");
    t.op = op;
    t.mask = mask;
    t.value = value;
    t.source = source;
    t.site = site;
    t.state = Thread::State::waiting;
    if (op == Collective::blockBarrier) {
        if (++arrived_ == size_) releaseBlock();
    } else {
        if (!(mask >> (t.rank & 31) & 1)) fail(t, "is not in its own mask", std::uint64_t(t.rank & 31), mask);
        parked_[t.rank >> 5] |= 1U << (t.rank & 31);
        releaseWarp(t);
    }
    switchTo(next());
    return t.result;
}

void Scheduler::beforeAtomic() {
    if (!shuffled_ || current_->rank < 0 || random() % 8 != 0) return;
    makeReady(*current_);
    switchTo(next());
}

// For the whole device: more order than CUDA promises, so that a race may hide behind it, but none is invented.
void Scheduler::fence() {
    race::acquire(&fenceTag_);
    race::release(&fenceTag_);
}

void* Scheduler::sharedVariable(const void* key, std::size_t bytes, std::size_t alignment) {
    void* p = memory_.variable(key, bytes, alignment, options().sharedLimit);
    if (!p) fail(*current_, "asks for too much shared memory, in bytes", memory_.used(), options().sharedLimit);
    return p;
}

void Scheduler::entry(boost::context::detail::transfer_t t) {
    fibreBegins(t, global().main_.fibre);
    global().threadMain();
}

// One round for each block.
void Scheduler::threadMain() {
    for (;;) {
        race::acquire(&beginTag_);
        try {
            body_(argument_);
        } catch (...) {
            failure_ = std::current_exception();
        }
        race::release(&endTag_);
        Thread& me = *current_;
        me.state = Thread::State::done;
        --live_;
        const int warp = me.rank >> 5, base = warp * 32;
        alive_[warp] &= ~(1U << (me.rank & 31));
        if (failure_) {
            broken_ = true;
            switchTo(main_);
        }
        // Others of the warp may have waited for this one alone.
        for (int lane = 0; lane < 32 && base + lane < size_; ++lane)
            if (parked_[warp] >> lane & 1) releaseWarp(*threads_[std::size_t(base + lane)]);
        switchTo(next());
    }
}

void Scheduler::makeFibres(std::size_t n) {
    ready_.resize(std::bit_ceil(n));
    threads_.resize(n);
    bool fresh = std::exchange(broken_, false);
    for (auto& pool : pool_) {
        fresh = fresh || pool.size() < n;
        while (pool.size() < n) {
            pool.emplace_back();
            if (!allocateStack(pool.back().fibre, options().stackBytes)) {
                pool.pop_back();
                throw Error("no memory for the stacks of " + std::to_string(n) + " fibres");
            }
        }
    }
    if (!fresh) return;
    for (auto& pool : pool_)
        for (Thread& t : pool) restart(t.fibre, entry);
}

void Scheduler::runBlock(dim3 block) {
    head_ = tail_ = 0;
    live_ = size_;
    arrived_ = 0;
    for (int w = 0; w < warpsMost; ++w) {
        const int lanes = std::clamp(size_ - 32 * w, 0, 32);
        alive_[w] = lanes == 32 ? ~0U : (1U << lanes) - 1;
        parked_[w] = 0;
    }
    if (!memory_.begin(dynamicBytes_)) throw Error("no memory for a block's shared memory");
    if (race::detecting) barrierTags_ = static_cast<char*>(std::malloc(8 * (warpsMost + 1)));
    auto& pool = pool_[blocks_++ % pools];
    const std::size_t n = std::size_t(size_), turn = race::detecting ? random() % n : 0;
    for (std::size_t i = 0; i < n; ++i) {
        Thread& t = pool[(i + turn) % n];
        threads_[i] = &t;
        t.rank = int(i);
        t.index = {unsigned(i) % block.x, unsigned(i) / block.x % block.y, unsigned(i) / (block.x * block.y)};
        makeReady(t);
    }
    switchTo(next());  // comes back when nobody can run
    const bool stuck = live_ > 0 && !failure_;
    std::string report;
    if (stuck) report = deadlock();
    memory_.end();
    std::free(std::exchange(barrierTags_, nullptr));
    if (failure_ || stuck) {
        broken_ = true;
        if (race::detecting)  // what the abandoned threads did is over
            for (Thread* t : threads_) {
                race::become(t->fibre.tsan);
                race::release(&endTag_);
            }
        race::become(main_.fibre.tsan);
        race::acquire(&endTag_);
    }
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if (stuck) throw Error(report);
}

void Scheduler::run(const Grid& grid, dim3 block, std::size_t sharedBytes, void (*body)(void*), void* argument) {
    const dim3 g = grid.size;
    const std::uint64_t n = std::uint64_t(block.x) * block.y * block.z, blocks = std::uint64_t(g.x) * g.y * g.z;
    if (running_) throw Error("a kernel was launched from inside a kernel");
    site_ = grid.site;
    size_ = int(n);
    blockIdx = {};
    constexpr unsigned deepest = 64, widest = 65535, longest = 0x7fffffff;
    if (n == 0 || n > threadsMost || block.z > deepest)
        throw Error(where() + "a block has 1 to 1024 threads, at most 64 deep");
    if (g.x > longest || g.y > widest || g.z > widest) throw Error(where() + "the grid is too large");
    if (sharedBytes > options().sharedLimit)
        throw Error(where() + std::to_string(sharedBytes) + " bytes of shared memory are more than " +
                    std::to_string(options().sharedLimit));
    if (!main_.fibre.tsan) main_.fibre.tsan = race::thisFibre();
    makeFibres(n);
    struct Running {
        bool& flag;
        explicit Running(bool& f) : flag(f) { flag = true; }
        ~Running() { flag = false; }
    } const running(running_);
    body_ = body;
    argument_ = argument;
    dynamicBytes_ = sharedBytes;
    shuffled_ = options().seed != 0;
    randomState_ = (options().seed + 0x9E3779B97F4A7C15U * ++launches_) | 1;
    for (int i = 0; i < 8; ++i) random();
    blockDim = block;
    gridDim = g;
    std::vector<std::uint64_t> order(blocks);
    std::iota(order.begin(), order.end(), std::uint64_t(0));
    if (shuffled_)
        for (std::uint64_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    race::release(&beginTag_);
    for (const std::uint64_t b : order) {
        blockIdx = {unsigned(b % g.x), unsigned(b / g.x % g.y), unsigned(b / (std::uint64_t(g.x) * g.y))};
        runBlock(block);
    }
    race::acquire(&endTag_);
}

}  // namespace tessera::gpu::simt
