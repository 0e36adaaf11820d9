#include "tessera/adjoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "linearisation.hpp"
#include "stages/blocks.hpp"
#include "stages/optics_transpose.hpp"
#include "stages/rubix_adjoint.hpp"
#include "stages/star_inputs.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/doppler.hpp"

namespace tessera {

Linearisation::Linearisation(Host exec, const Stars& stars, const GalaxyInput& input, const Config& c, std::size_t view,
                             const SspLibrary& library, const Cosmology& cosmology, const InstrumentTables& tables)
    : state_(new State(exec, stars, input, c, view, library, cosmology, tables)) {
    state_->prepare();
}
Linearisation::~Linearisation() = default;

const GalaxyReport& Linearisation::report() const {
    return state_->plan.report;
}

std::vector<std::string> Linearisation::lsfNames() const {
    std::vector<std::string> names;
    const auto parameters = state_->lsfParametersOf();
    for (const LsfParameter& p : parameters)
        names.push_back(p.name == "fwhm_polynomial" ? fmt::format("{}_{}", p.name, p.index) : p.name);
    return names;
}

InputsBar Linearisation::vjp(const Cube& cubeBar, const GradientOptions& options) const {
    const State& s = *state_;
    const Optics& o = s.optics();
    const std::size_t wings = o.wings(), pixels = o.grid().size;
    s.checkCotangent(cubeBar);
    if (s.rubix() && options.templates) throw Error("compat \"rubix\" has no gradient in the templates");

    const std::vector<PsfParameter> psfs = options.instrument ? s.psfParametersOf() : std::vector<PsfParameter>{};
    const std::vector<LsfParameter> lsfs = options.instrument ? s.lsfParametersOf() : std::vector<LsfParameter>{};
    const bool instrument = !psfs.empty() || !lsfs.empty();
    if (s.device && !options.templates) return s.vjpOnDevice(cubeBar, psfs, lsfs);
    const OpticsTranspose transpose(o, o.psf(), o.lsf());
    std::vector<OpticsTranspose> slopes;  // of psfs, then of the LSF
    for (const PsfParameter p : psfs) slopes.emplace_back(o, s.psfSlope(p), o.lsf());
    if (!lsfs.empty()) slopes.emplace_back(o, o.psf(), s.lsfSlope());
    std::optional<Accumulator> accumulator;
    if (instrument && !s.rubix()) accumulator.emplace(s.exec, s.binned, s.table);
    std::optional<TemplatesBar> templates;
    if (options.templates) templates.emplace(s.table);

    Buffer<StarRecordBar> bar(s.binned.stars.size());
#pragma omp parallel for num_threads(threadsOf(s.exec)) schedule(static)
    for (std::size_t k = 0; k < bar.size(); ++k) bar[k] = {};
    std::vector<double> psfBar(psfs.size(), 0.0), sigmaBar(pixels, 0.0);
    Buffer<float> spectra, forward;
    s.forBlocks(instrument ? 2 : 1, [&](std::size_t first, std::size_t count, std::size_t stride) {
        const std::size_t wide = count + 2 * wings, size = s.lit.size() * stride;
        if (spectra.size() < size) spectra = Buffer<float>(size, 0.0F);
        {
            const StageTimer timer("convolve adjoint");
            transpose(s.exec, cubeBar, s.plan.plan.covered, s.wanted, s.lit, first, count, spectra.data(), stride);
        }
        {
            const StageTimer timer("accumulate adjoint");
            if (s.rubix())
                accumulateRubixAdjoint(s.exec, s.binned, s.library, s.view.redshift, o.grid(), spectra.data() + wings,
                                       stride, bar.data());
            else
                s.spectra->adjoint(s.exec, o.grid().window(std::ptrdiff_t(first) - std::ptrdiff_t(wings), wide),
                                   s.scale(), spectra.data(), stride, bar.data(), templates ? &*templates : nullptr);
        }
        if (!instrument) return;
        const StageTimer timer("instrument adjoint");
        if (forward.size() < size) forward = Buffer<float>(size, 0.0F);
        s.forwardSpectra(accumulator ? &*accumulator : nullptr, first, count, forward.data(), stride);
        for (std::size_t k = 0; k < slopes.size(); ++k) {
            slopes[k](s.exec, cubeBar, s.plan.plan.covered, s.wanted, s.lit, first, count, spectra.data(), stride);
            const std::vector<double> dots = s.pixelDots(spectra.data(), forward.data(), wide, stride);
            for (std::size_t j = 0; j < wide; ++j) {
                if (k < psfs.size()) {
                    psfBar[k] += dots[j];
                    continue;
                }
                // Sources beyond the grid's ends have the width of its last pixels.
                const std::ptrdiff_t at = std::ptrdiff_t(first + j) - std::ptrdiff_t(wings);
                sigmaBar[std::size_t(std::clamp<std::ptrdiff_t>(at, 0, std::ptrdiff_t(pixels) - 1))] += dots[j];
            }
        }
    });

    const StageTimer timer("inputs adjoint");
    StarsBar starsBar;
    const ViewSums sums =
        inputsOfRecords(s.exec, s.stars, s.frame, s.binned, s.table, s.doppler(), bar.data(), starsBar);
    InputsBar g = s.inputsOf(std::move(starsBar), sums, psfs, psfBar, lsfs, sigmaBar);
    if (templates) {
        const std::vector<double> total = templates->total();
        g.templates.assign(s.library.flux.size(), 0.0);
        for (std::size_t t = 0; t < s.library.nTemplates(); ++t)
            std::copy_n(total.begin() + std::ptrdiff_t(t * s.table.stride), s.table.size(),
                        g.templates.begin() + std::ptrdiff_t(t * s.library.nLambda() + s.table.first));
    }
    return g;
}

Cube Linearisation::jvp(const InputsBar& v) const {
    const State& s = *state_;
    const Optics& o = s.optics();
    const std::size_t wings = o.wings(), n = o.n(), pixels = o.grid().size;
    if (s.rubix()) throw Error("compat \"rubix\" has no tangent");
    if (v.stars.size() != 0 && v.stars.size() != s.stars.size())
        throw Error(fmt::format("a tangent of {} stars for {}", v.stars.size(), s.stars.size()));

    // What moves the records, what the spectra, and what the optics.
    ViewDot view;
    view.systemicVelocity = v.systemicVelocity;
    view.lineOfSight = s.rotationDot(v).row[2];
    view.shift = v.redshiftShift / (1 + s.view.redshift);
    Buffer<StarRecordBar> dot(s.binned.stars.size());
    recordsOfInputs(s.exec, s.stars, s.frame, s.binned, s.table, s.doppler(), v.stars.size() > 0 ? &v.stars : nullptr,
                    view, dot.data());
    InputsBar light;
    s.distanceOfLight(1, light);
    const double brighter = light.redshiftDistance * v.redshiftDistance;  // d ln scale

    std::vector<std::pair<Optics, double>> changed;
    for (const PsfParameter p : s.psfParametersOf()) {
        const double d =
            p == PsfParameter::fwhm ? v.psfFwhm : (p == PsfParameter::beta ? v.psfBeta : v.psfSigmaSpaxels);
        if (d != 0) changed.emplace_back(Optics(s.psfSlope(p), o.lsf(), n, o.grid()), d);
    }
    const std::vector<LsfParameter> lsfs = s.lsfParametersOf();
    if (!v.lsf.empty() && v.lsf.size() != lsfs.size())
        throw Error(fmt::format("a tangent of {} parameters of the LSF for {}", v.lsf.size(), lsfs.size()));
    if (std::any_of(v.lsf.begin(), v.lsf.end(), [](double d) { return d != 0; })) {
        Lsf slope = s.lsfSlope();
        const std::size_t width = 2 * wings + 1, stride = slope.taps.size() / width;
        for (std::size_t d = 0; d < width; ++d)
            for (std::size_t j = 0; j < pixels; ++j) {
                const auto source = std::clamp<std::ptrdiff_t>(std::ptrdiff_t(j + d) - std::ptrdiff_t(wings), 0,
                                                               std::ptrdiff_t(pixels) - 1);
                double sigma = 0;
                for (std::size_t k = 0; k < lsfs.size(); ++k)
                    sigma += v.lsf[k] * lsfs[k].sigmaSlope[std::size_t(source)];
                slope.taps[d * stride + j] *= float(sigma);
            }
        changed.emplace_back(Optics(o.psf(), std::move(slope), n, o.grid()), 1.0);
    }
    const bool needsForward = brighter != 0 || !changed.empty();
    std::optional<Accumulator> accumulator, ofTemplates;
    if (needsForward) accumulator.emplace(s.exec, s.binned, s.table);
    std::optional<KnotTable> templates;
    if (!v.templates.empty()) {
        templates = s.templatesDot(v.templates);
        ofTemplates.emplace(s.exec, s.binned, *templates);
    }

    Cube out(n, n, pixels), part(n, n, pixels);
    std::fill(out.data.begin(), out.data.end(), 0.0F);
    std::fill(part.data.begin(), part.data.end(), 0.0F);
    std::vector<double> bandFlux(n * n, 0.0);
    Buffer<float> spectra, other, forward;
    s.forBlocks(3, [&](std::size_t first, std::size_t count, std::size_t stride) {
        const std::size_t wide = count + 2 * wings, size = s.lit.size() * stride;
        const WavelengthGrid window = o.grid().window(std::ptrdiff_t(first) - std::ptrdiff_t(wings), wide);
        for (Buffer<float>* b : {&spectra, &other, &forward})
            if (b->size() < size) *b = Buffer<float>(size, 0.0F);
        // Vectors may reach over a spectrum's end.
        const auto clearEnds = [&](float* b) {
            for (std::size_t k = 0; k < s.lit.size(); ++k) std::fill_n(b + k * stride + wide, stride - wide, 0.0F);
        };
        const auto add = [&](float* to, const float* from, float factor) {
#pragma omp parallel for num_threads(threadsOf(s.exec)) schedule(static)
            for (std::size_t i = 0; i < size; ++i) to[i] += factor * from[i];
        };
        const auto observe = [&](const Optics& with, float* from, float factor) {
            clearEnds(from);
            convolve(s.exec, with, {s.lit, from, stride, first, count}, s.wanted, s.plan.plan.weight, part, bandFlux);
#pragma omp parallel for num_threads(threadsOf(s.exec)) schedule(static)
            for (std::size_t p = 0; p < n * n; ++p)
                for (std::size_t j = first; j < first + count; ++j)
                    if (s.wanted[p] && s.plan.plan.covered[j]) out.spectrum(p)[j] += factor * part.spectrum(p)[j];
        };
        s.spectra->tangent(s.exec, window, s.scale(), dot.data(), spectra.data(), stride);
        if (ofTemplates) {
            (*ofTemplates)(window, s.scale(), other.data(), stride);
            add(spectra.data(), other.data(), 1);
        }
        if (needsForward) {
            (*accumulator)(window, s.scale(), forward.data(), stride);
            add(spectra.data(), forward.data(), float(brighter));
        }
        observe(o, spectra.data(), 1);
        for (const auto& [optics, factor] : changed) {
            std::copy_n(forward.data(), size, spectra.data());
            observe(optics, spectra.data(), float(factor));
        }
    });
    return out;
}

InputsBar Linearisation::gaussNewton(const InputsBar& tangent, const Cube* weight,
                                     const GradientOptions& options) const {
    Cube d = jvp(tangent);
    if (weight != nullptr) {
        state_->checkCotangent(*weight);
        for (std::size_t i = 0; i < d.data.size(); ++i)
            if (d.data[i] != 0) d.data[i] *= weight->data[i];
    }
    return vjp(d, options);
}

}  // namespace tessera
