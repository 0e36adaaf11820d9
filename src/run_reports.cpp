#include "run_reports.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "progress.hpp"
#include "tessera/io/cube_parts.hpp"

namespace tessera {

using nlohmann::json;

namespace {

// Calls f with every number or text of a row, so that packing and unpacking cannot differ.
template <class Row, class F>
void forEachValue(Row& row, F f) {
    f(row.place), f(row.mass), f(row.part);
    auto& r = row.report;
    f(r.subhalo), f(r.view), f(r.row), f(r.redshift), f(r.luminosityDistanceMpc), f(r.angularDistanceMpc),
        f(r.kpcPerArcsec);
    f(r.spaxelArcsec), f(r.nStars), f(r.nStarsInField), f(r.massInField), f(r.nClampedAge), f(r.nClampedMetallicity);
    f(r.massClamped), f(r.nWind);
    for (auto& axis : r.rotation.row) f(axis.x), f(axis.y), f(axis.z);
    f(r.centre.x), f(r.centre.y), f(r.centre.z);
    f(r.systemicVelocity.x), f(r.systemicVelocity.y), f(r.systemicVelocity.z);
    f(r.luminosityInBand), f(r.status), f(r.seconds);
}

std::string counted(std::size_t n, const char* one, const char* many) {
    return fmt::format("{} {}", n, n == 1 ? one : many);
}

double percent(double part, double whole) {
    return whole > 0 ? 100 * part / whole : 0;
}

}  // namespace

std::vector<RowOfRun> gatherRows(const Comm& comm, const std::vector<RowOfRun>& mine) {
    json packed = json::array();
    for (const RowOfRun& row : mine) {
        json values = json::array();
        forEachValue(row, [&](const auto& value) { values.push_back(value); });
        packed.push_back(std::move(values));
    }
    // CBOR, unlike JSON, knows NaN and keeps every bit of a double.
    const std::vector<std::uint8_t> bytes = json::to_cbor(packed);
    std::vector<RowOfRun> all;
    for (const std::string& text : comm.gather({bytes.begin(), bytes.end()}))
        for (const json& values : json::from_cbor(text)) {
            RowOfRun& row = all.emplace_back();
            std::size_t i = 0;
            forEachValue(row, [&](auto& value) { values.at(i++).get_to(value); });
        }
    std::sort(all.begin(), all.end(), [](const RowOfRun& a, const RowOfRun& b) { return a.place < b.place; });
    return all;
}

std::string summary(const RunPlan& plan, const std::vector<RowOfRun>& rows, const RunVolume& run) {
    std::uint64_t stars = 0, inField = 0, wind = 0, age = 0, metallicity = 0, cubes = 0;
    double mass = 0, massInField = 0, massInFieldOfKnown = 0, massClamped = 0;
    std::set<std::int64_t> observed;
    std::map<std::string, std::size_t> skipped;
    for (const RowOfRun& row : rows) {
        const GalaxyReport& r = row.report;
        if (r.status != "ok") {
            ++skipped[r.status.starts_with("failed") ? "failed: see the catalogue's status" : r.status];
            continue;
        }
        ++cubes;
        observed.insert(r.subhalo);
        stars += r.nStars;
        inField += r.nStarsInField;
        wind += r.nWind;
        age += r.nClampedAge;
        metallicity += r.nClampedMetallicity;
        mass += row.mass;
        massInField += r.massInField;
        if (row.mass > 0) massInFieldOfKnown += r.massInField;
        massClamped += r.massClamped;
    }
    const std::string& path = plan.output;
    std::error_code code;
    const auto size = std::filesystem::file_size(path, code);
    std::string text = fmt::format("{} of {} in {:.1f} s: {} ({})\n", counted(cubes, "cube", "cubes"),
                                   counted(observed.size(), "galaxy", "galaxies"), run.seconds, path,
                                   bytesText(code ? 0.0 : double(size)));
    if (run.takenOver > 0)
        text += fmt::format("  {} taken over from an earlier run\n", counted(run.takenOver, "galaxy", "galaxies"));
    if (plan.observations.size() > plan.galaxies.size()) text += "  numbers below count a star once a view\n";
    if (plan.config.galaxies.particles == "field")  // those in the field are others' too
        text += fmt::format("  stars:    {} of the galaxies, {} in their fields; wind particles left out: {}\n", stars,
                            inField, wind);
    else
        text +=
            fmt::format("  stars:    {}, outside the field {} ({:.2g} % of the mass); wind particles left out: {}\n",
                        stars, stars - inField, percent(mass - massInFieldOfKnown, mass), wind);
    text += fmt::format("  read:     {} star particles", run.rowsRead);
    text += run.bytesMoved > 0 ? fmt::format("; moved between ranks: {}\n", bytesText(double(run.bytesMoved))) : "\n";
    text += fmt::format(
        "  clamped to the library's grid: {} in age, {} in metallicity ({:.2g} % of the mass in the field)\n", age,
        metallicity, percent(massClamped, massInField));
    for (const auto& [status, count] : skipped) text += fmt::format("  {} x {}\n", count, status);
    for (const auto& [kind, count] : plan.leftOut) text += fmt::format("  left out: {} subhalos {}\n", count, kind);
    for (const auto& notes : {plan.notes, plan.snapshot->info().notes})
        for (const std::string& note : notes) text += fmt::format("  note: {}\n", note);
    return text;
}

std::string stoppedEarly(const RunPlan& plan, const std::vector<RowOfRun>& rows, const std::string& reason) {
    constexpr std::size_t shown = 20;
    std::map<std::int64_t, std::size_t> made;
    for (const RowOfRun& row : rows) ++made[row.report.subhalo];
    std::vector<std::string> done;
    std::size_t n = 0;
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g) {
        const std::int64_t id = plan.galaxies[g].id;
        if (const auto at = made.find(id); at == made.end() || at->second < plan.observationsOf(g).size()) continue;
        if (++n <= shown) done.push_back(std::to_string(id));
    }
    if (n > shown) done.push_back("...");
    return fmt::format("stopped early ({}) after {} of {}{}{}. {} is not written yet{}", reason, n,
                       counted(plan.galaxies.size(), "galaxy", "galaxies"), n > 0 ? ": " : "", fmt::join(done, ", "),
                       plan.output,
                       n > 0 ? fmt::format("; what is finished is kept in {}: the same command with --resume goes on "
                                           "from there",
                                           partsPath(plan.output))
                             : ": run it again, with more time");
}

