// Measuring a calibration with the code of a run: observer, parts, reader.
#include <fcntl.h>
#include <fmt/format.h>
#include <omp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <system_error>

#include "calibration.hpp"
#include "io/temporary_file.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/cube_parts.hpp"

namespace tessera {

namespace fs = std::filesystem;

namespace {

constexpr double mostSeconds = 1;      // for one galaxy: larger ones are left out
constexpr double mostCubeBytes = 2e8;  // a larger field is measured in its middle
constexpr double chunkSeconds = 1e-9;  // [s] a byte of copying chunks in memory
constexpr std::uint64_t readStarsOf = 300'000;

double processSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Action>
Work measured(Action action) {
    const double cpu = processSeconds();
    const auto begin = std::chrono::steady_clock::now();
    action();
    return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), processSeconds() - cpu};
}

// The shortest of several, as others may be at work: at least two, and as many as 0.3 seconds hold up to six.
template <class Action>
Work shortest(Action action) {
    Work best = measured(action);
    double spent = best.wall;
    for (int i = 1; i < 6 && (i < 2 || spent < 0.3); ++i) {
        const Work next = measured(action);
        spent += next.wall;
        best = {std::min(best.wall, next.wall), std::min(best.cpu, next.cpu)};
    }
    return best;
}

// What an action takes when nobody else is at work: CPU seconds of one thread, which do not wait for others in loops;
// the clock of several threads is between these shared by all and all of them, and the time that the disk takes.
template <class One, class Several>
Work undisturbed(int threads, double disk, One one, Several several) {
    const double cpu = shortest(one).cpu, wall = shortest(several).wall;
    return {std::clamp(wall, cpu / threads, cpu + disk), cpu};
}

Work operator/(const Work& w, double seconds) {
    return w * (1 / seconds);
}

// A directory beside the output, or where that cannot be, in the system's place for such; removed with all in it.
class Scratch {
public:
    explicit Scratch(const std::string& output) {
        std::error_code code;
        const std::string name = fmt::format("tessera-plan.{}", getpid());
        path_ = fs::path(directoryOf(output)) / name;
        if (!fs::create_directory(path_, code)) {
            path_ = fs::temp_directory_path() / name;
            if (!fs::create_directory(path_, code))
                throw Error(
                    fmt::format("cannot make a directory to measure in, neither beside {} nor as {}: {}; "
                                "--no-calibrate measures nothing",
                                output, path_.string(), code.message()));
        }
    }
    ~Scratch() {
        std::error_code code;
        fs::remove_all(path_, code);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    std::string file(const char* name) const { return (path_ / name).string(); }

private:
    fs::path path_;
};

// Plain writing and reading of 64 MB, past the system's memory as far as it lets itself be told.
void measureDisk(const Scratch& scratch, Calibration& c) {
    const std::string path = scratch.file("bytes");
    const int fd = open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (fd < 0) return;
    std::vector<unsigned char> block(std::size_t(4) << 20);
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<unsigned char>(i * 2654435761U >> 13);
    double bytes = 0, got = 0;
    const Work write = measured([&] {
        for (int i = 0; i < 16; ++i) {
            const auto n = ::write(fd, block.data(), block.size());
            if (n > 0) bytes += double(n);
        }
        fdatasync(fd);
    });
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    lseek(fd, 0, SEEK_SET);
    const Work read = measured([&] {
        for (int i = 0; i < 16; ++i) {
            const auto n = ::read(fd, block.data(), block.size());
            if (n > 0) got += double(n);
        }
    });
    close(fd);
    if (bytes > 0) c.diskWrite = bytes / write.wall;
    if (got > 0) c.diskRead = got / read.wall;
}

void measureReading(const Scratch& scratch, const MockSource& source, Calibration& c) {
    const auto snapshot = Snapshot::open(source.snapshot(scratch.file("mock"), readStarsOf), "tng", -1);
    const std::uint64_t stars = snapshot->info().numStars;
    const auto readBy = [&](int n) {
        omp_set_num_threads(n);
        snapshot->readStars({0, stars});
    };
    const double fromDisk = double(stars) * snapshot->info().starBytes / c.diskRead;
    c.read = undisturbed(
                 c.threads, fromDisk, [&] { readBy(1); }, [&] { readBy(c.threads); }) /
             readingCost(stars);
}

// The first view at the redshift of the plan, a field that is not too large.
Config configOf(const Setup& setup) {
    Config c = setup.config;
    c.views.resize(1);
    c.output.layout = OutputLayout::single;
    const double bytes = setup.cubeBytes();
    if (bytes > mostCubeBytes) c.telescope.fov *= std::sqrt(mostCubeBytes / bytes);
    return c;
}

}  // namespace

Calibration measureCalibration(const RunPlan& plan, int threads, const MockSource& source) {
    omp_set_num_threads(threads);
    Setup setup = plan.setups.front();
    setup.config = configOf(setup);
    const Config& config = setup.config;
    const CubeVolume volume = setup.volume();
    const double starMass = meanStarMass(plan);
    const Scratch scratch(plan.output);
    const std::string output = scratch.file("cubes.hdf5");
    CubeFileHeader header = headerOf(plan, 1);
    header.wavelength = config.telescope.wavelengths();
    fs::create_directory(partsPath(output));

    Calibration c;
    c.measured = true;
    c.threads = threads;
    measureDisk(scratch, c);
    const Host one{1}, several{threads};
    Observer alone(one, config, *setup.library, setup.cosmology, *setup.tables);
    Observer together(several, config, *setup.library, setup.cosmology, *setup.tables);
    for (const std::uint64_t stars : {1'000, 30'000, 1'000'000}) {
        if (!c.samples.empty() &&
            c.observing(double(stars), volume).cpu + c.writing(double(stars), volume).cpu > mostSeconds)
            break;
        const Stars galaxy = source.galaxy(stars, starMass * double(stars));
        GalaxyInput input;
        input.subhalo.id = std::int64_t(c.samples.size());
        GalaxyCube cube;
        const auto observe = [&](Observer& observer) {
            if (!cube.flux.data.empty()) observer.recycle(std::move(cube));
            cube = observer.observe(galaxy, input, 0);
        };
        const Work first = measured([&] { observe(alone); });
        const Work observed = undisturbed(
            threads, 0, [&] { observe(alone); }, [&] { observe(together); });
        if (c.samples.empty()) c.startUp = std::max(0.0, first.cpu - observed.cpu);
        std::string part;
        const auto writeBy = [&](int n) {
            omp_set_num_threads(n);
            PartsWriter writer(output, header, config.output, int(c.samples.size()));
            writer.write(cube);
            writer.endGalaxy({cube.report});
            writer.close();
            part = writer.partOfGalaxy().front();
        };
        writeBy(threads);
        const double bytes = double(fs::file_size(fs::path(partsPath(output)) / part));
        const Work write = undisturbed(
            threads, bytes / c.diskWrite, [&] { writeBy(1); }, [&] { writeBy(threads); });
        c.samples.push_back({double(stars), observed / observingCost(stars, volume), write / writingCost(volume),
                             bytes / setup.cubeBytes()});
        together.recycle(std::move(cube));
    }
    c.copySeconds = 1 / c.diskWrite + chunkSeconds;
    measureReading(scratch, source, c);
    return c;
}

}  // namespace tessera
