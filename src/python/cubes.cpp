#include "python/cubes.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "python/arrays.hpp"
#include "python/turn.hpp"
#include "tessera/io/cube_file.hpp"

namespace tessera::python {

namespace {

nb::object cubeArray(const Cube& c, nb::handle owner) {
    return arrayOf(c.data.data(), {c.ny, c.nx, c.nLambda}, owner);
}

}  // namespace

nb::object toPython(Cube&& cube) {
    auto own = std::make_unique<Cube>(std::move(cube));
    const Cube& c = *own;
    return cubeArray(c, capsuleOf(std::move(own)));
}

nb::dict toPython(const GalaxyReport& r) {
    nb::dict d;
    d["subhalo"] = r.subhalo;
    d["view"] = r.view;
    d["redshift"] = r.redshift;
    d["D_L_Mpc"] = r.luminosityDistanceMpc;
    d["D_A_Mpc"] = r.angularDistanceMpc;
    d["kpc_per_arcsec"] = r.kpcPerArcsec;
    d["spaxel_arcsec"] = r.spaxelArcsec;
    d["n_stars"] = r.nStars;
    d["n_stars_in_field"] = r.nStarsInField;
    d["mass_in_field"] = r.massInField;
    d["n_clamped_age"] = r.nClampedAge;
    d["n_clamped_metallicity"] = r.nClampedMetallicity;
    d["mass_clamped"] = r.massClamped;
    d["n_wind"] = r.nWind;
    d["rotation"] = copyOf(r.rotation);
    d["centre"] = copyOf(r.centre);
    d["systemic_velocity"] = copyOf(r.systemicVelocity);
    d["luminosity_in_band"] = r.luminosityInBand;
    d["seconds"] = r.seconds;
    return d;
}

nb::dict toPython(GalaxyCube&& cube) {
    auto own = std::make_unique<GalaxyCube>(std::move(cube));
    const GalaxyCube& c = *own;
    const nb::capsule owner = capsuleOf(std::move(own));
    nb::dict d, maps, units;
    d["flux"] = cubeArray(c.flux, owner);
    if (!c.variance.data.empty()) d["variance"] = cubeArray(c.variance, owner);
    d["wavelength"] = copyOf(c.wavelength.centres(), {c.wavelength.size});
    d["unit"] = c.unit;
    for (const Map& m : c.maps) {
        maps[m.name.c_str()] = arrayOf(m.data.data(), {c.flux.ny, c.flux.nx}, owner);
        units[m.name.c_str()] = m.unit;
    }
    d["maps"] = maps;
    d["map_units"] = units;
    d["report"] = toPython(c.report);
    d["config"] = c.config;
    return d;
}

void bindCubes(nb::module_& m) {
    m.def("read_cube", [](const std::string& path, std::int64_t subhalo, int view) {
        return toPython(aside([&] { return readGalaxyCube(path, subhalo, view); }));
    });
    m.def("galaxies_in_file", [](const std::string& path) { return aside([&] { return galaxiesInFile(path); }); });
    m.def("config_in_file", [](const std::string& path) { return aside([&] { return configInFile(path); }); });
}

}  // namespace tessera::python
