#include "forecast.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "progress.hpp"

namespace tessera {

namespace {

constexpr double networkBytes = 2e9;  // [byte/s] between ranks
constexpr double linkSeconds = 2e-4;  // [s] of a galaxy that is linked to

// A rank on its way: two clocks, as observing goes on while another thread reads and writes (RunIo).
class Walker {
public:
    Walker(bool overlap, int threads) : overlap_(overlap), threads_(threads) {}

    void read(const Work& w) {
        io_ = std::max(io_, asked_) + w.wall;
        readDone_ = io_;
        cpu_ += w.cpu;
    }
    // When the galaxy read last is there; the next is asked for now.
    double ready() {
        now_ = std::max(now_, readDone_);
        asked_ = now_;
        return now_;
    }
    void observe(const Work& w) {
        now_ += w.wall;
        cpu_ += w.cpu;
    }
    void waitUntil(double time) { now_ = std::max(now_, time); }
    void write(const Work& w) {
        now_ = std::max(now_, writeDone_);
        io_ = std::max(io_, now_) + w.wall;
        writeDone_ = io_;
        cpu_ += w.cpu;
        if (!overlap_) now_ = io_;
    }
    // Threads of both kinds share the cores.
    double end() const { return std::max({now_, writeDone_, cpu_ / threads_}); }

private:
    bool overlap_;
    int threads_;
    double now_ = 0, io_ = 0, asked_ = 0, readDone_ = 0, writeDone_ = 0, cpu_ = 0;
};

class Simulation {
public:
    Simulation(const RunPlan& plan, const Calibration& c, const ForecastOptions& options, Forecast& out)
        : plan_(plan), c_(c), options_(options), out_(out) {
        std::vector<DealtGalaxy> galaxies;
        galaxies.reserve(plan.galaxies.size());
        for (std::size_t g = 0; g < plan.galaxies.size(); ++g) galaxies.push_back(plan.dealt(g));
        shares_ = deal(galaxies, options.ranks, plan.config.resources.splitFrom);
        walkers_.assign(shares_.size(), Walker(out.overlap, c.threads));
        next_.assign(shares_.size(), 0);
        out_.ranks.resize(shares_.size());
    }

    void walk() {
        for (std::size_t r = 0; r < shares_.size(); ++r) readNext(r);
        for (bool moved = true; moved;) {
            moved = false;
            for (std::size_t r = 0; r < shares_.size(); ++r) moved = advance(r) || moved;
        }
        for (std::size_t r = 0; r < shares_.size(); ++r) {
            RankForecast& f = out_.ranks[r];
            f.seconds = walkers_[r].end();
            f.memory = footprint(plan_, shares_[r], out_.overlap);
        }
    }

private:
    bool skipped(std::size_t galaxy) const { return plan_.skipped.contains(plan_.galaxies[galaxy].id); }

    Work reading(double rows) const {
        Work w = c_.reading(rows);
        if (options_.fromDisk) w.wall += rows * plan_.snapshot->info().starBytes * options_.perNode / c_.diskRead;
        return w;
    }

    void readNext(std::size_t r) {
        if (next_[r] >= shares_[r].size()) return;
        const Share& s = shares_[r][next_[r]];
        if (!skipped(s.galaxy)) walkers_[r].read(reading(double(s.rows.count)));
    }

    // Does what rank r can do before it waits for another; whether it did anything.
    bool advance(std::size_t r) {
        const std::size_t before = next_[r];
        while (next_[r] < shares_[r].size()) {
            const Share& s = shares_[r][next_[r]];
            if (!s.alone()) {
                if (int(r) != s.firstRank || !allAt(s)) return next_[r] > before;
                observeShared(s);
                for (int k = s.firstRank; k <= s.lastRank; ++k) stepped(std::size_t(k));
            } else {
                observeAlone(r, s);
                stepped(r);
            }
        }
        return next_[r] > before;
    }

    bool allAt(const Share& s) const {
        for (int k = s.firstRank; k <= s.lastRank; ++k) {
            const auto& list = shares_[std::size_t(k)];
            const std::size_t n = next_[std::size_t(k)];
            if (n >= list.size() || list[n].galaxy != s.galaxy) return false;
        }
        return true;
    }

    // A rank that does not read ahead asks for its next galaxy only now.
    void stepped(std::size_t r) {
        ++next_[r];
        if (!out_.overlap) readNext(r);
    }

    void count(std::size_t r, const Share& s) {
        RankForecast& f = out_.ranks[r];
        ++f.galaxies;
        if (!skipped(s.galaxy)) f.rows += s.rows.count;
    }

