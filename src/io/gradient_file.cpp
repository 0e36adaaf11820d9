#include "tessera/io/gradient_file.hpp"

#include <algorithm>
#include <optional>

#include "io/cube_tables.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace {

std::string groupName(std::int64_t subhalo, int view) {
    return "galaxies/" + std::to_string(subhalo) + (view > 0 ? "/view_" + std::to_string(view) : "");
}

constexpr const char* firstRowName = "first_row";

// The rows of one rank. Those of the galaxy's first have room for all.
h5::Dataset writeRows(const h5::Group& group, const GradientFields& g, const char* name,
                      const std::vector<float>& values, std::size_t width, const char* unit) {
    const hsize_t mine = values.size() / width, all = g.firstRow == 0 ? std::max<hsize_t>(g.rows, mine) : mine;
    h5::Dataset set = group.createDataset<float>(
        name, width == 1 ? std::vector<hsize_t>{all} : std::vector<hsize_t>{all, hsize_t(width)});
    if (mine > 0) set.writeRows<float>(0, mine, values.data());
    set.setAttribute("unit", unit);
    return set;
}

void writeColumn(const h5::Group& group, const GradientFields& g, const char* name, const Buffer<float>& values,
                 const char* unit) {
    writeRows(group, g, name, withWindRows(values, g.windRows), 1, unit);
}

h5::Dataset writeVectors(const h5::Group& group, const GradientFields& g, const char* name, const Buffer<Vec3f>& values,
                         const char* unit) {
    const std::vector<Vec3f> rows = withWindRows(values, g.windRows);
    std::vector<float> numbers;
    numbers.reserve(3 * rows.size());
    for (const Vec3f& v : rows) numbers.insert(numbers.end(), {v.x, v.y, v.z});
    return writeRows(group, g, name, numbers, 3, unit);
}

// Rows of a part into the datasets that have room for them.
void putRows(const h5::Group& to, const h5::Group& from) {
    const auto first = from.attribute<std::uint64_t>(firstRowName);
    for (const std::string& name : from.names()) {
        if (from.isGroup(name)) {
            putRows(to.group(name), from.group(name));
            continue;
        }
        expects(first.has_value(), "rows of a galaxy that another file has the first rows of");
        const h5::Dataset source = from.dataset(name), target = to.dataset(name);
        const hsize_t width = source.shape().size() > 1 ? source.shape()[1] : 1;
        constexpr hsize_t most = 1 << 20;
        std::vector<float> values;
        for (hsize_t row = 0; row < source.rows(); row += most) {
            const hsize_t n = std::min(most, source.rows() - row);
            values.resize(n * width);
            source.readRows(row, n, values.data());
            target.writeRows(*first + row, n, values.data());
        }
    }
}

// Names of the maps that there are cotangents of; none: no such group.
std::vector<std::string> mapNames(const h5::Group& root, const std::string& galaxy) {
    return root.has(galaxy + "/maps") ? root.group(galaxy + "/maps").names() : std::vector<std::string>{};
}

}  // namespace

bool hasCotangent(const std::string& path, std::int64_t subhalo, int view) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    const std::string name = groupName(subhalo, view);
    return root.has("galaxies/" + std::to_string(subhalo)) && root.has(name) &&
           (root.has(name + "/flux") || !mapNames(root, name).empty());
}

Cotangent readCotangent(const std::string& path, std::int64_t subhalo, int view) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    const std::string galaxy = groupName(subhalo, view), name = galaxy + "/flux";
    if (!root.has("galaxies"))
        throw Error(path + ": a cotangent file needs /galaxies/<subhalo>/flux; it has no /galaxies");
    const bool there = root.has("galaxies/" + std::to_string(subhalo)) && root.has(galaxy);
    const std::vector<std::string> maps = there ? mapNames(root, galaxy) : std::vector<std::string>{};
    if (!there || (!root.has(name) && maps.empty())) {
        std::string ids;
        for (const std::string& id : root.group("galaxies").names()) ids += (ids.empty() ? "" : ", ") + id;
        throw Error(path + ": has no /" + name + " (galaxies in it: " + (ids.empty() ? "none" : ids) + ")");
    }
    Cotangent out;
    for (const std::string& map : maps) {
        const h5::Dataset set = root.dataset(galaxy + "/maps/" + map);
        if (set.shape().size() != 2 || !set.isFloat())
            throw Error(set.where() + ": the cotangent of a map is [ny][nx] of floating-point numbers");
        out.maps.push_back({map, "", set.readAll<float>()});
    }
    if (!root.has(name)) return out;
    const h5::Dataset set = root.dataset(name);
    const auto& shape = set.shape();
    if (shape.size() != 3 || !set.isFloat())
        throw Error(set.where() + ": a cotangent is [ny][nx][wavelength] of floating-point numbers");
    set.checkPlausible();
    out.flux = Cube(shape[0], shape[1], shape[2]);
    if (!out.flux.data.empty()) set.readRows(0, shape[0], out.flux.data.data());
    return out;
}

