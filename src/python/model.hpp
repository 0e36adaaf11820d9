// A configuration with all it needs in memory, ready for stars.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "knot_cache.hpp"
#include "tessera/model/config.hpp"
#include "tessera/pipeline.hpp"

namespace tessera::python {

// What models that differ in parameters alone share.
struct Shared {
    std::shared_ptr<const SspLibrary> library;
    std::shared_ptr<const InstrumentTables> tables;
    Cosmology cosmology;
    KnotCache knots;  // of the library
    // The last model's: another model's parameters replace it, and its tables of knots go through the cache.
    std::unique_ptr<Observer> observer;
    const Config* observed = nullptr;
};

class Model {
public:
    // A configuration (JSON with comments), without a snapshot if need be; origin names it in messages.
    Model(const std::string& json, const std::string& origin);
    // Another configuration of the same library, files and cosmology: parameters of view and instrument.
    Model(const Model& like, const std::string& json);
    // With other spectra in the library, [nZ][nAge][nLambda].
    Model(const Model& like, std::vector<double> templates);
    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    const Config& config() const { return config_; }  // without noise
    const std::optional<NoiseConfig>& noise() const { return noisy_.noise; }
    Shared& shared() const { return *shared_; }
    Host exec() const { return Host{config_.resources.threads}; }
    std::size_t checkedView(int view) const;  // IndexError

    // seed: draw the configuration's noise with it.
    GalaxyCube observe(const Stars&, const GalaxyInput&, std::size_t view, std::optional<std::uint64_t> seed);
    // Spaxels [n n] of the aperture, and pixels that the library covers.
    std::vector<std::uint8_t> mask(std::size_t view) const;
    std::vector<std::uint8_t> covered(std::size_t view) const;
    std::string dump() const;  // with noise

private:
    Observer& observerOf(const Config&);

    Config config_, noisy_;
    std::shared_ptr<Shared> shared_;
};

void bindModel(nanobind::module_&);

}  // namespace tessera::python
