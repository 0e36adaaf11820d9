#include "tessera/io/fits.hpp"

#include <cctype>
#include <cmath>

#include "io/fits_parts.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// The data quality image of a voxel: 0 good, 1 no data (outside the aperture, outside the library).
constexpr std::int32_t dqNoData = 1;

void writeMap(FitsFile& file, const GalaxyCube& cube, const Map& map) {
    if (map.data.size() != cube.flux.spaxels())
        throw Error("map '" + map.name + "' of subhalo " + std::to_string(cube.report.subhalo) + " has " +
                    std::to_string(map.data.size()) + " values; the cube has " + std::to_string(cube.flux.spaxels()) +
                    " spaxels");
    std::string name = map.name;
    for (char& c : name) c = char(std::toupper(static_cast<unsigned char>(c)));
    file.image(FitsType::float32, {cube.flux.nx, cube.flux.ny}, name);
    writeSkyAxes(file, cube, 2);
    writeUnit(file, map.unit);
    file.write(0, map.data.size(), map.data.data());
}

}  // namespace

void writeMuse(FitsFile& file, const GalaxyCube& cube, const FitsOptions& options) {
    const Cube& flux = cube.flux;
    const std::vector<std::size_t> axes{flux.nx, flux.ny, flux.nLambda};
    const auto begin = [&](FitsType type, const char* name) {
        file.image(type, axes, name);
        // Cubeviz takes a three-dimensional image with DISPAXIS for a spectral cube.
        if (std::string_view(name) == "DATA") file.key("DISPAXIS", std::int64_t(3), "axis of the wavelength");
        writeCubeAxes(file, cube, options.medium);
    };
    begin(FitsType::float32, "DATA");
    writeUnit(file, cube.unit);
    writeProvenance(file, cube, options);
    file.comment("A simulated observation. The position on the sky is fictitious.");
    writePlanes<float>(file, flux, [&](std::size_t s, std::size_t j) { return flux.spectrum(s)[j]; });

    const Cube& variance = cube.variance;
    if (!variance.data.empty()) {
        begin(FitsType::float32, "STAT");
        writeUnit(file, squaredUnit(fitsUnit(cube.unit)), "variance");
        writePlanes<float>(file, flux, [&](std::size_t s, std::size_t j) { return variance.spectrum(s)[j]; });
    }
    begin(FitsType::int32, "DQ");
    file.comment("0: good. 1: no data (outside the aperture or outside the template library).");
    writePlanes<std::int32_t>(file, flux, [&](std::size_t s, std::size_t j) {
        const bool bad =
            !std::isfinite(flux.spectrum(s)[j]) || (!variance.data.empty() && !std::isfinite(variance.spectrum(s)[j]));
        return bad ? dqNoData : 0;
    });
    for (const Map& map : cube.maps) writeMap(file, cube, map);
}

void writeFits(const std::string& path, const GalaxyCube& cube, const FitsOptions& options) {
    const Cube& flux = cube.flux;
    if (flux.data.empty())
        throw Error("FITS file '" + path + "': subhalo " + std::to_string(cube.report.subhalo) + " has no cube");
    expects(flux.nLambda == cube.wavelength.size && flux.data.size() == flux.spaxels() * flux.nLambda,
            "a cube of the shape of its axes");
    expects(cube.variance.data.empty() || cube.variance.data.size() == flux.data.size(),
            "a variance of the shape of the cube");
    if (options.medium != "air" && options.medium != "vacuum")
        throw Error("FITS file '" + path + "': medium '" + options.medium + "' is neither air nor vacuum");
    FitsFile file(path);
    if (options.format == FitsFormat::muse)
        writeMuse(file, cube, options);
    else
        writeManga(file, cube, options);
    file.finish();
}

}  // namespace tessera
