// tessera._core: what the Python package (src/python/tessera) calls. Arguments come checked and in the layout of arrays.hpp.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "python/cubes.hpp"
#include "python/galaxy.hpp"
#include "python/linearised.hpp"
#include "python/model.hpp"
#include "python/snapshots.hpp"
#include "python/stars.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/version.hpp"
#include "tessera/io/hdf5_library.hpp"
#include "tessera/io/templates.hpp"
#include "tessera/mock.hpp"
#include "tessera/model/config.hpp"

NB_MODULE(_core, m) {
    namespace nb = nanobind;
    using namespace tessera;

    // The later one is tried first.
    nb::register_exception_translator([](const std::exception_ptr& p, void*) {
        try {
            std::rethrow_exception(p);
        } catch (const ConfigError& e) {
            PyErr_SetString(PyExc_ValueError, e.what());
        } catch (const Error& e) {
            PyErr_SetString(PyExc_RuntimeError, e.what());
        }
    });
    nb::exception<EmptyField>(m, "EmptyField", PyExc_RuntimeError);

    startHdf5();
    m.attr("version") = version();
    m.attr("commit") = commit();
    m.def("config_schema", [] { return configSchema(); });
    m.def("ssp_names", [] {
        nb::list names;
        for (const std::string& name : sspNames()) names.append(name);
        return names;
    });
    python::bindGalaxy(m);
    python::bindStars(m);
    python::bindCubes(m);
    python::bindModel(m);
    python::bindLinearisation(m);
    python::bindSnapshots(m);
    m.def(
        "mock_galaxy",
        [](std::uint64_t stars, std::uint64_t seed, double stellarMass) {
            auto* arrays = new python::StarArrays;
            arrays->stars = mockGalaxy(stars, seed, stellarMass);
            return arrays;
        },
        nb::rv_policy::take_ownership);
}
