// The JSON Schema of the configuration, from the table of parameters.
#include <cmath>
#include <nlohmann/json.hpp>

#include "config/parameters.hpp"

namespace tessera {

using nlohmann::json;
using nlohmann::ordered_json;
using parameters::Kind;
using parameters::Parameter;
using parameters::Section;

namespace {

ordered_json numberSchema(const Parameter& p, const char* type) {
    ordered_json s{{"type", type}};
    // Bounds of integers are written as such as far as a double knows its units.
    const auto bound = [&](double x) -> ordered_json {
        const bool whole = p.kind == Kind::integer || p.kind == Kind::ids;
        return whole && std::fabs(x) < 9e15 ? ordered_json(std::int64_t(x)) : ordered_json(x);
    };
    if (p.range.min > -std::numeric_limits<double>::infinity())
        s[p.range.openMin ? "exclusiveMinimum" : "minimum"] = bound(p.range.min);
    if (p.range.max < std::numeric_limits<double>::infinity()) s["maximum"] = bound(p.range.max);
    return s;
}

ordered_json listSchema(const ordered_json& items, std::size_t min, std::size_t max) {
    ordered_json s{{"type", "array"}, {"items", items}, {"minItems", min}};
    if (max < std::numeric_limits<std::size_t>::max()) s["maxItems"] = max;
    return s;
}

ordered_json orientationSchema(const Parameter& p) {
    const ordered_json vector = listSchema({{"type", "number"}}, 3, 3);
    ordered_json any = ordered_json::array({{{"enum", p.choices}}});
    for (const std::string& key : parameters::orientationKeys()) {
        const ordered_json value = key == "matrix" ? listSchema(vector, 3, 3) : vector;
        any.push_back({{"type", "object"},
                       {"properties", {{key, value}}},
                       {"required", ordered_json::array({key})},
                       {"additionalProperties", false}});
    }
    return {{"anyOf", any}};
}

ordered_json valueSchema(const Parameter& p) {
    switch (p.kind) {
        case Kind::number:
            return numberSchema(p, "number");
        case Kind::integer:
            return numberSchema(p, "integer");
        case Kind::boolean:
            return {{"type", "boolean"}};
        case Kind::text:
            return {{"type", "string"}, {"minLength", p.minLength}, {"maxLength", p.maxLength}};
        case Kind::choice:
            return {{"enum", p.choices}};
        case Kind::vector:
            return listSchema(numberSchema(p, "number"), 3, 3);
        case Kind::matrix:
            return listSchema(listSchema({{"type", "number"}}, 3, 3), 3, 3);
        case Kind::numbers:
            return listSchema(numberSchema(p, "number"), p.minLength, p.maxLength);
        case Kind::ids: {
            const ordered_json range{{"type", "string"},
                                     {"pattern", "^ *[0-9]+ *(- *[0-9]+ *)?(, *[0-9]+ *(- *[0-9]+ *)?)*$"}};
            ordered_json one = numberSchema(p, "integer");
            ordered_json s = listSchema({{"anyOf", ordered_json::array({one, range})}}, p.minLength, p.maxLength);
            s["uniqueItems"] = true;
            return {{"anyOf", ordered_json::array({s, range, one})}};
        }
        case Kind::interval: {
            const ordered_json bound{{"anyOf", ordered_json::array({numberSchema(p, "number"), {{"type", "null"}}})}};
            return listSchema(bound, 2, 2);
        }
        case Kind::orientation:
            return orientationSchema(p);
        case Kind::numberOrWord:
            return {{"anyOf", ordered_json::array({numberSchema(p, "number"), {{"const", p.choices.front()}}})}};
    }
    return {};
}

ordered_json parameterSchema(const Section& section, const Parameter& p) {
    ordered_json s = valueSchema(p);
    if (p.optional) s = {{"anyOf", ordered_json::array({s, {{"type", "null"}}})}};
    s["description"] = p.unit.empty() ? p.doc : p.doc + " [" + p.unit + "]";
    const json made = section.defaultOf(p);
    if (!made.is_null()) s["default"] = ordered_json(made);
    return s;
}

ordered_json objectSchema(const Section& section) {
    ordered_json s{{"type", "object"}, {"description", section.doc}, {"additionalProperties", false}};
    s["properties"] = ordered_json::object();
    for (const Parameter& p : section.parameters) {
        s["properties"][p.key] = parameterSchema(section, p);
        if (p.required) s["required"].push_back(p.key);
    }
    for (const std::string& key : section.exactlyOne)
        s["oneOf"].push_back(
            {{"required", ordered_json::array({key})}, {"properties", {{key, {{"not", {{"type", "null"}}}}}}}});
    return s;
}

ordered_json sectionSchema(const Section& section) {
    const ordered_json object = objectSchema(section);
    ordered_json any = ordered_json::array({object});
    if (section.list) any.push_back({{"type", "array"}, {"items", object}, {"minItems", 1}});
    if (section.nullable) any.push_back({{"type", "null"}});
    if (!section.shorthand.empty()) {
        // The plain string is checked like the key that it stands for.
        any.push_back(valueSchema(*parameters::findParameter(section, section.shorthand)));
    }
    if (any.size() == 1) return object;
    return {{"description", section.doc}, {"anyOf", any}};
}

}  // namespace

std::string configSchema() {
    ordered_json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                        {"title", "Tessera configuration"},
                        {"type", "object"},
                        {"additionalProperties", false},
                        {"properties", ordered_json::object()}};
    for (const Section& section : parameters::table()) {
        if (section.key.empty())
            for (const Parameter& p : section.parameters) schema["properties"][p.key] = parameterSchema(section, p);
        else
            schema["properties"][section.key] = sectionSchema(section);
        if (section.required) schema["required"].push_back(section.key);
    }
    return schema.dump(2) + "\n";
}

}  // namespace tessera
