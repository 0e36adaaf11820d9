// Tables of input that is wrong, run through the real binary.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "workshop.hpp"

namespace tessera::test {

struct BadInput {
    const char* name;
    std::function<void(Workshop&)> spoil;
    int code;
    std::vector<std::string> message;  // pieces of it
};

// Runs the spoilt workshop: one message on standard error with all its pieces, the exit code, and no file in out/.
void checkBadInput(const BadInput&);

// tessera run config.json --set ASSIGNMENT
std::function<void(Workshop&)> set(const std::string& assignment);

}  // namespace tessera::test
