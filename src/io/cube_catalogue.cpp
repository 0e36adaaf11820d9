#include <algorithm>
#include <cstdint>
#include <string>

#include "io/cube_fields.hpp"
#include "io/cube_tables.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// f(member of row) for the field of that index, whose type is T.
template <class T, class Row, class F>
void withField(Row& row, std::size_t index, F f) {
    std::size_t i = 0;
    forEachField(row, [&](const char*, const char*, auto& value) {
        if (i++ != index) return;
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, T>) f(value);
    });
}

template <class T>
std::vector<T> readColumn(const h5::Group& catalogue, const char* name, std::vector<hsize_t> shape) {
    const h5::Dataset set = catalogue.dataset(name);
    shape.insert(shape.begin(), set.rows());
    if (set.shape() != shape) throw Error(set.where() + ": is not one value a row");
    return set.readAll<T>();
}

template <class Values>
void checkRows(const h5::Group& catalogue, const char* name, const Values& values, std::size_t width,
               std::size_t rows) {
    if (values.size() != width * rows)
        throw Error(catalogue.where() + "/" + name + ": has " + std::to_string(values.size() / width) +
                    " rows where other columns have " + std::to_string(rows));
}

}  // namespace

// One dataset a column. Text has the length of its longest row.
void writeCatalogue(const h5::Group& root, const std::vector<GalaxyReport>& rows) {
    const h5::Group group = root.createGroup("catalog");
    const hsize_t n = rows.size();
    const auto column = [&](const char* name, const char* unit, const auto& values, std::vector<hsize_t> shape) {
        shape.insert(shape.begin(), n);
        const h5::Dataset set = group.write(name, shape, values.data());
        if (*unit != '\0') set.setAttribute("unit", unit);
    };
    GalaxyReport names;
    std::size_t index = 0;
    forEachField(names, [&](const char* name, const char* unit, const auto& member) {
        using T = std::remove_cvref_t<decltype(member)>;
        std::vector<std::conditional_t<isScalarField<T>, T, double>> values;
        for (const GalaxyReport& row : rows)
            withField<T>(row, index, [&](const T& value) {
                if constexpr (isScalarField<T>)
                    values.push_back(value);
                else
                    for (double v : flatten(value)) values.push_back(v);
            });
        column(name, unit, values, shapeOfField<T>());
        ++index;
    });
    std::vector<std::int32_t> views;
    std::vector<double> seconds;
    std::vector<std::string> states;
    for (const GalaxyReport& row : rows) {
        views.push_back(row.view);
        seconds.push_back(row.seconds);
        states.push_back(row.status);
    }
    column("view", "", views, {});
    column("seconds", "s", seconds, {});
    std::vector<std::int64_t> numbers;
    for (const GalaxyReport& row : rows)
        if (row.row >= 0) numbers.push_back(row.row);
    if (!numbers.empty()) {
        expects(numbers.size() == rows.size(), "all rows of the catalogue, or none, to be rows of a table");
        column("row", "", numbers, {});
    }
    group.writeStrings("status", states);
}

std::vector<GalaxyReport> readCatalogue(const h5::Group& root) {
    const h5::Group group = root.group("catalog");
    const std::vector<std::string> states = group.readStrings("status");
    const std::size_t n = states.size();
    std::vector<GalaxyReport> rows(n);
    GalaxyReport names;
    std::size_t index = 0;
    forEachField(names, [&](const char* name, const char*, const auto& member) {
        using T = std::remove_cvref_t<decltype(member)>;
        const auto shape = shapeOfField<T>();
        std::size_t width = 1;
        for (const hsize_t extent : shape) width *= extent;
        const auto values = readColumn<std::conditional_t<isScalarField<T>, T, double>>(group, name, shape);
        checkRows(group, name, values, width, n);
        for (std::size_t i = 0; i < n; ++i)
            withField<T>(rows[i], index, [&](T& value) {
                if constexpr (isScalarField<T>)
                    value = values[i];
                else
                    unflatten(values.data() + width * i, value);
            });
        ++index;
    });
    const auto views = readColumn<std::int32_t>(group, "view", {});
    const auto seconds = readColumn<double>(group, "seconds", {});
    checkRows(group, "view", views, 1, n);
    checkRows(group, "seconds", seconds, 1, n);
    if (group.has("row")) {
        const auto numbers = readColumn<std::int64_t>(group, "row", {});
        checkRows(group, "row", numbers, 1, n);
        for (std::size_t i = 0; i < n; ++i) rows[i].row = numbers[i];
    }
    for (std::size_t i = 0; i < n; ++i) {
        rows[i].view = views[i];
        rows[i].seconds = seconds[i];
        rows[i].status = states[i];
    }
    return rows;
}

}  // namespace tessera