struct GradientFileWriter::Impl {
    explicit Impl(const std::string& path) : temporary(path) {}

    template <class F>
    void naming(const std::string& what, F action) {
        try {
            action();
        } catch (const Error& error) {
            throw Error("cannot write gradient file '" + temporary.finalName() + "'" + what + ": " +
                            temporary.inFinalNames(error.what()),
                        error.where());
        }
    }
    void close() {
        std::optional<h5::File> closing = std::move(file);
        file.reset();
        if (closing) closing->close();
    }

    TemporaryFile temporary;  // removed after the file is closed
    std::optional<h5::File> file;
};

GradientFileWriter::~GradientFileWriter() = default;
GradientFileWriter::GradientFileWriter(GradientFileWriter&&) noexcept = default;
GradientFileWriter& GradientFileWriter::operator=(GradientFileWriter&&) noexcept = default;

GradientFileWriter::GradientFileWriter(const std::string& path, const CubeFileHeader& header,
                                       const std::string& cotangent)
    : impl_(std::make_unique<Impl>(path)) {
    impl_->naming("", [&] {
        impl_->file.emplace(h5::File::create(impl_->temporary.name()));
        const h5::Group root = impl_->file->root();
        writeCubeHeader(root, header);
        root.setAttribute("cotangent", cotangent);
        root.createGroup("galaxies");
    });
}

void GradientFileWriter::write(const GradientFields& g) {
    impl_->naming(", subhalo " + std::to_string(g.subhalo), [&] {
        expects(impl_->file.has_value(), "a gradient file that is not finished");
        const h5::Group group = impl_->file->root().createGroup(groupName(g.subhalo, g.view) + "/gradient");
        if (g.firstRow > 0) group.setAttribute<std::uint64_t>(firstRowName, g.firstRow);
        writeColumn(group, g, "mass", g.stars.mass, "1/Msun");
        writeColumn(group, g, "log_age", g.stars.logAge, "1/dex");
        writeColumn(group, g, "metallicity", g.stars.metallicity, "1");
        writeVectors(group, g, "velocity", g.stars.velocity, "s/km");
        if (g.withPositions) {
            writeVectors(group, g, "coords", g.stars.position, "1/kpc");
        } else {
            const Buffer<Vec3f> zero(g.stars.size(), Vec3f{});
            writeVectors(group, g, "coords", zero, "1/kpc")
                .setAttribute(
                    "note", "zero: a star shines into its nearest spaxel, whose choice is a step function of position");
        }
        if (g.withSmoothing) writeColumn(group, g, "smoothing", g.stars.smoothing, "1/kpc");
        if (!g.templates.empty()) group.write<double>("templates", {g.nZ, g.nAge, g.nLambda}, g.templates.data());
        for (const auto& [name, values] : g.scalars) {
            if (values.size() == 1)
                group.setAttribute<double>(name, values[0]);
            else
                group.setAttributeArray<double>(name, values);
        }
    });
}

void GradientFileWriter::finish() {
    impl_->naming("", [&] {
        impl_->close();
        impl_->temporary.commit();
    });
}

void GradientFileWriter::append(const std::string& path) {
    impl_->naming(", from " + path, [&] {
        expects(impl_->file.has_value(), "a gradient file that is not finished");
        const h5::File from = h5::File::openRead(path);
        const h5::Group source = from.root().group("galaxies"), to = impl_->file->root().group("galaxies");
        for (const std::string& name : source.names()) {
            if (to.has(name))
                putRows(to.group(name), source.group(name));
            else
                to.copy(name, source.group(name));
        }
    });
}

}  // namespace tessera
