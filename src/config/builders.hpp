// The rows of the table of parameters: each names a member of a struct and makes the functions that read and write it.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/ids.hpp"
#include "config/parameters.hpp"
#include "tessera/core/error.hpp"

namespace tessera::parameters {

template <class S>
S& as(void* section) {
    return *static_cast<S*>(section);
}
template <class S>
const S& as(const void* section) {
    return *static_cast<const S*>(section);
}

template <class S>
Section ofMember(std::string key, std::string doc, S Config::*member) {
    Section s;
    s.key = std::move(key);
    s.doc = std::move(doc);
    s.make = [member](Config& c, std::size_t) -> void* { return &(c.*member); };
    s.instances = [member](const Config& c) { return std::vector<const void*>{&(c.*member)}; };
    s.defaultOf = [](const Parameter& p) {
        const S made{};
        return p.required ? json() : p.get(&made);
    };
    return s;
}

template <class S>
Section ofOptional(std::string key, std::string doc, std::optional<S> Config::*member) {
    Section s;
    s.key = std::move(key);
    s.doc = std::move(doc);
    s.nullable = true;
    s.make = [member](Config& c, std::size_t) -> void* {
        std::optional<S>& stage = c.*member;
        return stage ? &*stage : &stage.emplace();
    };
    s.instances = [member](const Config& c) {
        const std::optional<S>& stage = c.*member;
        return stage ? std::vector<const void*>{&*stage} : std::vector<const void*>{};
    };
    s.defaultOf = [](const Parameter& p) {
        const S made{};
        return p.get(&made);
    };
    return s;
}

inline Parameter row(std::string key, Kind kind, Range range, std::string unit, std::string doc) {
    Parameter p;
    p.key = std::move(key);
    p.kind = kind;
    p.range = range;
    p.unit = std::move(unit);
    p.doc = std::move(doc);
    return p;
}

inline Parameter needed(Parameter p) {
    p.required = true;
    return p;
}

template <class S, class F>
void appliesWhen(Parameter& p, F condition) {
    p.applies = [condition](const void* s) { return condition(as<S>(s)); };
}

template <class S>
Parameter number(std::string key, double S::*member, Range range, std::string unit, std::string doc) {
    Parameter p = row(std::move(key), Kind::number, range, std::move(unit), std::move(doc));
    p.set = [member](void* s, const json& j) { as<S>(s).*member = j.get<double>(); };
    p.get = [member](const void* s) -> json { return as<S>(s).*member; };
    return p;
}

template <class S, class T>
Parameter integer(std::string key, T S::*member, Range range, std::string unit, std::string doc) {
    Parameter p = row(std::move(key), Kind::integer, range, std::move(unit), std::move(doc));
    p.set = [member](void* s, const json& j) {
        as<S>(s).*member =
            j.is_number_unsigned() ? narrow<T>(j.get<std::uint64_t>()) : narrow<T>(j.get<std::int64_t>());
    };
    p.get = [member](const void* s) -> json { return as<S>(s).*member; };
    return p;
}

template <class S>
Parameter boolean(std::string key, bool S::*member, std::string doc) {
    Parameter p = row(std::move(key), Kind::boolean, {}, "", std::move(doc));
    p.set = [member](void* s, const json& j) { as<S>(s).*member = j.get<bool>(); };
    p.get = [member](const void* s) -> json { return as<S>(s).*member; };
    return p;
}

template <class S>
Parameter text(std::string key, std::string S::*member, std::string doc) {
    Parameter p = row(std::move(key), Kind::text, {}, "", std::move(doc));
    p.maxLength = 4096;
    p.set = [member](void* s, const json& j) { as<S>(s).*member = j.get<std::string>(); };
    p.get = [member](const void* s) -> json {
        const std::string& value = as<S>(s).*member;
        return value.empty() ? json() : json(value);
    };
    return p;
}

template <class S>
Parameter optionalText(std::string key, std::string S::*member, std::string doc) {
    Parameter p = text(std::move(key), member, std::move(doc));
    p.optional = true;
    return p;
}

// A string member with a list of allowed values.
template <class S>
Parameter words(std::string key, std::string S::*member, std::vector<std::string> allowed, std::string doc) {
    Parameter p = text(std::move(key), member, std::move(doc));
    p.kind = Kind::choice;
    p.choices = std::move(allowed);
    return p;
}

// A word that stands for the only way there is.
inline Parameter fixedWord(std::string key, std::string word, std::string doc) {
    Parameter p = row(std::move(key), Kind::choice, {}, "", std::move(doc));
    p.choices = {word};
    p.set = [](void*, const json&) {};
    p.get = [word](const void*) -> json { return word; };
    return p;
}

template <class S, class E>
Parameter choice(std::string key, E S::*member, const std::vector<std::pair<E, std::string>>& names, std::string doc) {
    Parameter p = row(std::move(key), Kind::choice, {}, "", std::move(doc));
    for (const auto& [value, name] : names) p.choices.push_back(name);
    p.set = [member, names](void* s, const json& j) {
        for (const auto& [value, name] : names)
            if (j.get_ref<const std::string&>() == name) as<S>(s).*member = value;
    };
    p.get = [member, names](const void* s) -> json {
        for (const auto& [value, name] : names)
            if (as<S>(s).*member == value) return name;
        return {};
    };
    return p;
}

template <class S>
Parameter optionalNumber(std::string key, std::optional<double> S::*member, Range range, std::string unit,
                         std::string doc) {
    Parameter p = row(std::move(key), Kind::number, range, std::move(unit), std::move(doc));
    p.optional = true;
    p.set = [member](void* s, const json& j) { as<S>(s).*member = j.get<double>(); };
    p.get = [member](const void* s) -> json {
        const std::optional<double>& value = as<S>(s).*member;
        return value ? json(*value) : json();
    };
    return p;
}

// The word "telescope" is replaced by the number once the telescope is known (checks.cpp); until then it stands as 0.
template <class S>
Parameter fwhmOrTelescope(std::string key, std::optional<double> S::*member, Range range, std::string unit,
                          std::string doc) {
    Parameter p = optionalNumber(std::move(key), member, range, std::move(unit), std::move(doc));
    p.kind = Kind::numberOrWord;
    p.choices = {"telescope"};
    p.set = [member](void* s, const json& j) { as<S>(s).*member = j.is_string() ? 0.0 : j.get<double>(); };
    return p;
}

// A number, or the word that stands for none of it.
template <class S>
Parameter numberOrWord(std::string key, std::optional<double> S::*member, std::string word, Range range,
                       std::string unit, std::string doc) {
    Parameter p = row(std::move(key), Kind::numberOrWord, range, std::move(unit), std::move(doc));
    p.choices = {word};
    p.set = [member](void* s, const json& j) {
        as<S>(s).*member = j.is_string() ? std::optional<double>() : j.get<double>();
    };
    p.get = [member, word](const void* s) -> json {
        const std::optional<double>& value = as<S>(s).*member;
        return value ? json(*value) : json(word);
    };
    return p;
}

inline json toJson(const Vec3d& v) {
    return json::array({v.x, v.y, v.z});
}
inline Vec3d toVector(const json& j) {
    return {j[0].get<double>(), j[1].get<double>(), j[2].get<double>()};
}

template <class S>
Parameter optionalVector(std::string key, std::optional<Vec3d> S::*member, std::string unit, std::string doc) {
    Parameter p = row(std::move(key), Kind::vector, {-1e15, 1e15}, std::move(unit), std::move(doc));
    p.optional = true;
    p.minLength = p.maxLength = 3;
    p.set = [member](void* s, const json& j) { as<S>(s).*member = toVector(j); };
    p.get = [member](const void* s) -> json {
        const std::optional<Vec3d>& value = as<S>(s).*member;
        return value ? toJson(*value) : json();
    };
    return p;
}

template <class S>
Parameter polynomial(std::string key, std::vector<double> S::*member, std::string unit, std::string doc) {
    Parameter p = row(std::move(key), Kind::numbers, {}, std::move(unit), std::move(doc));
    p.optional = true;
    p.maxLength = 12;
    p.set = [member](void* s, const json& j) { as<S>(s).*member = j.get<std::vector<double>>(); };
    p.get = [member](const void* s) -> json {
        const std::vector<double>& value = as<S>(s).*member;
        return value.empty() ? json() : json(value);
    };
    return p;
}

template <class S>
Parameter ids(std::string key, std::vector<std::int64_t> S::*member, std::string doc) {
    Parameter p = row(std::move(key), Kind::ids, {0, 9e15}, "", std::move(doc));
    p.optional = true;
    p.set = [member](void* s, const json& j) {
        std::string fault;
        as<S>(s).*member = readIds(j, fault);
    };
    p.get = [member](const void* s) -> json {
        const std::vector<std::int64_t>& value = as<S>(s).*member;
        return value.empty() ? json() : writeIds(value);
    };
    return p;
}

template <class S>
Parameter interval(std::string key, std::optional<Interval> S::*member, Range range, std::string unit,
                   std::string doc) {
    Parameter p = row(std::move(key), Kind::interval, range, std::move(unit), std::move(doc));
    p.optional = true;
    p.set = [member](void* s, const json& j) {
        Interval& i = (as<S>(s).*member).emplace();
        if (!j[0].is_null()) i.min = j[0].get<double>();
        if (!j[1].is_null()) i.max = j[1].get<double>();
    };
    p.get = [member](const void* s) -> json {
        const std::optional<Interval>& value = as<S>(s).*member;
        if (!value) return {};
        const auto bound = [](double x) { return std::isfinite(x) ? json(x) : json(); };
        return json::array({bound(value->min), bound(value->max)});
    };
    return p;
}

Parameter wavelength(std::string key, std::string unit, std::string doc);  // of Telescope: [min, max, step]
Parameter orientation(std::string key, std::string doc);                   // of ViewConfig

}  // namespace tessera::parameters
