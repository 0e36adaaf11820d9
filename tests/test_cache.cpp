// Results kept on disk: found again, and of no harm where they cannot be kept.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "support.hpp"
#include "temporary.hpp"
#include "tessera/io/cache.hpp"

using namespace tessera;
using namespace tessera::test;

namespace fs = std::filesystem;

namespace {

// The variables that say where the cache is, as they were before once the test is over.
class Environment {
public:
    Environment() {
        for (const char* name : names) {
            const char* value = std::getenv(name);
            before_.push_back(value ? std::optional<std::string>(value) : std::nullopt);
            ::unsetenv(name);
        }
    }
    ~Environment() {
        for (std::size_t i = 0; i < before_.size(); ++i) {
            if (before_[i])
                ::setenv(names[i], before_[i]->c_str(), 1);
            else
                ::unsetenv(names[i]);
        }
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

private:
    static constexpr const char* names[] = {"TESSERA_CACHE", "XDG_CACHE_HOME", "HOME"};
    std::vector<std::optional<std::string>> before_;
};

std::vector<fs::path> filesBelow(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) files.push_back(entry.path());
    return files;
}

}  // namespace

TEST_CASE("what was stored is found under its key alone", "[cache]") {
    const Environment environment;
    const TemporaryDirectory folder;
    ::setenv("TESSERA_CACHE", (folder / "deep/er").c_str(), 1);
    CHECK(!readCache("key"));
    writeCache("key", "text\nof two lines");
    CHECK(readCache("key") == "text\nof two lines");
    CHECK(!readCache("key "));
    CHECK(!readCache(""));
    writeCache("key", "");
    CHECK(readCache("key") == "");
    writeCache("other", std::string(1 << 20, 'x'));
    CHECK(readCache("other") == std::string(1 << 20, 'x'));
    CHECK(filesBelow(folder.path()).size() == 2);
}

