#include <algorithm>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blocks.hpp"

namespace tessera {

namespace {
// Spaxels of more stars than this are summed by all threads, in parts of this length whatever their number.
constexpr std::size_t part = std::size_t(1) << 17;
// Stars between the same four templates that are added to one float after the other, about: equal summands round the
// same way again and again. They are counted by samples.
constexpr std::uint32_t sampleOf = 8, mostOfCorner = 512;
}  // namespace

DenseCoefficients::DenseCoefficients(Host exec, const BinnedStars& stars, const KnotTable& table)
    : stars_(stars), table_(table), dense_(stars.start.size() - 1, 0) {
    auto range = stars.dense.begin();
    for (std::size_t s = 0; s < dense_.size() && range != stars.dense.end(); ++s)
        if (stars.start[s] == range->begin && stars.start[s + 1] == range->end) {
            dense_[s] = 1;
            spaxels_.push_back({s, *range++});
        }
    giants_.resize(spaxels_.size());
    const std::size_t templates = table.templates();
    for (std::size_t d = 0; d < spaxels_.size(); ++d) {
        const DenseRange& r = spaxels_[d].range;
        const std::size_t count = r.end - r.begin, parts = (count + part - 1) / part;
        if (parts < 2) continue;
        const std::size_t stride = paddedNodes(r), size = templates * stride;
        Buffer<float> partial(parts * size);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 1)
        for (std::size_t p = 0; p < parts; ++p) {
            std::fill_n(partial.data() + p * size, size, 0.0F);
            scatter({r.begin + p * part, std::min<std::size_t>(r.begin + (p + 1) * part, r.end), r.firstNode, r.nodes},
                    partial.data() + p * size, stride);
        }
        giants_[d] = Buffer<float>(size);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
        for (std::size_t i = 0; i < size; ++i) {
            double sum = 0;
            for (std::size_t p = 0; p < parts; ++p) sum += double(partial[p * size + i]);
            giants_[d][i] = float(sum);
        }
    }
}

void DenseCoefficients::scatter(const DenseRange& r, float* out, std::size_t stride) const {
    const std::size_t nodes = std::size_t(r.nodes), zStep = std::size_t(table_.zStep()),
                      ageStep = std::size_t(table_.ageStep());
    simd::ScatterArgs args{};
    args.inverseStep = 1 / table_.nodeStep;
    args.firstNode = r.firstNode;
    args.nAge = table_.zStep();
    args.ageStep = table_.ageStep();
    args.out = out;
    args.stride = stride;
    std::vector<std::uint32_t> ofCorner(r.end - r.begin > mostOfCorner ? table_.templates() : 0, 0);
    std::vector<float> before;  // [template][node] what has been taken out of `out`
    const auto takeOut = [&](std::size_t t) {
        for (std::size_t n = 0; n < nodes; ++n) before[t * nodes + n] += std::exchange(out[t * stride + n], 0.0F);
    };
    constexpr std::size_t block = 512;  // stays in the cache
    for (std::size_t first = r.begin; first < r.end; first += block) {
        args.stars = stars_.stars.data() + first;
        args.count = std::min<std::size_t>(block, r.end - first);
        simd::kernels().scatter(args);
        if (ofCorner.empty()) continue;
        for (std::size_t i = 0; i < args.count; i += sampleOf) {
            const std::size_t corner = std::size_t(args.stars[i].corner);
            if ((ofCorner[corner] += sampleOf) < mostOfCorner) continue;
            ofCorner[corner] = 0;
            if (before.empty()) before.resize(table_.templates() * nodes, 0.0F);
            takeOut(corner);
            if (ageStep > 0) takeOut(corner + ageStep);
            if (zStep > 0) takeOut(corner + zStep);
            if (ageStep > 0 && zStep > 0) takeOut(corner + zStep + ageStep);
        }
    }
    if (before.empty()) return;
    for (std::size_t t = 0; t < table_.templates(); ++t)
        for (std::size_t n = 0; n < nodes; ++n) out[t * stride + n] += before[t * nodes + n];
}

void DenseCoefficients::add(std::size_t d, float* out, std::size_t stride) const {
    const DenseRange& r = spaxels_[d].range;
    if (giants_[d].empty()) {
        scatter(r, out, stride);
        return;
    }
    const std::size_t from = paddedNodes(r);
    for (std::size_t t = 0; t < table_.templates(); ++t)
        for (std::size_t n = 0; n < std::size_t(r.nodes); ++n) out[t * stride + n] += giants_[d][t * from + n];
}

}  // namespace tessera
