// What a Linearisation holds: the galaxy as the stages see it, and the pieces that its tangents and adjoints share.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "device_adjoint.hpp"
#include "knot_cache.hpp"
#include "stages/instrument_slopes.hpp"
#include "stages/maps_adjoint.hpp"
#include "stages/spectra_derivative.hpp"
#include "stages/star_inputs.hpp"
#include "team.hpp"
#include "tessera/adjoint.hpp"
#include "tessera/physics/orient.hpp"
#include "view_plan.hpp"

namespace tessera {

constexpr double degree = units::pi / 180;

struct LinearisationMemory::Buffers {
    Projected projected;
    Buffer<StarRecord> stars;
    Buffer<StarRecordBar> recordsBar;
    Buffer<PieceBar> piecesBar;
};

struct Linearisation::State {
    Comm comm;
    Team team;
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
    Pieces pieces;
    KnotCache* known = nullptr;
    LinearisationMemory::Buffers* memory = nullptr;  // or none is kept
    TableKey tableKey;
    KnotTable table;
    Buffer<std::uint32_t> sources;         // of the records that this rank gave to others; of a galaxy of its own: none
    std::vector<std::uint32_t> lit;        // spaxels of this rank's
    std::uint64_t allLit = 0, inside = 0;  // spaxels, records of all ranks
    std::vector<std::uint8_t> wanted;
    std::unique_ptr<DeviceAdjoint> device;  // of the backend, if that is a device
    bool projectsOnDevice = false;          // and makes the records of the stars, each in its nearest spaxel

    State(Host e, const Stars& s, const GalaxyInput& in, const Config& c, std::size_t viewIndex, const SspLibrary& l,
          const Cosmology& cosmology_, const InstrumentTables& t, const Comm& c_)
        : comm(c_),
          team(comm),
          exec(e),
          stars(s),
          input(in),
          config(c),
          view(c.views.at(viewIndex)),
          library(l),
          cosmology(cosmology_),
          tables(t),
          plan(planView(c, l, cosmology_, t, c.views.at(viewIndex).redshift)),
          pieces{c.projection, plan.grid.padded(plan.plan.optics.pad()), in.boxSize, {}, 0, {}} {}

    static constexpr const char* lsfRedshift = "redshift";

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
    // These, and the redshift where the library's resolution is subtracted.
    std::vector<LsfParameter> lsfSlopesOf() const {
        std::vector<LsfParameter> all = lsfParametersOf();
        if (!config.lsf) return all;
        std::vector<double> slopes =
            lineSigmaSlopes(lsfConfig(), lineWidths(), optics().grid(), library, view.redshift);
        if (std::any_of(slopes.begin(), slopes.end(), [](double d) { return d != 0; }))
            all.push_back({lsfRedshift, 0, std::move(slopes)});
        return all;
    }
    static void addLsfBar(const LsfParameter& p, double bar, InputsBar& g) {
        if (p.name == lsfRedshift)
            g.redshiftShift += bar;
        else
            g.lsf.push_back(bar);
    }
    std::vector<PsfParameter> psfParametersOf() const {
        return config.psf ? psfParameters(*config.psf) : std::vector<PsfParameter>{};
    }
    Psf psfSlope(PsfParameter p) const {
        return makePsfSlope(*config.psf, p, optics().grid(), config.telescope.spaxel);
    }
    LsfSlope lsfSlope() const {
        return makeLsfSlope(lineSigmas(lsfConfig(), lineWidths(), optics().grid(), library, view.redshift),
                            optics().grid(), optics().wings());
    }
    double inclination() const {
        return view.inclination * degree + (view.orientation == Orientation::edgeOn ? units::pi / 2 : 0);
    }
    Mat3d viewMatrix() const { return viewRotation(inclination(), view.positionAngle * degree, view.twist * degree); }
    Mat3d axes() const { return transpose(viewMatrix()) * frame.rotation; }

    void prepare();
    void keepMemory() {
        if (memory) memory->stars = std::move(binned_.stars);
    }
    StarsInView projectStars();
    void orderStars();
    void shareStars();
    // This rank's spaxels with stars, and their stars in order.
    const BinnedStars& binned() const;
    // Not of RUBIX's spectra. A call of all ranks.
    const SpectraDerivative& spectra() const;
    // f(first, count, stride) for one block of wavelengths after the other; `buffers` of lit spectra share the budget.
    void forBlocks(std::size_t buffers, const std::function<void(std::size_t, std::size_t, std::size_t)>& f) const;
    template <class Real>  // float, double
    void forwardSpectra(const Accumulator*, std::size_t first, std::size_t count, Real* out, std::size_t stride) const;
    // sums[lit] += sum over a spectrum's pixels of a times b.
    void addDots(const float* a, const double* b, std::size_t wide, std::size_t stride,
                 std::vector<double>& sums) const;
    double total(const std::vector<double>& ofLit) const;  // over all ranks' spaxels, in their order
    // From the order in which shareSpaxels() gave the records to that of this rank's own pieces.
    Buffer<PieceBar> ownPieces(const Buffer<PieceBar>& shared) const;
    ViewSums inputsOfRecords(Buffer<StarRecordBar>&& bar, Buffer<PieceBar>&& direct, StarsBar& out) const;
    ViewSums inputsOfCube(const Cube&, const GradientOptions&, InputsBar&) const;
    // The cotangent of the cube with that of the map "flux", where there is one, in `room`.
    const Cube& withFluxMap(const Cube&, const std::vector<Map>& mapsBar, Cube& room) const;
    MapsDerivative mapsDerivative() const {
        return {exec,        binned(),       table,         doppler(), view.redshift, optics().grid(),
                plan.grid.n, optics().pad(), plan.plan.mask};
    }
    Buffer<StarRecordBar> zeroRecords() const;
    struct TangentParts;
    TangentParts tangentOf(const InputsBar&) const;
    void checkCotangent(const Cube&) const;
    static double& psfBarOf(PsfParameter, InputsBar&);
    // As inputsOfCube(), where `device` is.
    ViewSums vjpOnDevice(const Cube& cubeBar, const std::vector<PsfParameter>&, const std::vector<LsfParameter>&,
                         InputsBar&) const;
    void viewOfRotation(InputsBar&) const;
    void distanceOfLight(double light, InputsBar&) const;
    void distanceOfSpaxel(double spaxelBar, InputsBar&) const;
    Mat3d rotationDot(const InputsBar&) const;
    KnotTable templatesDot(const std::vector<double>& flux) const;

private:
    Projected projected_;  // on the way from projectStars() to orderStars()
    mutable BinnedStars binned_;
    mutable std::optional<SpectraDerivative> spectra_;
    mutable std::once_flag binnedOnce_, spectraOnce_;
};

}  // namespace tessera
