#include "python/model.hpp"

#include <fmt/format.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <mutex>

#include "config/json_text.hpp"
#include "python/arrays.hpp"
#include "python/cubes.hpp"
#include "python/galaxy.hpp"
#include "python/stars.hpp"
#include "python/turn.hpp"
#include "stages/noise_adjoint.hpp"
#include "tessera/io/snapshot.hpp"
#include "tessera/io/templates.hpp"

namespace tessera::python {

namespace {

constexpr const char* noSnapshot = "none";

Config configOf(const std::string& text, const std::string& origin) {
    nlohmann::json document = readJson(text, origin);
    if (document.is_object() && !document.contains("snapshot")) document["snapshot"] = {{"path", noSnapshot}};
    return parseConfig(document.dump(), {}, origin);
}

Cosmology cosmologyFor(const Config& c) {
    if (c.cosmology.name != "snapshot") return cosmologyOf(c.cosmology, {});
    if (c.snapshot.path == noSnapshot) throw ConfigError("cosmology.name: \"snapshot\" needs snapshot.path");
    return cosmologyOf(c.cosmology, Snapshot::open(c.snapshot.path, c.snapshot.format, c.snapshot.number)->info());
}

void checkViews(const Config& c, const SspLibrary& library) {
    for (const ViewConfig& v : c.views)
        coveredPixels(c.telescope.wavelengths(), library, v.redshift, c.spectra.outside);
}

}  // namespace

Model::Model(const std::string& json, const std::string& origin) : noisy_(configOf(json, origin)) {
    config_ = noisy_;
    config_.noise.reset();
    aside([&] {
        shared_ = std::make_shared<Shared>();
        shared_->library = std::make_shared<SspLibrary>(loadSsp(config_.ssp.library));
        shared_->tables = std::make_shared<InstrumentTables>(loadInstrumentTables(config_));
        shared_->cosmology = cosmologyFor(config_);
        checkViews(config_, *shared_->library);
    });
}

Model::Model(const Model& like, const std::string& json) : noisy_(configOf(json, "parameters")), shared_(like.shared_) {
    config_ = noisy_;
    config_.noise.reset();
    checkViews(config_, *shared_->library);
}

Model::Model(const Model& like, std::vector<double> templates) : config_(like.config_), noisy_(like.noisy_) {
    const SspLibrary& old = *like.shared_->library;
    if (templates.size() != old.flux.size())
        throw nb::value_error(
            fmt::format("templates: {} values; expected {}", templates.size(), old.flux.size()).c_str());
    SspLibrary library = old;
    library.flux = std::move(templates);
    library.sha256.clear();  // what is kept on disk is of the file
    shared_ = std::make_shared<Shared>();
    shared_->library = std::make_shared<SspLibrary>(std::move(library));
    shared_->tables = like.shared_->tables;
    shared_->cosmology = like.shared_->cosmology;
}

Model::~Model() {
    const std::lock_guard turn(turnMutex());
    if (shared_->observed == &config_ || shared_->observed == &noisy_) {
        shared_->observer.reset();
        shared_->observed = nullptr;
    }
}

std::size_t Model::checkedView(int view) const {
    if (view < 0 || std::size_t(view) >= config_.views.size())
        throw nb::index_error(
            fmt::format("view: {}; the configuration has {}, counted from 0", view, config_.views.size()).c_str());
    return std::size_t(view);
}

Observer& Model::observerOf(const Config& c) {
    Shared& s = *shared_;
    if (s.observed != &c) {
        s.observer.reset();
        s.observed = nullptr;
        s.observer = std::make_unique<Observer>(exec(), c, *s.library, s.cosmology, *s.tables, &s.knots);
        s.observed = &c;
    }
    return *s.observer;
}

GalaxyCube Model::observe(const Stars& stars, const GalaxyInput& galaxy, std::size_t view,
                          std::optional<std::uint64_t> seed) {
    Observer& observer = observerOf(seed ? noisy_ : config_);
    return seed ? observer.observe(stars, galaxy, view, NoiseKey{*seed, narrow<std::uint32_t>(view)})
                : observer.observe(stars, galaxy, view);
}

std::vector<std::uint8_t> Model::mask(std::size_t view) const {
    return planView(config_, *shared_->library, shared_->cosmology, *shared_->tables, config_.views.at(view).redshift)
        .plan.mask;
}

std::vector<std::uint8_t> Model::covered(std::size_t view) const {
    return coveredPixels(config_.telescope.wavelengths(), *shared_->library, config_.views.at(view).redshift,
                         config_.spectra.outside);
}

std::string Model::dump() const {
    return dumpConfig(noisy_, -1);
}

void bindModel(nb::module_& m) {
    nb::class_<Model>(m, "Model")
        .def(nb::init<const std::string&, const std::string&>())
        .def(
            "with_config", [](const Model& like, const std::string& json) { return new Model(like, json); },
            nb::rv_policy::take_ownership)
        .def(
            "with_templates",
            [](const Model& like, DoublesIn flux) {
                return new Model(like, std::vector<double>(flux.data(), flux.data() + flux.shape(0)));
            },
            nb::rv_policy::take_ownership)
        .def("config", &Model::dump)
        .def("check_view", [](const Model& self, int view) { self.checkedView(view); })
        .def("default_seed",
             [](const Model& self) -> std::optional<std::uint64_t> {
                 return self.noise() ? std::optional(self.noise()->seed) : std::nullopt;
             })
        .def("wavelength",
             [](const Model& self) {
                 const WavelengthGrid g = self.config().telescope.wavelengths();
                 return copyOf(g.centres(), {g.size});
             })
        .def("spaxels", [](const Model& self) { return self.config().telescope.spaxels(); })
        .def("mask",
             [](const Model& self, int view) {
                 const std::size_t n = self.config().telescope.spaxels(), v = self.checkedView(view);
                 return copyOf(aside([&] { return self.mask(v); }), {n, n});
             })
        .def("covered",
             [](const Model& self, int view) {
                 const auto covered = self.covered(self.checkedView(view));
                 return copyOf(covered, {covered.size()});
             })
        .def("library",
             [](const Model& self) {
                 const SspLibrary& l = *self.shared().library;
                 nb::dict d;
                 d["name"] = nb::cast(l.name);
                 d["log_age"] = copyOf(l.logAge, {l.nAge()});
                 d["metallicity"] = copyOf(l.metallicity, {l.nZ()});
                 d["wavelength"] = copyOf(l.wavelength, {l.nLambda()});
                 d["flux"] = copyOf(l.flux, {l.nZ(), l.nAge(), l.nLambda()});
                 return d;
             })
        .def("forward",
             [](Model& self, const StarArrays& stars, const GalaxyInput& galaxy, int view,
                std::optional<std::uint64_t> seed) {
                 const std::size_t v = self.checkedView(view);
                 return toPython(aside([&] {
                     stars.check();
                     return self.observe(stars.stars, galaxy, v, seed);
                 }));
             })
        // The cotangent of the cube without noise, of that of the cube with noise.
        .def("noise_adjoint", [](Model& self, const StarArrays& stars, const GalaxyInput& galaxy, int view,
                                 std::uint64_t seed, CubeIn bar) {
            const std::size_t v = self.checkedView(view);
            return toPython(aside([&] {
                stars.check();
                const GalaxyCube clean = self.observe(stars.stars, galaxy, v, {});
                NoiseConfig noise = *self.noise();
                noise.seed = seed;
                return noiseAdjoint(self.exec(), noise, clean.wavelength, clean.grid, galaxy.subhalo.id,
                                    narrow<std::uint32_t>(v), clean.flux, borrowCube(bar), nullptr);
            }));
        });
}

}  // namespace tessera::python
