// What was built, from which commit, by which compiler. Made by cmake/Version.cmake.
#pragma once

namespace tessera {
const char* version();
const char* commit();
const char* buildType();
const char* compiler();
}  // namespace tessera
