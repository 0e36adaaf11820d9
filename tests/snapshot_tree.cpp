#include "snapshot_tree.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tessera/io/hdf5.hpp"

namespace tessera::test {

namespace fs = std::filesystem;

namespace {

// Ends of `chunks` unequal pieces of n rows; with gaps the first and every third piece are empty.
std::vector<std::size_t> cuts(std::size_t n, std::size_t chunks, bool gaps) {
    std::vector<double> weights;
    for (std::size_t c = 0; c < chunks; ++c)
        weights.push_back(gaps && chunks > 1 && c % 3 == 0 && c + 1 < chunks ? 0.0 : 1.0 + double((c * 7) % 4));
    double total = 0, sum = 0;
    for (double w : weights) total += w;
    std::vector<std::size_t> ends;
    for (double w : weights) ends.push_back(std::size_t(double(n) * ((sum += w) / total) + 0.5));
    ends.back() = n;
    return ends;
}

template <class T>
void copyAs(const h5::Dataset& from, const h5::Group& to, const std::string& name, std::size_t begin, std::size_t end) {
    auto shape = from.shape();
    std::size_t width = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) width *= shape[i];
    std::vector<T> values((end - begin) * width);
    from.readRows(begin, end - begin, values.data());
    shape[0] = end - begin;
    to.write<T>(name, shape, values.data());
}

void copyRows(const h5::Group& from, const h5::Group& to, const std::string& group, std::size_t begin, std::size_t end,
              const std::vector<std::string>& without) {
    if (begin == end) return;
    const auto source = from.group(group);
    for (const auto& name : source.names()) {
        const std::string path = group + "/" + name;
        if (std::find(without.begin(), without.end(), path) != without.end()) continue;
        const auto d = source.dataset(name);
        if (d.isInteger())
            copyAs<std::int32_t>(d, to, path, begin, end);
        else
            copyAs<float>(d, to, path, begin, end);
    }
}

std::vector<std::int64_t> integers(const h5::Group& g, const std::string& name) {
    return g.dataset(name).readAll<std::int64_t>();
}

// First row of each subhalo of a type, by walking groups and their subhalos.
std::vector<std::int64_t> starts(const h5::Group& g, std::size_t type) {
    const auto length = integers(g, "Subhalo/SubhaloLenType"), groupLength = integers(g, "Group/GroupLenType");
    const auto subs = integers(g, "Group/GroupNsubs");
    std::vector<std::int64_t> out;
    std::int64_t groupStart = 0;
    for (std::size_t i = 0; i < subs.size(); ++i) {
        std::int64_t at = groupStart;
        for (std::int64_t s = 0; s < subs[i]; ++s) {
            const std::int64_t n = length[6 * out.size() + type];
            out.push_back(at);
            at += n;
        }
        groupStart += groupLength[6 * i + type];
    }
    return out;
}

std::string chunkName(const TreeOptions& o, const std::string& folder, const std::string& tng,
                      const std::string& illustris, std::size_t c) {
    switch (o.names) {
        case TreeNames::tng:
            return fmt::format("{}_086/{}_086.{}.hdf5", folder, tng, c);
        case TreeNames::illustris:
            return fmt::format("{}_086/{}_086.{}.hdf5", folder, illustris, c);
        case TreeNames::singleFile:
            break;
    }
    return fmt::format("{}_086.hdf5", tng);
}

}  // namespace

