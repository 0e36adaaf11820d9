#include "tessera/io/cache.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "io/sha256.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

fs::path directory() {
    const auto environment = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    if (const std::string own = environment("TESSERA_CACHE"); !own.empty()) return own;
    if (const std::string xdg = environment("XDG_CACHE_HOME"); !xdg.empty()) return fs::path(xdg) / "tessera";
    if (const std::string home = environment("HOME"); !home.empty()) return fs::path(home) / ".cache" / "tessera";
    return {};
}

}  // namespace

// The key stands in the file's first line, so that a file can be told from a damaged or colliding one.
std::optional<std::string> readCache(const std::string& key) {
    const fs::path folder = directory();
    if (folder.empty()) return {};
    std::ifstream file(folder / sha256OfText(key), std::ios::binary);
    std::string first;
    if (!file || !std::getline(file, first) || first != key) return {};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

namespace {

// Writes a whole file under this process's own name, and lets publish(partial, final) bring it under the final one.
template <class Publish>
void store(const std::string& key, const std::string& text, Publish publish) {
    const fs::path folder = directory();
    if (folder.empty()) return;
    std::error_code code;
    fs::create_directories(folder, code);
    const fs::path final = folder / sha256OfText(key), partial = final.string() + "." + std::to_string(getpid());
    std::ofstream file(partial, std::ios::binary);
    file << key << '\n' << text;
    file.close();
    if (file) publish(partial, final);
    fs::remove(partial, code);  // gone already where it was renamed
}

}  // namespace

void writeCache(const std::string& key, const std::string& text) {
    store(key, text, [](const fs::path& partial, const fs::path& final) {
        std::error_code code;
        fs::rename(partial, final, code);
    });
}

void offerCache(const std::string& key, const std::string& text) {
    store(key, text, [&](const fs::path& partial, const fs::path& final) {
        std::error_code code;
        fs::create_hard_link(partial, final,
                             code);  // fails where there is one, or where the file system knows no links
        if (code && !readCache(key)) fs::rename(partial, final, code);
    });
}

}  // namespace tessera
