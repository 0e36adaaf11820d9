// Checks of a configuration: each value against its row of the table, then the values against each other.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/parameters.hpp"

namespace tessera {

// Throws unless the value is what the parameter allows. path: of the key, for the message.
void checkValue(const parameters::Parameter&, const nlohmann::json& value, const std::string& path);

// Throws for the first key of an object that is not among the valid ones: names the nearest and lists them.
// prefix: path of the object, "" at the top level.
void checkKeys(const nlohmann::json& object, const std::vector<std::string>& valid, const std::string& prefix);

// What no single key can tell: combinations, sizes, forms that exclude each other. given: the document as read.
void checkTogether(const Config&, const nlohmann::json& given);

}  // namespace tessera
