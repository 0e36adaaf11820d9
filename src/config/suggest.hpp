// "Did you mean": the valid name nearest to a misspelt one.
#pragma once

#include <string>
#include <vector>

namespace tessera {

// Insertions, deletions, replacements and swaps of neighbours that turn a into b, upper and lower case being the same
// (Damerau-Levenshtein distance, optimal string alignment form).
std::size_t editDistance(const std::string& a, const std::string& b);

// The candidate with the smallest distance, the first of equals; empty where there is no candidate.
std::string nearestName(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace tessera
