#include "io/row_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// Records of cells, read character by character.
class CsvReader {
public:
    CsvReader(const std::string& text, std::size_t begin, char delimiter, const std::string& path)
        : text_(text), at_(begin), delimiter_(delimiter), path_(path) {
        line_ += std::size_t(std::count(text.begin(), text.begin() + std::ptrdiff_t(begin), '\n'));
    }

    // The next record that is not an empty line; false: there is none. line: where it begins.
    bool next(std::vector<std::string>& record, std::size_t& line) {
        while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) endLine();
        if (at_ >= text_.size()) return false;
        line = line_;
        record.clear();
        while (true) {
            record.push_back(cell());
            if (at_ < text_.size() && text_[at_] == delimiter_) {
                ++at_;
                continue;
            }
            if (at_ < text_.size()) endLine();
            return true;
        }
    }

private:
    void endLine() {
        if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
        ++at_;
        ++line_;
    }

    bool atEnd() const {
        return at_ >= text_.size() || text_[at_] == delimiter_ || text_[at_] == '\n' || text_[at_] == '\r';
    }

    std::string cell() {
        if (at_ < text_.size() && text_[at_] == '"') return quotedCell();
        const std::size_t begin = at_;
        while (!atEnd()) ++at_;
        std::size_t from = begin, to = at_;
        while (from < to && text_[from] == ' ') ++from;
        while (to > from && text_[to - 1] == ' ') --to;
        return text_.substr(from, to - from);
    }

    std::string quotedCell() {
        const std::size_t line = line_;
        std::string value;
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '"') {
                if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
                ++at_;
            }
            if (text_[at_] == '\n') ++line_;
            value += text_[at_];
        }
        if (at_ >= text_.size()) throw Error(fmt::format("{} line {}: a quote is opened and not closed", path_, line));
        ++at_;
        if (!atEnd())
            throw Error(fmt::format("{} line {}: there is text behind a closing quote (a quote inside is doubled)",
                                    path_, line_));
        return value;
    }

    const std::string& text_;
    std::size_t at_;
    char delimiter_;
    const std::string& path_;
    std::size_t line_ = 1;
};

// Of ECSV's header of comments, which is YAML: "# delimiter: ','". Cells are parted by spaces where it is silent.
char ecsvDelimiter(const std::string& header) {
    const std::string key = "# delimiter:";
    const std::size_t at = header.find("\n" + key);
    if (at == std::string::npos) return ' ';
    const std::size_t end = header.find('\n', at + 1);
    return header.substr(at, end - at).find(',') != std::string::npos ? ',' : ' ';
}

}  // namespace

std::string RowTable::where(std::size_t row) const {
    return lines.empty() ? fmt::format("{} row {}", path, row)
                         : fmt::format("{} line {} (row {})", path, lines[row], row);
}

RowTable parseCsv(const std::string& text, const std::string& path, bool ecsv) {
    std::size_t begin = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;  // a byte order mark
    const std::size_t header = begin;
    while (begin < text.size() && text[begin] == '#') {
        begin = text.find('\n', begin);
        begin = begin == std::string::npos ? text.size() : begin + 1;
    }
    if (ecsv && !text.substr(header).starts_with("# %ECSV"))
        throw Error(fmt::format("{}: not an ECSV file: its first line is not \"# %ECSV ...\"", path));
    RowTable table;
    table.path = path;
    CsvReader reader(text, begin, ecsv ? ecsvDelimiter(text.substr(header, begin - header)) : ',', path);
    std::size_t line = 0;
    if (!reader.next(table.columns, line)) throw Error(path + ": empty; a line of column names is expected");
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const std::string& name = table.columns[c];
        if (name.empty()) throw Error(fmt::format("{} line {}: column {} has no name", path, line, c + 1));
        if (std::find(table.columns.begin(), table.columns.begin() + std::ptrdiff_t(c), name) !=
            table.columns.begin() + std::ptrdiff_t(c))
            throw Error(fmt::format("{} line {}: two columns are called {}", path, line, name));
    }
    table.cells.resize(table.columns.size());
    std::vector<std::string> record;
    while (reader.next(record, line)) {
        if (record.size() != table.columns.size())
            throw Error(fmt::format("{} line {}: has {} cells where there are {} columns ({})", path, line,
                                    record.size(), table.columns.size(), fmt::join(table.columns, ", ")));
        for (std::size_t c = 0; c < record.size(); ++c) table.cells[c].push_back(std::move(record[c]));
        table.lines.push_back(line);
    }
    return table;
}

RowTable readRowTable(const std::string& path) {
    const std::string ending = std::filesystem::path(path).extension().string();
    if (ending == ".hdf5" || ending == ".h5") return readHdf5Table(path);
    if (ending != ".csv" && ending != ".ecsv")
        throw Error(fmt::format("{}: the name of a table ends in .csv, .ecsv, .hdf5 or .h5", path));
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) throw Error(path + ": cannot be read");
    return parseCsv(text, path, ending == ".ecsv");
}

}  // namespace tessera
