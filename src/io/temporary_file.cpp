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

}  // namespace

void removeAbandonedFiles() noexcept {
    std::error_code code;
    for (const std::string& name : abandoned()) fs::remove(name, code);
    abandoned().clear();
}

TemporaryFile::TemporaryFile(std::string finalName) : TemporaryFile(std::move(finalName), long(getpid())) {
    std::error_code code;
    const fs::path directory = fs::path(final_).parent_path();
    if (!directory.empty() && !fs::is_directory(directory, code))
        throw Error("cannot write '" + final_ + "': there is no directory '" + directory.string() + "'");
    if (fs::is_directory(final_, code)) throw Error("cannot write '" + final_ + "': it is a directory");
    fs::remove(name_, code);  // left over from a killed process that had the same id
    owned_ = true;
}

TemporaryFile::TemporaryFile(std::string finalName, long creatorPid)
    : final_(std::move(finalName)),
      name_(final_ + ".tmp." + std::to_string(creatorPid)),
      exceptions_(std::uncaught_exceptions()) {}

TemporaryFile::~TemporaryFile() {
    std::error_code code;
    if (owned_)
        fs::remove(name_, code);
    else if (std::uncaught_exceptions() > exceptions_)
        abandoned().push_back(std::move(name_));
}

void TemporaryFile::commit() {
    std::error_code code;
    fs::rename(name_, final_, code);
    if (code) throw Error("cannot rename '" + name_ + "' to '" + final_ + "': " + code.message());
    owned_ = false;
}

}  // namespace tessera
