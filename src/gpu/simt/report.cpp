// What the scheduler says when a kernel fails, and the functions of simt.hpp that kernels call.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "gpu/simt/scheduler.hpp"

namespace tessera::gpu::simt {

namespace {

std::string text(const uint3& i) {
    return fmt::format("({},{},{})", i.x, i.y, i.z);
}
std::string text(const Site& s) {
    return fmt::format("{}:{}:{}", s.file_name(), s.line(), s.column());
}

const char* nameOf(Collective op) {
    switch (op) {
        case Collective::blockBarrier:
            return "__syncthreads";
        case Collective::warpBarrier:
            return "__syncwarp";
        case Collective::shuffle:
            return "a shuffle";
        case Collective::vote:
            return "a vote";
        case Collective::match:
            return "__match_any_sync";
        case Collective::none:
            break;
    }
    return "nothing";
}

}  // namespace

std::string Scheduler::where() const {
    return fmt::format("kernel launched at {}, block {} of {} threads: ", text(site_), text(blockIdx), size_);
}

void Scheduler::fail(const Thread& t, const char* what, std::uint64_t value, std::uint64_t limit) {
    {
        std::string message = fmt::format("{}thread {} {} ({} of {})", where(), text(t.index), what, value, limit);
        if (t.state == Thread::State::waiting) message += " at " + text(t.site);
        failure_ = std::make_exception_ptr(Error(message));
        broken_ = true;
    }
    switchTo(main_);
    std::abort();  // nobody comes back here
}

std::string Scheduler::deadlock() const {
    std::map<std::string, std::pair<int, const Thread*>> places;
    int returned = 0;
    for (const Thread* t : threads_) {
        if (t->state == Thread::State::done) {
            ++returned;
            continue;
        }
        std::string place = fmt::format("{} at {}", nameOf(t->op), text(t->site));
        if (t->op != Collective::blockBarrier) place += fmt::format(" with mask {:#010x}", t->mask);
        auto& entry = places[place];
        if (entry.first++ == 0) entry.second = t;
    }
    std::string s = where() + "divergent barrier or deadlock:";
    for (const auto& [place, entry] : places)
        s += fmt::format(" {} thread(s), the first {}, wait in {};", entry.first, text(entry.second->index), place);
    return s + fmt::format(" {} have returned", returned);
}

bool dropsWait(Site site) {
    Options& o = options();
    const auto same = [&](const Site& s) {
        return s.line() == site.line() && std::strcmp(s.file_name(), site.file_name()) == 0;
    };
    auto known = std::find_if(o.waits.begin(), o.waits.end(), same);
    if (known == o.waits.end()) known = o.waits.insert(o.waits.end(), site);
    return std::size_t(known - o.waits.begin()) == o.droppedWait;
}

Options& options() {
    static Options o = [] {
        Options fromEnvironment;
        if (const char* seed = std::getenv("TESSERA_SIMT_SEED")) fromEnvironment.seed = std::strtoull(seed, nullptr, 0);
        return fromEnvironment;
    }();
    return o;
}

std::uint64_t collective(Collective op, unsigned mask, std::uint64_t value, int source, Site at) {
    return Scheduler::global().collective(op, mask, value, source, at);
}
int lane() {
    return Scheduler::global().lane();
}
void* dynamicShared() {
    return Scheduler::global().dynamicShared();
}
void* sharedVariable(const void* key, std::size_t bytes, std::size_t alignment) {
    return Scheduler::global().sharedVariable(key, bytes, alignment);
}
void beforeAtomic() {
    Scheduler::global().beforeAtomic();
}
void fence() {
    Scheduler::global().fence();
}
void failThread(const char* what, std::uint64_t value, std::uint64_t limit) {
    Scheduler& s = Scheduler::global();
    const Thread& t = s.current();
    if (t.rank < 0) throw Error(fmt::format("{} ({} of {})", what, value, limit));
    s.fail(t, what, value, limit);
}

}  // namespace tessera::gpu::simt
