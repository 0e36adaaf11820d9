#include "tessera/adjoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "stages/blocks.hpp"
#include "stages/instrument_slopes.hpp"
#include "stages/optics_transpose.hpp"
#include "stages/rubix_adjoint.hpp"
#include "stages/spectra_derivative.hpp"
#include "stages/star_inputs.hpp"
#include "tessera/core/dual.hpp"
#include "tessera/core/timing.hpp"
#include "tessera/physics/doppler.hpp"
#include "tessera/physics/flux.hpp"
#include "tessera/physics/orient.hpp"
#include "view_plan.hpp"

namespace tessera {

namespace {

constexpr double degree = units::pi / 180;

// [byte] of all buffers of spectra together: as of the forward model.
std::uint64_t budgetOf(const Config& c, std::uint64_t stars) {
    if (c.resources.memoryPerRank > 0) return c.resources.memoryPerRank / 4;
    constexpr std::uint64_t MiB = std::uint64_t(1) << 20, perStar = 8;
    return 128 * MiB + std::min(perStar * stars, 128 * MiB);
}

}  // namespace

struct Linearisation::State {
    Host exec;
    const Stars& stars;
    const GalaxyInput& input;
    const Config& config;
    const ViewConfig& view;
    const SspLibrary& library;
    const Cosmology& cosmology;
    const InstrumentTables& tables;
    ViewPlan plan;
    GalaxyFrame frame;
    KnotTable table;
    BinnedStars binned;
    std::vector<std::uint32_t> lit;
    std::vector<std::uint8_t> wanted;
    std::optional<SpectraDerivative> spectra;

    State(Host e, const Stars& s, const GalaxyInput& in, const Config& c, std::size_t viewIndex, const SspLibrary& l,
          const Cosmology& cosmology_, const InstrumentTables& t)
        : exec(e),
          stars(s),
          input(in),
          config(c),
          view(c.views.at(viewIndex)),
          library(l),
          cosmology(cosmology_),
          tables(t),
          plan(planView(c, l, cosmology_, t, viewIndex)) {}

    bool rubix() const { return config.compat == Compat::rubix; }
    Doppler doppler() const { return rubix() ? Doppler::exponential : config.spectra.doppler; }
    const Optics& optics() const { return plan.plan.optics; }
    double scale() const { return plan.plan.scale; }
    bool inFlux() const { return !rubix() && config.output.unit == CubeUnit::flux; }
    LsfConfig lsfConfig() const {
        LsfConfig c = *config.lsf;
        if (rubix()) c.subtractLibrary = false;
        return c;
    }
    const LineWidthTable* lineWidths() const { return tables.lineWidths ? &*tables.lineWidths : nullptr; }
    std::vector<LsfParameter> lsfParametersOf() const {
        if (!config.lsf) return {};
        return lsfParameters(lsfConfig(), lineWidths(), optics().grid(), library, view.redshift);
    }
    std::vector<PsfParameter> psfParametersOf() const {
        return config.psf ? psfParameters(*config.psf) : std::vector<PsfParameter>{};
    }
    Psf psfSlope(PsfParameter p) const {
        return makePsfSlope(*config.psf, p, optics().grid(), config.telescope.spaxel);
    }
    Lsf lsfSlope() const {
        return makeLsfSlope(lineSigmas(lsfConfig(), lineWidths(), optics().grid(), library, view.redshift),
                            optics().grid(), optics().wings());
    }
    double inclination() const {
        return view.inclination * degree + (view.orientation == Orientation::edgeOn ? units::pi / 2 : 0);
    }
    Mat3d viewMatrix() const { return viewRotation(inclination(), view.positionAngle * degree, view.twist * degree); }
    Mat3d axes() const { return transpose(viewMatrix()) * frame.rotation; }

