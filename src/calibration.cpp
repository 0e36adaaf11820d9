#include "calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/temporary_file.hpp"
#include "processor.hpp"
#include "simd/kernels.hpp"
#include "tessera/core/version.hpp"
#include "tessera/io/cache.hpp"

namespace tessera {

using nlohmann::json;

namespace {

double between(double a, double b, double t) {
    return a + (b - a) * t;
}

Work between(const Work& a, const Work& b, double t) {
    return {between(a.wall, b.wall, t), between(a.cpu, b.cpu, t)};
}

json toJson(const Work& w) {
    return {w.wall, w.cpu};
}

Work workOf(const json& j) {
    return {j.at(0), j.at(1)};
}

json toJson(const Calibration& c) {
    json samples = json::array();
    for (const auto& s : c.samples)
        samples.push_back(
            {{"stars", s.stars}, {"observe", toJson(s.observe)}, {"write", toJson(s.write)}, {"stored", s.stored}});
    return {{"samples", samples},        {"read", toJson(c.read)},        {"disk_read", c.diskRead},
            {"disk_write", c.diskWrite}, {"copy_seconds", c.copySeconds}, {"start_up", c.startUp}};
}

std::optional<Calibration> fromJson(const std::string& text, int threads) {
    try {
        const json j = json::parse(text);
        Calibration c;
        c.measured = true;
        c.threads = threads;
        for (const json& s : j.at("samples"))
            c.samples.push_back({s.at("stars"), workOf(s.at("observe")), workOf(s.at("write")), s.at("stored")});
        c.read = workOf(j.at("read"));
        c.diskRead = j.at("disk_read");
        c.diskWrite = j.at("disk_write");
        c.copySeconds = j.at("copy_seconds");
        c.startUp = j.at("start_up");
        if (!c.samples.empty() && c.diskRead > 0 && c.diskWrite > 0) return c;
    } catch (const json::exception&) {
        // measured anew
    }
    return {};
}

// All that the measurement depends on: the instrument and library, not the galaxies.
std::string keyOf(const RunPlan& plan, int threads) {
    const Setup& setup = plan.setups.front();
    json config = json::parse(dumpConfig(setup.config));
    for (const char* key : {"snapshot", "galaxies"}) config.erase(key);
    return fmt::format("plan 3; {} {}; {} of {} threads; {} {}; library {}; stars of 10^{:.1f} Msun; beside {}; {}",
                       version(), commit(), threads, std::thread::hardware_concurrency(), simd::kernels().name,
                       processor(), setup.library->sha256, std::log10(meanStarMass(plan)), directoryOf(plan.output),
                       config.dump());
}

}  // namespace

// Linear in the logarithm of the number of stars, constant beyond the samples.
Calibration::Sample Calibration::at(double stars) const {
    const auto above = std::find_if(samples.begin(), samples.end(), [&](const Sample& s) { return s.stars >= stars; });
    if (above == samples.end()) return samples.back();
    if (above == samples.begin()) return samples.front();
    const Sample &a = *(above - 1), &b = *above;
    const double t = std::log(stars / a.stars) / std::log(b.stars / a.stars);
    return {stars, between(a.observe, b.observe, t), between(a.write, b.write, t), between(a.stored, b.stored, t)};
}

Work Calibration::observing(double stars, const CubeVolume& v) const {
    return at(stars).observe * observingCost(std::uint64_t(stars), v);
}

Work Calibration::writing(double stars, const CubeVolume& v) const {
    return at(stars).write * writingCost(v);
}

Work Calibration::reading(double stars) const {
    return read * readingCost(std::uint64_t(stars));
}

double Calibration::stored(double stars) const {
    return at(stars).stored;
}

Calibration builtInCalibration(int threads, bool compressed) {
    Calibration c;
    c.threads = threads;
    const Work work{2.0 / threads, 1.8};  // the model's seconds are those of two threads
    c.samples = {{1e3, work, work, compressed ? 0.6 : 1.0}};
    c.read = work;
    return c;
}

Calibration calibrated(const RunPlan& plan, int threads, const MockSource& source, bool anew) {
    const std::string key = keyOf(plan, threads);
    if (!anew)
        if (const auto text = readCache(key))
            if (const auto known = fromJson(*text, threads)) return *known;
    const Calibration c = measureCalibration(plan, threads, source);
    writeCache(key, toJson(c).dump());
    return c;
}

}  // namespace tessera
