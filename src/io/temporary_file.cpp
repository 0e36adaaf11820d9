#include "io/temporary_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "tessera/core/error.hpp"

namespace tessera {

namespace fs = std::filesystem;

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

std::string directoryOf(const std::string& path) {
    const fs::path parent = fs::path(path).parent_path();
    return parent.empty() ? "." : parent.string();
}

void syncToDisk(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    // Some file systems cannot sync a directory (EINVAL): nothing more can be done there.
    const bool synced = file >= 0 && (::fsync(file) == 0 || errno == EINVAL);
    const int why = errno;
    if (file >= 0) ::close(file);
    if (!synced) throw Error(path + ": cannot write to disk (" + std::strerror(why) + ")");
}

void checkReplaceable(const std::string& path) {
    std::error_code code;
    const fs::path directory = fs::path(path).parent_path();
    if (!directory.empty() && !fs::is_directory(directory, code))
        throw Error("cannot write '" + path + "': there is no directory '" + directory.string() + "'");
    const fs::file_status status = fs::status(path, code);
    if (fs::is_directory(status)) throw Error("cannot write '" + path + "': it is a directory");
    // Renaming would put a file in the place of a device.
    if (fs::exists(status) && !fs::is_regular_file(status))
        throw Error("cannot write '" + path + "': it is no regular file");
}

TemporaryFile::TemporaryFile(const std::string& finalName)
    : final_(followLinks(finalName)), name_(final_ + ".tmp." + std::to_string(getpid())) {
    checkReplaceable(final_);
    std::error_code code;
    fs::remove(name_, code);  // left over from a killed process that had the same id
    owned_ = true;
}

TemporaryFile::~TemporaryFile() {
    std::error_code code;
    if (owned_) fs::remove(name_, code);
}

std::string TemporaryFile::inFinalNames(std::string message) const {
    for (std::size_t at; (at = message.find(name_)) != std::string::npos;) message.replace(at, name_.size(), final_);
    return message;
}

void TemporaryFile::startSync() const noexcept {
#ifdef SYNC_FILE_RANGE_WRITE
    const int file = ::open(name_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    ::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
    ::close(file);
#endif
}

void TemporaryFile::commit(bool synced) {
    std::error_code code;
    if (synced) syncToDisk(name_);
    fs::rename(name_, final_, code);
    if (code) throw Error("cannot rename '" + name_ + "' to '" + final_ + "': " + code.message());
    owned_ = false;
    if (synced) syncToDisk(directoryOf(final_));
}

}  // namespace tessera
