#include <algorithm>
#include <charconv>

#include "io/cube_fields.hpp"
#include "io/cube_tables.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_file.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera {

namespace {

void readField(const h5::Group& group, const char* name, std::int64_t& value) {
    value = group.attribute<std::int64_t>(name).value_or(value);
}
void readField(const h5::Group& group, const char* name, std::uint64_t& value) {
    value = group.attribute<std::uint64_t>(name).value_or(value);
}
void readField(const h5::Group& group, const char* name, double& value) {
    value = group.attribute<double>(name).value_or(value);
}
std::vector<double> readArray(const h5::Group& group, const char* name, std::size_t size) {
    std::vector<double> values = group.attributeArray<double>(name).value_or(std::vector<double>{});
    if (!values.empty() && values.size() != size)
        throw Error(group.where() + ": attribute " + name + " has " + std::to_string(values.size()) +
                    " values instead of " + std::to_string(size));
    return values;
}
void readField(const h5::Group& group, const char* name, Vec3d& value) {
    if (const auto v = readArray(group, name, 3); !v.empty()) value = {v[0], v[1], v[2]};
}
void readField(const h5::Group& group, const char* name, Mat3d& value) {
    if (const auto v = readArray(group, name, 9); !v.empty())
        for (std::size_t i = 0; i < 3; ++i) value.row[i] = {v[3 * i], v[3 * i + 1], v[3 * i + 2]};
}

Cube readCube(const h5::Group& group, const char* name, std::size_t nLambda) {
    const h5::Dataset set = group.dataset(name);
    const std::vector<hsize_t>& shape = set.shape();
    if (shape.size() != 3 || shape[2] != nLambda || set.size() == 0)
        throw Error(set.where() + ": expected the shape [ny][nx][" + std::to_string(nLambda) + "]");
    std::vector<hsize_t> start(3, 0);
    Cube cube(shape[0], shape[1], shape[2]);
    set.readSlab(start, shape, cube.data.data());
    return cube;
}

bool isId(const std::string& name) {
    std::int64_t id = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), id);
    return code == std::errc() && end == name.data() + name.size();
}

}  // namespace

GalaxyCube readGalaxyCube(const std::string& path, std::int64_t subhalo, int view) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    std::string name = "galaxies/" + std::to_string(subhalo);
    if (!root.has(name)) {
        if (const auto shard =
                root.has("galaxies") ? root.group("galaxies").linkedFile(std::to_string(subhalo)) : std::nullopt)
            throw Error(path + ": galaxy " + std::to_string(subhalo) + " is in " + *shard +
                        " (seen from there), which is missing or damaged");
        std::string known;
        for (const std::int64_t id : galaxiesInFile(path)) {
            if (known.size() > 200) {
                known += ", ...";
                break;
            }
            known += (known.empty() ? "" : ", ") + std::to_string(id);
        }
        throw Error(path + ": there is no galaxy " + std::to_string(subhalo) + "; it holds " +
                    (known.empty() ? "none" : known));
    }
    if (view > 0) name += "/view_" + std::to_string(view);
    if (!root.has(name))
        throw Error(path + ": galaxy " + std::to_string(subhalo) + " has no view " + std::to_string(view));
    const h5::Group group = root.group(name);

    GalaxyCube cube;
    forEachField(cube.report, [&](const char* field, const char*, auto& value) { readField(group, field, value); });
    cube.report.subhalo = subhalo;
    cube.report.view = view;
    cube.config = group.attributeString("config").value_or("");
    cube.wavelength = readWavelengths(group.has("wavelength") ? group : root);
    cube.flux = readCube(group, "flux", cube.wavelength.size);
    cube.unit = group.dataset("flux").attributeString("unit").value_or("");
    cube.grid = {cube.flux.nx, cube.report.spaxelArcsec, cube.report.spaxelArcsec * cube.report.kpcPerArcsec};
    if (group.has("variance")) {
        cube.variance = readCube(group, "variance", cube.wavelength.size);
        if (cube.variance.data.size() != cube.flux.data.size())
            throw Error(group.where() + "/variance: its shape differs from the flux's");
    }
    if (!group.has("maps")) return cube;
    for (const std::string& map : group.group("maps").names()) {
        const h5::Dataset set = group.dataset("maps/" + map);
        if (set.shape() != std::vector<hsize_t>{cube.flux.ny, cube.flux.nx})
            throw Error(set.where() + ": its shape differs from the cube's spaxels");
        cube.maps.push_back({map, set.attributeString("unit").value_or(""), set.readAll<float>()});
    }
    return cube;
}

std::vector<std::int64_t> galaxiesInFile(const std::string& path) {
    const h5::File file = h5::File::openRead(path);
    const h5::Group root = file.root();
    if (!root.has("galaxies")) throw Error(path + ": not a cube file: there is no group 'galaxies'");
    std::vector<std::int64_t> ids;
    for (const std::string& name : root.group("galaxies").names())
        if (isId(name)) ids.push_back(std::stoll(name));
    std::sort(ids.begin(), ids.end());
    return ids;
}

std::optional<CubeFileHeader> headerOfComplete(const std::string& path) {
    try {
        const h5::File file = h5::File::openRead(path);
        const h5::Group root = file.root();
        if (!root.has("catalog/status")) return {};  // written last
        return readCubeHeader(root);
    } catch (const Error&) {
        return {};
    }
}

std::string configInFile(const std::string& path) {
    return h5::File::openRead(path).root().attributeString("config").value_or("");
}

}  // namespace tessera
