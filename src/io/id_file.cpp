#include "io/id_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

std::int64_t idIn(const std::string& text, const std::string& where) {
    constexpr std::int64_t largest = 9'000'000'000'000'000;
    std::int64_t id = -1;
    const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (code != std::errc() || stop != text.data() + text.size() || id < 0 || id > largest)
        throw Error(
            fmt::format("{}: \"{}\" is not the id of a subhalo (an integer, 0 or more)", where, text.substr(0, 40)));
    return id;
}

IdFile readTextFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    IdFile out;
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
        line.resize(std::min(line.find('#'), line.size()));
        const std::size_t first = line.find_first_not_of(" \t\r");
        if (first == std::string::npos) continue;
        const std::size_t last = line.find_last_not_of(" \t\r");
        out.ids.push_back(idIn(line.substr(first, last - first + 1), fmt::format("{} line {}", path, number)));
        out.places.push_back(number);
    }
    if (!file.eof()) throw Error(path + ": cannot be read");
    return out;
}

}  // namespace

std::vector<std::int64_t> idsOf(const RowTable& table) {
    for (const char* name : {"subhalo", "SubhaloID"}) {
        const auto column = std::find(table.columns.begin(), table.columns.end(), name);
        if (column == table.columns.end()) continue;
        const auto& cells = table.cells[std::size_t(column - table.columns.begin())];
        std::vector<std::int64_t> ids;
        for (std::size_t row = 0; row < cells.size(); ++row)
            ids.push_back(idIn(cells[row], fmt::format("{}, column {}", table.where(row), name)));
        return ids;
    }
    throw Error(fmt::format("{}: has no column subhalo (nor SubhaloID); its columns: {}", table.path,
                            fmt::join(table.columns, ", ")));
}

IdFile readIdFile(const std::string& path) {
    const std::string ending = std::filesystem::path(path).extension().string();
    IdFile out;
    if (ending == ".csv" || ending == ".ecsv" || ending == ".hdf5" || ending == ".h5") {
        RowTable table = readRowTable(path);
        out.ids = idsOf(table);
        out.places = std::move(table.lines);
        if (out.places.empty()) {
            out.unit = "row";
            out.places.resize(out.ids.size());
            std::iota(out.places.begin(), out.places.end(), std::size_t(0));
        }
    } else {
        out = readTextFile(path);
    }
    if (out.ids.empty()) throw Error(path + ": names no galaxy");
    std::map<std::int64_t, std::size_t> seen;
    for (std::size_t i = 0; i < out.ids.size(); ++i) {
        const auto [first, isNew] = seen.emplace(out.ids[i], out.places[i]);
        if (!isNew)
            throw Error(fmt::format("{} {} {}: {} is there already ({} {})", path, out.unit, out.places[i], out.ids[i],
                                    out.unit, first->second));
    }
    return out;
}

}  // namespace tessera
