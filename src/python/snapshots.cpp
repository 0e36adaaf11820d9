#include "python/snapshots.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <limits>
#include <memory>

#include "python/arrays.hpp"
#include "python/galaxy.hpp"
#include "python/stars.hpp"
#include "python/turn.hpp"
#include "tessera/centre.hpp"
#include "tessera/io/snapshot.hpp"

namespace tessera::python {

namespace {

struct Reader {
    std::unique_ptr<Snapshot> snapshot;
};

nb::dict infoOf(const SnapshotInfo& i) {
    nb::dict d;
    d["path"] = i.path;
    d["format"] = i.format;
    d["simulation"] = i.simulation;
    d["number"] = i.number;
    d["scale_factor"] = i.scaleFactor;
    d["redshift"] = i.redshift;
    d["h"] = i.h;
    d["omega_m"] = i.omegaM;
    d["omega_l"] = i.omegaL;
    d["box_size"] = i.boxSize;
    d["n_stars"] = i.numStars;
    d["n_gas"] = i.numGas;
    d["n_subhalos"] = i.numSubhalos;
    d["notes"] = i.notes;
    return d;
}

// Columns of the catalogue; NaN where the file does not say.
nb::dict catalogueOf(const Snapshot& snapshot) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<std::int64_t> ids;
    std::vector<std::uint64_t> stars;
    std::vector<double> position, velocity, radius, mass, sfr;
    const auto put = [](std::vector<double>& to, const std::optional<Vec3d>& v) {
        const Vec3d value = v.value_or(Vec3d{nan, nan, nan});
        to.insert(to.end(), {value.x, value.y, value.z});
    };
    aside([&] {
        ids = snapshot.subhalos();
        for (const std::int64_t id : ids) {
            const Subhalo s = snapshot.subhalo(id);
            stars.push_back(s.stars.count);
            put(position, s.position);
            put(velocity, s.velocity);
            radius.push_back(s.halfMassRadius.value_or(nan));
            mass.push_back(s.stellarMass.value_or(nan));
            sfr.push_back(s.sfr.value_or(nan));
        }
    });
    const std::size_t n = ids.size();
    nb::dict d;
    d["subhalo"] = copyOf(ids, {n});
    d["n_stars"] = copyOf(stars, {n});
    d["position"] = copyOf(position, {n, 3});
    d["velocity"] = copyOf(velocity, {n, 3});
    d["half_mass_radius"] = copyOf(radius, {n});
    d["stellar_mass"] = copyOf(mass, {n});
    d["star_formation_rate"] = copyOf(sfr, {n});
    return d;
}

// The stars of a subhalo, or of its group, and the galaxy about its centre.
nb::tuple read(const Snapshot& snapshot, std::int64_t id, bool group) {
    auto arrays = std::make_unique<StarArrays>();
    GalaxyInput galaxy;
    aside([&] {
        galaxy.subhalo = snapshot.subhalo(id);
        galaxy.boxSize = snapshot.info().boxSize;
        arrays->stars = snapshot.readStars(group ? snapshot.groupStars(galaxy.subhalo) : galaxy.subhalo.stars);
        if (galaxy.subhalo.position)
            galaxy.centre = *galaxy.subhalo.position;
        else if (arrays->stars.size() > 0)
            galaxy.centre = densestPoint(arrays->stars);
    });
    return nb::make_tuple(std::move(arrays), galaxy);
}

}  // namespace

void bindSnapshots(nb::module_& m) {
    nb::class_<Reader>(m, "Snapshot")
        .def("__init__",
             [](Reader* self, const std::string& path, const std::string& format, int number) {
                 auto opened = aside([&] { return Snapshot::open(path, format, number); });
                 new (self) Reader{std::move(opened)};
             })
        .def_prop_ro("info", [](const Reader& r) { return infoOf(r.snapshot->info()); })
        .def_prop_ro("subhalos",
                     [](const Reader& r) {
                         const auto ids = aside([&] { return r.snapshot->subhalos(); });
                         return copyOf(ids, {ids.size()});
                     })
        .def("catalogue", [](const Reader& r) { return catalogueOf(*r.snapshot); })
        .def("read", [](const Reader& r, std::int64_t id, bool group) { return read(*r.snapshot, id, group); });
}

}  // namespace tessera::python
