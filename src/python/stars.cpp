#include "python/stars.hpp"

#include <fmt/format.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "python/arrays.hpp"
#include "tessera/core/error.hpp"

namespace tessera::python {

namespace {

constexpr double fastest = 5e4;  // [km/s] so that no difference of two reaches the speed of light

// First element that is not allowed, or n.
template <class T, class Allowed>
std::size_t firstBad(const T* values, std::size_t n, Allowed allowed) {
    std::size_t bad = n;
#pragma omp parallel for schedule(static) reduction(min : bad) if (n > 1000000)
    for (std::size_t i = 0; i < n; ++i)
        if (!allowed(values[i])) bad = std::min(bad, i);
    return bad;
}

template <class T, class Allowed>
void checkColumn(const char* name, const T* values, std::size_t n, std::size_t width, const char* expected,
                 Allowed allowed) {
    const std::size_t i = firstBad(values, n * width, allowed);
    if (i == n * width) return;
    const std::string place = width == 1 ? fmt::format("[{}]", i) : fmt::format("[{}, {}]", i / width, i % width);
    throw nb::value_error(fmt::format("{}{} is {}; expected {}", name, place, values[i], expected).c_str());
}

}  // namespace

void StarArrays::check() const {
    const std::size_t n = stars.size();
    const auto finite = [](auto v) { return std::isfinite(v); };
    const auto positive = [](float v) { return std::isfinite(v) && v >= 0; };
    checkColumn("mass", stars.mass.data(), n, 1, "finite values >= 0 (Msun)", positive);
    checkColumn("age", stars.age.data(), n, 1, "finite values (Gyr)", finite);
    checkColumn("metallicity", stars.metallicity.data(), n, 1, "finite values >= 0 (mass fraction)", positive);
    checkColumn("coords", &stars.position.data()->x, n, 3, "finite values (kpc)", finite);
    checkColumn("velocity", &stars.velocity.data()->x, n, 3, "values between -50000 and 50000 (km/s)",
                [](float v) { return std::fabs(v) <= float(fastest); });
    if (!stars.smoothing.empty())
        checkColumn("smoothing", stars.smoothing.data(), n, 1, "finite values >= 0 (kpc)", positive);
}

void bindStars(nb::module_& m) {
    nb::class_<StarArrays>(m, "Stars")
        .def(
            "__init__",
            [](StarArrays* self, FloatsIn mass, FloatsIn age, FloatsIn metallicity, DoubleVectorsIn coords,
               FloatVectorsIn velocity, std::optional<FloatsIn> smoothing) {
                const std::size_t n = mass.shape(0);
                expects(age.shape(0) == n && metallicity.shape(0) == n && coords.shape(0) == n &&
                            velocity.shape(0) == n && (!smoothing || smoothing->shape(0) == n),
                        "columns of one length");
                new (self) StarArrays;
                self->stars.mass = borrow<float>(mass);
                self->stars.age = borrow<float>(age);
                self->stars.metallicity = borrow<float>(metallicity);
                self->stars.position = borrow<Vec3d>(coords);
                self->stars.velocity = borrow<Vec3f>(velocity);
                for (const FloatsIn& a : {mass, age, metallicity}) self->keep.push_back(std::make_shared<FloatsIn>(a));
                self->keep.push_back(std::make_shared<DoubleVectorsIn>(coords));
                self->keep.push_back(std::make_shared<FloatVectorsIn>(velocity));
                if (!smoothing) return;
                self->stars.smoothing = borrow<float>(*smoothing);
                self->keep.push_back(std::make_shared<FloatsIn>(*smoothing));
            },
            nb::arg("mass").noconvert(), nb::arg("age").noconvert(), nb::arg("metallicity").noconvert(),
            nb::arg("coords").noconvert(), nb::arg("velocity").noconvert(),
            nb::arg("smoothing").noconvert() = nb::none())
        .def("__len__", [](const StarArrays& s) { return s.stars.size(); })
        .def("check", &StarArrays::check)
        .def_prop_ro("wind_rows",
                     [](const StarArrays& s) { return copyOf(s.stars.windRows, {s.stars.windRows.size()}); })
        .def_prop_ro("columns", [](nb::handle self) {
            const Stars& s = nb::cast<const StarArrays&>(self).stars;
            const std::size_t n = s.size();
            nb::dict d;
            d["mass"] = arrayOf(s.mass.data(), {n}, self);
            d["age"] = arrayOf(s.age.data(), {n}, self);
            d["metallicity"] = arrayOf(s.metallicity.data(), {n}, self);
            d["coords"] = arrayOf(s.position.data(), n, self);
            d["velocity"] = arrayOf(s.velocity.data(), n, self);
            if (!s.smoothing.empty()) d["smoothing"] = arrayOf(s.smoothing.data(), {n}, self);
            return d;
        });
}

}  // namespace tessera::python
