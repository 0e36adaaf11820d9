#include "python/gradients.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <type_traits>

#include "python/arrays.hpp"

namespace tessera::python {

namespace {

template <class T>
void put(nb::dict& d, const char* name, const Buffer<T>& values, nb::handle owner) {
    if (values.empty()) return;
    if constexpr (std::is_same_v<T, float>)
        d[name] = arrayOf(values.data(), {values.size()}, owner);
    else
        d[name] = arrayOf(values.data(), values.size(), owner);
}

// The array of this name, or nothing.
template <class Array>
std::optional<Array> find(const nb::dict& d, const char* name) {
    if (!d.contains(name)) return {};
    return nb::cast<Array>(d[name], false);  // no conversion: its memory is borrowed
}

// What the dictionary has not is zero.
template <class T, class Array>
Buffer<T> column(const nb::dict& d, const char* name, std::size_t n) {
    const auto a = find<Array>(d, name);
    if (!a) return Buffer<T>(n, T{});
    if (a->shape(0) != n)
        throw nb::value_error(fmt::format("{}: a tangent of {} stars for {}", name, a->shape(0), n).c_str());
    return borrow<T>(*a);
}

double scalar(const nb::dict& d, const char* name) {
    return d.contains(name) ? nb::cast<double>(d[name]) : 0.0;
}

Vec3d vector(const nb::dict& d, const char* name) {
    const auto a = find<DoublesIn>(d, name);
    return a && a->shape(0) == 3 ? Vec3d{a->data()[0], a->data()[1], a->data()[2]} : Vec3d{};
}

}  // namespace

nb::dict toPython(InputsBar&& bar) {
    auto own = std::make_unique<InputsBar>(std::move(bar));
    const InputsBar& g = *own;
    const nb::capsule owner = capsuleOf(std::move(own));
    nb::dict d;
    put(d, "mass", g.stars.mass, owner);
    put(d, "log_age", g.stars.logAge, owner);
    put(d, "metallicity", g.stars.metallicity, owner);
    put(d, "velocity", g.stars.velocity, owner);
    put(d, "coords", g.stars.position, owner);
    put(d, "smoothing", g.stars.smoothing, owner);
    d["systemic_velocity"] = copyOf(g.systemicVelocity);
    d["centre"] = copyOf(g.centre);
    d["projection_smoothing"] = g.smoothing;
    d["redshift_shift"] = g.redshiftShift;
    d["redshift_distance"] = g.redshiftDistance;
    d["inclination"] = g.inclination;
    d["position_angle"] = g.positionAngle;
    d["twist"] = g.twist;
    d["euler_deg"] = copyOf(g.eulerDeg);
    d["rotation"] = copyOf(g.rotation);
    d["psf_fwhm"] = g.psfFwhm;
    d["psf_beta"] = g.psfBeta;
    d["psf_sigma_spaxels"] = g.psfSigmaSpaxels;
    d["lsf"] = arrayOf(g.lsf.data(), {g.lsf.size()}, owner);
    if (!g.templates.empty()) d["templates"] = arrayOf(g.templates.data(), {g.templates.size()}, owner);
    return d;
}

InputsBar tangentOf(const nb::dict& d, std::size_t n, std::size_t lsfParameters) {
    InputsBar v;
    const bool coords = d.contains("coords"), smoothing = d.contains("smoothing");
    if (d.contains("mass") || d.contains("log_age") || d.contains("metallicity") || d.contains("velocity") || coords ||
        smoothing) {
        v.stars.mass = column<float, FloatsIn>(d, "mass", n);
        v.stars.logAge = column<float, FloatsIn>(d, "log_age", n);
        v.stars.metallicity = column<float, FloatsIn>(d, "metallicity", n);
        v.stars.velocity = column<Vec3f, FloatVectorsIn>(d, "velocity", n);
        if (coords) v.stars.position = column<Vec3f, FloatVectorsIn>(d, "coords", n);
        if (smoothing) v.stars.smoothing = column<float, FloatsIn>(d, "smoothing", n);
    }
    v.systemicVelocity = vector(d, "systemic_velocity");
    v.centre = vector(d, "centre");
    v.smoothing = scalar(d, "projection_smoothing");
    v.redshiftShift = scalar(d, "redshift_shift");
    v.redshiftDistance = scalar(d, "redshift_distance");
    v.inclination = scalar(d, "inclination");
    v.positionAngle = scalar(d, "position_angle");
    v.twist = scalar(d, "twist");
    v.eulerDeg = vector(d, "euler_deg");
    if (const auto r = find<DoubleVectorsIn>(d, "rotation"); r && r->shape(0) == 3)
        for (int i = 0; i < 3; ++i) v.rotation.row[i] = {r->data()[3 * i], r->data()[3 * i + 1], r->data()[3 * i + 2]};
    v.psfFwhm = scalar(d, "psf_fwhm");
    v.psfBeta = scalar(d, "psf_beta");
    v.psfSigmaSpaxels = scalar(d, "psf_sigma_spaxels");
    if (const auto lsf = find<DoublesIn>(d, "lsf")) {
        v.lsf.assign(lsf->data(), lsf->data() + lsf->shape(0));
        expects(v.lsf.size() == lsfParameters, "a tangent for every parameter of the LSF");
    }
    if (const auto t = find<DoublesIn>(d, "templates")) v.templates.assign(t->data(), t->data() + t->shape(0));
    return v;
}

}  // namespace tessera::python
