#include "rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "config/parameters.hpp"
#include "config/suggest.hpp"
#include "io/id_file.hpp"
#include "io/row_table.hpp"
#include "io/sha256.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

const std::map<std::string, std::string> shortNames{
    {"redshift", "view.redshift"}, {"inclination", "view.inclination"}, {"position_angle", "view.position_angle"},
    {"twist", "view.twist"},       {"orientation", "view.orientation"}, {"seeing", "psf.fwhm"},
    {"seed", "noise.seed"}};
const std::string sightColumns[] = {"line_of_sight_x", "line_of_sight_y", "line_of_sight_z"};
const std::string sightKey = "view.orientation";

// Sections that say what a run reads, where it writes and what it may use: one value for all rows.
bool ofWholeRun(const std::string& section) {
    return section == "snapshot" || section == "galaxies" || section == "output" || section == "resources";
}

// A column that sets a key.
struct KeyColumn {
    std::string name, key;
    std::size_t index = 0;  // in the table
    bool isView() const { return key.rfind("view.", 0) == 0; }
    bool isSeed() const { return key == "noise.seed"; }
};

std::vector<std::string> knownNames() {
    std::vector<std::string> names{"subhalo", sightColumns[0], sightColumns[1], sightColumns[2]};
    for (const auto& [name, key] : shortNames) names.push_back(name);
    for (const parameters::Section& s : parameters::table()) {
        if (ofWholeRun(s.key)) continue;
        if (!s.key.empty()) names.push_back(s.key);
        for (const parameters::Parameter& p : s.parameters)
            names.push_back(s.key.empty() ? p.key : s.key + "." + p.key);
    }
    return names;
}

std::string keyOf(const std::string& name, const std::string& path) {
    if (const auto known = shortNames.find(name); known != shortNames.end()) return known->second;
    const std::string section = name.substr(0, name.find('.'));
    if (ofWholeRun(section) && parameters::findSection(section))
        throw ConfigError(
            fmt::format("{}, column {}: {} belongs to the run as a whole; rows cannot change it", path, name, section));
    // Deeper keys, as view.orientation.line_of_sight, are the parser's to judge.
    const std::size_t second = name.find('.', section.size() + 1);
    const std::vector<std::string> names = knownNames();
    if (name != "subhalo" && std::find(names.begin(), names.end(), name.substr(0, second)) != names.end()) return name;
    throw ConfigError(
        fmt::format("{}, column {}: unknown; nearest: {}. Columns are subhalo, keys of the configuration, {}, or your "
                    "own, which begin with \"_\"",
                    path, name, nearestName(name, names),
                    fmt::join({std::string("redshift, inclination, position_angle, twist, orientation"),
                               std::string("line_of_sight_x, _y, _z, seeing, seed")},
                              ", ")));
}

class Reader {
public:
    Reader(const Config& base, SetupMaker& maker)
        : maker_(maker), table_(readRowTable(base.galaxies.rows)), document_(base.document) {
        if (document_.empty()) document_ = dumpConfig(base);
        if (base.views.size() > 1)
            throw ConfigError(fmt::format(
                "galaxies.rows: the configuration has {} views; allowed: one, which rows change", base.views.size()));
        if (table_.rows() == 0) throw Error(table_.path + ": has no rows");
        ids_ = idsOf(table_);
        findColumns();
    }

