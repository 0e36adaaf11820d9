#include "setup.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tessera/io/templates.hpp"
#include "tessera/stages.hpp"

namespace tessera {

CubeVolume Setup::volume() const {
    const std::size_t n = config.telescope.spaxels();
    return {n * n, config.telescope.wavelengths().size, config.noise.has_value(), config.output.compression};
}

double Setup::cubeBytes() const {
    return volume().values() * sizeof(float);
}

Setup SetupMaker::make(const Config& config) {
    Setup setup;
    setup.config = config;
    setup.config.document.clear();  // there may be thousands
    const std::string files =
        fmt::format("{}\n{}", config.psf ? config.psf->path : "", config.lsf ? config.lsf->table : "");
    auto& tables = tables_[files];
    if (!tables || (config.psf && config.psf->kind == PsfKind::fits && !tables->psfImage))
        tables = std::make_shared<InstrumentTables>(loadInstrumentTables(config));
    setup.tables = tables;
    auto& library = libraries_[config.ssp.library];
    if (!library) library = std::make_shared<SspLibrary>(loadSsp(config.ssp.library));
    setup.library = library;
    for (const ViewConfig& view : config.views) checkView(setup, view);
    setup.cosmology = cosmologyOf(config.cosmology, info_);
    return setup;
}

// A view's fault is told once, before any particle is read; observe() would find it again.
void checkView(const Setup& setup, const ViewConfig& view) {
    const Config& c = setup.config;
    coveredPixels(c.telescope.wavelengths(), *setup.library, view.redshift, c.spectra.outside);
}

std::vector<std::string> resolutionNotes(const Setup& setup) {
    const Config& c = setup.config;
    const SspLibrary& l = *setup.library;
    if (!c.lsf || !c.lsf->subtractLibrary || c.compat == Compat::rubix) return {};
    const WavelengthGrid grid = c.telescope.wavelengths();
    std::vector<std::string> notes;
    constexpr std::size_t most = 8;  // of views that are told about: catalogues have thousands
    for (std::size_t i = 0; i < std::min(most, c.views.size()); ++i) {
        const ViewConfig& view = c.views[i];
        if (l.fwhm.empty()) {
            const double middle = grid.centre(0.5 * double(grid.size - 1)) / (1 + view.redshift);
            auto above = std::upper_bound(l.wavelength.begin(), l.wavelength.end(), middle);
            if (above == l.wavelength.begin() || above == l.wavelength.end()) continue;
            return {
                fmt::format("library {} states no resolution, so lsf is applied in full; its samples are "
                            "{:.3g} Angstrom apart at {:.0f} Angstrom",
                            l.name, *above - *(above - 1), middle)};  // alike for every view
        }
        const LineWidthTable* table = setup.tables->lineWidths ? &*setup.tables->lineWidths : nullptr;
        const double coarser = makeLsf(*c.lsf, table, grid, l, view.redshift).coarserFraction;
        if (coarser > 0)
            notes.push_back(
                fmt::format("library {} is coarser than the instrument at {:.0f} % of the wavelengths "
                            "at redshift {}: no line spread is added there",
                            l.name, 100 * coarser, view.redshift));
    }
    return notes;
}

}  // namespace tessera
