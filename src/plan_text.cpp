#include "plan_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "progress.hpp"

namespace tessera {

using nlohmann::json;

namespace {

std::string secondsText(double s) {
    return s < 60 ? fmt::format("{:.2g} s", s) : durationText(s);
}

std::string rowText(const Forecast& f) {
    return fmt::format("{:>6} {:>8} {:>9} {:>10} {:>10} {:>12} {:>7} {:>9} {:>8} {:>10}\n", f.options.ranks, f.threads,
                       secondsText(f.seconds()), bytesText(f.bytesRead), bytesText(f.storedBytes), bytesText(f.memory),
                       f.shared.size(), bytesText(f.bytesMoved), secondsText(f.stall),
                       fmt::format("{:.0f} %", 100 * f.efficiency()));
}

std::string sharedText(const Forecast& f) {
    if (f.shared.empty()) return "none";
    constexpr std::size_t shown = 8;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::min(shown, f.shared.size()); ++i)
        names.push_back(fmt::format("{} ({} ranks)", f.shared[i].subhalo, f.shared[i].ranks));
    if (f.shared.size() > shown) names.push_back("...");
    return fmt::format("{}: {}", f.shared.size(), fmt::join(names, ", "));
}

std::string blockText(const RunPlan& plan, const Forecast& f) {
    const int nodes = (f.options.ranks + f.options.perNode - 1) / f.options.perNode;
    std::string text =
        fmt::format("\n{} {} of {} {} on {} {} ({} cores used of each)\n", f.options.ranks,
                    f.options.ranks == 1 ? "rank" : "ranks", f.threads, f.threads == 1 ? "thread" : "threads", nodes,
                    nodes == 1 ? "node" : "nodes", std::min(f.options.perNode, f.options.ranks) * f.threads);
    text += fmt::format("  read:       {} star particles, {}{}\n", f.rows, bytesText(f.bytesRead),
                        f.options.fromDisk ? ", from disk" : "");
    text += fmt::format("  written:    {} before compression, about {} in the file{}\n", bytesText(f.cubeBytes),
                        bytesText(f.storedBytes), plan.config.output.fits ? ", and FITS files beside" : "");
    text += fmt::format("  memory:     {} of the hungriest rank{}\n", bytesText(f.memory),
                        f.overlap ? "" : "; too little for reading ahead and writing behind");
    text +=
        fmt::format("  time:       {}: start {}, slowest rank {}, putting the file together {}\n",
                    secondsText(f.seconds()), secondsText(f.startUp), secondsText(f.slowest), secondsText(f.assembly));
    text += fmt::format("  shared:     {}\n", sharedText(f));
    text += fmt::format("  moved:      {} between ranks\n", bytesText(f.bytesMoved));
    text += fmt::format("  stall:      {} at most that a rank waits; efficiency {:.0f} % (mean rank against slowest)\n",
                        secondsText(f.stall), 100 * f.efficiency());
    for (const std::string& w : f.warnings) text += fmt::format("  warning:    {}\n", w);
    return text;
}

json planOf(const Forecast& f) {
    json ranks = json::array(), shared = json::array();
    for (const RankForecast& r : f.ranks)
        ranks.push_back({{"star_particles", r.rows},
                         {"galaxies", r.galaxies},
                         {"cubes", r.cubes},
                         {"cube_bytes", r.cubeBytes},
                         {"stored_bytes", r.storedBytes},
                         {"memory_bytes", r.memory.total()},
                         {"seconds", r.seconds},
                         {"waited_seconds", r.waited}});
    for (const SharedGalaxy& g : f.shared)
        shared.push_back({{"subhalo", g.subhalo},
                          {"star_particles", g.rows},
                          {"first_rank", g.firstRank},
                          {"ranks", g.ranks},
                          {"moved_bytes", g.bytesMoved},
                          {"stall_seconds", g.stall}});
    return {{"ranks", f.options.ranks},
            {"threads", f.threads},
            {"ranks_per_node", f.options.perNode},
            {"calibrated", f.calibrated},
            {"from_disk", f.options.fromDisk},
            {"overlap", f.overlap},
            {"star_particles", f.rows},
            {"read_bytes", f.bytesRead},
            {"cube_bytes", f.cubeBytes},
            {"stored_bytes", f.storedBytes},
            {"memory_bytes", f.memory},
            {"moved_bytes", f.bytesMoved},
            {"seconds", f.seconds()},
            {"start_seconds", f.startUp},
            {"slowest_seconds", f.slowest},
            {"mean_seconds", f.mean},
            {"assembly_seconds", f.assembly},
            {"stall_seconds", f.stall},
            {"efficiency", f.efficiency()},
            {"shared", shared},
            {"per_rank", ranks},
            {"warnings", f.warnings}};
}

std::vector<std::string> notesOf(const RunPlan& plan) {
    std::vector<std::string> notes = plan.notes;
    notes.insert(notes.end(), plan.snapshot->info().notes.begin(), plan.snapshot->info().notes.end());
    return notes;
}

}  // namespace

std::string planText(const RunPlan& plan, std::span<const Forecast> all) {
    const SnapshotInfo& info = plan.snapshot->info();
    std::string text =
        fmt::format("snapshot:     {} ({}), {} star particles in {} {}, {} subhalos\n", info.path, info.format,
                    info.numStars, info.chunks, info.chunks == 1 ? "file" : "files", info.numSubhalos);
    text += fmt::format("galaxies:     {}", plan.galaxies.size());
    for (const auto& [kind, count] : plan.leftOut) text += fmt::format(", left out: {} {}", count, kind);
    text += fmt::format("\ncubes:        {}, the first of {} x {} spaxels x wavelengths{}\n", plan.observations.size(),
                        plan.setups.front().volume().spaxels, plan.setups.front().volume().wavelengths,
                        plan.setups.front().config.noise ? " with variance" : "");
    text += all.empty() || !all.front().calibrated ? "calibration:  none: times are those of docs/performance.md\n"
                                                   : "calibration:  measured on this machine\n";
    for (const std::string& note : notesOf(plan)) text += fmt::format("note:         {}\n", note);
    if (all.size() > 1) {
        text += fmt::format("\n{:>6} {:>8} {:>9} {:>10} {:>10} {:>12} {:>7} {:>9} {:>8} {:>10}\n", "ranks", "threads",
                            "time", "read", "written", "memory/rank", "shared", "moved", "stall", "efficiency");
        for (const Forecast& f : all) text += rowText(f);
    }
    for (const Forecast& f : all) text += blockText(plan, f);
    return text;
}

std::string planJson(const RunPlan& plan, std::span<const Forecast> all) {
    const SnapshotInfo& info = plan.snapshot->info();
    json plans = json::array();
    for (const Forecast& f : all) plans.push_back(planOf(f));
    std::uint64_t left = 0;
    for (const auto& [kind, count] : plan.leftOut) left += count;
    const json out{{"snapshot", info.path},
                   {"format", info.format},
                   {"snapshot_star_particles", info.numStars},
                   {"subhalos", info.numSubhalos},
                   {"files", info.chunks},
                   {"star_bytes", info.starBytes},
                   {"galaxies", plan.galaxies.size()},
                   {"left_out", left},
                   {"cubes", plan.observations.size()},
                   {"notes", notesOf(plan)},
                   {"plans", plans}};
    return out.dump(2) + "\n";
}

}  // namespace tessera
