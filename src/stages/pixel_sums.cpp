// What PixelWay adds up before it knows the pixels: sums of rows, of the runs of sparse spaxels and of the nodes of dense ones.
#include <omp.h>

#include <algorithm>
#include <string>
#include <utility>

#include "simd/kernels.hpp"
#include "stages/accumulator.hpp"
#include "stages/blocks.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// Stars of one spaxel in one bin of shifts.
struct Run {
    std::uint32_t spaxel, count;
    std::uint64_t first;
};

// What forEach(g, use) of each group (a spaxel) gives to use(key, value): by key, then by group, then as given. start: [keys + 1],
// the keys' first places, and the end. forEach is called twice for each group.
template <class Value, class ForEach>
std::vector<Value> orderByKey(Host exec, std::size_t groups, ForEach forEach, std::vector<std::size_t>& start) {
    // Several chunks a thread, since some groups give much more than others; few, since each counts all keys.
    const auto threads = std::size_t(threadsOf(exec));
    const std::size_t chunks = std::min(groups, threads == 1 ? 1 : 8 * threads);
    std::vector<std::vector<std::size_t>> place(chunks);  // [chunk][key], at first how many
    const auto forEachOf = [&](std::size_t chunk, auto use) {
        for (std::size_t g = chunk * groups / chunks; g < (chunk + 1) * groups / chunks; ++g) forEach(g, use);
    };
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 1)
    for (std::size_t c = 0; c < chunks; ++c)
        forEachOf(c, [&count = place[c]](std::size_t key, const Value&) {
            if (count.size() <= key) count.resize(key + 1, 0);
            ++count[key];
        });
    std::size_t keys = 0, sum = 0;
    for (const auto& count : place) keys = std::max(keys, count.size());
    start.clear();
    for (std::size_t key = 0; key < keys; ++key) {
        start.push_back(sum);
        for (auto& count : place)
            if (key < count.size()) sum += std::exchange(count[key], sum);
    }
    start.push_back(sum);
    std::vector<Value> ordered(sum);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(dynamic, 1)
    for (std::size_t c = 0; c < chunks; ++c)
        forEachOf(c, [&](std::size_t key, const Value& value) { ordered[place[c][key]++] = value; });
    return ordered;
}

// By bin, then by spaxel.
std::vector<Run> findRuns(Host exec, const BinnedStars& stars, const DenseCoefficients& dense, const KnotTable& table,
                          std::vector<std::size_t>& start) {
    const float first = table.shiftMin, step = float(table.shiftStep);
    const auto binOf = [&](std::uint64_t k) { return std::size_t((stars.stars[k].shift - first) / step); };
    const auto forEachRun = [&](std::size_t s, auto& use) {
        if (dense.isDense(s)) return;
        for (std::uint64_t i = stars.start[s]; i < stars.start[s + 1];) {
            const std::size_t bin = binOf(i);
            std::uint64_t end = i + 1;
            while (end < stars.start[s + 1] && binOf(end) == bin) ++end;
            use(bin, Run{std::uint32_t(s), std::uint32_t(end - i), i});
            i = end;
        }
    };
    return orderByKey<Run>(exec, stars.start.size() - 1, forEachRun, start);
}

// The runs of one bin as sums of rows: the templates' averages at the bin's centre and, `lanes` rows behind them, their
// slopes, which have the moments of the stars' shifts about it. Stars of a run often are between the same templates. Of one
// thread.
class RunWeights {
public:
    explicit RunWeights(const KnotTable& table)
        : table_(table), weight_(table.lanes, 0.0), moment_(table.lanes, 0.0), met_(table.lanes, 0) {}

    const RowWeights& operator()(const StarRecord* all, const Run* runs, std::size_t count, double centre) {
        w_.row.clear();
        w_.weight.clear();
        w_.start.assign(1, 0);
        for (std::size_t r = 0; r < count; ++r) {
            for (std::uint32_t k = 0; k < runs[r].count; ++k) see(all[runs[r].first + k], centre);
            for (const std::uint16_t t : used_) {
                put(t, weight_[t]);
                put(t + table_.lanes, moment_[t]);
                met_[t] = 0;
            }
            used_.clear();
            w_.start.push_back(std::uint32_t(w_.row.size()));
        }
        return w_;
    }

private:
    void see(const StarRecord& s, double centre) {
        const std::size_t t = std::size_t(s.corner), zStep = std::size_t(table_.zStep()),
                          ageStep = std::size_t(table_.ageStep());
        const float z1 = s.mass * s.zFraction, z0 = s.mass - z1, w01 = z0 * s.ageFraction, w11 = z1 * s.ageFraction;
        const double offset = double(s.shift) - centre;
        see(t, z0 - w01, offset);
        see(t + ageStep, w01, offset);
        see(t + zStep, z1 - w11, offset);
        see(t + zStep + ageStep, w11, offset);
    }
    void see(std::size_t t, float weight, double offset) {
        if (met_[t] == 0) {
            met_[t] = 1;
            used_.push_back(std::uint16_t(t));
            weight_[t] = moment_[t] = 0;
        }
        weight_[t] += double(weight);
        moment_[t] += double(weight) * offset;
    }
    void put(std::size_t row, double value) {
        w_.row.push_back(std::uint16_t(row));
        w_.weight.push_back(float(value));
    }

