#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "linearisation.hpp"
#include "stages/blocks.hpp"
#include "stages/maps_adjoint.hpp"
#include "stages/rubix_adjoint.hpp"

namespace tessera {

// Tangents of the records, and of the pieces that they are made of, in the records' order.
struct Linearisation::State::TangentParts {
    Buffer<PieceBar> pieces;
    Buffer<StarRecordBar> records;
};

Linearisation::State::TangentParts Linearisation::State::tangentOf(const InputsBar& v) const {
    if (rubix() && !v.templates.empty()) throw Error("compat \"rubix\" has no tangent in the templates");
    if (!team.alone()) throw Error("tangents are of galaxies that one rank has for itself");
    if (v.stars.size() != 0 && v.stars.size() != stars.size())
        throw Error(fmt::format("a tangent of {} stars for {}", v.stars.size(), stars.size()));
    for (const std::size_t n : {v.stars.position.size(), v.stars.smoothing.size()})
        if (n != 0 && n != stars.size())
            throw Error(fmt::format("a tangent of {} positions or smoothing lengths for {} stars", n, stars.size()));
    ViewDot d;
    d.systemicVelocity = v.systemicVelocity;
    d.centre = v.centre;
    if (config.projection.smoothing) d.smoothing = v.smoothing;
    d.rotation = rotationDot(v);
    d.shift = v.redshiftShift / (1 + view.redshift);
    InputsBar spaxel;
    distanceOfSpaxel(1, spaxel);
    d.spaxel = spaxel.redshiftDistance * v.redshiftDistance;
    const Buffer<PieceBar> bySource =
        piecesOfInputs(exec, stars, frame, pieces, doppler(), v.stars.size() > 0 ? &v.stars : nullptr, d);
    const BinnedStars& records = binned();
    TangentParts t{Buffer<PieceBar>(records.stars.size()), Buffer<StarRecordBar>(records.stars.size())};
    for (std::size_t k = 0; k < t.pieces.size(); ++k) t.pieces[k] = bySource[records.stars[k].index()];
    recordsOfPieces(exec, records, table, t.pieces.data(), t.records.data());
    return t;
}

std::vector<Map> Linearisation::jvpMaps(const InputsBar& v) const {
    const State& s = *state_;
    const State::TangentParts t = s.tangentOf(v);
    std::vector<Map> maps = s.mapsDerivative().tangent(s.exec, t.records.data(), t.pieces.data());
    const CubePlan& plan = s.plan.plan;
    const Cube cube = jvp(v);
    Map& flux = maps.emplace_back(Map{"flux", plan.fluxUnit, std::vector<float>(cube.spaxels(), NAN)});
    for (std::size_t p = 0; p < cube.spaxels(); ++p) {
        if (!plan.mask[p] || !plan.anyCovered) continue;
        double sum = 0;
        for (std::size_t j = 0; j < cube.nLambda; ++j) sum += double(plan.weight[j]) * double(cube.spectrum(p)[j]);
        flux.data[p] = float(sum);
    }
    return maps;
}

Cube Linearisation::jvp(const InputsBar& v) const {
    const State& s = *state_;
    const State::TangentParts t = s.tangentOf(v);
    const Optics& o = s.optics();
    const std::size_t wings = o.wings(), n = o.n(), pixels = o.grid().size;

    std::vector<std::pair<Optics, double>> changed;
    for (const PsfParameter p : s.psfParametersOf()) {
        const double d =
            p == PsfParameter::fwhm ? v.psfFwhm : (p == PsfParameter::beta ? v.psfBeta : v.psfSigmaSpaxels);
        if (d != 0) changed.emplace_back(Optics(s.psfSlope(p), o.lsf(), n, o.grid()), d);
    }
    const std::vector<LsfParameter> lsfs = s.lsfSlopesOf();
    std::vector<double> lsf = v.lsf;
    if (const std::size_t own = s.lsfParametersOf().size(); lsf.empty())
        lsf.assign(own, 0.0);
    else if (lsf.size() != own)
        throw Error(fmt::format("a tangent of {} parameters of the LSF for {}", lsf.size(), own));
    if (lsfs.size() > lsf.size()) lsf.push_back(v.redshiftShift);
    if (std::any_of(lsf.begin(), lsf.end(), [](double d) { return d != 0; })) {
        std::vector<double> sigma(pixels, 0.0);
        for (std::size_t k = 0; k < lsfs.size(); ++k)
            for (std::size_t j = 0; j < pixels; ++j) sigma[j] += lsf[k] * lsfs[k].sigmaSlope[j];
        changed.emplace_back(Optics(o.psf(), s.lsfSlope().along(sigma), n, o.grid()), 1.0);
    }
    InputsBar light;
    s.distanceOfLight(1, light);
    const double brighter = light.redshiftDistance * v.redshiftDistance;  // d ln scale
    const bool needsForward = brighter != 0 || !changed.empty();
    std::optional<Accumulator> accumulator, ofTemplates;
    if (needsForward && !s.rubix()) accumulator.emplace(s.exec, s.binned(), s.table);
    std::optional<KnotTable> templates;
    if (!v.templates.empty()) {
        templates = s.templatesDot(v.templates);
        ofTemplates.emplace(s.exec, s.binned(), *templates);
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
        if (s.rubix()) {  // its wings are dark
            std::fill_n(spectra.data(), size, 0.0F);
            accumulateRubixTangent(s.exec, s.binned(), s.library, s.view.redshift, o.grid(), t.records.data(),
                                   spectra.data() + wings, stride);
        } else {
            s.spectra().tangent(s.exec, window, s.scale(), t.records.data(), spectra.data(), stride);
        }
        if (ofTemplates) {
            (*ofTemplates)(window, s.scale(), other.data(), stride);
            add(spectra.data(), other.data(), 1);
        }
        if (needsForward) {
            s.forwardSpectra(accumulator ? &*accumulator : nullptr, first, count, forward.data(), stride);
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
