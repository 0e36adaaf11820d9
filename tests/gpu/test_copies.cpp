// Stars that arrive and floats that leave while kernels run; and that every wait between the streams is needed.
#include "kernels/copies.hpp"

#include <memory>

#include "gpu/device.hpp"
#include "kernels/moments.hpp"
#include "kernels/noise.hpp"
#include "tessera/model/particles.hpp"

using namespace tessera;
using namespace tessera::test;
using gpu::PinnedBuffer;

namespace {

Stars someStars(std::size_t n, unsigned seed) {
    const HostStars h = randomStars(n, seed);
    Stars s(n);
    std::copy(h.position.begin(), h.position.end(), s.position.begin());
    std::copy(h.velocity.begin(), h.velocity.end(), s.velocity.begin());
    std::copy(h.mass.begin(), h.mass.end(), s.mass.begin());
    std::copy(h.age.begin(), h.age.end(), s.age.begin());
    std::copy(h.metallicity.begin(), h.metallicity.end(), s.metallicity.begin());
    return s;
}

// What a group gives: the sums of its stars, without and with noise.
struct Result {
    std::vector<FrameSums> moments;
    std::vector<float> flux, variance;
    bool operator==(const Result& o) const {
        return sameBits(moments, o.moments) && sameBits(flux, o.flux) && sameBits(variance, o.variance);
    }
};

struct Streams {
    gpu::Staging staging{512};  // less than one field of a group: pieces are used again and again
    // Large enough for all groups: where a wait is left out, no copy may reach into memory that is gone.
    PinnedBuffer<float> memory[2]{PinnedBuffer<float>(400), PinnedBuffer<float>(400)};
    Stream kernels, in, out;  // done before the memory goes
};

constexpr std::size_t voxels = 40;

// The kernels of one group; nothing waits for them here.
struct Work {
    gpu::DeviceStars stars;
    DeviceBuffer<FrameSums> partial;
    std::unique_ptr<gpu::Leaving> leaving;
};
Work work(Streams& s, gpu::DeviceStars stars, const DeviceBuffer<std::size_t>& blocks, PinnedBuffer<float>& memory) {
    Work w;
    w.stars = std::move(stars);
    w.partial = DeviceBuffer<FrameSums>(blocks.size() - 1, s.kernels);
    gpu::sumMoments(s.kernels, {w.stars.position.view(),
                                w.stars.velocity.view(),
                                w.stars.mass.view(),
                                {},
                                {},
                                0,
                                0,
                                blocks.view(),
                                w.partial.view()});
    // Any floats that depend on the stars: their ages, with noise.
    std::vector<DeviceBuffer<float>> out;
    out.push_back(std::move(w.stars.age));
    out.emplace_back(out[0].size(), s.kernels);
    gpu::NoiseArgs a;
    a.flux = out[0].view();
    a.variance = out[1].view();
    a.pixels = voxels;
    a.target = true;
    a.reference = 1;
    a.signalToNoise = 10;
    gpu::addNoise(s.kernels, a);
    w.leaving = std::make_unique<gpu::Leaving>(s.kernels, s.out, memory, std::size_t(1) << 20, std::move(out));
    return w;
}

Result take(Work& w, std::size_t stars) {
    Result r;
    r.flux.resize(stars);
    r.variance.resize(stars);
    if (stars > 0) {
        w.leaving->get(0, 0, r.flux);
        w.leaving->get(1, 0, r.variance);
    }
    return r;
}

// Groups of two galaxies: the next arrive and the one before leaves while one is worked on.
std::vector<Result> overlapped(const std::vector<Stars>& galaxies) {
    Streams s;
    const auto group = [&](std::size_t g) {
        const Stars &a = galaxies[2 * g], &b = galaxies[2 * g + 1];
        return std::vector<gpu::StarRows>{{&a, 0, a.size()}, {&b, 0, 1}, {&b, 1, b.size() - 1}};
    };
    const auto arrive = [&](std::size_t g) {
        return std::make_unique<gpu::Arriving>(s.kernels, s.in, s.staging, group(g));
    };
    const auto starsOf = [&](std::size_t g) { return galaxies[2 * g].size() + galaxies[2 * g + 1].size(); };
    std::vector<DeviceBuffer<std::size_t>> blocks;
    for (std::size_t g = 0; 2 * g < galaxies.size(); ++g)
        blocks.push_back(onDevice(s.kernels, std::vector<std::size_t>{0, galaxies[2 * g].size(), starsOf(g)}));
    std::vector<Result> results;
    std::vector<DeviceBuffer<FrameSums>> moments;
    Work before;
    std::unique_ptr<gpu::Arriving> arriving = arrive(0);
    for (std::size_t g = 0; 2 * g < galaxies.size(); ++g) {
        gpu::DeviceStars stars = arriving->take(s.kernels);
        if (2 * g + 2 < galaxies.size()) arriving = arrive(g + 1);
        Work now = work(s, std::move(stars), blocks[g], s.memory[g % 2]);
        moments.push_back(std::move(now.partial));
        if (g > 0) results.push_back(take(before, starsOf(g - 1)));
        before = std::move(now);
    }
    results.push_back(take(before, starsOf(galaxies.size() / 2 - 1)));
    // The kernels' stream itself is waited for here alone.
    for (std::size_t g = 0; g < results.size(); ++g) results[g].moments = onHost(s.kernels, moments[g]);
    return results;
}

std::vector<Stars> someGalaxies() {
    std::vector<Stars> galaxies;
    unsigned seed = 5;
    for (const std::size_t n : {33, 64, 1, 90, 128, 31, 0, 65}) galaxies.push_back(someStars(n, seed++));
    return galaxies;
}

}  // namespace

TEST_CASE("stars arrive and cubes leave beside the kernels", "[gpu]") {
    const std::vector<Stars> galaxies = someGalaxies();
    const std::vector<Result> found = overlapped(galaxies);
    REQUIRE(found.size() == galaxies.size() / 2);
    for (std::size_t g = 0; g < found.size(); ++g) {
        double mass = 0;
        for (const float m : galaxies[2 * g + 1].mass) mass += double(m);
        CHECK(found[g].moments[1].mass == Approx(mass).epsilon(1e-12));
        const std::size_t first = galaxies[2 * g].size();
        for (std::size_t i = 0; i < first; ++i) CHECK(found[g].variance[i] > 0);
        CHECK(found[g].flux.size() == first + galaxies[2 * g + 1].size());
    }
}

// By their values; the sanitizers would end the program.
#if !defined(TESSERA_GPU_CUDA) && !defined(TESSERA_SIMT_ASAN) && !defined(TESSERA_SIMT_TSAN)
TEST_CASE("every wait between the streams is needed", "[gpu]") {
    const std::vector<Stars> galaxies = someGalaxies();
    gpu::simt::Options& o = gpu::simt::options();
    o.waits.clear();
    const std::vector<Result> expected = overlapped(galaxies);
    CHECK(o.waits.size() >= 5);
    for (o.droppedWait = 0; o.droppedWait < o.waits.size(); ++o.droppedWait) {
        bool wrong = false;
        try {
            wrong = !(overlapped(galaxies) == expected);
        } catch (const Error&) {
            wrong = true;
        }
        INFO("without the wait at " << o.waits[o.droppedWait].file_name() << ":" << o.waits[o.droppedWait].line());
        CHECK(wrong);
    }
    o.droppedWait = std::size_t(-1);
    CHECK(overlapped(galaxies) == expected);
}
#endif
