// What a Linearisation holds: the galaxy as the stages see it, and the pieces that its tangents and adjoints share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "device_adjoint.hpp"
#include "stages/instrument_slopes.hpp"
#include "stages/spectra_derivative.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/physics/orient.hpp"
#include "view_plan.hpp"

namespace tessera {

constexpr double degree = units::pi / 180;

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
    std::unique_ptr<DeviceAdjoint> device;  // of the backend, if that is a device

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
          plan(planView(c, l, cosmology_, t, c.views.at(viewIndex).redshift)) {}

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
    InputsBar vjpOnDevice(const Cube& cubeBar, const std::vector<PsfParameter>&,
                          const std::vector<LsfParameter>&) const;
    // Of what the stars and the instrument's parameters have gathered; sigmaBar: of the LSF's width at every pixel.
    InputsBar inputsOf(StarsBar&&, const ViewSums&, const std::vector<PsfParameter>&, const std::vector<double>& psfBar,
                       const std::vector<LsfParameter>&, const std::vector<double>& sigmaBar) const;
    void viewOfRotation(InputsBar&) const;
    void distanceOfLight(double light, InputsBar&) const;
    Mat3d rotationDot(const InputsBar&) const;
    KnotTable templatesDot(const std::vector<double>& flux) const;
};

}  // namespace tessera