    void writeCubes(std::size_t r, std::size_t galaxy, const Observation& o) {
        const Setup& setup = plan_.setupOf(o);
        const auto stars = double(plan_.galaxies[galaxy].stars.count);
        walkers_[r].write(c_.writing(stars, setup.volume()));
        RankForecast& f = out_.ranks[r];
        ++f.cubes;
        f.cubeBytes += setup.cubeBytes();
        f.storedBytes += setup.cubeBytes() * c_.stored(stars);
    }

    void observeAlone(std::size_t r, const Share& s) {
        count(r, s);
        walkers_[r].ready();
        if (out_.overlap) readAhead(r);
        if (skipped(s.galaxy)) return;
        const auto stars = double(s.rows.count);
        double alone = reading(stars).wall;
        for (const Observation& o : plan_.observationsOf(s.galaxy)) {
            const CubeVolume v = plan_.setupOf(o).volume();
            walkers_[r].observe(c_.observing(stars, v));
            writeCubes(r, s.galaxy, o);
            alone += c_.observing(stars, v).wall + c_.writing(stars, v).wall;
        }
        out_.largest = std::max(out_.largest, alone);
    }

    void readAhead(std::size_t r) {
        ++next_[r];
        readNext(r);
        --next_[r];
    }

    // Stars are ordered and summed by all, each its part; the owner makes the cube.
    void observeShared(const Share& owner) {
        const Subhalo& subhalo = plan_.galaxies[owner.galaxy];
        const auto stars = double(subhalo.stars.count);
        const int team = owner.lastRank - owner.firstRank + 1;
        SharedGalaxy& g = out_.shared.emplace_back();
        g.subhalo = subhalo.id;
        g.rows = g.leastRows = subhalo.stars.count;
        g.firstRank = owner.firstRank;
        g.ranks = team;
        double start = 0;
        std::vector<double> arrived;
        std::vector<double> rows;
        for (int k = owner.firstRank; k <= owner.lastRank; ++k) {
            const auto r = std::size_t(k);
            const Share& s = shares_[r][next_[r]];
            count(r, s);
            rows.push_back(double(s.rows.count));
            g.leastRows = std::min(g.leastRows, s.rows.count);
            arrived.push_back(walkers_[r].ready());
            start = std::max(start, arrived.back());
            if (out_.overlap) readAhead(r);
        }
        const double most = *std::max_element(rows.begin(), rows.end());
        double alone = reading(stars).wall;
        bool first = true;
        for (const Observation& o : plan_.observationsOf(owner.galaxy)) {
            const CubeVolume v = plan_.setupOf(o).volume();
            const Work all = c_.observing(stars, v), cube = c_.observing(0, v);
            const Work byStars{std::max(0.0, all.wall - cube.wall), std::max(0.0, all.cpu - cube.cpu)};
            const double moved = bytesMoved(stars, team, v);
            g.bytesMoved += moved;
            const double together = byStars.wall * most / stars + moved / team / networkBytes;
            double done = start + together;
            for (int k = owner.firstRank; k <= owner.lastRank; ++k) {
                Walker& w = walkers_[std::size_t(k)];
                const double mine = rows[std::size_t(k - owner.firstRank)] / stars;
                const double idle = together - byStars.wall * mine - moved / team / networkBytes +
                                    (first ? start - arrived[std::size_t(k - owner.firstRank)] : 0);
                g.stall = std::max(g.stall, idle);
                out_.ranks[std::size_t(k)].waited += idle;
                w.observe({0, byStars.cpu * mine});
                w.waitUntil(done);
            }
            Walker& w = walkers_[std::size_t(owner.firstRank)];
            w.observe(cube);
            writeCubes(std::size_t(owner.firstRank), owner.galaxy, o);
            start = done + cube.wall;  // of the next view, for which the others wait
            first = false;
            alone += all.wall + c_.writing(stars, v).wall;
        }
        out_.largest = std::max(out_.largest, alone);
    }

    // Records of the stars in other ranks' spaxels, spectra of these spaxels to the owner, counts of stars.
    static double bytesMoved(double stars, int team, const CubeVolume& v) {
        constexpr double recordBytes = 32, padding = 32;
        const double others = 1 - 1.0 / team;
        const double lit = std::min(stars, double(v.spaxels));
        return others * (recordBytes * stars + lit * 4 * (double(v.wavelengths) + padding));
    }

