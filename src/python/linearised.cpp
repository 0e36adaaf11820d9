#include "python/linearised.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <optional>

#include "python/arrays.hpp"
#include "python/cubes.hpp"
#include "python/galaxy.hpp"
#include "python/gradients.hpp"
#include "python/model.hpp"
#include "python/stars.hpp"
#include "python/turn.hpp"
#include "tessera/adjoint.hpp"

namespace tessera::python {

namespace {

// What a Linearisation refers to lives as long as it.
class Linearised {
public:
    Linearised(nb::object model, nb::object stars, const GalaxyInput& galaxy, int view)
        : model_(std::move(model)), stars_(std::move(stars)), galaxy_(galaxy) {
        const Model& m = nb::cast<const Model&>(model_);
        const StarArrays& s = nb::cast<const StarArrays&>(stars_);
        const std::size_t v = m.checkedView(view);
        count_ = s.stars.size();
        aside([&] {
            s.check();
            Shared& shared = m.shared();
            at_ = std::make_unique<Linearisation>(m.exec(), s.stars, galaxy_, m.config(), v, *shared.library,
                                                  shared.cosmology, *shared.tables, Comm::self(), &shared.knots);
        });
    }
    ~Linearised() {
        const std::lock_guard turn(turnMutex());  // its table of knots goes back to the model
        at_.reset();
    }
    Linearised(const Linearised&) = delete;
    Linearised& operator=(const Linearised&) = delete;

    nb::dict vjp(CubeIn bar, bool instrument, bool templates) const {
        return toPython(aside([&] { return at_->vjp(borrowCube(bar), {instrument, templates}); }));
    }
    nb::object jvp(const nb::dict& tangent) const {
        const InputsBar v = inputs(tangent);
        return toPython(aside([&] { return at_->jvp(v); }));
    }
    nb::dict gaussNewton(const nb::dict& tangent, std::optional<CubeIn> weight, bool instrument, bool templates) const {
        const InputsBar v = inputs(tangent);
        std::optional<Cube> w;
        if (weight) w = borrowCube(*weight);
        return toPython(aside([&] { return at_->gaussNewton(v, w ? &*w : nullptr, {instrument, templates}); }));
    }
    nb::dict report() const { return toPython(at_->report()); }
    std::vector<std::string> lsfNames() const { return at_->lsfNames(); }

private:
    InputsBar inputs(const nb::dict& tangent) const { return tangentOf(tangent, count_, at_->lsfNames().size()); }

    nb::object model_, stars_;
    GalaxyInput galaxy_;
    std::size_t count_ = 0;
    std::unique_ptr<Linearisation> at_;
};

}  // namespace

void bindLinearisation(nb::module_& m) {
    nb::class_<Linearised>(m, "Linearisation")
        .def(nb::init<nb::object, nb::object, const GalaxyInput&, int>())
        .def("vjp", &Linearised::vjp)
        .def("jvp", &Linearised::jvp)
        .def("gauss_newton", &Linearised::gaussNewton, nb::arg("tangent"), nb::arg("weight").none(),
             nb::arg("instrument"), nb::arg("templates"))
        .def_prop_ro("report", &Linearised::report)
        .def_prop_ro("lsf_names", &Linearised::lsfNames);
}

}  // namespace tessera::python
