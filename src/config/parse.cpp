#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <fstream>

#include "config/json_text.hpp"
#include "config/parameters.hpp"
#include "config/suggest.hpp"
#include "config/validate.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/units.hpp"
#include "tessera/model/config.hpp"

namespace tessera {

using nlohmann::json;
using parameters::Parameter;
using parameters::Section;

namespace {

std::vector<std::string> keysOf(const Section& section) {
    std::vector<std::string> keys;
    for (const Parameter& p : section.parameters) keys.push_back(p.key);
    return keys;
}

std::vector<std::string> topLevelKeys() {
    std::vector<std::string> keys;
    for (const Section& s : parameters::table())
        if (!s.key.empty())
            keys.push_back(s.key);
        else
            for (const Parameter& p : s.parameters) keys.push_back(p.key);
    return keys;
}

bool isGiven(const json& object, const Parameter& p) {
    const auto at = object.find(p.key);
    return at != object.end() && !(p.optional && at->is_null());
}

constexpr const char* unnamed = "custom";

// A known name fills in what the object leaves out; without one everything must be there.
Telescope baseTelescope(const json& object, const std::string& path) {
    const auto name = object.find("name");
    if (name != object.end() && !name->is_string())
        throw ConfigError(
            fmt::format("{}.name: {} is not text; allowed: a name of `tessera telescopes`", path, quoted(*name)));
    std::vector<std::string> missing;
    for (const char* key : {"fov", "spaxel", "aperture", "wavelength"})
        if (!object.contains(key)) missing.push_back(path + "." + key);
    Telescope base;
    base.name = unnamed;
    base.source = "the configuration";
    if (missing.empty()) return base;
    if (name == object.end())
        throw ConfigError(
            fmt::format("{}.name: missing (a name of `tessera telescopes`); a telescope of your own needs {}", path,
                        fmt::join(missing, ", ")));
    try {
        return findTelescope(name->get<std::string>());
    } catch (const ConfigError& e) {
        throw ConfigError(
            fmt::format("{}.name: {}; a telescope of your own needs {} too", path, e.what(), fmt::join(missing, ", ")));
    }
}

void readObject(const Section& section, const json& object, const std::string& path, void* target) {
    checkKeys(object, keysOf(section), path);
    for (const Parameter& p : section.parameters) {
        if (!isGiven(object, p)) {
            if (p.required) throw ConfigError(fmt::format("{}.{}: missing ({})", path, p.key, p.doc));
            continue;
        }
        const json& value = object.at(p.key);
        checkValue(p, value, path + "." + p.key);
        p.set(target, value);
    }
    if (section.exactlyOne.empty()) return;
    std::vector<std::string> found;
    for (const std::string& key : section.exactlyOne)
        if (isGiven(object, *parameters::findParameter(section, key))) found.push_back(path + "." + key);
    if (found.size() != 1)
        throw ConfigError(fmt::format(
            "{}: {}; exactly one of these is needed: {}", path,
            found.empty() ? "no form is given" : fmt::format("several forms at once ({})", fmt::join(found, ", ")),
            fmt::join(section.exactlyOne, ", ")));
}

void readSection(const Section& section, json& node, Config& config) {
    if (node.is_null() && section.nullable) return;
    if (node.is_string() && !section.shorthand.empty()) node = json{{section.shorthand, node}};
    if (section.list && node.is_array()) {
        constexpr std::size_t mostViews = 100000;
        if (node.empty() || node.size() > mostViews)
            throw ConfigError(fmt::format("{}: a list of {} members; allowed: an object or a list of 1 to {} objects",
                                          section.key, node.size(), mostViews));
        for (std::size_t i = 0; i < node.size(); ++i) {
            const std::string path = fmt::format("{}[{}]", section.key, i);
            if (!node[i].is_object()) throw ConfigError(fmt::format("{}: {} is not an object", path, quoted(node[i])));
            readObject(section, node[i], path, section.make(config, i));
        }
        return;
    }
    if (!node.is_object())
        throw ConfigError(fmt::format("{}: {} is not {}{}", section.key, quoted(node),
                                      section.nullable ? "an object or null" : "an object",
                                      section.shorthand.empty() ? "" : " or a " + section.shorthand));
    if (section.key != "telescope") return readObject(section, node, section.key, section.make(config, 0));
    const Telescope base = baseTelescope(node, section.key);
    config.telescope = base;
    readObject(section, node, section.key, &config.telescope);
    if (base.name != unnamed) config.telescope.name = base.name;  // as the table spells it
}

// RUBIX's conventions as a whole, whatever the document says of them; what RUBIX cannot do at all, checkTogether refuses.
void applyCompat(Config& config) {
    if (config.compat != Compat::rubix) return;
    config.output.unit = CubeUnit::luminosity;
    config.spectra.doppler = Doppler::exponential;
    if (config.lsf) config.lsf->subtractLibrary = false;
    if (!config.psf) return;
    config.psf->border = PsfBorder::zero;
    if (config.psf->kind != PsfKind::gaussian || config.psf->sigmaSpaxels > 0) return;
    config.psf->sigmaSpaxels = config.psf->fwhm / config.telescope.spaxel / units::fwhm_per_sigma;
    config.psf->size = 2 * int(std::ceil(5 * config.psf->sigmaSpaxels)) + 1;
}

Config fromJson(json& document) {
    if (!document.is_object())
        throw ConfigError(fmt::format("{} is not an object: expected {{...}}", quoted(document)));
    checkKeys(document, topLevelKeys(), "");
    Config config;
    for (const Section& section : parameters::table()) {
        if (section.key.empty()) {
            for (const Parameter& p : section.parameters)
                if (document.contains(p.key)) {
                    checkValue(p, document[p.key], p.key);
                    p.set(&config, document[p.key]);
                }
        } else if (document.contains(section.key)) {
            readSection(section, document[section.key], config);
        } else if (section.required) {
            std::string needs;
            for (const Parameter& p : section.parameters)
                if (p.required) needs += fmt::format("; {}.{} is needed: {}", section.key, p.key, p.doc);
            throw ConfigError(fmt::format("{}: missing ({}){}", section.key, section.doc, needs));
        }
    }
    if (config.lsf && document["lsf"].contains("fwhm") && document["lsf"]["fwhm"] == "telescope") {
        config.lsf->fwhm = config.telescope.lsfFwhm;
        if (!(config.telescope.lsfFwhm > 0))
            throw ConfigError("lsf.fwhm: \"telescope\" asks for telescope.lsf_fwhm, which is not given");
    }
    checkTogether(config, document);
    applyCompat(config);
    return config;
}

}  // namespace

Config parseConfig(const std::string& text, const std::vector<std::string>& overrides, const std::string& origin) {
    json document = readJson(text, origin);
    for (const std::string& assignment : overrides) applyOverride(document, assignment);
    std::string asGiven = document.dump(-1, ' ', false, json::error_handler_t::replace);
    try {
        Config config = fromJson(document);
        config.document = std::move(asGiven);
        return config;
    } catch (const ConfigError& e) {
        throw ConfigError(origin + ": " + e.what(), e.where());
    } catch (const json::exception& e) {
        throw ConfigError(origin + ": " + e.what());
    }
}

Config loadConfig(const std::string& path, const std::vector<std::string>& overrides) {
    constexpr std::size_t largest = std::size_t(1) << 20;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw ConfigError(fmt::format("{}: cannot open the configuration file", path));
    std::string text(largest + 1, '\0');
    file.read(text.data(), std::streamsize(text.size()));
    if (file.bad() || (file.fail() && !file.eof()))
        throw ConfigError(fmt::format("{}: cannot read the configuration file (is it a directory?)", path));
    if (std::size_t(file.gcount()) > largest)
        throw ConfigError(fmt::format("{}: larger than 1 MiB, not a configuration file", path));
    text.resize(std::size_t(file.gcount()));
    return parseConfig(text, overrides, path);
}

std::string dumpConfig(const Config& config, int indent) {
    using nlohmann::ordered_json;
    ordered_json document = ordered_json::object();
    const auto written = [](const Section& section, const void* instance) {
        ordered_json object = ordered_json::object();
        for (const Parameter& p : section.parameters) {
            if (p.applies && !p.applies(instance)) continue;
            const json value = p.get(instance);
            if (!value.is_null()) object[p.key] = ordered_json(value);
        }
        return object;
    };
    for (const Section& section : parameters::table()) {
        const std::vector<const void*> instances = section.instances(config);
        if (section.key.empty()) {
            document.update(written(section, instances.front()));
        } else if (instances.empty()) {
            document[section.key] = nullptr;
        } else if (instances.size() == 1) {
            document[section.key] = written(section, instances.front());
        } else {
            for (const void* instance : instances) document[section.key].push_back(written(section, instance));
        }
    }
    return document.dump(indent);
}

}  // namespace tessera