    void prepare();
    // f(first, count, stride) for one block of wavelengths after the other; `buffers` of lit spectra share the budget.
    void forBlocks(std::size_t buffers, const std::function<void(std::size_t, std::size_t, std::size_t)>& f) const;
    void forwardSpectra(const Accumulator*, std::size_t first, std::size_t count, float* out, std::size_t stride) const;
    std::vector<double> pixelDots(const float* a, const float* b, std::size_t wide, std::size_t stride) const;
    void checkCotangent(const Cube&) const;
    void viewOfRotation(InputsBar&) const;
    void distanceOfLight(double light, InputsBar&) const;
    Mat3d rotationDot(const InputsBar&) const;
    KnotTable templatesDot(const std::vector<double>& flux) const;
};

void Linearisation::State::prepare() {
    const Optics& o = optics();
    std::optional<StageTimer> timer(std::in_place, "frame");
    frame = tessera::frame(exec, stars, input.subhalo, input.centre, input.boxSize, view);
    GalaxyReport& r = plan.report;
    r.subhalo = input.subhalo.id;
    r.nStars = stars.size();
    r.nWind = stars.windRows.size();
    r.rotation = frame.rotation;
    r.centre = frame.centre;
    r.systemicVelocity = frame.velocity;
    const SpaxelGrid padded = plan.grid.padded(o.pad());
    timer.emplace("project");
    Projected projected = project(exec, stars, frame, input.boxSize, padded, doppler());
    if (o.psf() && !o.psf()->padded) cropToField(projected, plan.grid.n, o.pad());
    if (!anyInMask(projected, plan.plan.mask, plan.grid.n, o.pad()))
        throw EmptyField(
            fmt::format("subhalo {}: none of its {} stars lies in the field of view", input.subhalo.id, stars.size()));
    timer.reset();
    TableKey key = tableKeyOf(projected);
    std::get<bool>(key) = false;  // derivatives do without coefficients
    table = makeKnots(exec, config, library, plan, key);
    table.shiftStep = std::min(table.shiftStep, derivativeShiftStep(config.spectra.accuracy, table.fine));
    timer.emplace("bin");
    binned = bin(exec, stars, projected, padded.n * padded.n, table);
    lit = keepLit(binned);
    wanted = reached(o, lit);
    for (std::size_t s = 0; s < wanted.size(); ++s) wanted[s] = wanted[s] && plan.plan.mask[s];
    if (!rubix()) spectra.emplace(binned, table);
}

void Linearisation::State::forBlocks(std::size_t buffers,
                                     const std::function<void(std::size_t, std::size_t, std::size_t)>& f) const {
    const std::size_t pixels = optics().grid().size, wings = optics().wings();
    const std::size_t block =
        rubix() ? pixels : blockPixels(optics(), lit.size(), budgetOf(config, binned.stars.size()) / buffers);
    const std::size_t stride = (block + 2 * wings + spectrumPadding + 15) / 16 * 16;
    for (std::size_t first = 0; first < pixels; first += block) f(first, std::min(block, pixels - first), stride);
}

// Spectra with their wings; RUBIX's wings are dark.
void Linearisation::State::forwardSpectra(const Accumulator* accumulator, std::size_t first, std::size_t count,
                                          float* out, std::size_t stride) const {
    const std::size_t wings = optics().wings();
    if (rubix()) {
        std::fill_n(out, lit.size() * stride, 0.0F);
        accumulateRubix(exec, binned, library, view.redshift, optics().grid(), out + wings, stride);
        return;
    }
    const WavelengthGrid window =
        optics().grid().window(std::ptrdiff_t(first) - std::ptrdiff_t(wings), count + 2 * wings);
    (*accumulator)(window, scale(), out, stride);
}

// Sums over the lit spaxels of a times b, pixel by pixel.
std::vector<double> Linearisation::State::pixelDots(const float* a, const float* b, std::size_t wide,
                                                    std::size_t stride) const {
    constexpr std::size_t chunk = 64;
    std::vector<double> sums(wide, 0.0);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t from = 0; from < wide; from += chunk)
        for (std::size_t k = 0; k < lit.size(); ++k)
            for (std::size_t j = from; j < std::min(from + chunk, wide); ++j)
                sums[j] += double(a[k * stride + j]) * double(b[k * stride + j]);
    return sums;
}

void Linearisation::State::checkCotangent(const Cube& bar) const {
    const std::size_t n = plan.grid.n, pixels = optics().grid().size;
    if (bar.nx != n || bar.ny != n || bar.nLambda != pixels)
        throw Error(fmt::format("the cotangent is {} x {} x {}, but the cube {} x {} x {} ([ny][nx][wavelength])",
                                bar.ny, bar.nx, bar.nLambda, n, n, pixels));
    std::vector<std::uint8_t> bad(n * n, 0);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t s = 0; s < n * n; ++s) {
        if (!plan.plan.mask[s]) continue;
        const float* v = bar.spectrum(s);
        for (std::size_t j = 0; j < pixels; ++j)
            if (plan.plan.covered[j] && !std::isfinite(v[j])) bad[s] = 1;
    }
    const auto first = std::find(bad.begin(), bad.end(), 1) - bad.begin();
    if (std::size_t(first) < bad.size())
        throw Error(fmt::format("the cotangent is not finite in spaxel [iy][ix] = [{}][{}], which the aperture keeps",
                                std::size_t(first) / n, std::size_t(first) % n));
}

