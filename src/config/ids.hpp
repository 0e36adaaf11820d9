// Lists of ids as a configuration writes them: integers and ranges, [0, 3, "10-19"] or "0,3,10-19".
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tessera {

// Ids of all simulations there are fit into it; a slip of the pen in a range does not fill the memory.
inline constexpr std::int64_t mostIds = 50'000'000;

// The ids in their order, each once. Where it is not such a list, empty, with the fault in words: "names 3 twice".
std::vector<std::int64_t> readIds(const nlohmann::json&, std::string& fault);

// The shortest list that readIds reads back to the same: long runs as ranges.
nlohmann::json writeIds(const std::vector<std::int64_t>&);

}  // namespace tessera
