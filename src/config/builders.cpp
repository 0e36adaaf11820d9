#include "config/builders.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tessera::parameters {

Parameter wavelength(std::string key, std::string unit, std::string doc) {
    Parameter p = row(std::move(key), Kind::vector, {0, 1e9, true}, std::move(unit), std::move(doc));
    p.minLength = p.maxLength = 3;
    p.set = [](void* s, const json& j) {
        Telescope& t = as<Telescope>(s);
        t.wavelengthMin = j[0].get<double>();
        t.wavelengthMax = j[1].get<double>();
        t.wavelengthStep = j[2].get<double>();
    };
    p.get = [](const void* s) -> json {
        const Telescope& t = as<Telescope>(s);
        return json::array({t.wavelengthMin, t.wavelengthMax, t.wavelengthStep});
    };
    return p;
}

const std::vector<std::string>& orientationKeys() {
    static const std::vector<std::string> keys{"euler_deg", "matrix", "line_of_sight"};
    return keys;
}

Parameter orientation(std::string key, std::string doc) {
    Parameter p = row(std::move(key), Kind::orientation, {}, "", std::move(doc));
    p.choices = {"none", "face-on", "edge-on"};
    p.set = [](void* s, const json& j) {
        ViewConfig& v = as<ViewConfig>(s);
        if (j.is_string()) {
            const std::string& word = j.get_ref<const std::string&>();
            v.orientation = word == "none"      ? Orientation::none
                            : word == "face-on" ? Orientation::faceOn
                                                : Orientation::edgeOn;
        } else if (j.contains("euler_deg")) {
            v.orientation = Orientation::euler;
            v.eulerDeg = toVector(j["euler_deg"]);
        } else if (j.contains("matrix")) {
            v.orientation = Orientation::matrix;
            for (int i = 0; i < 3; ++i) v.matrix.row[i] = toVector(j["matrix"][i]);
        } else {
            v.orientation = Orientation::lineOfSight;
            v.lineOfSight = toVector(j["line_of_sight"]);
        }
    };
    p.get = [](const void* s) -> json {
        const ViewConfig& v = as<ViewConfig>(s);
        switch (v.orientation) {
            case Orientation::none:
                return "none";
            case Orientation::faceOn:
                return "face-on";
            case Orientation::edgeOn:
                return "edge-on";
            case Orientation::euler:
                return {{"euler_deg", toJson(v.eulerDeg)}};
            case Orientation::matrix:
                return {{"matrix", {toJson(v.matrix.row[0]), toJson(v.matrix.row[1]), toJson(v.matrix.row[2])}}};
            case Orientation::lineOfSight:
                return {{"line_of_sight", toJson(v.lineOfSight)}};
        }
        return {};
    };
    return p;
}

namespace {

// "0 < noun <= 20"; the bare noun where nothing bounds it.
std::string bounded(const Range& range, const std::string& noun) {
    const bool below = range.min > -std::numeric_limits<double>::infinity();
    const bool above = range.max < std::numeric_limits<double>::infinity();
    std::string text = noun;
    if (below) text = fmt::format("{:g} {} {}", range.min, range.openMin ? "<" : "<=", text);
    if (above) text += fmt::format(" <= {:g}", range.max);
    return text;
}

}  // namespace

std::string allowedText(const Parameter& p) {
    std::vector<std::string> quoted;
    for (const std::string& c : p.choices) quoted.push_back('"' + c + '"');
    switch (p.kind) {
        case Kind::number:
            return bounded(p.range, "number");
        case Kind::integer:
            return bounded(p.range, "integer");
        case Kind::boolean:
            return "true or false";
        case Kind::text:
            return "text";
        case Kind::choice:
            return fmt::format("{}", fmt::join(quoted, ", "));
        case Kind::vector:
            return "3 numbers, " + bounded(p.range, "each");
        case Kind::matrix:
            return "3 lists of 3 numbers";
        case Kind::numbers:
            return fmt::format("{} to {} numbers", p.minLength, p.maxLength);
        case Kind::ids:
            return "different integers and ranges (\"10-19\"), " + bounded(p.range, "each");
        case Kind::interval:
            return "[min, max], either may be null, " + bounded(p.range, "each");
        case Kind::orientation:
            return fmt::format("{}, or an object with one of {}", fmt::join(quoted, ", "),
                               fmt::join(orientationKeys(), ", "));
        case Kind::numberOrWord:
            return bounded(p.range, "number") + ", or " + quoted.front();
    }
    return {};
}

}  // namespace tessera::parameters