std::string failures(const RunPlan& plan, const std::vector<RowOfRun>& rows) {
    constexpr std::size_t shown = 3;
    std::vector<std::string> reasons;
    std::set<std::int64_t> failed;
    for (const RowOfRun& row : rows)
        if (row.report.status.starts_with("failed") && failed.insert(row.report.subhalo).second &&
            reasons.size() < shown)
            reasons.push_back(fmt::format("subhalo {}: {}", row.report.subhalo,
                                          row.report.status.substr(std::string("failed: ").size())));
    if (failed.empty()) return "";
    if (failed.size() > shown) reasons.push_back("...");
    return fmt::format("{} of {} failed: {}", failed.size(), counted(plan.galaxies.size(), "galaxy", "galaxies"),
                       fmt::join(reasons, "; "));
}

std::string completeAlready(const RunPlan& plan, std::size_t failed) {
    return fmt::format("{}:{} is complete already{} (--overwrite observes it again{})\n", plan.output,
                       plan.shards > 1 ? fmt::format(" shard {} of {}", plan.shard, plan.shards) : "",
                       failed > 0 ? fmt::format("; {} failed", counted(failed, "galaxy", "galaxies")) : "",
                       failed > 0 ? ", --retry-failed what failed" : "");
}

}  // namespace tessera
