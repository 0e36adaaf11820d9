#pragma once

#include <string>

namespace tessera {

// SHA-256 of a file's bytes in hexadecimal (OpenSSL). Error where it cannot be read.
std::string sha256OfFile(const std::string& path);
std::string sha256OfText(const std::string& text);

}  // namespace tessera
