#include "tessera/io/cube_file.hpp"

#include <algorithm>
#include <ctime>
#include <optional>
#include <type_traits>

#include "io/cube_fields.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace {

std::string groupName(std::int64_t subhalo, int view) {
    return "galaxies/" + std::to_string(subhalo) + (view > 0 ? "/view_" + std::to_string(view) : "");
}

std::string galaxyName(std::int64_t subhalo, int view) {
    return "subhalo " + std::to_string(subhalo) + (view > 0 ? " view " + std::to_string(view) : "");
}

std::string utcNow() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// Chunks of nearly equal size, so that little is stored beyond the array's end: 25 in chunks of at most 10 gives 9.
hsize_t evenly(std::size_t n, std::size_t most) {
    const std::size_t pieces = (n + most - 1) / most;
    return (n + pieces - 1) / pieces;
}

std::vector<double> flatten(const Vec3d& v) {
    return {v.x, v.y, v.z};
}
std::vector<double> flatten(const Mat3d& m) {
    std::vector<double> out;
    for (const Vec3d& row : m.row) out.insert(out.end(), {row.x, row.y, row.z});
    return out;
}

template <class T>
constexpr bool isScalar = std::is_arithmetic_v<std::remove_cvref_t<T>>;
template <class T>
std::vector<hsize_t> shapeOf() {
    if constexpr (std::is_same_v<std::remove_cvref_t<T>, Mat3d>)
        return {3, 3};
    else
        return {3};
}

void writeReport(const h5::Group& group, const GalaxyReport& report) {
    group.setAttribute<std::int64_t>("view", report.view);
    forEachField(report, [&](const char* name, const char*, const auto& value) {
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (isScalar<T>)
            group.setAttribute<T>(name, value);
        else
            group.setAttributeArray<double>(name, flatten(value), shapeOf<T>());
    });
}

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
        std::vector<std::conditional_t<isScalar<T>, T, double>> values;
        for (const GalaxyReport& row : rows) {
            std::size_t i = 0;
            forEachField(row, [&](const char*, const char*, const auto& value) {
                if (i++ != index) return;
                if constexpr (!std::is_same_v<std::remove_cvref_t<decltype(value)>, T>)
                    return;
                else if constexpr (isScalar<T>)
                    values.push_back(value);
                else
                    for (double v : flatten(value)) values.push_back(v);
            });
        }
        column(name, unit, values, isScalar<T> ? std::vector<hsize_t>{} : shapeOf<T>());
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
    group.writeStrings("status", states);
}

void writeCube(const h5::Group& group, const char* name, const Cube& cube, const std::string& unit, int compression) {
    const std::vector<hsize_t> shape{cube.ny, cube.nx, cube.nLambda};
    h5::Layout layout;
    layout.chunk = {evenly(cube.ny, 10), evenly(cube.nx, 10), evenly(cube.nLambda, 512)};
    layout.deflate = compression;
    const h5::Dataset set = group.createDataset<float>(name, shape, layout);
    set.writeAllParallel(cube.data.data());
    set.setAttribute("unit", unit);
}

}  // namespace

struct CubeFileWriter::Impl {
    Impl(const std::string& path, const CubeFileHeader& h) : header(h), temporary(path) {}
    Impl(const std::string& path, const CubeFileHeader& h, long creator) : header(h), temporary(path, creator) {}

    // The temporary name would only confuse: messages speak of the final one.
    template <class F>
    void naming(const std::string& what, F action) {
        try {
            action();
        } catch (const Error& error) {
            std::string text = error.what();
            const std::string& name = temporary.name();
            for (std::size_t at; (at = text.find(name)) != std::string::npos;)
                text.replace(at, name.size(), temporary.finalName());
            throw Error("cannot write cube file '" + temporary.finalName() + "'" + what + ": " + text, error.where());
        }
    }
    const h5::File& open() const {
        expects(file.has_value(), "a cube file that is not suspended or finished");
        return *file;
    }
    void close() {
        // Dropped before a failing close is reported: nothing must touch the file afterwards.
        std::optional<h5::File> closing = std::move(file);
        file.reset();
        if (closing) closing->close();
    }

