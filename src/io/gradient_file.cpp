#include "tessera/io/gradient_file.hpp"

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

void writeColumn(const h5::Group& group, const char* name, const Buffer<float>& values,
                 const std::vector<std::uint64_t>& windRows, const char* unit) {
    const std::vector<float> rows = withWindRows(values, windRows);
    group.write<float>(name, {rows.size()}, rows.data()).setAttribute("unit", unit);
}

}  // namespace

bool hasCotangent(const std::string& path, std::int64_t subhalo, int view) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    return root.has("galaxies/" + std::to_string(subhalo)) && root.has(groupName(subhalo, view)) &&
           root.has(groupName(subhalo, view) + "/flux");
}

Cube readCotangent(const std::string& path, std::int64_t subhalo, int view) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    const std::string name = groupName(subhalo, view) + "/flux";
    if (!root.has("galaxies"))
        throw Error(path + ": a cotangent file needs /galaxies/<subhalo>/flux; it has no /galaxies");
    if (!root.has("galaxies/" + std::to_string(subhalo)) || !root.has(groupName(subhalo, view)) || !root.has(name)) {
        std::string there;
        for (const std::string& id : root.group("galaxies").names()) there += (there.empty() ? "" : ", ") + id;
        throw Error(path + ": has no /" + name + " (galaxies in it: " + (there.empty() ? "none" : there) + ")");
    }
    const h5::Dataset set = root.dataset(name);
    const auto& shape = set.shape();
    if (shape.size() != 3 || !set.isFloat())
        throw Error(set.where() + ": a cotangent is [ny][nx][wavelength] of floating-point numbers");
    set.checkPlausible();
    Cube cube(shape[0], shape[1], shape[2]);
    if (!cube.data.empty()) set.readRows(0, shape[0], cube.data.data());
    return cube;
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
        writeColumn(group, "mass", g.stars.mass, g.windRows, "1/Msun");
        writeColumn(group, "log_age", g.stars.logAge, g.windRows, "1/dex");
        writeColumn(group, "metallicity", g.stars.metallicity, g.windRows, "1");
        const std::vector<Vec3f> velocity = withWindRows(g.stars.velocity, g.windRows);
        group.write<float>("velocity", {velocity.size(), 3}, velocity.empty() ? nullptr : &velocity[0].x)
            .setAttribute("unit", "s/km");
        const std::vector<float> zero(3 * velocity.size(), 0.0F);
        const h5::Dataset coords = group.write<float>("coords", {velocity.size(), 3}, zero.data());
        coords.setAttribute("unit", "1/kpc");
        coords.setAttribute("note",
                            "zero: a star shines into its nearest spaxel, whose choice is a step function of position");
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
        for (const std::string& name : source.names()) to.copy(name, source.group(name));
    });
}

}  // namespace tessera