TEST_CASE("what is offered second changes nothing", "[cache]") {
    const Environment environment;
    const TemporaryDirectory folder;
    ::setenv("TESSERA_CACHE", (folder / "cache").c_str(), 1);
    offerCache("key", "first");
    offerCache("key", "second");
    CHECK(readCache("key") == "first");
    const auto files = filesBelow(folder.path());
    REQUIRE(files.size() == 1);
    std::ofstream(files[0]) << "damaged";
    offerCache("key", "third");
    CHECK(readCache("key") == "third");
    CHECK(filesBelow(folder.path()).size() == 1);

    // Many processes at once: all read the same afterwards, and it is what one of them offered.
    std::vector<pid_t> children;
    for (int k = 0; k < 8; ++k) {
        const pid_t child = ::fork();
        if (child == 0) {
            const std::string mine = std::to_string(k);
            offerCache("shared", mine);
            const auto agreed = readCache("shared");
            std::ofstream(folder / ("seen" + mine)) << agreed.value_or("nothing");
            ::_exit(0);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
    const auto agreed = readCache("shared");
    REQUIRE(agreed);
    for (int k = 0; k < 8; ++k) {
        std::stringstream seen;
        seen << std::ifstream(folder / ("seen" + std::to_string(k))).rdbuf();
        CHECK(seen.str() == *agreed);
    }
}

TEST_CASE("where the cache lies", "[cache]") {
    const Environment environment;
    const TemporaryDirectory folder;
    ::setenv("HOME", (folder / "home").c_str(), 1);
    writeCache("key", "home");
    CHECK(filesBelow(folder.path() / "home/.cache/tessera").size() == 1);
    ::setenv("XDG_CACHE_HOME", (folder / "xdg").c_str(), 1);
    CHECK(!readCache("key"));
    writeCache("key", "xdg");
    CHECK(filesBelow(folder.path() / "xdg/tessera").size() == 1);
    ::setenv("TESSERA_CACHE", (folder / "own").c_str(), 1);
    CHECK(!readCache("key"));
    writeCache("key", "own");
    CHECK(filesBelow(folder.path() / "own").size() == 1);
    CHECK(readCache("key") == "own");
    ::setenv("TESSERA_CACHE", "", 1);
    CHECK(readCache("key") == "xdg");
    ::setenv("XDG_CACHE_HOME", "", 1);
    CHECK(readCache("key") == "home");
}

TEST_CASE("a file that is another key's or was cut is not read", "[cache]") {
    const Environment environment;
    const TemporaryDirectory folder;
    ::setenv("TESSERA_CACHE", folder.path().c_str(), 1);
    writeCache("key", "text");
    const fs::path file = filesBelow(folder.path()).front();
    for (const char* content : {"", "ke", "another\ntext", "key text", "\n", "\xff\xfe\n\n"}) {
        std::ofstream(file) << content;
        CHECK(!readCache("key"));
    }
    fs::remove(file);
    fs::create_directory(file);
    CHECK(!readCache("key"));
    writeCache("key", "text");  // a directory stands in its place
    CHECK(!readCache("key"));
    CHECK(filesBelow(folder.path()).empty());
}

TEST_CASE("a cache that cannot be is no error", "[cache]") {
    const Environment environment;
    const TemporaryDirectory folder;
    const auto harmless = [] {
        writeCache("key", "text");
        CHECK(!readCache("key"));
    };
    harmless();  // no variable at all
    ::setenv("HOME", "", 1);
    harmless();
    std::ofstream(folder / "file") << "not a folder";
    for (const std::string& path :
         {folder / "file", folder / "file/below", std::string("/proc/self/nothing"), folder / std::string(300, 'n')}) {
        ::setenv("TESSERA_CACHE", path.c_str(), 1);
        harmless();
    }
    if (::geteuid() != 0) {
        fs::create_directory(folder.path() / "locked");
        ::chmod((folder / "locked").c_str(), 0500);
        ::setenv("TESSERA_CACHE", (folder / "locked").c_str(), 1);
        harmless();
    }
    CHECK(filesBelow(folder.path()).size() == 1);
}

TEST_CASE("a full disk leaves no half file", "[cache]") {
    const Environment environment;
    ::setenv("TESSERA_CACHE", "/dev/full", 1);
    writeCache("key", "text");
    const TemporaryDirectory folder;
    ::setenv("TESSERA_CACHE", folder.path().c_str(), 1);
    writeCache("key", "before");
    // The name of the partial file leads to a full device.
    const fs::path partial = filesBelow(folder.path()).front().string() + "." + std::to_string(::getpid());
    fs::create_symlink("/dev/full", partial);
    writeCache("key", std::string(1 << 16, 'x'));
    CHECK(readCache("key") == "before");
    CHECK(!fs::exists(fs::symlink_status(partial)));
}

TEST_CASE("processes that write at once leave a whole file", "[cache]") {
    const Environment environment;
    const TemporaryDirectory folder;
    ::setenv("TESSERA_CACHE", folder.path().c_str(), 1);
    const std::size_t lengths[] = {20'000, 70'000};
    std::vector<pid_t> children;
    for (const std::size_t length : lengths) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            for (int i = 0; i < 200; ++i) writeCache("key", std::string(length, length == lengths[0] ? 'a' : 'b'));
            ::_exit(0);
        }
        children.push_back(child);
    }
    std::size_t read = 0, torn = 0;
    const auto look = [&] {
        const auto text = readCache("key");
        if (!text) return;
        ++read;
        torn += *text != std::string(lengths[0], 'a') && *text != std::string(lengths[1], 'b');
    };
    int running = int(children.size());
    while (running > 0) {
        look();
        for (const pid_t child : children) {
            int status = 0;
            if (::waitpid(child, &status, WNOHANG) != child) continue;
            CHECK(WIFEXITED(status));
            CHECK(WEXITSTATUS(status) == 0);
            --running;
        }
    }
    look();
    CHECK(read > 0);
    CHECK(torn == 0);
    CHECK(filesBelow(folder.path()).size() == 1);
}