std::string writeTree(const fs::path& base, const TreeOptions& o) {
    const auto source = h5::File::openRead(camelsExtract);
    const auto from = source.root();
    const fs::path output = base / "output";
    fs::create_directories(output / "snapdir_086");
    fs::create_directories(output / "groups_086");

    const std::size_t stars = from.dataset("PartType4/Masses").rows(), gas = from.dataset("PartType0/Masses").rows();
    const auto starEnds = cuts(stars, o.snapshotChunks, o.emptyChunks);
    auto gasEnds = cuts(gas, o.snapshotChunks, o.emptyChunks);
    std::vector<std::int64_t> fileOffsets;
    for (std::size_t c = 0; c < o.snapshotChunks; ++c) {
        auto file = h5::File::create((output / chunkName(o, "snapdir", "snap", "snapshot", c)).string());
        const auto root = file.root(), header = root.createGroup("Header");
        for (const char* name : {"Time", "Redshift", "HubbleParam", "Omega0", "OmegaLambda", "BoxSize"})
            header.setAttribute(name, *from.group("Header").attribute<double>(name));
        const std::size_t s = c ? starEnds[c - 1] : 0, g = c ? gasEnds[c - 1] : 0;
        header.setAttributeArray<std::int32_t>("NumPart_ThisFile",
                                               {int(gasEnds[c] - g), 0, 0, 0, int(starEnds[c] - s), 0});
        if (o.highWord) {
            header.setAttributeArray<std::uint32_t>("NumPart_Total", {unsigned(gas), 0, 0, 0, unsigned(stars), 0});
            header.setAttributeArray<std::uint32_t>("NumPart_Total_HighWord", {0, 0, 0, 0, 0, 0});
        } else {
            header.setAttributeArray<std::uint64_t>("NumPart_Total", {gas, 0, 0, 0, stars, 0});
        }
        header.setAttribute("NumFilesPerSnapshot", std::int32_t(o.snapshotChunks));
        copyRows(from, root, "PartType4", s, starEnds[c], o.without);
        copyRows(from, root, "PartType0", g, gasEnds[c], o.without);
        file.close();
        fileOffsets.insert(fileOffsets.end(), {std::int64_t(g), 0, 0, 0, std::int64_t(s), 0});
    }

    const std::size_t subs = from.dataset("Subhalo/SubhaloLenType").rows(),
                      groups = from.dataset("Group/GroupNsubs").rows();
    const auto subEnds = cuts(subs, o.groupChunks, o.emptyChunks), groupEnds = cuts(groups, o.groupChunks, false);
    std::vector<std::int64_t> subOffsets;
    for (std::size_t c = 0; c < o.groupChunks; ++c) {
        auto file = h5::File::create((output / chunkName(o, "groups", "fof_subhalo_tab", "groups", c)).string());
        const auto root = file.root(), header = root.createGroup("Header");
        const std::size_t s = c ? subEnds[c - 1] : 0, g = c ? groupEnds[c - 1] : 0;
        header.setAttribute("Nsubgroups_ThisFile", std::int32_t(subEnds[c] - s));
        header.setAttribute("Nsubgroups_Total", std::int32_t(subs));
        header.setAttribute("Ngroups_ThisFile", std::int32_t(groupEnds[c] - g));
        header.setAttribute("Ngroups_Total", std::int32_t(groups));
        header.setAttribute("NumFiles", std::int32_t(o.groupChunks));
        copyRows(from, root, "Subhalo", s, subEnds[c], o.without);
        copyRows(from, root, "Group", g, groupEnds[c], o.without);
        file.close();
        subOffsets.push_back(std::int64_t(s));
    }

    if (o.offsets) {
        fs::create_directories(base / "postprocessing" / "offsets");
        auto file = h5::File::create((base / "postprocessing" / "offsets" / "offsets_086.hdf5").string());
        const auto root = file.root();
        root.write<std::int64_t>("FileOffsets/SnapByType", {o.snapshotChunks, 6}, fileOffsets.data());
        root.write<std::int64_t>("FileOffsets/Subhalo", {o.groupChunks}, subOffsets.data());
        const auto star = starts(from, 4), cell = starts(from, 0);
        std::vector<std::int64_t> rows;
        for (std::size_t i = 0; i < subs; ++i) rows.insert(rows.end(), {cell[i], 0, 0, 0, star[i], 0});
        root.write<std::int64_t>("Subhalo/SnapByType", {subs, 6}, rows.data());
        file.close();
    }
    return output.string();
}

Extract readExtract() {
    const auto file = h5::File::openRead(camelsExtract);
    const auto root = file.root(), header = root.group("Header");
    const auto doubles = [&](const char* name) { return root.dataset(name).readAll<double>(); };
    return {*header.attribute<double>("Time"),
            *header.attribute<double>("HubbleParam"),
            *header.attribute<double>("Omega0"),
            *header.attribute<double>("OmegaLambda"),
            *header.attribute<double>("BoxSize"),
            doubles("PartType4/Coordinates"),
            doubles("PartType4/Velocities"),
            doubles("PartType4/GFM_InitialMass"),
            doubles("PartType4/GFM_StellarFormationTime"),
            doubles("PartType4/GFM_Metallicity"),
            doubles("PartType4/SubfindHsml"),
            doubles("PartType0/Coordinates"),
            doubles("PartType0/Masses"),
            integers(root, "Subhalo/SubhaloLenType"),
            doubles("Subhalo/SubhaloPos"),
            doubles("Subhalo/SubhaloVel"),
            doubles("Subhalo/SubhaloHalfmassRadType"),
            doubles("Subhalo/SubhaloMassType"),
            integers(root, "Subhalo/SubhaloFlag"),
            starts(root, 4),
            starts(root, 0)};
}

}  // namespace tessera::test
