#include "tessera/io/cube_file.hpp"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "io/cube_fields.hpp"
#include "io/cube_tables.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace {

std::string groupName(std::int64_t subhalo, int view) {
    return "galaxies/" + std::to_string(subhalo) + (view > 0 ? "/view_" + std::to_string(view) : "");
}

std::string galaxyName(std::int64_t subhalo, int view) {
    return "subhalo " + std::to_string(subhalo) + (view > 0 ? " view " + std::to_string(view) : "");
}

// Chunks of nearly equal size, so that little is stored beyond the array's end: 25 in chunks of at most 10 gives 9.
hsize_t evenly(std::size_t n, std::size_t most) {
    const std::size_t pieces = (n + most - 1) / most;
    return (n + pieces - 1) / pieces;
}

void writeReport(const h5::Group& group, const GalaxyReport& report) {
    group.setAttribute<std::int64_t>("view", report.view);
    forEachField(report, [&](const char* name, const char*, const auto& value) {
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (isScalarField<T>)
            group.setAttribute<T>(name, value);
        else
            group.setAttributeArray<double>(name, flatten(value), shapeOfField<T>());
    });
}

void writeCube(const h5::Group& group, const char* name, const Cube& cube, const std::string& unit, int compression) {
    const std::vector<hsize_t> shape{cube.ny, cube.nx, cube.nLambda};
    h5::Layout layout;
    layout.chunk = {evenly(cube.ny, 10), evenly(cube.nx, 10), evenly(cube.nLambda, 512)};
    layout.deflate = compression;
    const h5::Dataset set = group.createDataset<float>(name, shape, layout);
    set.writeAllParallel(cube.data.data());
    set.setAttribute("unit", unit);
}

}  // namespace

struct CubeFileWriter::Impl {
    Impl(const std::string& path, const CubeFileHeader& h) : header(h), temporary(path) {}

    // The temporary name would only confuse: messages speak of the final one.
    template <class F>
    void naming(const std::string& what, F action) {
        try {
            action();
        } catch (const Error& error) {
            throw Error("cannot write cube file '" + temporary.finalName() + "'" + what + ": " +
                            temporary.inFinalNames(error.what()),
                        error.where());
        }
    }
    const h5::File& open() const {
        expects(file.has_value(), "a cube file that is not finished");
        return *file;
    }
    void close() {
        // Dropped before a failing close is reported: nothing must touch the file afterwards.
        std::optional<h5::File> closing = std::move(file);
        file.reset();
        if (closing) closing->close();
    }

    CubeFileHeader header;
    TemporaryFile temporary;  // removed after the file is closed
    std::optional<h5::File> file;
};

CubeFileWriter::~CubeFileWriter() = default;
CubeFileWriter::CubeFileWriter(CubeFileWriter&&) noexcept = default;
CubeFileWriter& CubeFileWriter::operator=(CubeFileWriter&&) noexcept = default;

CubeFileWriter::CubeFileWriter(const std::string& path, const CubeFileHeader& header)
    : impl_(std::make_unique<Impl>(path, header)) {
    impl_->naming("", [&] {
        impl_->file.emplace(h5::File::create(impl_->temporary.name()));
        const h5::Group root = impl_->file->root();
        writeCubeHeader(root, header);
        root.createGroup("galaxies");
    });
}

void CubeFileWriter::write(const GalaxyCube& cube) {
    const GalaxyReport& report = cube.report;
    impl_->naming(", " + galaxyName(report.subhalo, report.view), [&] {
        const Cube& flux = cube.flux;
        const bool own = impl_->header.wavelength.size == 0;
        const WavelengthGrid& grid = own ? cube.wavelength : impl_->header.wavelength;
        expects(flux.nLambda == grid.size, "a cube on the file's wavelengths");
        expects(flux.data.size() == flux.spaxels() * flux.nLambda && !flux.data.empty(), "a cube of its own shape");
        expects(cube.variance.data.empty() || cube.variance.data.size() == flux.data.size(), "variance of that shape");
        const h5::Group root = impl_->open().root();
        const std::string name = groupName(report.subhalo, report.view);
        if (root.has(name + "/flux")) throw Error("it is there already");
        const h5::Group group = root.createGroup(name);
        if (!cube.config.empty()) group.setAttribute("config", cube.config);
        if (own) writeWavelengths(group, grid);
        writeCube(group, "flux", flux, cube.unit, impl_->header.compression);
        if (!cube.variance.data.empty())
            writeCube(group, "variance", cube.variance, "(" + cube.unit + ")^2", impl_->header.compression);
        for (const Map& map : cube.maps) {
            expects(map.data.size() == flux.spaxels(), "a map of the cube's spaxels");
            group.write("maps/" + map.name, {flux.ny, flux.nx}, map.data.data()).setAttribute("unit", map.unit);
        }
        writeReport(group, report);
    });
}

void CubeFileWriter::startSync() const noexcept {
    impl_->temporary.startSync();
}

void CubeFileWriter::finish(const std::vector<GalaxyReport>& catalogue, bool synced) {
    impl_->naming("", [&] {
        writeCatalogue(impl_->open().root(), catalogue);
        impl_->close();
        impl_->temporary.commit(synced);
    });
}

}  // namespace tessera
