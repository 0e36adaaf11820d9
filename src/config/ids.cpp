#include "config/ids.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace tessera {

using nlohmann::json;

namespace {

constexpr double largestId = 9e15;  // doubles know their units up to here

std::optional<std::int64_t> wholeNumber(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    std::int64_t value = 0;
    const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || text.front() == '-' || code != std::errc() || stop != text.data() + text.size()) return {};
    return value;
}

class Reader {
public:
    explicit Reader(std::string& fault) : fault_(fault) {}

    void read(const json& member) {
        if (member.is_string()) return readText(member.get_ref<const std::string&>());
        const bool whole = member.is_number() && std::floor(member.get<double>()) == member.get<double>();
        if (!whole) return fail("has a member that is neither an integer nor a range as \"10-19\"");
        const double id = member.get<double>();
        if (!(id >= 0 && id <= largestId)) return fail(fmt::format("is out of range with {}", member.dump()));
        const auto exact = member.get<std::int64_t>();
        add(exact, exact);
    }

    std::vector<std::int64_t> take() {
        std::vector<std::int64_t> sorted = ids_;
        std::sort(sorted.begin(), sorted.end());
        const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
        if (twice != sorted.end()) fail(fmt::format("names {} twice", *twice));
        return fault_.empty() ? std::move(ids_) : std::vector<std::int64_t>{};
    }

private:
    void fail(const std::string& fault) {
        if (fault_.empty()) fault_ = fault;
    }

    void readText(const std::string& text) {
        for (std::size_t begin = 0; begin <= text.size() && fault_.empty();) {
            const std::size_t comma = std::min(text.find(',', begin), text.size());
            readRange(std::string_view(text).substr(begin, comma - begin));
            begin = comma + 1;
        }
    }

    void readRange(std::string_view text) {
        const std::size_t dash = text.find('-', 1);
        const auto first = wholeNumber(text.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : wholeNumber(text.substr(dash + 1));
        if (!first || !last || double(std::max(*first, *last)) > largestId)
            return fail(fmt::format("has \"{}\", which is neither an id nor a range as \"10-19\"", text.substr(0, 40)));
        if (*last < *first) return fail(fmt::format("has the range \"{}\", which ends before it begins", text));
        add(*first, *last);
    }

    void add(std::int64_t first, std::int64_t last) {
        if (last - first >= mostIds - std::int64_t(ids_.size()))
            return fail(fmt::format("has more than {} ids", mostIds));
        for (std::int64_t id = first; id <= last; ++id) ids_.push_back(id);
    }

    std::string& fault_;
    std::vector<std::int64_t> ids_;
};

}  // namespace

std::vector<std::int64_t> readIds(const json& value, std::string& fault) {
    Reader reader(fault);
    if (value.is_array())
        for (const json& member : value) reader.read(member);
    else
        reader.read(value);
    return reader.take();
}

json writeIds(const std::vector<std::int64_t>& ids) {
    constexpr std::size_t fewest = 8;  // shorter runs are easier read as they are
    json list = json::array();
    for (std::size_t i = 0; i < ids.size();) {
        std::size_t end = i + 1;
        while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
        if (end - i < fewest)
            for (; i < end; ++i) list.push_back(ids[i]);
        else
            list.push_back(fmt::format("{}-{}", ids[i], ids[end - 1]));
        i = end;
    }
    return list;
}

}  // namespace tessera
