// Tables that users write: CSV (RFC 4180), astropy's ECSV, HDF5 (one dataset a column, or one of compounds).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tessera {

struct RowTable {
    std::string path;
    std::vector<std::string> columns;             // names, each once
    std::vector<std::vector<std::string>> cells;  // [column][row], as text; empty: no value
    std::vector<std::size_t> lines;               // of each row in the file, from 1; empty where it has no lines

    std::size_t rows() const { return cells.empty() ? 0 : cells.front().size(); }
    std::string where(std::size_t row) const;  // "rows.csv line 8 (row 6)"; rows are counted from 0
};

// By the ending of its name (.csv, .ecsv, .hdf5, .h5). Error, naming file, line and column: no table, a row with another
// number of cells, a column twice, an open quote.
RowTable readRowTable(const std::string& path);
// The text of a CSV or, where ecsv, an ECSV file.
RowTable parseCsv(const std::string& text, const std::string& path, bool ecsv);
RowTable readHdf5Table(const std::string& path);

}  // namespace tessera
