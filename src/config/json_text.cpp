#include "config/json_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "config/parameters.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

using nlohmann::json;

namespace {

constexpr int deepest = 32;  // levels of a document; a configuration has five

// nlohmann's messages begin with "[json.exception.parse_error.101] "; what follows is for people.
std::string plainMessage(const json::exception& e) {
    const std::string text = e.what();
    const std::size_t end = text.find("] ");
    return text.front() == '[' && end != std::string::npos ? text.substr(end + 2) : text;
}

}  // namespace

json readJson(const std::string& text, const std::string& origin) {
    std::vector<std::set<std::string>> seen;  // keys so far of each object around the current place
    std::vector<std::string> path;            // key being read in each of them
    const auto watch = [&](int depth, json::parse_event_t event, json& value) {
        if (depth > deepest)
            throw ConfigError(fmt::format("{}: lists or objects nested deeper than {}", origin, deepest));
        if (event == json::parse_event_t::object_start) {
            seen.emplace_back();
            path.emplace_back();
        } else if (event == json::parse_event_t::object_end) {
            seen.pop_back();
            path.pop_back();
        } else if (event == json::parse_event_t::key) {
            path.back() = value.get<std::string>();
            if (!seen.back().insert(path.back()).second) {
                std::string full;
                for (const std::string& key : path) full += (full.empty() ? "" : ".") + key;
                throw ConfigError(fmt::format("{}: {}: key given twice in one object", origin, full));
            }
        }
        return true;
    };
    try {
        return json::parse(text, watch, true, true);
    } catch (const json::exception& e) {
        throw ConfigError(fmt::format("{}: not valid JSON: {}", origin, plainMessage(e)));
    }
}

std::string quoted(const json& value) {
    constexpr std::size_t longest = 60;
    std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text.size() > longest) text = text.substr(0, longest) + "...";
    return text;
}

namespace {

std::vector<std::string> splitPath(const std::string& text) {
    // view[1].redshift is view.1.redshift
    std::string dotted;
    for (char c : text) {
        if (c == ']') continue;
        dotted += c == '[' ? '.' : c;
    }
    std::vector<std::string> keys;
    std::size_t start = 0;
    for (std::size_t dot = 0; dot != std::string::npos; start = dot + 1) {
        dot = dotted.find('.', start);
        keys.push_back(dotted.substr(start, dot == std::string::npos ? dot : dot - start));
    }
    return keys;
}

bool isIndex(const std::string& key) {
    return !key.empty() && key.size() < 10 &&
           std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Sets value at keys[at ...] below node. A section given as a plain string becomes the object that it stands for; of a
// list all members are set where no index is named.
void setAt(json& node, const std::vector<std::string>& keys, std::size_t at, const json& value,
           const std::string& what) {
    if (at == keys.size()) {
        node = value;
        return;
    }
    const std::string& key = keys[at];
    if (node.is_string() && at == 1) {
        const parameters::Section* section = parameters::findSection(keys[0]);
        node = section != nullptr && !section->shorthand.empty() ? json{{section->shorthand, node}} : json::object();
    } else if (node.is_null() || node.is_string()) {
        node = json::object();
    }
    if (node.is_array()) {
        if (isIndex(key)) {
            const std::size_t i = std::stoul(key);
            if (i >= node.size())
                throw ConfigError(fmt::format("--set {}: the list has {} members, counted from 0", what, node.size()));
            setAt(node[i], keys, at + 1, value, what);
        } else {
            for (json& member : node) setAt(member, keys, at, value, what);
        }
        return;
    }
    if (!node.is_object())
        throw ConfigError(fmt::format("--set {}: {} has no keys, its value is {}", what,
                                      fmt::join(keys.begin(), keys.begin() + std::ptrdiff_t(at), "."), quoted(node)));
    setAt(node[key], keys, at + 1, value, what);
}

}  // namespace

void applyOverride(json& config, const std::string& assignment) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0)
        throw ConfigError(fmt::format("--set {}: expected key.path=value", assignment));
    const std::string path = assignment.substr(0, equals), text = assignment.substr(equals + 1);
    const std::vector<std::string> keys = splitPath(path);
    if (keys.size() > 8) throw ConfigError(fmt::format("--set {}: no key lies that deep", path));
    for (const std::string& key : keys)
        if (key.empty())
            throw ConfigError(fmt::format("--set {}: expected key.path=value, found an empty key", assignment));

    json value = json::parse(text, nullptr, false, true);
    if (value.is_discarded()) {
        value = text;
        try {
            static_cast<void>(value.dump());
        } catch (const json::exception&) {
            throw ConfigError(fmt::format("--set {}: the value is not valid UTF-8", path));
        }
    } else {
        value = readJson(text, "--set " + path);
    }
    // A text parameter takes 2024 or true as the text that it is.
    const parameters::Section* section = keys.size() == 2 ? parameters::findSection(keys[0]) : nullptr;
    const parameters::Parameter* parameter = section ? parameters::findParameter(*section, keys[1]) : nullptr;
    if (parameter && parameter->kind == parameters::Kind::text && !value.is_string() && !value.is_null()) value = text;
    setAt(config, keys, 0, value, path);
}

}  // namespace tessera
