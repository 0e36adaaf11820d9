#include "coefficients.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "processor.hpp"
#include "simd/kernels.hpp"
#include "stages/nodes.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/io/cache.hpp"

namespace tessera {

namespace {

std::string keyOf(const Config& c, const SspLibrary& library, double redshift, const WavelengthGrid& g,
                  const KnotTable& t) {
    std::string lsf = "none";
    if (c.lsf) {
        lsf = fmt::format("{} {} {} [{}] {} {}", c.lsf->fwhm.value_or(0), c.lsf->sigma.value_or(0),
                          c.lsf->resolution.value_or(0), fmt::join(c.lsf->fwhmPolynomial, " "), c.lsf->table,
                          c.lsf->subtractLibrary);
    }
    return fmt::format(
        "nodes 4; library {}; redshift {}; medium {}; grid {} {} {} {}; lsf {}; shifts {} {}; accuracy {}; {} {}",
        library.sha256, redshift, c.telescope.medium, g.edge(0), g.step, g.size, g.log, lsf, t.shiftMin, t.shiftMax,
        c.spectra.accuracy, simd::kernels().name, processor());
}

struct Findings {
    double step = 0, error = 0;
    double starsPerNode = 0;  // 0: not known
};

std::optional<Findings> readFindings(const std::string& key) {
    const auto text = readCache(key);
    if (!text) return {};
    try {
        const auto json = nlohmann::json::parse(*text);
        const Findings f{json.at("node_step"), json.at("error"), json.value("stars_per_node", 0.0)};
        if (f.step >= 0 && f.step <= widestNodeStep && f.starsPerNode >= 0) return f;
    } catch (const nlohmann::json::exception&) {
        // made anew below
    }
    return {};
}

}  // namespace

void useCoefficients(Host exec, const Config& c, const SspLibrary& library, double redshift,
                     const WavelengthGrid& extended, const Lsf* lsf, KnotTable& table) {
    const StageTimer timer("coefficients");
    // A table of line widths has no more than its path in the key.
    const bool keep = !library.sha256.empty() && !(c.lsf && !c.lsf->table.empty());
    const std::string key = keyOf(c, library, redshift, extended, table);
    const std::optional<Findings> known = keep ? readFindings(key) : std::nullopt;
    Findings f = known.value_or(Findings{});
    if (!known) {
        const NodeSpacing nodes = nodeSpacing(exec, table, extended, lsf, c.spectra.accuracy);
        f.step = nodes.step;
        f.error = nodes.error;
    }
    table.nodeStep = f.step;
    const bool measure = c.spectra.coefficientsFrom <= 0 && f.starsPerNode <= 0;
    if (measure) f.starsPerNode = measureStarsPerNode(table, extended);
    table.starsPerNode = c.spectra.coefficientsFrom > 0 ? c.spectra.coefficientsFrom : f.starsPerNode;
    if (!keep || (known && !measure)) return;
    nlohmann::json record{{"node_step", f.step}, {"error", f.error}};
    // A measurement that finds no gain may have been disturbed: the next run tries again.
    if (f.starsPerNode > 0 && std::isfinite(f.starsPerNode)) record["stars_per_node"] = f.starsPerNode;
    if (readCache(key)) {
        writeCache(key, record.dump());
        return;
    }
    // Ranks that measure at once must agree on what they found.
    offerCache(key, record.dump());
    const std::optional<Findings> agreed = readFindings(key);
    if (measure && agreed && agreed->starsPerNode > 0) table.starsPerNode = agreed->starsPerNode;
}

}  // namespace tessera
