// The table of parameters: JSON key, type, default, allowed values, unit and documentation line of each, once.
// Parsing and its messages, dumpConfig(), `tessera schema` and docs/config.md are all made from it.
#pragma once

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tessera/model/config.hpp"

namespace tessera::parameters {

using nlohmann::json;

enum class Kind {
    number,
    integer,
    boolean,
    text,
    choice,        // one of a list of words
    vector,        // three numbers
    matrix,        // three lists of three numbers
    numbers,       // a list of numbers
    ids,           // integers and ranges of them, each id once (config/ids.hpp)
    interval,      // [min, max], null: no bound
    orientation,   // a word, or an object of one key: euler_deg, matrix or line_of_sight
    numberOrWord,  // a number, or the one word of choices
};

// Of a number, or of each number in a list.
struct Range {
    double min = -std::numeric_limits<double>::infinity();
    double max = std::numeric_limits<double>::infinity();
    bool openMin = false;  // min itself is not allowed
    bool contains(double x) const { return (openMin ? x > min : x >= min) && x <= max; }
};

struct Parameter {
    std::string key;
    Kind kind = Kind::number;
    Range range;
    std::vector<std::string> choices;  // of Kind::choice, the words of Kind::orientation and numberOrWord
    std::string unit, doc;
    std::size_t minLength = 1, maxLength = std::numeric_limits<std::size_t>::max();  // of lists and texts
    bool required = false;
    bool optional = false;  // may be null, the same as absent: "not given"
    // section: the struct that the parameter is a member of (PsfConfig for psf.fwhm); the value has been checked.
    std::function<void(void* section, const json&)> set;
    std::function<json(const void* section)> get;  // null: not given
    // Whether it plays a part (psf.beta only of moffat): dumpConfig leaves out the others. Empty: always.
    std::function<bool(const void* section)> applies;
};

struct Section {
    std::string key;  // empty: the top level
    std::string doc;
    std::vector<Parameter> parameters;
    bool required = false;
    bool nullable = false;                // null or absent: the stage is skipped
    bool list = false;                    // an object or a list of objects
    std::string shorthand;                // a plain string stands for an object with this key
    std::vector<std::string> exactlyOne;  // of these keys one must be given
    // The section's struct number i of a configuration, made where it is not there yet.
    std::function<void*(Config&, std::size_t i)> make;
    // All of them (of a list several, of a skipped stage none).
    std::function<std::vector<const void*>(const Config&)> instances;
    std::function<json(const Parameter&)> defaultOf;  // from a struct as constructed; null: none
};

const std::vector<Section>& table();
const Section* findSection(const std::string& key);
const Parameter* findParameter(const Section&, const std::string& key);

// The keys of an orientation that is an object.
const std::vector<std::string>& orientationKeys();

// "3 numbers, 0 < each", "0 < number <= 20": what is allowed, for messages and tables.
std::string allowedText(const Parameter&);

}  // namespace tessera::parameters
