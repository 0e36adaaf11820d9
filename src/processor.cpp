#include "processor.hpp"

#include <fstream>

namespace tessera {

std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.rfind("model name", 0) == 0 || line.rfind("Model", 0) == 0) return line;
    return {};
}

}  // namespace tessera
