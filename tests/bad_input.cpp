#include "bad_input.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace tessera::test {

std::function<void(Workshop&)> set(const std::string& assignment) {
    return [assignment](Workshop& w) { w.args = {"--set", assignment}; };
}

void checkBadInput(const BadInput& row) {
    Workshop w;
    row.spoil(w);
    const Outcome o = w.run();
    INFO(row.name << "\nexit code " << o.code << "\nstdout: " << o.out << "\nstderr: " << o.err);
    CHECK(o.code == row.code);
    CHECK(o.err.rfind("tessera: error: ", 0) == 0);
    CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
    CHECK(o.err.find("HDF5-DIAG") == std::string::npos);
    for (const std::string& piece : row.message) {
        INFO("expected in the message: " << piece);
        CHECK(o.err.find(piece) != std::string::npos);
    }
    CHECK(w.outputs().empty());
}

}  // namespace tessera::test
