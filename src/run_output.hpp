// Where a run's cubes and rows go: each rank writes parts of its own without asking the others, rank 0 puts them together
// at the end. See tessera/io/cube_parts.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/output_lock.hpp"
#include "run_io.hpp"
#include "run_plan.hpp"
#include "run_reports.hpp"
#include "tessera/comm/comm.hpp"
#include "tessera/io/cube_parts.hpp"
#include "tessera/pipeline.hpp"

namespace tessera {

class RunOutput {
public:
    // A call of every rank. Error, on rank 0: another run is writing this output; an earlier one left finished galaxies
    // and neither --resume nor --overwrite was given; they are of another version, configuration, library or snapshot.
    RunOutput(const Comm&, const RunPlan&, const RunOptions&);
    ~RunOutput();
    RunOutput(const RunOutput&) = delete;
    RunOutput& operator=(const RunOutput&) = delete;

    bool complete() const { return complete_; }  // the output is there as this run would write it: nothing to do
    // Taken over from an earlier run, by the galaxy's place in the plan.
    bool done(std::size_t galaxy) const { return done_.at(galaxy) != 0; }
    std::size_t takenOver() const;  // galaxies
    std::size_t takenOverRows() const { return takenOverRows_; }

    // The writing itself is done behind, by the thread of RunIo; its errors come out there.
    void write(RunIo&, const Setup&, std::shared_ptr<const GalaxyCube>);
    void endOfGalaxy(RunIo&, const std::vector<RowOfRun>&);  // all its views, after their cubes
    void close(RunIo&);                                      // after the last galaxy of this rank; waits

    // A call of every rank, after close(): on rank 0 the rows of all ranks and those taken over, in the order of their
    // places; elsewhere none.
    std::vector<RowOfRun> gather();
    // Then one of these, calls of every rank: puts the file together from all rows; or leaves nothing; or leaves the
    // parts for --resume.
    void finish(const std::vector<RowOfRun>&);
    void discard();
    void keep();

private:
    std::function<void()> guarded(std::function<void()> write);
    void prepare(const RunOptions&);
    void takeOver(const FoundParts&);
    void release();

    const Comm& world_;
    const RunPlan& plan_;
    std::string parts_;  // the directory
    CubeFileHeader header_;
    OutputLock lock_;
    bool complete_ = false, ended_ = false;
    std::vector<std::uint64_t> done_;
    std::vector<RowOfRun> rows_;  // of this rank; on rank 0 first those taken over
    std::size_t takenOverRows_ = 0;
    std::vector<std::size_t> firstRow_;    // in rows_, of every galaxy that was ended
    std::unique_ptr<PartsWriter> writer_;  // used by the thread of RunIo only, until close() has returned
};

}  // namespace tessera
