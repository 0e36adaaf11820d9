// docs/config.md, from the table of parameters.
#pragma once

#include <string>

namespace tessera {
std::string configMarkdown();
}