    const KnotTable& table_;
    std::vector<double> weight_, moment_;  // [template] of one run, added up in double: equal stars round alike
    std::vector<std::uint8_t> met_;
    std::vector<std::uint16_t> used_;
    RowWeights w_;
};

// Of a dense spaxel, the templates that have weight at each of its nodes.
void findWeights(const CoefficientRows& from, std::size_t nodes, RowWeights& w) {
    w.start.assign(nodes + 1, 0);
    const auto forEach = [&](auto use) {
        const float* row = from.value.data();
        for (const auto& [first, count] : from.ranges)
            for (std::size_t t = first; t < first + count; ++t, row += from.stride)
                for (std::size_t n = 0; n < nodes; ++n)
                    if (row[n] != 0) use(t, n, row[n]);
    };
    forEach([&](std::size_t, std::size_t n, float) { ++w.start[n + 1]; });
    for (std::size_t n = 0; n < nodes; ++n) w.start[n + 1] += w.start[n];
    w.row.resize(w.start[nodes]);
    w.weight.resize(w.start[nodes]);
    std::vector<std::uint32_t> place(w.start.begin(), w.start.end() - 1);
    forEach([&](std::size_t t, std::size_t n, float weight) {
        w.row[place[n]] = std::uint16_t(t);
        w.weight[place[n]++] = weight;
    });
}

}  // namespace

PixelWay::PixelWay(Host exec, const BinnedStars& stars, const KnotTable& table)
    : table_(table), nSpaxels_(stars.start.size() - 1), stores_(std::size_t(threadsOf(exec))) {
    constexpr std::size_t most = 32768;  // averages and slopes have 16 bits for their rows
    if (table.lanes > most)
        throw Error("an SSP library of " + std::to_string(table.templates()) +
                    " spectra as fine as the pixels: at most " + std::to_string(most) + " are supported");
    const DenseCoefficients dense(exec, stars, table);
    sumRuns(exec, stars, dense);
    sumNodes(exec, dense);
}

void PixelWay::sumRuns(Host exec, const BinnedStars& stars, const DenseCoefficients& dense) {
    const std::vector<Run> runs = findRuns(exec, stars, dense, table_, binStart_);
    if (runs.empty()) return;
    const std::size_t bins = binStart_.size() - 1;
    runSums_.resize(runs.size());
#pragma omp parallel num_threads(threadsOf(exec))
    {
        RowStore& store = stores_[std::size_t(omp_get_thread_num())];
        RunWeights weights(table_);
#pragma omp for schedule(dynamic, 1)
        for (std::size_t b = 0; b < bins; ++b) {
            const std::size_t first = binStart_[b], count = binStart_[b + 1] - first;
            const RowWeights& w = weights(stars.stars.data(), runs.data() + first, count, centreOf(b));
            const RowStore::Rows kept = store.keep(w);
            for (std::size_t r = 0; r < count; ++r) runSums_[first + r] = kept.sum(w, r, runs[first + r].spaxel);
        }
    }
}

void PixelWay::sumNodes(Host exec, const DenseCoefficients& coefficientsOf) {
    const auto& dense = coefficientsOf.spaxels();
    if (dense.empty()) return;
    std::vector<std::vector<simd::RowSum>> ofSpaxel(dense.size());  // [node]
#pragma omp parallel num_threads(threadsOf(exec))
    {
        RowStore& store = stores_[std::size_t(omp_get_thread_num())];
        CoefficientSum sum(table_);
        RowWeights w;
#pragma omp for schedule(dynamic, 4)
        for (std::size_t d = 0; d < dense.size(); ++d) {
            const std::size_t nodes = std::size_t(dense[d].range.nodes);
            findWeights(coefficientsOf.rows(d, sum), nodes, w);
            const RowStore::Rows kept = store.keep(w);
            for (std::size_t n = 0; n < nodes; ++n) ofSpaxel[d].push_back(kept.sum(w, n, dense[d].spaxel));
        }
    }
    firstNode_ = dense.front().range.firstNode;
    for (const auto& d : dense) firstNode_ = std::min(firstNode_, d.range.firstNode);
    const auto forEachSum = [&](std::size_t d, auto& use) {
        for (std::size_t n = 0; n < ofSpaxel[d].size(); ++n)
            if (ofSpaxel[d][n].count > 0) use(std::size_t(dense[d].range.firstNode - firstNode_) + n, ofSpaxel[d][n]);
    };
    nodeSums_ = orderByKey<simd::RowSum>(exec, dense.size(), forEachSum, nodeStart_);
}

}  // namespace tessera
