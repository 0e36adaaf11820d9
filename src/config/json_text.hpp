// JSON in and out, strictly: comments allowed, each key once in its object, bounded size and depth.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tessera {

// The document, checked. origin names it in messages. ConfigError for anything that is not JSON.
nlohmann::json readJson(const std::string& text, const std::string& origin);

// "key.path=value": the value as JSON, else as the string it is.
void applyOverride(nlohmann::json& config, const std::string& assignment);

// A value as a message quotes it: JSON, cut where it is long.
std::string quoted(const nlohmann::json&);

}  // namespace tessera
