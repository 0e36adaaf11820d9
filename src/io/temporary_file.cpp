#include "io/temporary_file.hpp"

#include <unistd.h>

#include <exception>
#include <filesystem>
#include <system_error>
#include <vector>

#include "tessera/core/error.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

std::vector<std::string>& abandoned() {
    static std::vector<std::string> names;
    return names;
}

// A link stays; the file it leads to, which may not be there yet, is replaced.
std::string followLinks(const std::string& name) {
    fs::path path = name;
    std::error_code code;
    for (int depth = 0; depth < 40 && fs::is_symlink(path, code); ++depth) {
        const fs::path target = fs::read_symlink(path, code);
        if (code) break;
        path = path.parent_path() / target;  // an absolute target stays as it is
    }
    return path.string();
}

}  // namespace

void removeAbandonedFiles() noexcept {
    std::error_code code;
    for (const std::string& name : abandoned()) fs::remove(name, code);
    abandoned().clear();
}

TemporaryFile::TemporaryFile(const std::string& finalName) : TemporaryFile(finalName, long(getpid())) {
    std::error_code code;
    const fs::path directory = fs::path(final_).parent_path();
    if (!directory.empty() && !fs::is_directory(directory, code))
        throw Error("cannot write '" + final_ + "': there is no directory '" + directory.string() + "'");
    const fs::file_status status = fs::status(final_, code);
    if (fs::is_directory(status)) throw Error("cannot write '" + final_ + "': it is a directory");
    // Renaming would put a file in the place of a device.
    if (fs::exists(status) && !fs::is_regular_file(status))
        throw Error("cannot write '" + final_ + "': it is no regular file");
    fs::remove(name_, code);  // left over from a killed process that had the same id
    owned_ = true;
}

TemporaryFile::TemporaryFile(const std::string& finalName, long creatorPid)
    : final_(followLinks(finalName)),
      name_(final_ + ".tmp." + std::to_string(creatorPid)),
      exceptions_(std::uncaught_exceptions()) {}

TemporaryFile::~TemporaryFile() {
    std::error_code code;
    if (owned_)
        fs::remove(name_, code);
    else if (std::uncaught_exceptions() > exceptions_)
        abandoned().push_back(std::move(name_));
}

std::string TemporaryFile::inFinalNames(std::string message) const {
    for (std::size_t at; (at = message.find(name_)) != std::string::npos;) message.replace(at, name_.size(), final_);
    return message;
}

void TemporaryFile::commit() {
    std::error_code code;
    fs::rename(name_, final_, code);
    if (code) throw Error("cannot rename '" + name_ + "' to '" + final_ + "': " + code.message());
    owned_ = false;
}

}  // namespace tessera