    CubeFileHeader header;
    TemporaryFile temporary;  // removed after the file is closed
    std::optional<h5::File> file;
};

CubeFileWriter::CubeFileWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CubeFileWriter::~CubeFileWriter() = default;
CubeFileWriter::CubeFileWriter(CubeFileWriter&&) noexcept = default;
CubeFileWriter& CubeFileWriter::operator=(CubeFileWriter&&) noexcept = default;

CubeFileWriter::CubeFileWriter(const std::string& path, const CubeFileHeader& header)
    : impl_(std::make_unique<Impl>(path, header)) {
    impl_->naming("", [&] {
        impl_->file.emplace(h5::File::create(impl_->temporary.name()));
        const h5::Group root = impl_->file->root();
        root.setAttribute("tessera_version", header.version);
        root.setAttribute("commit", header.commit);
        root.setAttribute("config", header.config);
        root.setAttribute("ssp_sha256", header.sspSha256);
        root.setAttribute("snapshot", header.snapshot);
        root.setAttribute("created", utcNow());
        root.setAttribute<std::int64_t>("ranks", header.ranks);
        root.setAttribute("backend", header.backend);
        const std::vector<double> centres = header.wavelength.centres();
        const h5::Dataset wavelength = root.write("wavelength", {centres.size()}, centres.data());
        wavelength.setAttribute("unit", "Angstrom");
        wavelength.setAttribute<double>("step", header.wavelength.step);
        wavelength.setAttribute<std::int32_t>("log", header.wavelength.log);
        root.createGroup("galaxies");
    });
}

CubeFileWriter CubeFileWriter::join(const std::string& path, const CubeFileHeader& header, long creatorPid) {
    return CubeFileWriter(std::make_unique<Impl>(path, header, creatorPid));
}

void CubeFileWriter::write(const GalaxyCube& cube) {
    const GalaxyReport& report = cube.report;
    impl_->naming(", " + galaxyName(report.subhalo, report.view), [&] {
        const Cube& flux = cube.flux;
        expects(flux.nLambda == impl_->header.wavelength.size, "a cube on the file's wavelengths");
        expects(flux.data.size() == flux.spaxels() * flux.nLambda && !flux.data.empty(), "a cube of its own shape");
        expects(cube.variance.data.empty() || cube.variance.data.size() == flux.data.size(), "variance of that shape");
        const h5::Group root = impl_->open().root();
        const std::string name = groupName(report.subhalo, report.view);
        if (root.has(name + "/flux")) throw Error("it is there already");
        const h5::Group group = root.createGroup(name);
        writeCube(group, "flux", flux, cube.unit, impl_->header.compression);
        if (!cube.variance.data.empty())
            writeCube(group, "variance", cube.variance, "(" + cube.unit + ")^2", impl_->header.compression);
        for (const Map& map : cube.maps) {
            expects(map.data.size() == flux.spaxels(), "a map of the cube's spaxels");
            group.write("maps/" + map.name, {flux.ny, flux.nx}, map.data.data()).setAttribute("unit", map.unit);
        }
        writeReport(group, report);
    });
}

void CubeFileWriter::finish(const std::vector<GalaxyReport>& catalogue) {
    impl_->naming("", [&] {
        writeCatalogue(impl_->open().root(), catalogue);
        impl_->close();
        impl_->temporary.commit();
    });
}

void CubeFileWriter::suspend() {
    impl_->naming("", [&] { impl_->close(); });
}

void CubeFileWriter::resume() {
    impl_->naming("", [&] {
        if (!impl_->file) impl_->file.emplace(h5::File::openReadWrite(impl_->temporary.name()));
    });
}

}  // namespace tessera