void Linearisation::State::viewOfRotation(InputsBar& g) const {
    Mat3d viewBar = zeroMatrix<double>(), axesBar = viewBar;
    productAdjoint(viewMatrix(), axes(), viewBar, axesBar, g.rotation);
    viewRotationAdjoint(inclination(), view.positionAngle * degree, view.twist * degree, g.inclination, g.positionAngle,
                        g.twist, viewBar);
    for (double* angle : {&g.inclination, &g.positionAngle, &g.twist}) *angle *= degree;
    if (view.orientation != Orientation::euler) return;
    const Vec3d e = view.eulerDeg * degree;
    eulerRotationAdjoint(e.x, e.y, e.z, g.eulerDeg.x, g.eulerDeg.y, g.eulerDeg.z, axesBar);
    g.eulerDeg *= degree;
}

// The cube is proportional to every star's mass, so that `light`, the sum of mass times its cotangent, is that of cube times
// its own.
void Linearisation::State::distanceOfLight(double light, InputsBar& g) const {
    if (!inFlux()) return;
    const double z = view.redshift, distance = plan.report.luminosityDistanceMpc;
    double distanceBar = 0;
    fluxPerLuminosityAdjoint(z, distance, g.redshiftDistance, distanceBar, light / scale());
    luminosityDistanceAdjoint(cosmology, z, g.redshiftDistance, distanceBar);
}

Mat3d Linearisation::State::rotationDot(const InputsBar& v) const {
    using D = Dual<double>;
    Mat3<D> a;
    const Mat3d own = axes();
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) a.row[i][j] = own.row[i][j];
    if (view.orientation == Orientation::euler) {
        const Vec3d e = view.eulerDeg * degree, d = v.eulerDeg * degree;
        a = eulerRotation(D{e.x, d.x}, D{e.y, d.y}, D{e.z, d.z});
    }
    const Mat3<D> r =
        viewRotation(D{inclination(), v.inclination * degree}, D{view.positionAngle * degree, v.positionAngle * degree},
                     D{view.twist * degree, v.twist * degree}) *
        a;
    Mat3d out = v.rotation;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) out.row[i][j] += r.row[i][j].d;
    return out;
}

// The table of knots with other spectra.
KnotTable Linearisation::State::templatesDot(const std::vector<double>& flux) const {
    if (flux.size() != library.flux.size())
        throw Error(fmt::format("the tangent of the templates has {} values, the library {}", flux.size(),
                                library.flux.size()));
    SspLibrary other = library;
    other.flux = flux;
    const std::size_t wings = optics().wings();
    const WavelengthGrid window = optics().grid().window(-std::ptrdiff_t(wings), optics().grid().size + 2 * wings);
    KnotTable t = knots(other, view.redshift, config.telescope.medium, window, table.shiftMin, table.shiftMax,
                        config.spectra.accuracy);
    t.shiftStep = table.shiftStep;
    t.nodeStep = table.nodeStep;
    t.starsPerNode = table.starsPerNode;
    return t;
}

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
    InputsBar g;
    const ViewSums sums =
        inputsOfRecords(s.exec, s.stars, s.frame, s.binned, s.table, s.doppler(), bar.data(), g.stars);
    g.systemicVelocity = s.frame.rotation.row[2] * -sums.velocity;
    cosmologicalShiftAdjoint(s.view.redshift, g.redshiftShift, sums.shift);
    s.distanceOfLight(sums.light, g);
    g.rotation.row[2] = sums.lineOfSight;
    s.viewOfRotation(g);
    for (std::size_t k = 0; k < psfs.size(); ++k)
        (psfs[k] == PsfParameter::fwhm ? g.psfFwhm : (psfs[k] == PsfParameter::beta ? g.psfBeta : g.psfSigmaSpaxels)) =
            psfBar[k];
    for (const LsfParameter& p : lsfs) {
        double& sum = g.lsf.emplace_back(0.0);
        for (std::size_t j = 0; j < pixels; ++j) sum += sigmaBar[j] * p.sigmaSlope[j];
    }
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
