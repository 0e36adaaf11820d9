// A two-dimensional image, row-major [ny][nx].
#pragma once

#include <cstddef>
#include <vector>

namespace tessera {

struct Image {
    std::size_t nx = 0, ny = 0;
    std::vector<double> data;
};

}  // namespace tessera