    Rows read() {
        const std::vector<std::int64_t>& ids = ids_;
        std::map<std::int64_t, std::size_t> galaxies;
        std::vector<std::size_t> galaxyOf(ids.size());
        rows_.galaxies.file = table_.path;
        for (std::size_t row = 0; row < ids.size(); ++row) {
            const auto [at, isNew] = galaxies.emplace(ids[row], rows_.galaxies.ids.size());
            galaxyOf[row] = at->second;
            if (!isNew) continue;
            rows_.galaxies.ids.push_back(ids[row]);
            rows_.galaxies.lines.push_back(table_.lines.empty() ? row : table_.lines[row]);
        }
        rows_.galaxies.unit = table_.lines.empty() ? "row" : "line";

        std::vector<std::size_t> order(ids.size());
        std::iota(order.begin(), order.end(), std::size_t(0));
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return galaxyOf[a] < galaxyOf[b]; });
        std::vector<Observation> byRow(ids.size());
        for (std::size_t row = 0; row < ids.size(); ++row) byRow[row] = observation(row);
        for (const std::size_t row : order) {
            if (rows_.first.size() == galaxyOf[row]) rows_.first.push_back(rows_.observations.size());
            Observation o = byRow[row];
            o.noise.view = narrow<std::uint32_t>(rows_.observations.size() - rows_.first.back());
            rows_.observations.push_back(o);
        }
        rows_.first.push_back(rows_.observations.size());
        rows_.sha256 = fingerprint();
        return std::move(rows_);
    }

