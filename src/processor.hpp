// Which processor this is: for keys of what was measured on it.
#pragma once

#include <string>

namespace tessera {

// As /proc/cpuinfo names it; empty where it does not.
std::string processor();

}  // namespace tessera
