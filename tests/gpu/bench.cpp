// Times of the kernels and of a whole observation on a device, of a galaxy that is made on the fly; by hand and by
// jobs/gpu_check.sh. Needs no more than the kernels.
//
//   bench_cuda [--stars 6000000] [--field 100] [--pixels 3721] [--repeat 5]
//
// The library has BC03's size (6 x 221 templates, 220 knots), the line spread 17 taps, the point spread 23.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gpu/bench_galaxy.hpp"
#include "kernels/accumulate_adjoint.hpp"
#include "kernels/convolve.hpp"
#include "kernels/convolve_adjoint.hpp"
#include "kernels/moments.hpp"
#include "kernels/noise.hpp"
#include "kernels/ordered_stars.hpp"
#include "kernels/project.hpp"
#include "kernels/star_inputs.hpp"

namespace tessera::bench {

namespace {

using namespace gpu;

class Bench {
public:
    explicit Bench(const Options&);
    void forward();
    void adjoint();

private:
    // Least time of the repetitions. bytes: that must go through the memory.
    void time(const char* name, double bytes, const std::function<void()>& work);
    OrderedStars ordered(float shiftStep) const;
    AccumulateArgs windowArgs(const OrderedStars&) const;
    PsfArgs psfArgs(std::size_t first, std::size_t count) const;
    LsfArgs lsfArgs() const;

