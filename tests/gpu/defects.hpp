// The suite of seeded defects: the detector itself is tested.
#pragma once

#include <string>
#include <vector>

namespace tessera::test {

// error: an Error from synchronize(); value: a wrong result; report: a sanitizer ends the program; luck: any of these or
// nothing.
enum class Seen { never, value, error, report, luck };

struct Defect {
    std::string name;
    Seen seen[3];   // by the plain build, with address and undefined, with thread
    bool (*run)();  // true: the result is wrong
};
const std::vector<Defect>& defects();

}  // namespace tessera::test
