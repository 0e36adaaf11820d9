// A file that appears under its final name only when complete.
#pragma once

#include <string>

namespace tessera {

// Holds the temporary name beside the final one; commit() renames, destruction without it removes.
class TemporaryFile {
public:
    // Error where the directory of the final name is absent, or the name is that of a directory or device. A symbolic
    // link is followed.
    explicit TemporaryFile(const std::string& finalName);
    // The same temporary file as another process named it. Where an exception destroys this object, the file is left to
    // removeAbandonedFiles(): the other processes may be at it until they are taken down.
    TemporaryFile(const std::string& finalName, long creatorPid);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& name() const noexcept { return name_; }  // "cubes.hdf5.tmp.4711"
    const std::string& finalName() const noexcept { return final_; }
    // A message with the final name in the place of the temporary one, which would only confuse.
    std::string inFinalNames(std::string message) const;
    void commit();  // the file must be closed

private:
    std::string final_, name_;
    bool owned_ = false;
    int exceptions_;  // in flight when this object was made
};

// Removes what joined objects left when an exception destroyed them. Called with the message already said, right before
// the other ranks are taken down.
void removeAbandonedFiles() noexcept;

}  // namespace tessera
