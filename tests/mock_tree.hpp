// A mock tree read back whole: every dataset of every chunk file joined, the dull way.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tessera/io/hdf5.hpp"
#include "tessera/mock.hpp"

namespace tessera::test {

struct MockTree {
    std::map<std::string, std::vector<double>> data;      // "PartType4/Masses", "Subhalo/SubhaloPos", ...; all chunks
    std::map<std::string, std::size_t> width;             // values a row
    std::vector<std::vector<std::uint64_t>> rowsOfChunk;  // [chunk][type], from NumPart_ThisFile
    std::vector<std::uint64_t> groupsOfChunk, subhalosOfChunk;
    std::map<std::string, double> header;  // of the first snapshot file, scalars
    std::vector<std::uint64_t> total;

    const std::vector<double>& at(const std::string& name) const { return data.at(name); }
    std::size_t rows(const std::string& name) const { return data.at(name).size() / width.at(name); }
    double value(const std::string& name, std::size_t row, std::size_t column = 0) const {
        return data.at(name).at(row * width.at(name) + column);
    }

    static MockTree read(const std::string& root, int number = 99);
};

inline MockTree MockTree::read(const std::string& root, int number) {
    MockTree t;
    char directory[64];
    const auto join = [&t](const h5::Group& parent, const std::string& name) {
        if (!parent.has(name)) return;
        const h5::Group group = parent.group(name);
        for (const std::string& field : group.names()) {
            const h5::Dataset d = group.dataset(field);
            const auto values = d.readAll<double>();
            auto& all = t.data[name + "/" + field];
            all.insert(all.end(), values.begin(), values.end());
            t.width[name + "/" + field] = d.shape().size() > 1 ? std::size_t(d.shape()[1]) : 1;
        }
    };
    for (int chunk = 0;; ++chunk) {
        std::snprintf(directory, sizeof directory, "/output/snapdir_%03d/snap_%03d.%d.hdf5", number, number, chunk);
        if (!std::filesystem::exists(root + directory)) break;
        const auto file = h5::File::openRead(root + directory);
        const auto header = file.root().group("Header");
        t.rowsOfChunk.push_back(header.attributeArray<std::uint64_t>("NumPart_ThisFile").value());
        if (chunk == 0) {
            t.total = header.attributeArray<std::uint64_t>("NumPart_Total").value();
            for (const char* name : {"Time", "Redshift", "BoxSize", "HubbleParam", "Omega0", "OmegaLambda",
                                     "OmegaBaryon", "NumFilesPerSnapshot", "UnitLength_in_cm", "UnitMass_in_g"})
                t.header[name] = header.attribute<double>(name).value();
        }
        for (const char* type : {"PartType0", "PartType4"}) join(file.root(), type);
    }
    for (int chunk = 0;; ++chunk) {
        std::snprintf(directory, sizeof directory, "/output/groups_%03d/fof_subhalo_tab_%03d.%d.hdf5", number, number,
                      chunk);
        if (!std::filesystem::exists(root + directory)) break;
        const auto file = h5::File::openRead(root + directory);
        const auto header = file.root().group("Header");
        t.groupsOfChunk.push_back(header.attribute<std::uint64_t>("Ngroups_ThisFile").value());
        t.subhalosOfChunk.push_back(header.attribute<std::uint64_t>("Nsubgroups_ThisFile").value());
        for (const char* table : {"Group", "Subhalo"}) join(file.root(), table);
    }
    std::snprintf(directory, sizeof directory, "/postprocessing/offsets/offsets_%03d.hdf5", number);
    const auto offsets = h5::File::openRead(root + directory);
    for (const char* name : {"FileOffsets/SnapByType", "FileOffsets/Group", "FileOffsets/Subhalo", "Group/SnapByType",
                             "Subhalo/SnapByType"}) {
        const h5::Dataset d = offsets.root().dataset(name);
        t.data[std::string("offsets/") + name] = d.readAll<double>();
        t.width[std::string("offsets/") + name] = d.shape().size() > 1 ? std::size_t(d.shape()[1]) : 1;
    }
    return t;
}

}  // namespace tessera::test
