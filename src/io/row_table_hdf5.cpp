#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "io/row_table.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace {

// The group that holds the columns: the first below which there are datasets, as long as the way there is clear.
h5::Group groupOfColumns(h5::Group g, std::vector<std::string>& datasets) {
    for (int depth = 0; depth < 8; ++depth) {
        std::vector<std::string> groups;
        datasets.clear();
        for (const std::string& name : g.names()) {
            // astropy's description of a table, beside it
            if (name.ends_with("__table_column_meta__")) continue;
            (g.isGroup(name) ? groups : datasets).push_back(name);
        }
        if (!datasets.empty() || groups.size() != 1) return g;
        g = g.group(groups.front());
    }
    return g;
}

// astropy keeps the masked values of a column X as another, X.mask.
void applyMasks(RowTable& table) {
    const std::string ending = ".mask";
    for (std::size_t m = 0; m < table.columns.size();) {
        const std::string name = table.columns[m];
        const auto masked = name.ends_with(ending) ? std::find(table.columns.begin(), table.columns.end(),
                                                               name.substr(0, name.size() - ending.size()))
                                                   : table.columns.end();
        if (masked == table.columns.end()) {
            ++m;
            continue;
        }
        auto& cells = table.cells[std::size_t(masked - table.columns.begin())];
        for (std::size_t row = 0; row < cells.size(); ++row)
            if (table.cells[m][row] == "true") cells[row].clear();
        table.columns.erase(table.columns.begin() + std::ptrdiff_t(m));
        table.cells.erase(table.cells.begin() + std::ptrdiff_t(m));
    }
}

}  // namespace

RowTable readHdf5Table(const std::string& path) {
    const auto file = h5::File::openRead(path);
    std::vector<std::string> names;
    const h5::Group g = groupOfColumns(file.root(), names);
    RowTable table;
    table.path = path;
    const auto add = [&](const std::string& name, std::vector<std::string> cells) {
        if (!table.cells.empty() && cells.size() != table.rows())
            throw Error(fmt::format("{}/{}: has {} rows where {} has {}", g.where(), name, cells.size(),
                                    table.columns.front(), table.rows()));
        table.columns.push_back(name);
        table.cells.push_back(std::move(cells));
    };
    if (names.size() == 1) {
        const h5::Dataset whole = g.dataset(names.front());
        for (const std::string& member : whole.members()) add(member, whole.texts(member));
        if (!table.columns.empty()) {
            applyMasks(table);
            return table;
        }
    }
    if (names.empty()) throw Error(g.where() + ": holds no table: no datasets, or several groups");
    for (const std::string& name : names) {
        const h5::Dataset column = g.dataset(name);
        if (!column.members().empty())
            throw Error(column.where() + ": is a table of its own beside other datasets; allowed: one table a file");
        add(name, column.texts());
    }
    applyMasks(table);
    return table;
}

}  // namespace tessera
