// The parts of a run's output: ordinary cube files that each rank writes by itself, in the directory OUTPUT.parts.
//
// A part appears under its name when it is complete (CubeFileWriter), with a catalogue of the galaxies that it holds with
// all their views: together the parts are the run's journal. From them the output is put together when all is done; after
// a run that was killed or ended early, another takes its galaxies over.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tessera/io/cube_file.hpp"
#include "tessera/model/config.hpp"
#include "tessera/model/galaxy.hpp"

namespace tessera {

// "cubes.hdf5" -> "cubes.hdf5.parts"; of a symbolic link, beside the file it leads to.
std::string partsPath(const std::string& output);

struct CubePart {
    std::string name;  // in the directory
    CubeFileHeader header;
    std::vector<GalaxyReport> rows;
};

struct FoundParts {
    std::vector<CubePart> parts;       // in the order of their names
    std::vector<std::string> damaged;  // names of files that cannot be read
};

// The parts in the directory, without those that a complete file `output` links to, which are that file's; or with them.
FoundParts findParts(const std::string& output, bool linkedToo = false);

// Makes the galaxies of a complete file `output` parts of the run that is to replace it: where it holds them itself, by
// another name of the file in the directory (a copy where the file system has no such names); where it links to parts,
// nothing is to be done. The file stays as it is.
void takeApart(const std::string& output);

// Removes the parts in the directory but those named, then the directory if nothing is left in it.
void removeParts(const std::string& output, const std::vector<std::string>& except = {});
// Removes what processes that were killed left under temporary names: in the directory, and beside it those of `output`
// and of the other files named. To be called by the one process that may write them.
void removeTemporaryFiles(const std::string& output, const std::vector<std::string>& others = {});

// Writes the parts of one rank. A part is closed when a galaxy ends that many seconds after the part's begin
// (output.checkpoint), or after every galaxy (layout galaxies, whose parts are called <subhalo>.hdf5). What is closed
// so is on disk. After an error of writing, the writer has abandon()ed.
class PartsWriter {
public:
    PartsWriter(const std::string& output, const CubeFileHeader&, const OutputConfig&, int rank);

    void write(const GalaxyCube&);
    // The rows of a galaxy whose cubes were all written: it is now part of the journal.
    void endGalaxy(const std::vector<GalaxyReport>& rows);
    // At the end of the work: closes the part that is open. What was written of a galaxy that was not ended does not
    // count.
    void close();
    // Drops the part that is open; nothing more is written.
    void abandon() noexcept;
    // The part of each galaxy that was ended, in their order, up to the last part that was closed.
    const std::vector<std::string>& partOfGalaxy() const { return partOfGalaxy_; }

private:
    using Clock = std::chrono::steady_clock;
    void begin();
    std::string nextPath();
    std::string pathOf(std::int64_t subhalo) const;
    double age() const;

    std::string directory_, stem_;
    CubeFileHeader header_;
    OutputConfig config_;
    std::size_t number_ = 0;
    bool open_ = false, failed_ = false;
    Clock::time_point since_;
    std::optional<CubeFileWriter> file_;
    std::string path_;
    std::vector<GalaxyReport> rows_;
    std::size_t galaxies_ = 0;  // in rows_
    std::vector<std::string> partOfGalaxy_;
};

// A row of the catalogue and the part it is in.
struct RowOfPart {
    GalaxyReport report;
    std::string part;
};

// Where one part holds just these rows it becomes the output, by renaming, and other parts are removed; else nothing
// happens. Returns whether it did.
bool renameOnlyPart(const std::string& output, const std::vector<RowOfPart>&);

// Puts the output together, with the rows in this order, and removes the parts that it does not need. Layout single:
// one part that holds just these rows is renamed, else the cubes are copied as they are stored; others: links with
// relative paths.
void assembleParts(const std::string& output, const CubeFileHeader&, const std::vector<RowOfPart>&, OutputLayout);

}  // namespace tessera
