// Files of subhalo ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/row_table.hpp"

namespace tessera {

struct IdFile {
    std::vector<std::int64_t> ids;
    std::vector<std::size_t> places;  // of the ids in the file
    std::string unit = "line";        // of the places; or "row", where the file has no lines
};

// A table with a column subhalo (or SubhaloID), or text: one id a line, # begins a comment. Error, naming the line: no
// id, one that is there twice, none at all.
IdFile readIdFile(const std::string& path);

// The ids of a table's column subhalo (or SubhaloID), which may hold one several times.
std::vector<std::int64_t> idsOf(const RowTable&);

}  // namespace tessera
