#include "assembly.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/cube_assembly.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5_library.hpp"

namespace tessera {

using nlohmann::json;

namespace {

// Ranks from which on compressing anew is expected to be quicker than one rank's copying: design.md, 2026-11-23.
constexpr int manyRanks = 64;

bool together(const OutputConfig& config, int ranks) {
    if (config.layout != OutputLayout::single || ranks == 1 || !hdf5IsParallel()) return false;
    return config.assembly == Assembly::collective || (config.assembly == Assembly::automatic && ranks >= manyRanks);
}

// What all ranks must know of the rows: ids, and the parts that have them.
std::string packed(const std::vector<GalaxiesOfSource>& sources) {
    json list = json::array();
    for (const auto& [source, ids] : sources) list.push_back({source, ids});
    const std::vector<std::uint8_t> bytes = json::to_cbor(list);  // unlike JSON it takes paths of any bytes
    return {bytes.begin(), bytes.end()};
}

std::vector<GalaxiesOfSource> unpacked(const std::string& text) {
    std::vector<GalaxiesOfSource> sources;
    for (const json& item : json::from_cbor(text))
        sources.push_back({item.at(0).get<std::string>(), item.at(1).get<std::vector<std::int64_t>>()});
    return sources;
}

void writeTogether(const Comm& comm, const std::string& output, const CubeFileHeader& header,
                   const std::vector<RowOfPart>& rows) {
    std::optional<TemporaryFile> temporary;
    std::string name, list;
    if (comm.rank() == 0) {
        const std::vector<SourcedRow> sourced = sourcedRows(output, rows);
        temporary.emplace(output);
        name = temporary->name();
        list = packed(galaxiesBySource(sourced));
        beginCubeFile(name, header, sourced);
    }
    name = comm.broadcast(name);
    addGalaxiesTogether(name, unpacked(comm.broadcast(list)), comm.handle());
    comm.barrier();  // a rank that could not close the file does not come here
    if (comm.rank() == 0) temporary->commit(true);
}

}  // namespace

void checkAssembly(const OutputConfig& config) {
    if (config.assembly == Assembly::collective && !hdf5IsParallel())
        throw NotCompiled(
            "output.assembly: \"collective\" needs parallel HDF5, and this build has a serial one; allowed: "
            "\"auto\", \"copy\"");
}

void assemble(const Comm& comm, const std::string& output, const CubeFileHeader& header,
              const std::vector<RowOfPart>& rows, const OutputConfig& config) {
    if (!together(config, comm.size())) {
        if (comm.rank() == 0) assembleParts(output, header, rows, config.layout);
        return;
    }
    std::uint64_t renamed = comm.rank() == 0 && renameOnlyPart(output, rows);
    comm.sum(&renamed, 1);
    if (renamed > 0) return;
    try {
        writeTogether(comm, output, header, rows);
    } catch (const Error& e) {
        throw Error(fmt::format("cannot write '{}' together: {}", output, e.what()), e.where());
    }
    if (comm.rank() == 0) removeParts(output);
}

}  // namespace tessera
