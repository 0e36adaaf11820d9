#include "config/validate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "config/ids.hpp"
#include "config/json_text.hpp"
#include "config/suggest.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

using nlohmann::json;
using parameters::Kind;
using parameters::Parameter;

namespace {

[[noreturn]] void wrong(const Parameter& p, const json& value, const std::string& path, const std::string& why) {
    const std::string unit = p.unit.empty() ? "" : " [" + p.unit + "]";
    // Of an orientation the documentation is long, and the allowed values say the same.
    const std::string doc = p.kind == Kind::orientation ? "" : " (" + p.doc + ")";
    throw ConfigError(fmt::format("{}: {} {}; allowed: {}{}{}", path, quoted(value), why, allowedText(p), unit, doc));
}

bool isInteger(const json& value) {
    constexpr double exact = 9007199254740992.0;  // 2^53: above it a floating-point number says nothing of its units
    if (value.is_number_integer()) return true;
    if (!value.is_number_float()) return false;
    const double x = value.get<double>();
    return std::fabs(x) <= exact && x == std::floor(x);
}

void checkNumber(const Parameter& p, const json& value, const json& whole, const std::string& path) {
    if (!value.is_number()) wrong(p, whole, path, "is not a number");
    const double x = value.get<double>();
    if (!std::isfinite(x)) wrong(p, whole, path, "is not finite");
    if (!p.range.contains(x)) wrong(p, whole, path, "is out of range");
}

void checkList(const Parameter& p, const json& value, const std::string& path) {
    if (!value.is_array()) wrong(p, value, path, "is not a list");
    if (value.size() < p.minLength || value.size() > p.maxLength)
        wrong(p, value, path, fmt::format("has {} members", value.size()));
}

void checkText(const Parameter& p, const json& value, const std::string& path) {
    if (!value.is_string()) wrong(p, value, path, "is not text");
    const std::string& text = value.get_ref<const std::string&>();
    if (text.size() < p.minLength) wrong(p, value, path, "is empty");
    if (text.size() > p.maxLength) wrong(p, value, path, "is too long");
    for (char c : text)
        if (static_cast<unsigned char>(c) < 0x20) wrong(p, value, path, "holds a control character");
}

void checkWord(const Parameter& p, const json& value, const std::string& path) {
    if (!value.is_string()) wrong(p, value, path, "is not a word");
    const std::string& word = value.get_ref<const std::string&>();
    for (const std::string& choice : p.choices)
        if (word == choice) return;
    wrong(p, value, path, fmt::format("is unknown (nearest: \"{}\")", nearestName(word, p.choices)));
}

// [min, max], either of which may be null.
void checkInterval(const Parameter& p, const json& value, const std::string& path) {
    if (!value.is_array() || value.size() != 2) wrong(p, value, path, "is not a list of two, [min, max]");
    for (const json& bound : value)
        if (!bound.is_null()) checkNumber(p, bound, value, path);
    if (!value[0].is_null() && !value[1].is_null() && value[0].get<double>() > value[1].get<double>())
        wrong(p, value, path, "has its min above its max");
}

// Three numbers; of an orientation they have no range of their own.
Vec3d checkVector(const Parameter& p, const json& value, const std::string& path) {
    if (!value.is_array() || value.size() != 3) wrong(p, value, path, "is not a list of 3 numbers");
    for (const json& member : value) checkNumber(p, member, value, path);
    return {value[0].get<double>(), value[1].get<double>(), value[2].get<double>()};
}

void checkRotation(const json& value, const std::string& path) {
    Parameter p;
    p.kind = Kind::matrix;
    p.doc = "a proper rotation: orthonormal rows, determinant +1";
    if (!value.is_array() || value.size() != 3) wrong(p, value, path, "is not 3 lists of 3 numbers");
    Mat3d m;
    for (int i = 0; i < 3; ++i) m.row[i] = checkVector(p, value[i], path);
    constexpr double tolerance = 1e-6;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
            if (!(std::fabs(dot(m.row[i], m.row[j]) - (i == j ? 1 : 0)) <= tolerance))
                wrong(p, value, path, "is not orthonormal to 1e-6");
    if (determinant(m) < 0) wrong(p, value, path, "is a reflection (determinant -1)");
}

void checkOrientation(const Parameter& p, const json& value, const std::string& path) {
    if (value.is_string()) return checkWord(p, value, path);
    if (!value.is_object()) wrong(p, value, path, "is neither a word nor an object");
    checkKeys(value, parameters::orientationKeys(), path);
    if (value.size() != 1) wrong(p, value, path, fmt::format("has {} keys", value.size()));
    const std::string key = value.begin().key(), full = path + "." + key;
    if (key == "matrix") return checkRotation(value.front(), full);
    Parameter three;
    three.kind = Kind::vector;
    three.doc = key == "euler_deg" ? "alpha, beta, gamma in degrees" : "a direction in the box frame, not zero";
    const Vec3d v = checkVector(three, value.front(), full);
    if (key == "line_of_sight" && !(norm(v) > 1e-100 && norm(v) < 1e100))
        wrong(three, value.front(), full, "has no direction");
}

}  // namespace

void checkValue(const Parameter& p, const json& value, const std::string& path) {
    switch (p.kind) {
        case Kind::number:
            return checkNumber(p, value, value, path);
        case Kind::integer:
            if (!isInteger(value)) wrong(p, value, path, "is not an integer");
            return checkNumber(p, value, value, path);
        case Kind::boolean:
            if (!value.is_boolean()) wrong(p, value, path, "is neither true nor false");
            return;
        case Kind::text:
            return checkText(p, value, path);
        case Kind::choice:
            return checkWord(p, value, path);
        case Kind::vector:
            checkVector(p, value, path);
            return;
        case Kind::matrix:
            return checkRotation(value, path);
        case Kind::numbers:
            checkList(p, value, path);
            for (const json& member : value) checkNumber(p, member, value, path);
            return;
        case Kind::ids: {
            if (!value.is_string() && !value.is_number()) checkList(p, value, path);
            std::string fault;
            readIds(value, fault);
            if (!fault.empty()) wrong(p, value, path, fault);
            return;
        }
        case Kind::interval:
            return checkInterval(p, value, path);
        case Kind::orientation:
            return checkOrientation(p, value, path);
        case Kind::numberOrWord:
            if (value == p.choices.front()) return;
            return checkNumber(p, value, value, path);
    }
}

void checkKeys(const json& object, const std::vector<std::string>& valid, const std::string& prefix) {
    const auto full = [&](const std::string& key) { return prefix.empty() ? key : prefix + "." + key; };
    for (const auto& [key, value] : object.items()) {
        bool known = false;
        for (const std::string& name : valid) known = known || name == key;
        if (known) continue;
        // The nearest of the same object, unless it is far and the very name belongs to another section.
        const std::string sibling = nearestName(key, valid);
        const bool close = editDistance(key, sibling) <= 2 || sibling.rfind(key, 0) == 0;
        std::string nearest = full(sibling);
        for (const parameters::Section& section : parameters::table())
            if (!close && parameters::findParameter(section, key))
                nearest = section.key.empty() ? key : section.key + "." + key;
        const std::string where = prefix.empty() ? "valid at the top level" : "valid in " + prefix;
        throw ConfigError(fmt::format("{}: unknown key (value {}); nearest valid key: {}; {}: {}", full(key),
                                      quoted(value), nearest, where, fmt::join(valid, ", ")));
    }
}

}  // namespace tessera