    const RunPlan& plan_;
    const Calibration& c_;
    const ForecastOptions& options_;
    Forecast& out_;
    std::vector<std::vector<Share>> shares_;
    std::vector<Walker> walkers_;
    std::vector<std::size_t> next_;
};

// Writing beyond output.checkpoint waits for the disk, which the ranks of a node share.
void waitForDisk(const RunPlan& plan, const Calibration& c, Forecast& f) {
    for (std::size_t first = 0; first < f.ranks.size(); first += std::size_t(f.options.perNode)) {
        const std::size_t end = std::min(f.ranks.size(), first + std::size_t(f.options.perNode));
        double stored = 0, slowest = 0;
        for (std::size_t r = first; r < end; ++r) {
            stored += f.ranks[r].storedBytes;
            slowest = std::max(slowest, f.ranks[r].seconds);
        }
        if (slowest <= plan.config.output.checkpoint) continue;
        for (std::size_t r = first; r < end; ++r)
            if (f.ranks[r].storedBytes > 0) f.ranks[r].seconds = std::max(f.ranks[r].seconds, stored / c.diskWrite);
    }
}

void warn(const RunPlan& plan, Forecast& f) {
    const double allowed = double(plan.config.resources.memoryPerRank), node = nodeMemory();
    if (allowed > 0 && f.memory > allowed)
        f.warnings.push_back(fmt::format("a rank needs {}, more than resources.memory_per_rank allows ({})",
                                         bytesText(f.memory), bytesText(allowed)));
    const int together = std::min(f.options.ranks, f.options.perNode);
    if (f.memory * together > node)
        f.warnings.push_back(fmt::format("{} ranks on a node need up to {}, this node has {}: put fewer on a node",
                                         together, bytesText(f.memory * together), bytesText(node)));
    if (f.options.ranks > 1 && f.largest > f.mean && f.efficiency() < 0.8)
        f.warnings.push_back(
            fmt::format("one galaxy limits the scaling: by itself it takes {:.3g} s, the mean rank {:.3g} s; fewer "
                        "ranks, or a smaller resources.split_from",
                        f.largest, f.mean));
    if (f.assembly > 60 && f.assembly > 0.3 * f.slowest)
        f.warnings.push_back(fmt::format("rank 0 copies {} into one file in {}; with output.layout parts it links",
                                         bytesText(f.storedBytes), durationText(f.assembly)));
    if (plan.config.galaxies.particles == "field")
        f.warnings.push_back(fmt::format(
            "galaxies.particles \"field\": neighbours' stars are found when the run begins and are not counted "
            "here; the ranks read all {} positions for it",
            plan.snapshot->info().numStars));
    std::size_t idle = 0;
    for (const RankForecast& r : f.ranks) idle += r.galaxies == 0;
    if (idle > 0) f.warnings.push_back(fmt::format("{} of {} ranks have nothing to do", idle, f.options.ranks));
    constexpr std::uint64_t rowsOfThread = 50'000;  // fewer are ordered as fast by one
    for (const SharedGalaxy& g : f.shared)
        if (g.leastRows < rowsOfThread * std::uint64_t(f.threads)) {
            f.warnings.push_back(
                fmt::format("subhalo {} is shared in parts of {} stars, too few for {} threads: a larger "
                            "resources.split_from",
                            g.subhalo, g.leastRows, f.threads));
            break;
        }
}

}  // namespace

Forecast forecast(const RunPlan& plan, const Calibration& c, const ForecastOptions& options) {
    Forecast f;
    f.options = options;
    f.threads = c.threads;
    f.calibrated = c.measured;
    f.overlap = mayOverlap(plan, std::min(options.ranks, options.perNode));
    f.startUp = c.startUp + options.planSeconds;
    Simulation(plan, c, options, f).walk();
    waitForDisk(plan, c, f);
    double fastest = f.ranks.front().seconds;
    for (const RankForecast& r : f.ranks) {
        f.rows += r.rows;
        f.cubeBytes += r.cubeBytes;
        f.storedBytes += r.storedBytes;
        f.slowest = std::max(f.slowest, r.seconds);
        f.mean += r.seconds / double(f.ranks.size());
        fastest = std::min(fastest, r.seconds);
        f.memory = std::max(f.memory, r.memory.total());
    }
    f.bytesRead = double(f.rows) * plan.snapshot->info().starBytes;
    f.stall = f.slowest - fastest;
    for (const SharedGalaxy& g : f.shared) {
        f.bytesMoved += g.bytesMoved;
        f.stall = std::max(f.stall, g.stall);
    }
    // One part is renamed, several are copied by rank 0.
    const bool several = options.ranks > 1 || f.slowest > plan.config.output.checkpoint;
    if (plan.config.output.layout != OutputLayout::single)
        f.assembly = linkSeconds * double(plan.galaxies.size());
    else if (several)
        f.assembly = f.storedBytes * c.copySeconds;
    warn(plan, f);
    return f;
}

}  // namespace tessera
