#include "deal.hpp"

#include <algorithm>
#include <cmath>

namespace tessera {

namespace {

// Ranks whose slices the cost range [begin, end) reaches into.
struct Reach {
    int first, last;
};

class Slices {
public:
    Slices(double total, int ranks) : total_(total), ranks_(ranks) {}
    int rankAt(double cost) const {
        if (!(total_ > 0)) return 0;
        return std::clamp(int(cost / total_ * ranks_), 0, ranks_ - 1);
    }
    double begin(int rank) const { return total_ * rank / ranks_; }

private:
    double total_;
    int ranks_;
};

std::uint64_t wholeBlocks(double rows) {
    return std::uint64_t(std::llround(std::max(0.0, rows) / double(blockRows))) * blockRows;
}

// A galaxy's parts: first row of each, and the end; of the ranks from `first` on.
struct Parts {
    int first = 0;
    std::vector<std::uint64_t> starts;
};

Parts equalParts(std::uint64_t rows, int first, std::uint64_t parts) {
    std::vector<std::uint64_t> starts;
    for (std::uint64_t k = 0; k < parts; ++k) starts.push_back(wholeBlocks(double(rows) * double(k) / double(parts)));
    starts.push_back(rows);
    return {first, starts};
}

// As many more ranks as the memory of one asks for, as far as there are any.
void spread(Parts& p, const DealtGalaxy& g, int ranks) {
    std::uint64_t largest = 0;
    for (std::size_t k = 0; k + 1 < p.starts.size(); ++k) largest = std::max(largest, p.starts[k + 1] - p.starts[k]);
    if (largest <= g.mostRows) return;
    const std::uint64_t most = g.mostRows > 2 * blockRows ? g.mostRows - blockRows : blockRows;  // cuts are rounded
    const auto parts = int(std::min<std::uint64_t>((g.rows + most - 1) / most, std::uint64_t(ranks)));
    p = equalParts(g.rows, std::min(p.first, ranks - parts), std::uint64_t(parts));
}

// Of a galaxy that begins at `begin` on the line of costs. Parts of fewer than leastRows are not worth a message: their
// rank is left out.
Parts cut(const DealtGalaxy& g, double begin, const Slices& slices, Reach reach, std::uint64_t leastRows) {
    while (true) {
        const int parts = reach.last - reach.first + 1;
        std::vector<std::uint64_t> starts{0};
        for (int k = 1; k < parts; ++k) {
            const double row = (slices.begin(reach.first + k) - begin - g.fixed) / g.perRow;
            starts.push_back(std::min(wholeBlocks(row), g.rows));
        }
        starts.push_back(g.rows);
        const auto small = [&](std::size_t k) { return starts[k + 1] - starts[k] < leastRows; };
        if (parts == 1) return {slices.rankAt(begin + 0.5 * (g.fixed + g.perRow * double(g.rows))), starts};
        bool fits = true;
        for (std::size_t k = 0; k < std::size_t(parts); ++k) fits = fits && !small(k);
        if (fits) return {reach.first, starts};
        if (begin > 0.5 * (slices.begin(reach.first) + slices.begin(reach.first + 1)))
            ++reach.first;  // what little it could do
        else if (small(std::size_t(parts) - 1) && !small(0))
            --reach.last;
        else
            break;  // many ranks for few stars, or an owner with much else to do: equal parts
    }
    const std::uint64_t parts = std::min<std::uint64_t>(std::uint64_t(reach.last - reach.first + 1),
                                                        std::max<std::uint64_t>(1, g.rows / leastRows));
    return equalParts(g.rows, reach.first, parts);
}

}  // namespace

std::vector<std::vector<Share>> deal(std::span<const DealtGalaxy> galaxies, int ranks, std::uint64_t splitFrom) {
    double total = 0;
    for (const DealtGalaxy& g : galaxies) total += g.fixed + g.perRow * double(g.rows);
    const Slices slices(total, ranks);
    const std::uint64_t leastRows = std::max(splitFrom / 2, blockRows);

    std::vector<std::vector<Share>> even(static_cast<std::size_t>(ranks)), odd(even), alone(even);
    double begin = 0;
    std::size_t shared = 0;
    for (std::size_t i = 0; i < galaxies.size(); ++i) {
        const DealtGalaxy& g = galaxies[i];
        const double cost = g.fixed + g.perRow * double(g.rows);
        const Reach reach{slices.rankAt(begin), slices.rankAt(begin + cost * (1 - 1e-12))};
        Parts p{slices.rankAt(begin + 0.5 * cost), {0, g.rows}};
        if (g.rows >= splitFrom && g.perRow > 0) p = cut(g, begin, slices, reach, leastRows);
        if (g.mostRows > 0) spread(p, g, ranks);
        const int parts = int(p.starts.size()) - 1;
        auto& lists = parts == 1 ? alone : shared++ % 2 == 0 ? even : odd;
        for (int k = 0; k < parts; ++k) {
            const std::uint64_t first = p.starts[std::size_t(k)];
            lists[std::size_t(p.first + k)].push_back(
                {i, {first, p.starts[std::size_t(k) + 1] - first}, p.first, p.first + parts - 1});
        }
        begin += cost;
    }
    for (std::size_t r = 0; r < alone.size(); ++r) {
        even[r].insert(even[r].end(), odd[r].begin(), odd[r].end());
        even[r].insert(even[r].end(), alone[r].begin(), alone[r].end());
    }
    return even;
}

}  // namespace tessera