    Options o_;
    Galaxy galaxy_;
    Library library_;
    Stream s_;
    std::size_t side_, wide_;
    double sum_ = 0;
    DeviceStars stars_;
    DeviceBuffer<std::uint32_t> spaxel_, slot_, place_, sequence_, wanted_;
    DeviceBuffer<float> shift_, lsfTaps_, psfTaps_, flux_, spectra_, spread_, cube_, variance_;
    DeviceBuffer<double> position_, lnPosition_, inverseStep_, edge_, ages_, z_, gain_;
    DeviceBuffer<std::uint8_t> use_;
    DeviceBuffer<AccumulateTile> tiles_;
    std::vector<AccumulateTile> hostTiles_;
    ProjectTotal total_{};
    AccumulatePlan plan_;
};

template <class T>
DeviceBuffer<T> onDevice(const Stream& s, const std::vector<T>& v) {
    DeviceBuffer<T> b(v.size(), s);
    b.upload(v.data());
    s.synchronize();
    return b;
}

Bench::Bench(const Options& o)
    : o_(o), galaxy_(o), library_(o), side_(o.field + 2 * psfRadius), wide_(o.pixels + 2 * lsfRadius) {
    const std::vector<float> lsf = gaussianTaps(lsfRadius, 2.5), psf = gaussianTaps(psfRadius, 2.2);
    lsfTaps_ = onDevice(s_, lsf);
    psfTaps_ = onDevice(s_, psf);
    flux_ = onDevice(s_, library_.flux);
    position_ = onDevice(s_, library_.position);
    lnPosition_ = onDevice(s_, library_.lnPosition);
    inverseStep_ = onDevice(s_, library_.inverseStep);
    edge_ = onDevice(s_, library_.edge);
    ages_ = onDevice(s_, library_.logAgeGyr);
    z_ = onDevice(s_, library_.zAxis);
    gain_ = onDevice(s_, std::vector<double>(o.pixels, 1.0));
    use_ = onDevice(s_, std::vector<std::uint8_t>(side_ * side_, std::uint8_t(insideMask)));
    const std::size_t n = o.stars;
    stars_.position = DeviceBuffer<Vec3d>(n, s_);
    stars_.velocity = DeviceBuffer<Vec3f>(n, s_);
    stars_.mass = DeviceBuffer<float>(n, s_);
    stars_.age = DeviceBuffer<float>(n, s_);
    stars_.metallicity = DeviceBuffer<float>(n, s_);
    spaxel_ = DeviceBuffer<std::uint32_t>(n, s_);
    shift_ = DeviceBuffer<float>(n, s_);
    cube_ = DeviceBuffer<float>(o.field * o.field * o.pixels, s_);
    variance_ = DeviceBuffer<float>(cube_.size(), s_);
}

void Bench::time(const char* name, double bytes, const std::function<void()>& work) {
    double best = 1e30;
    for (int r = 0; r < o_.repeat; ++r) {
        s_.synchronize();
        const auto begin = std::chrono::steady_clock::now();
        work();
        s_.synchronize();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    sum_ += best;
    std::printf("%-22s %10.3f ms %9.1f GB/s\n", name, best * 1e3, bytes / best * 1e-9);
    std::fflush(stdout);
}

OrderedStars Bench::ordered(float shiftStep) const {
    OrderPlan p;
    p.spaxels = side_ * side_;
    p.kept = total_.kept;
    p.shiftMin = total_.shiftMin;
    p.shiftMax = total_.shiftMax;
    p.shiftStep = shiftStep;
    p.logAgeGyr = ages_.view();
    p.zAxis = z_.view();
    return orderStars(s_, p, stars_, spaxel_, shift_);
}

AccumulateArgs Bench::windowArgs(const OrderedStars& stars) const {
    AccumulateArgs a;
    a.star = stars.star.view();
    a.run = stars.run.view();
    a.tile = tiles_.view();
    for (const AccumulateTile& t : hostTiles_) {
        a.mostPixels = std::max(a.mostPixels, t.pixels);
        a.mostKnots = std::max(a.mostKnots, t.knots);
    }
    a.flux = flux_.view();
    a.fluxStride = library_.stride;
    a.zStep = ages;
    a.ageStep = 1;
    a.position = position_.view();
    a.lnPosition = lnPosition_.view();
    a.inverseStep = inverseStep_.view();
    a.edge = edge_.view();
    a.inverseWidth = 1 / pixelWidth;
    a.stride = wide_;
    return a;
}

LsfArgs Bench::lsfArgs() const {
    LsfArgs a;
    a.place = sequence_.view();
    a.count = o_.pixels;
    a.taps = lsfTaps_.view();
    a.width = 2 * lsfRadius + 1;
    return a;
}

PsfArgs Bench::psfArgs(std::size_t first, std::size_t count) const {
    PsfArgs a;
    a.in = {spread_.view(), o_.pixels, first};
    a.slot = slot_.view();
    a.place = wanted_.view();
    a.n = o_.field;
    a.pad = psfRadius;
    a.radius = psfRadius;
    a.count = count;
    a.taps = psfTaps_.view();
    a.components = 1;
    return a;
}

void Bench::forward() {
    const double stars = double(o_.stars), voxels = double(cube_.size());
    std::printf("%zu stars, %zu x %zu spaxels, %zu pixels, on %s\n", o_.stars, o_.field, o_.field, o_.pixels,
                backendName);
    const auto upload = [&] {
        stars_.position.upload(galaxy_.position.data());
        stars_.velocity.upload(galaxy_.velocity.data());
        stars_.mass.upload(galaxy_.mass.data());
        stars_.age.upload(galaxy_.age.data());
        stars_.metallicity.upload(galaxy_.metallicity.data());
    };
    time("upload (pinned)", 48 * stars, upload);
    const double copies = sum_;
    constexpr std::size_t blockOf = 4096;  // rows, as of stages/blocks
    std::vector<std::size_t> starts;
    for (std::size_t i = 0; i < o_.stars; i += blockOf) starts.push_back(i);
    starts.push_back(o_.stars);
    const auto blocks = onDevice(s_, starts);
    DeviceBuffer<FrameSums> moments(starts.size() - 1, s_);
    time("moments", 40 * stars, [&] {
        sumMoments(s_, {stars_.position.view(),
                        stars_.velocity.view(),
                        stars_.mass.view(),
                        {},
                        {},
                        0,
                        30,
                        blocks.view(),
                        moments.view()});
    });
    const std::vector<GalaxyRows> rows{{0, std::uint32_t(o_.stars)}};
    const auto projected = onDevice(s_, starBlocks(rows));
    const auto galaxy = onDevice(s_, std::vector<ProjectGalaxy>(1));
    DeviceBuffer<ProjectTotal> totals(projected.size(), s_);
    ProjectArgs p;
    p.block = projected.view();
    p.galaxy = galaxy.view();
    p.position = stars_.position.view();
    p.velocity = stars_.velocity.view();
    p.grid = {side_, 0.2, 1};
    p.use = use_.view();
    p.spaxel = spaxel_.view();
    p.shift = shift_.view();
    p.total = totals.view();
    time("project", 44 * stars, [&] { project(s_, p); });
    std::vector<ProjectTotal> parts(totals.size());
    totals.download(parts.data());
    s_.synchronize();
    total_ = {1e30F, -1e30F, 0, 0, 0};
    for (const ProjectTotal& t : parts) {
        total_.shiftMin = std::min(total_.shiftMin, t.shiftMin);
        total_.shiftMax = std::max(total_.shiftMax, t.shiftMax);
        total_.kept += t.kept;
    }
    hostTiles_ = library_.tiles(total_.shiftMin, total_.shiftMax, accumulateSharedBytes);
    tiles_ = onDevice(s_, hostTiles_);
    OrderedStars order;
    time("order", 250 * stars, [&] { order = ordered(1e-4F); });
    plan_ = planAccumulate(order.spaxelRun, order.firstOfRun);
    const auto items = onDevice(s_, plan_.items);
    const auto lists = onDevice(s_, plan_.parts);
    std::vector<std::uint32_t> slot(side_ * side_, nowhere), numbers(plan_.lit.size()), wanted(o_.field * o_.field);
    for (std::size_t k = 0; k < plan_.lit.size(); ++k) slot[plan_.lit[k]] = numbers[k] = std::uint32_t(k);
    for (std::size_t k = 0; k < wanted.size(); ++k) wanted[k] = std::uint32_t(k);
    slot_ = onDevice(s_, slot);
    sequence_ = onDevice(s_, numbers);
    wanted_ = onDevice(s_, wanted);
    spectra_ = DeviceBuffer<float>(plan_.rows * wide_, s_);
    spread_ = DeviceBuffer<float>(plan_.lit.size() * o_.pixels, s_);
    std::printf("  %zu spaxels of the padded field shine, %zu runs of stars, %zu tiles\n", plan_.lit.size(),
                order.firstOfRun.size() - 1, hostTiles_.size());
    AccumulateArgs a = windowArgs(order);
    a.item = items.view();
    a.out = spectra_.view();
    time("accumulate", 32 * stars + 4 * double(spectra_.size()), [&] {
        accumulate(s_, a);
        addParts(s_, {lists.view(), spectra_.view(), wide_, wide_});
    });
    LsfArgs l = lsfArgs();
    l.in = {spectra_.view(), wide_, 0};
    l.out = {spread_.view(), o_.pixels, 0};
    time("line spread", 8 * double(spread_.size()), [&] { spreadLines(s_, l); });
    time("point spread", 24 * voxels, [&] {
        for (std::size_t first = 0; first < o_.pixels; first += 128) {
            PsfArgs b = psfArgs(first, std::min<std::size_t>(128, o_.pixels - first));
            b.out = {cube_.view(), o_.pixels, first};
            DeviceBuffer<float> along(psfRowFloats(b), s_);
            b.rows = along.view();
            blur(s_, b);
        }
    });
    NoiseArgs noise;
    noise.flux = cube_.view();
    noise.variance = variance_.view();
    noise.pixels = o_.pixels;
    noise.target = true;
    noise.reference = 1;
    noise.gain = gain_.view();
    time("noise", 16 * voxels, [&] { addNoise(s_, noise); });
    const double before = sum_;
    PinnedBuffer<float> host(cube_.size());
    time("download (pinned)", 4 * voxels, [&] { cube_.download(host.data()); });
    std::printf("forward: %.3f ms on the device, %.3f ms with the copies\n\n", (before - copies) * 1e3, sum_ * 1e3);
}

void Bench::adjoint() {
    const double stars = double(o_.stars), voxels = double(cube_.size());
    sum_ = 0;
    const OrderedStars order = ordered(5e-6F);
    std::vector<std::uint32_t> outer((side_ + 2 * psfRadius) * (side_ + 2 * psfRadius), nowhere),
        place(side_ * side_, nowhere);
    for (std::size_t k = 0; k < plan_.lit.size(); ++k) place[plan_.lit[k]] = std::uint32_t(k);
    for (std::size_t k = 0; k < o_.field * o_.field; ++k)
        outer[(k / o_.field + 2 * psfRadius) * (side_ + 2 * psfRadius) + k % o_.field + 2 * psfRadius] =
            std::uint32_t(k);
    const std::vector<GatherItem> items = planGather(order.spaxelRun, order.firstOfRun);
    const auto dItems = onDevice(s_, items);
    const auto dOuter = onDevice(s_, outer), dPlace = onDevice(s_, place);
    std::printf("  %zu runs of stars\n", order.run.size());
    time("point spread adjoint", 24 * voxels, [&] {
        for (std::size_t first = 0; first < o_.pixels; first += 128) {
            PsfArgs b = psfArgs(first, std::min<std::size_t>(128, o_.pixels - first));
            b.in = {cube_.view(), o_.pixels, first};
            b.out = {spread_.view(), o_.pixels, first};
            b.slot = dOuter.view();
            b.place = dPlace.view();
            b.n = side_;
            DeviceBuffer<float> rows(psfRowFloats(b), s_);
            b.rows = rows.view();
            blur(s_, b);
        }
    });
    time("line spread adjoint", 8 * double(spread_.size()), [&] {
        spreadLinesTransposed(s_, {{spread_.view(), o_.pixels, 0},
                                   {spectra_.view(), wide_, 0},
                                   sequence_.view(),
                                   o_.pixels,
                                   lsfTaps_.view(),
                                   2 * lsfRadius + 1,
                                   0,
                                   0});
    });
    hostTiles_ = library_.tiles(total_.shiftMin, total_.shiftMax, gatherSharedBytes);
    tiles_ = onDevice(s_, hostTiles_);
    GatherArgs g;
    g.sum = windowArgs(order);
    g.item = dItems.view();
    g.spectraBar = spectra_.view();
    DeviceBuffer<StarRecordBar> bar(order.star.size(), s_);
    bar.zero();
    g.bar = bar.view();
    time("accumulate adjoint", 64 * stars, [&] { gather(s_, g); });
    const AxisSlopeTable age = ageSlopes(library_.logAgeGyr), z = metallicitySlopes(library_.zAxis, false);
    const auto dAge = onDevice(s_, age.slope), dZ = onDevice(s_, z.slope);
    DeviceBuffer<float> mass(o_.stars, s_), logAge(o_.stars, s_), metallicity(o_.stars, s_);
    DeviceBuffer<Vec3f> velocity(o_.stars, s_);
    std::vector<std::size_t> blocks;
    for (std::size_t first = 0; first < o_.stars; first += 4096) blocks.push_back(first);
    DeviceBuffer<ViewSums> partial(blocks.size(), s_);
    blocks.push_back(o_.stars);
    const auto dBlocks = onDevice(s_, blocks);
    DeviceBuffer<PieceBar> piece(o_.stars, s_);
    piece.zero();
    time("records to stars", 68 * stars, [&] {
        piecesOfRecords(s_, {order.star.view(),
                             bar.view(),
                             {ages, false, age.at(nullptr), z.at(nullptr)},
                             dAge.view(),
                             dZ.view(),
                             piece.view()});
    });
    StarInputsArgs inputs;
    inputs.block = dBlocks.view();
    inputs.velocity = stars_.velocity.view();
    inputs.mass = stars_.mass.view();
    inputs.rotation = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
    inputs.piece = piece.view();
    inputs.massBar = mass.view();
    inputs.logAgeBar = logAge.view();
    inputs.metallicityBar = metallicity.view();
    inputs.velocityBar = velocity.view();
    inputs.partial = partial.view();
    time("stars' inputs", 60 * stars, [&] { starInputs(s_, inputs); });
    std::printf("adjoint: %.3f ms on the device\n", sum_ * 1e3);
}

}  // namespace

}  // namespace tessera::bench

int main(int argc, char** argv) {
    tessera::bench::Options o;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        const auto value = std::size_t(std::strtoull(argv[i + 1], nullptr, 10));
        if (name == "--stars")
            o.stars = value;
        else if (name == "--field")
            o.field = value;
        else if (name == "--pixels")
            o.pixels = value;
        else if (name == "--repeat")
            o.repeat = int(value);
        else {
            std::fprintf(stderr, "%s: no such option; there are --stars, --field, --pixels, --repeat\n", name.c_str());
            return 2;
        }
    }
    if (!tessera::gpu::deviceFound()) {
        std::printf("SKIP: no GPU was found\n");
        return 77;
    }
    try {
        tessera::bench::Bench b(o);
        b.forward();
        b.adjoint();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
