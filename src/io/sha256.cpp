#include "io/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>
#include <vector>

#include "tessera/core/error.hpp"

namespace tessera {

std::string sha256OfFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Error("cannot read '" + path + "'");
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1)
        throw Error("OpenSSL cannot compute SHA-256");
    std::vector<char> block(1 << 20);
    while (file) {
        file.read(block.data(), std::streamsize(block.size()));
        if (EVP_DigestUpdate(context.get(), block.data(), std::size_t(file.gcount())) != 1)
            throw Error("OpenSSL cannot compute SHA-256");
    }
    if (!file.eof()) throw Error("cannot read '" + path + "' to its end");
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1) throw Error("OpenSSL cannot compute SHA-256");
    std::string text;
    for (unsigned i = 0; i < length; ++i) {
        text += "0123456789abcdef"[digest[i] >> 4];
        text += "0123456789abcdef"[digest[i] & 15];
    }
    return text;
}

}  // namespace tessera
