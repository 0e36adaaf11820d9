#include "io/output_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>
#include <utility>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

std::string hostName() {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return name;
}

// 0: locked; else the reason. Locks of this kind work over NFS and Lustre too, where they are not switched off.
int lockAs(short kind, int file) {
    struct flock wanted {};
    wanted.l_type = kind;
    wanted.l_whence = SEEK_SET;
    return fcntl(file, F_SETLK, &wanted) == 0 ? 0 : errno;
}

bool held(int reason) {
    return reason == EACCES || reason == EAGAIN;
}

struct Owner {
    long pid = 0;
    std::string host;
};

Owner ownerOf(int file) {
    char text[400] = "";
    const ssize_t n = pread(file, text, sizeof text - 1, 0);
    Owner owner;
    std::istringstream(std::string(text, std::size_t(n > 0 ? n : 0))) >> owner.pid >> owner.host;
    return owner;
}

bool alive(const Owner& owner) {
    return owner.pid > 0 && owner.pid != getpid() && owner.host == hostName() &&
           (kill(pid_t(owner.pid), 0) == 0 || errno == EPERM);
}

int opened(const std::string& path) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) throw Error(path + ": cannot open (" + std::strerror(errno) + ")");
    return file;
}

[[noreturn]] void refuse(const Owner& owner, const std::string& output) {
    const std::string who = owner.pid > 0 ? " (process " + std::to_string(owner.pid) + " on " + owner.host + ")" : "";
    throw Error("output.path " + output + ": another run is writing it" + who +
                "; wait for its end, or choose another output.path");
}

}  // namespace

OutputLock::OutputLock(OutputLock&& o) noexcept : file_(std::exchange(o.file_, -1)) {}

OutputLock& OutputLock::operator=(OutputLock&& o) noexcept {
    std::swap(file_, o.file_);
    return *this;
}

OutputLock OutputLock::sole(const std::string& path, const std::string& output) {
    while (true) {
        OutputLock lock;
        lock.file_ = opened(path);
        const Owner owner = ownerOf(lock.file_);
        const int reason = lockAs(F_WRLCK, lock.file_);
        if (held(reason) || (reason != 0 && alive(owner))) refuse(owner, output);
        // The run before may have removed the file between our opening and locking it.
        struct stat mine {
        }, there{};
        if (fstat(lock.file_, &mine) != 0 || stat(path.c_str(), &there) != 0 || mine.st_ino != there.st_ino) continue;
        const std::string text = std::to_string(getpid()) + " " + hostName() + "\n";
        if (ftruncate(lock.file_, 0) != 0 || pwrite(lock.file_, text.data(), text.size(), 0) != ssize_t(text.size()))
            throw Error(path + ": cannot write (" + std::strerror(errno) + ")");
        return lock;
    }
}

OutputLock OutputLock::joint(const std::string& path, const std::string& output) {
    OutputLock lock;
    lock.file_ = opened(path);
    if (held(lockAs(F_RDLCK, lock.file_))) refuse(ownerOf(lock.file_), output);
    return lock;
}

void OutputLock::share() {
    lockAs(F_RDLCK, file_);
}

void OutputLock::release() noexcept {
    if (file_ >= 0) close(file_);
    file_ = -1;
}

}  // namespace tessera
