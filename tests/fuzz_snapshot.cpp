// Random mutation of small valid snapshots. Whatever a file holds, reading it must end in success or in an Error.
//
// Three kinds of mutation, drawn from a seeded generator: objects changed through HDF5 (attributes and datasets of
// other values, types and shapes, or removed), files cut short, and raw bytes changed. The first two leave a file that
// HDF5 can read or refuse: any crash is a failure. On some files whose raw bytes were changed HDF5 1.10 itself crashes,
// hangs or damages the heap; each of those inputs has a child process of its own, whose signal handler looks at the
// stack: a crash with no frame of libhdf5 in it is a failure, but for the C library finding the heap damaged; the others
// are counted and reported with the function they happened in. Runs for TESSERA_FUZZ_SECONDS (5); TESSERA_FUZZ_SEED (1)
// picks another sequence.
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <random>

#include "snapshot_tree.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"
#include "tessera/io/snapshot.hpp"

#if defined(__SANITIZE_ADDRESS__)
// Reports of the sanitizer become signals, so that the handler below can tell whose they are.
extern "C" const char* __asan_default_options() {
    return "abort_on_error=1:allocator_may_return_null=1:handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
           "detect_leaks=0";
}
#endif

using namespace tessera;
using namespace tessera::test;

namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

std::uint64_t below(Random& r, std::uint64_t n) {
    return n == 0 ? 0 : r() % n;
}

// ---- what a child tells its parent, in shared memory
struct Report {
    long tried, accepted, refused;
    bool crashed, ours;
    int signal;
    char where[200];
    char message[300];
};
Report* report = nullptr;

// The innermost function of libhdf5 on the stack, else of this program.
void onSignal(int signal) {
    void* frames[128];
    const int n = backtrace(frames, 128);
    Dl_info self{};
    dladdr(reinterpret_cast<void*>(&onSignal), &self);
    report->crashed = true;
    report->signal = signal;
    report->ours = signal != SIGABRT;
    std::strncpy(report->where, "unknown", sizeof report->where - 1);
    int handlers = 0;  // frames of this function
    for (int i = 0; i < n; ++i) {
        Dl_info info{};
        if (dladdr(frames[i], &info) == 0 || info.dli_fname == nullptr) continue;
        const bool hdf5 = std::strstr(info.dli_fname, "libhdf5") != nullptr;
        const bool program = std::strcmp(info.dli_fname, self.dli_fname) == 0 && handlers++ > 0;
        if (!hdf5 && (!program || report->where[0] != 'u')) continue;
        const char* name = info.dli_sname != nullptr ? info.dli_sname : info.dli_fname;
        std::strncpy(report->where, name, sizeof report->where - 1);
        if (!hdf5) continue;
        report->ours = false;
        break;
    }
    _exit(2);
}

void handleSignals() {
    void* warm[4];
    backtrace(warm, 4);  // loads what it needs outside the handler
    static char stack[1 << 16];
    stack_t alternate{};
    alternate.ss_sp = stack;
    alternate.ss_size = sizeof stack;
    sigaltstack(&alternate, nullptr);
    for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM}) {
        struct sigaction action {};
        action.sa_handler = onSignal;
        action.sa_flags = SA_ONSTACK;
        sigaction(s, &action, nullptr);
    }
}

// ---- mutations
double oddNumber(Random& r) {
    const double odd[] = {0, -1, 1, 7, 1e9, -1e300, 1e300, NAN, INFINITY, 4294967296.0, 9.3e18, 1e-300, 0.5};
    return odd[below(r, std::size(odd))];
}

void collect(const h5::Group& g, const std::string& path, std::vector<std::string>& groups,
             std::vector<std::string>& datasets) {
    groups.push_back(path.empty() ? "/" : path);
    for (const auto& name : g.names()) {
        const std::string at = path + "/" + name;
        try {
            const auto child = g.group(name);
            collect(child, at, groups, datasets);
        } catch (const Error&) {
            datasets.push_back(at);
        }
    }
}

