// Loops that other threads join: each index once, nothing of one loop in the next, and all that was written is seen.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "stages/shared_loop.hpp"

using namespace tessera;

namespace {

// The owner's loops one after the other, of 0, 1, 2 ... indices; others join throughout. What they share are plain numbers.
struct Loops {
    SharedLoop loop;
    std::size_t scale = 0;               // of the present loop
    std::vector<std::size_t> sums;       // [index]
    std::atomic<std::size_t> joined{0};  // indices that were not the owner's
    std::atomic<bool> ended{false};

    // How many loops: at least some, and until somebody could join if others try.
    std::size_t run(std::size_t longest, bool othersTry) {
        constexpr std::size_t least = 20000, most = 1000 * least;
        sums.assign(longest, 0);
        std::size_t k = 0;
        for (; k < least || (othersTry && joined == 0 && k < most); ++k) {
            scale = k;
            loop.run(k % (longest + 1), [&](std::size_t i) { sums[i] += scale; });
        }
        ended = true;
        return k;
    }
    void help() {
        while (!ended)
            loop.join([&](std::size_t i) {
                sums[i] += scale;
                ++joined;
            });
    }
};

}  // namespace

TEST_CASE("each index of a loop that others join is done once", "[shared_loop]") {
    constexpr std::size_t longest = 37;
    for (const std::size_t helpers : {0, 1, 3}) {
        Loops l;
        std::vector<std::thread> others;
        for (std::size_t h = 0; h < helpers; ++h) others.emplace_back([&] { l.help(); });
        const std::size_t loops = l.run(longest, helpers > 0);
        for (std::thread& t : others) t.join();
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < longest; ++i) {
            std::size_t expected = 0;
            for (std::size_t k = 0; k < loops; ++k)
                if (i < k % (longest + 1)) expected += k;
            wrong += l.sums[i] != expected;
        }
        CHECK(wrong == 0);
        CHECK((l.joined > 0) == (helpers > 0));
    }
}
