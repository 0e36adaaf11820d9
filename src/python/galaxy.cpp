#include "python/galaxy.hpp"

#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>

#include <array>
#include <cstdint>
#include <optional>

namespace tessera::python {

namespace nb = nanobind;

namespace {

using Three = std::array<double, 3>;

Vec3d vectorOf(const Three& v) {
    return {v[0], v[1], v[2]};
}
Three threeOf(const Vec3d& v) {
    return {v.x, v.y, v.z};
}

}  // namespace

void bindGalaxy(nb::module_& m) {
    nb::class_<GalaxyInput>(m, "Galaxy")
        .def(
            "__init__",
            [](GalaxyInput* self, const Three& centre, std::optional<Three> velocity, std::optional<double> halfMass,
               double boxSize, std::int64_t id) {
                new (self) GalaxyInput;
                self->centre = vectorOf(centre);
                if (velocity) self->subhalo.velocity = vectorOf(*velocity);
                self->subhalo.halfMassRadius = halfMass;
                self->boxSize = boxSize;
                self->subhalo.id = id;
            },
            nb::arg("centre"), nb::arg("velocity").none(), nb::arg("half_mass_radius").none(), nb::arg("box_size"),
            nb::arg("id"))
        .def_prop_ro("centre", [](const GalaxyInput& g) { return threeOf(g.centre); })
        .def_prop_ro("velocity",
                     [](const GalaxyInput& g) {
                         return g.subhalo.velocity ? std::optional(threeOf(*g.subhalo.velocity)) : std::nullopt;
                     })
        .def_prop_ro("half_mass_radius", [](const GalaxyInput& g) { return g.subhalo.halfMassRadius; })
        .def_prop_ro("box_size", [](const GalaxyInput& g) { return g.boxSize; })
        .def_prop_ro("id", [](const GalaxyInput& g) { return g.subhalo.id; });
}

}  // namespace tessera::python
