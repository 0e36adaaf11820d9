#include "config/suggest.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

namespace tessera {

namespace {

// A misspelt name longer than this is no misspelling; it also bounds the work on hostile input.
constexpr std::size_t longestName = 80;

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

}  // namespace

std::size_t editDistance(const std::string& first, const std::string& second) {
    const std::string a = first.substr(0, longestName), b = second.substr(0, longestName);
    const std::size_t width = b.size() + 1;
    std::vector<std::size_t> d((a.size() + 1) * width);
    for (std::size_t i = 0; i <= a.size(); ++i) d[i * width] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            std::size_t best = std::min(d[(i - 1) * width + j] + 1, d[i * width + j - 1] + 1);
            best = std::min(best, d[(i - 1) * width + j - 1] + (same ? 0 : 1));
            const bool swapped =
                i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped) best = std::min(best, d[(i - 2) * width + j - 2] + 1);
            d[i * width + j] = best;
        }
    return d.back();
}

std::string nearestName(const std::string& name, const std::vector<std::string>& candidates) {
    std::string nearest;
    std::size_t smallest = std::numeric_limits<std::size_t>::max();
    for (const std::string& candidate : candidates) {
        // A name that was cut short is as near as one typing error.
        const bool cut = name.size() >= 3 && candidate.rfind(name, 0) == 0;
        const std::size_t distance = std::min(editDistance(name, candidate), cut ? std::size_t(1) : longestName);
        if (distance >= smallest) continue;
        smallest = distance;
        nearest = candidate;
    }
    return nearest;
}

}  // namespace tessera