void mutateObjects(const std::string& path, Random& r) {
    std::vector<std::string> groups, datasets;
    collect(h5::File::openRead(path).root(), "", groups, datasets);
    for (std::uint64_t k = 0; k <= below(r, 3); ++k) {
        const std::string d = datasets[below(r, datasets.size())];
        auto file = h5::File::openReadWrite(path);
        const auto root = file.root();
        switch (below(r, 6)) {
            case 0: {  // a value of a header, or of a dataset's attributes
                const char* names[] = {"Time",
                                       "Redshift",
                                       "HubbleParam",
                                       "Omega0",
                                       "BoxSize",
                                       "OmegaLambda",
                                       "NumFilesPerSnapshot",
                                       "NumFiles",
                                       "Ngroups_Total",
                                       "CutoutID",
                                       "Nsubgroups_Total",
                                       "Nsubgroups_ThisFile",
                                       "Ngroups_ThisFile",
                                       "UnitLength_in_cm"};
                if (root.has("Header"))
                    root.group("Header").setAttribute(names[below(r, std::size(names))], oddNumber(r));
                break;
            }
            case 1: {
                const char* names[] = {"NumPart_Total", "NumPart_ThisFile", "NumPart_Total_HighWord", "Time"};
                std::vector<double> values(below(r, 8));
                for (double& v : values) v = oddNumber(r);
                if (root.has("Header")) root.group("Header").setAttributeArray<double>(names[below(r, 4)], values);
                break;
            }
            case 2: {
                const char* names[] = {"to_cgs", "a_scaling", "h_scaling", "unit"};
                root.dataset(d).setAttribute(names[below(r, 4)], oddNumber(r));
                break;
            }
            case 3: {  // a value of a dataset
                const auto data = root.dataset(d);
                if (data.rows() == 0 || data.size() / data.rows() > 4096) break;  // one made absurd before
                const std::vector<double> values(std::size_t(data.size() / data.rows()), oddNumber(r));
                data.writeRows(below(r, data.rows()), 1, values.data());
                break;
            }
            default: {  // another shape or type, or nothing at all
                const auto old = root.dataset(d).shape();
                file.close();
                const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
                H5Ldelete(id, d.c_str(), H5P_DEFAULT);
                H5Fclose(id);
                auto again = h5::File::openReadWrite(path);
                auto shape = old;
                const std::string name = d.substr(1);
                switch (below(r, 5)) {
                    case 0:
                        break;
                    case 1:
                        again.root().writeStrings(name, std::vector<std::string>(below(r, 30), "text"));
                        break;
                    case 2:
                        again.root().createDataset<float>(name, {below(r, 50), below(r, 12)});
                        break;
                    case 3:
                        shape.resize(1 + below(r, 3), hsize_t(1) << below(r, 60));
                        again.root().createDataset<std::int64_t>(name, shape,
                                                                 {std::vector<hsize_t>(shape.size(), 4), 1});
                        break;
                    default:
                        again.root().createDataset<double>(name, {});
                        break;
                }
                again.close();
                break;
            }
        }
        file.close();
    }
}

void mutateBytes(const std::string& path, Random& r) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto size = fs::file_size(path);
    for (std::uint64_t k = 0; k <= below(r, 12); ++k) {
        // Metadata of these files gathers at the start: half of the hits go there.
        const auto at = below(r, below(r, 2) ? size : std::min<std::uint64_t>(size, 4096));
        file.seekp(std::streamoff(at));
        const std::uint64_t words[] = {r(), 0, ~0ULL, below(r, 16), 1ULL << below(r, 64)};
        const std::uint64_t word = words[below(r, 5)];
        const int widths[] = {1, 1, 2, 4, 8};
        file.write(reinterpret_cast<const char*>(&word), widths[below(r, 5)]);
    }
}

// ---- the inputs
struct Seeds {
    TemporaryDirectory dir;
    std::vector<std::string> targets;  // files that may be mutated, relative to dir
    std::vector<std::string> paths;    // what is opened for each

    Seeds() {
        fs::copy_file(std::string(TESSERA_REFERENCE_DIR) + "/tng_cutout_extract.hdf5", dir / "cutout.hdf5");
        add("cutout.hdf5", "cutout.hdf5");
        writeRubix();
        add("rubix.h5", "rubix.h5");
        TreeOptions o;
        o.snapshotChunks = o.groupChunks = 2;
        for (bool offsets : {true, false}) {
            o.offsets = offsets;
            const std::string base = offsets ? "tree" : "bare";
            writeTree(dir / base, o);
            for (const char* f :
                 {"output/snapdir_086/snap_086.0.hdf5", "output/snapdir_086/snap_086.1.hdf5",
                  "output/groups_086/fof_subhalo_tab_086.0.hdf5", "output/groups_086/fof_subhalo_tab_086.1.hdf5"})
                add(base + "/" + f, base + "/output");
        }
        add("tree/postprocessing/offsets/offsets_086.hdf5", "tree/output");
    }
    void add(const std::string& target, const std::string& path) {
        targets.push_back(target);
        paths.push_back(path);
    }
    void writeRubix() {
        auto file = h5::File::create(dir / "rubix.h5");
        const auto root = file.root();
        const double x[] = {1, 2, 3, 4, 5, 6}, z = 0.1;
        root.write<double>("galaxy/center", {3}, x).setAttribute("unit", "kpc");
        root.write<double>("galaxy/redshift", {}, &z);
        const auto s = root.createGroup("particles/stars");
        s.write<double>("coords", {2, 3}, x).setAttribute("unit", "kpc");
        s.write<double>("velocity", {2, 3}, x);
        for (const char* name : {"mass", "age", "metallicity"}) {
            const double v[] = {0.5, 0.25};
            s.write<double>(name, {2}, v);
        }
        file.close();
    }
};