private:
    void findColumns() {
        for (std::size_t c = 0; c < table_.columns.size(); ++c) {
            const std::string& name = table_.columns[c];
            if (name == "subhalo" || name == "SubhaloID" || name.front() == '_') continue;
            const auto sight = std::find(std::begin(sightColumns), std::end(sightColumns), name);
            if (sight != std::end(sightColumns))
                sight_.push_back(c);
            else
                columns_.push_back({name, keyOf(name, table_.path), c});
        }
        if (!sight_.empty() && sight_.size() != 3)
            throw ConfigError(fmt::format("{}: {} needs all of {}", table_.path, table_.columns[sight_.front()],
                                          fmt::join(sightColumns, ", ")));
        std::sort(sight_.begin(), sight_.end(),
                  [&](std::size_t a, std::size_t b) { return table_.columns[a] < table_.columns[b]; });
        // By name, whatever their order in the file; "telescope" before "telescope.fov", which changes a value of it.
        std::sort(columns_.begin(), columns_.end(), [](const KeyColumn& a, const KeyColumn& b) {
            return std::tie(a.key, a.name) < std::tie(b.key, b.name);
        });
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j)
                if (columns_[i].key == columns_[j].key)
                    throw ConfigError(fmt::format("{}: columns {} and {} both set {}", table_.path, columns_[j].name,
                                                  columns_[i].name, columns_[i].key));
            if (!sight_.empty() && columns_[i].key == sightKey)
                throw ConfigError(fmt::format("{}: columns {} and {} both set {}", table_.path, columns_[i].name,
                                              sightColumns[0], sightKey));
        }
    }

    // The three numbers as the value of view.orientation; empty where none is given.
    std::string sightOf(std::size_t row) const {
        std::string text;
        std::size_t given = 0;
        for (const std::size_t c : sight_) {
            const std::string& cell = table_.cells[c][row];
            if (cell.empty()) continue;
            double value = 0;
            const auto [stop, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
            if (code != std::errc() || stop != cell.data() + cell.size() || !std::isfinite(value))
                throw ConfigError(fmt::format("{}, column {}: \"{}\" is not a finite number", table_.where(row),
                                              table_.columns[c], cell));
            text += fmt::format("{}{}", given++ > 0 ? "," : "", value);
        }
        if (given == 0) return "";
        if (given != 3)
            throw ConfigError(
                fmt::format("{}: gives {} of {}", table_.where(row), given, fmt::join(sightColumns, ", ")));
        return fmt::format("{{\"line_of_sight\":[{}]}}", text);
    }

    Observation observation(std::size_t row) {
        std::vector<std::string> overrides;
        std::string view, instrument;
        bool seeded = false;
        for (const KeyColumn& c : columns_) {
            const std::string& cell = table_.cells[c.index][row];
            if (cell.empty()) continue;
            overrides.push_back(c.key + "=" + cell);
            if (c.isSeed())
                seeded = true;
            else
                (c.isView() ? view : instrument) += overrides.back() + '\n';
        }
        if (const std::string sight = sightOf(row); !sight.empty()) {
            overrides.push_back(sightKey + "=" + sight);
            view += overrides.back();
        }
        const auto setupAt = setups_.find(instrument);
        const auto viewAt = setupAt == setups_.end() ? views_.end() : views_.find({setupAt->second, view});
        Observation o;
        o.place = row;
        // The seed that rows without one of their own have is not known from those with one.
        if (viewAt != views_.end() && !seeded && seeds_.contains(setupAt->second)) {  // as a row before
            o.setup = setupAt->second;
            o.view = viewAt->second;
            o.noise.seed = seeds_.at(o.setup);
            return o;
        }
        try {
            const Config config = parseConfig(document_, overrides, table_.where(row));
            o.noise.seed = config.noise ? config.noise->seed : 0;
            if (setupAt == setups_.end()) {
                o.setup = rows_.setups.size();
                views_[{o.setup, view}] = 0;
                rows_.setups.push_back(maker_.make(config));
                setups_[instrument] = o.setup;
                if (!seeded) seeds_[o.setup] = o.noise.seed;
                return o;
            }
            o.setup = setupAt->second;
            if (!seeded) seeds_[o.setup] = o.noise.seed;
            Setup& setup = rows_.setups[o.setup];
            const auto [at, isNew] = views_.try_emplace({o.setup, view}, setup.config.views.size());
            o.view = at->second;
            if (isNew) {
                checkView(setup, config.views.front());
                setup.config.views.push_back(config.views.front());
            }
            return o;
        } catch (const ConfigError& e) {
            throw ConfigError(withColumn(e.what(), row), e.where());
        } catch (const Error& e) {
            throw Error(fmt::format("{}: {}", table_.where(row), e.what()), e.where());
        }
    }

    // A message that begins with a key gets the name of the column that set it.
    std::string withColumn(const std::string& message, std::size_t row) const {
        const std::string begin = table_.where(row) + ": ";
        if (message.rfind(begin, 0) != 0) return begin + message;
        const std::string rest = message.substr(begin.size()), key = rest.substr(0, rest.find(": "));
        std::string column;
        std::size_t longest = 0;
        const auto offer = [&](const std::string& name, const std::string& set) {
            const bool fits = key == set || key.rfind(set + ".", 0) == 0 || set.rfind(key + ".", 0) == 0;
            if (!fits || set.size() <= longest) return;
            column = name;
            longest = set.size();
        };
        for (const KeyColumn& c : columns_)
            if (!table_.cells[c.index][row].empty()) offer(c.name, c.key);
        if (!sight_.empty()) offer(sightColumns[0], sightKey);
        return column.empty() ? message : fmt::format("{}, column {}: {}", table_.where(row), column, rest);
    }

    // Of what the rows say, whatever the form of the file.
    std::string fingerprint() const {
        std::string text;
        const auto add = [&](std::string cell) {
            double number = 0;
            const auto [stop, code] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
            const bool whole =
                cell.find_first_not_of("0123456789") == std::string::npos;  // more digits than a double has
            if (code == std::errc() && stop == cell.data() + cell.size() && !whole) cell = fmt::format("{}", number);
            text += fmt::format("{}:{}", cell.size(), cell);
        };
        for (const auto& c : columns_) add(c.key);
        for (const std::size_t c : sight_) add(table_.columns[c]);
        for (const std::int64_t id : ids_) text += fmt::format("{},", id);
        for (std::size_t row = 0; row < table_.rows(); ++row) {
            for (const auto& c : columns_) add(table_.cells[c.index][row]);
            for (const std::size_t c : sight_) add(table_.cells[c][row]);
        }
        return sha256OfText(text);
    }

    SetupMaker& maker_;
    RowTable table_;
    std::vector<std::int64_t> ids_;
    std::string document_;
    std::vector<KeyColumn> columns_;
    std::vector<std::size_t> sight_;  // columns of the line of sight
    std::map<std::string, std::size_t> setups_;
    std::map<std::pair<std::size_t, std::string>, std::size_t> views_;
    std::map<std::size_t, std::uint64_t> seeds_;  // of a setup's rows that give none
    Rows rows_;
};

}  // namespace

Rows readRows(const Config& base, SetupMaker& maker) {
    return Reader(base, maker).read();
}

}  // namespace tessera
