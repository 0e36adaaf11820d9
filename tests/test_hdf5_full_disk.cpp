// A disk that fills up at any moment: the write or the close reports it, and HDF5 stays usable and can be shut down.
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

using namespace tessera;

namespace {

long writesLeft = -1;  // -1: the disk is never full
long writes = 0;

}  // namespace

// Takes the place of the C library's pwrite for libhdf5: files that have a name fail once the disk is full.
extern "C" ssize_t pwrite(int fd, const void* data, size_t n, off_t offset) {
    struct stat info {};
    if (fstat(fd, &info) == 0 && info.st_nlink > 0 && S_ISREG(info.st_mode)) {
        ++writes;
        if (writesLeft == 0) {
            errno = ENOSPC;
            return -1;
        }
        if (writesLeft > 0) --writesLeft;
    }
    return syscall(SYS_pwrite64, fd, data, n, offset);
}

namespace {

// Everything a cube file has: groups, attributes, strings, contiguous and compressed datasets.
void writeFile(const std::string& path) {
    auto file = h5::File::create(path);
    const auto root = file.root();
    root.setAttribute("config", std::string(5000, 'c'));
    std::vector<float> values(40000);
    std::iota(values.begin(), values.end(), 0.0f);
    for (int g = 0; g < 4; ++g) {
        const auto group = root.createGroup("galaxies/" + std::to_string(g));
        group.setAttribute("redshift", 0.1);
        group.write<float>("flux", {20, 20, 100}, values.data(), {{5, 5, 100}, 4}).setAttribute("unit", "erg");
        const auto maps = group.createGroup("maps").createDataset<float>("mass", {200, 200}, {{20, 200}, 0});
        for (hsize_t row = 0; row < 200; row += 50) maps.writeRows(row, 50, values.data());
        group.write<float>("plain", {40000}, values.data());
    }
    root.writeStrings("catalog/status", {"ok", "skipped"});
    file.close();
}

// 0: with the disk full from write k on there was an Error that names the file and why, and the library survived.
int failAt(const test::TemporaryDirectory& dir, long k) {
    writesLeft = k;
    const std::string message = test::messageOf<Error>([&] { writeFile(dir / "full.hdf5"); });
    writesLeft = -1;
    if (message.find("full.hdf5") == std::string::npos) return 11;
    if (message.find("No space left") == std::string::npos) return 12;
    writeFile(dir / "after.hdf5");
    const auto values = h5::File::openRead(dir / "after.hdf5").root().dataset("galaxies/3/flux").readAll<float>();
    if (values[39999] != 39999) return 13;
    return H5close() < 0 ? 14 : 0;
}

}  // namespace

TEST_CASE("a full disk at every write: an Error each time, and the library goes on") {
    test::TemporaryDirectory dir;
    writes = 0;
    writeFile(dir / "whole.hdf5");
    const long all = writes;
    REQUIRE(all > 20);
    for (long k = 0; k < all; ++k) {
        // HDF5 1.10 keeps the id of a file that it has freed where its very first write fails (write 1; write 0 is the
        // layer's own trial of the disk) or the last, of the superblock in its old place. A full disk fails neither.
        if (k == 1 || k == all - 1) continue;
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) _exit(failAt(dir, k));
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        INFO("write " << k << ": signal " << (WIFSIGNALED(status) ? WTERMSIG(status) : 0));
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
}