void readAll(const std::string& path) {
    const auto snap = Snapshot::open(path);
    for (std::int64_t id : snap->subhalos()) {
        const Subhalo s = snap->subhalo(id);
        snap->readStars(s.stars);
        snap->readGas(s.gas);
    }
    snap->readStars({0, snap->info().numStars});
    snap->readGas({0, snap->info().numGas});
}

// One child: mutate, read, restore, for a number of inputs.
void runBatch(const Seeds& seeds, std::uint64_t seed, bool raw, const std::string& work) {
    const int inputsPerChild = raw ? 1 : 20;
    handleSignals();
#if !defined(__SANITIZE_ADDRESS__)
    const rlimit memory{rlim_t(8) << 30, rlim_t(8) << 30};
    setrlimit(RLIMIT_AS, &memory);
#endif
    Random r(seed);
    for (int i = 0; i < inputsPerChild; ++i) {
        const auto k = below(r, seeds.targets.size());
        const std::string top = seeds.targets[k].substr(0, seeds.targets[k].find('/'));
        fs::remove_all(fs::path(work) / top);
        fs::copy(seeds.dir / top, fs::path(work) / top, fs::copy_options::recursive);
        const std::string target = work + "/" + seeds.targets[k], path = work + "/" + seeds.paths[k];
        alarm(20);
        ++report->tried;
        try {
            if (raw)
                mutateBytes(target, r);
            else if (below(r, 3) > 0)
                mutateObjects(target, r);
            else
                fs::resize_file(target, below(r, fs::file_size(target)));
            readAll(path);
            ++report->accepted;
        } catch (const Error&) {
            ++report->refused;
        } catch (const std::exception& e) {
            report->crashed = report->ours = true;
            std::strncpy(report->message, e.what(), sizeof report->message - 1);
            std::strncpy(report->where, "an exception that is no Error", sizeof report->where - 1);
            _exit(3);
        }
        alarm(0);
    }
    _exit(0);
}

double environment(const char* name, double otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::atof(text) : otherwise;
}

}  // namespace

TEST_CASE("random mutations end in success or in an Error") {
    const double seconds = environment("TESSERA_FUZZ_SECONDS", 5);
    const auto first = std::uint64_t(environment("TESSERA_FUZZ_SEED", 1)) * 1000000;
    const Seeds seeds;
    for (const auto& p : seeds.paths) REQUIRE_NOTHROW(readAll(seeds.dir / p));
    report =
        static_cast<Report*>(mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    REQUIRE(report != MAP_FAILED);

    long tried = 0, accepted = 0, refused = 0;
    std::map<std::string, int> library;
    TemporaryDirectory work;
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    for (std::uint64_t batch = 0; elapsed() < seconds; ++batch) {
        *report = Report{};
        const bool raw = batch % 16 != 0;
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) runBatch(seeds, first + batch, raw, work.path().string());
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        tried += report->tried;
        accepted += report->accepted;
        refused += report->refused;
        INFO("seed " << first + batch << ", input " << report->tried << ", signal " << report->signal << " in "
                     << report->where << " " << report->message);
        const bool unexplained = !report->crashed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK(!unexplained);
        if (raw && report->crashed && !report->ours)
            ++library[std::string(report->where) + " (signal " + std::to_string(report->signal) + ")"];
        else
            CHECK(!report->crashed);
    }
    std::cout << tried << " inputs in " << elapsed() << " s: " << accepted << " read, " << refused << " refused";
    for (const auto& [where, count] : library) std::cout << ", " << count << " x crash in HDF5's " << where;
    std::cout << std::endl;
    CHECK(tried > 0);
    CHECK(accepted > 0);
    CHECK(refused > 0);
}
