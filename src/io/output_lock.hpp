// Keeps two runs from writing the same output: a lock on a file, which the system gives back when a process ends.
#pragma once

#include <string>

namespace tessera {

class OutputLock {
public:
    OutputLock() = default;
    // For this process alone. Error where a living process has it, naming that one and `output`. Where the file system
    // knows no locks, the process id in the file is asked, which tells of processes on this machine only.
    static OutputLock sole(const std::string& path, const std::string& output);
    // Together with other ranks, after one of them has made it sole() and share()d it.
    static OutputLock joint(const std::string& path, const std::string& output);
    ~OutputLock() { release(); }
    OutputLock(OutputLock&&) noexcept;
    OutputLock& operator=(OutputLock&&) noexcept;

    void share();  // other ranks may join; still no other run
    void release() noexcept;

private:
    int file_ = -1;
};

}  // namespace tessera
