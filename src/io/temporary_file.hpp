// A file that appears under its final name only when complete.
#pragma once

#include <string>

namespace tessera {

// Holds the temporary name beside the final one; commit() renames, destruction without it removes.
class TemporaryFile {
public:
    // Error as of checkReplaceable(). A symbolic link is followed.
    explicit TemporaryFile(const std::string& finalName);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& name() const noexcept { return name_; }  // "cubes.hdf5.tmp.4711"
    const std::string& finalName() const noexcept { return final_; }
    // A message with the final name in the place of the temporary one, which would only confuse.
    std::string inFinalNames(std::string message) const;
    // What has been written so far begins to go to disk, so that commit(true) has less to wait for.
    void startSync() const noexcept;
    // The file must be closed. synced: it is on disk, under its final name, when this returns.
    void commit(bool synced = false);

private:
    std::string final_, name_;
    bool owned_ = false;
};

// Error where the directory of a file to be written is absent, or its name is that of a directory or device.
void checkReplaceable(const std::string& path);
// A symbolic link stays and the file it leads to, which may not be there yet, is replaced: this is that file's name.
std::string followLinks(const std::string& name);
std::string directoryOf(const std::string& path);  // "." where it names none
// Returns when a file's bytes, or a directory's entries, are on disk. Error: they cannot be written.
void syncToDisk(const std::string& path);

}  // namespace tessera
