// Speed of reading the stars of a snapshot as tessera run does: columns in slices of rows, converted and checked.
//
//   bench_read --snapshot mock/output [--number 99] [--rows 4000000] [--runs 5] [--threads 2] [--json FILE]
#include <fmt/format.h>
#include <omp.h>

#include "bench_common.hpp"
#include "tessera/io/snapshot.hpp"

using namespace tessera;
namespace po = boost::program_options;

int main(int argc, char** argv) {
    std::string path, jsonPath;
    int number = -1, runs = 5, threads = 0;
    std::uint64_t rows = 0;
    po::options_description options("bench_read");
    options.add_options()("help", "this text")("snapshot", po::value(&path)->required(), "base directory or file")(
        "number", po::value(&number)->default_value(-1), "of the snapshot")(
        "rows", po::value(&rows)->default_value(4'000'000), "read at once, as a galaxy of so many stars")(
        "runs", po::value(&runs)->default_value(5), "the best of so many")(
        "threads", po::value(&threads)->default_value(0), "0: all")("json", po::value(&jsonPath)->default_value(""),
                                                                    "write the figures to this file");
    return bench::program(argc, argv, options, [&] {
        if (threads > 0) omp_set_num_threads(threads);
        const auto snapshot = Snapshot::open(path, "auto", number);
        const std::uint64_t all = snapshot->info().numStars;
        double least = 1e300, mass = 0;
        for (int run = 0; run < runs; ++run)
            least = std::min(
                least, bench::seconds([&] {
                    for (std::uint64_t first = 0; first < all; first += rows) {
                        const Stars stars = snapshot->readStars(ParticleRange{first, std::min(rows, all - first)});
                        if (stars.size() > 0) mass += stars.mass[stars.size() - 1];
                    }
                }));
        const double megabytes = snapshot->info().starBytes * double(all) / 1e6;
        fmt::print("{} stars, {:.1f} MB in the file: {:.4f} s, {:.0f} MB/s, {} threads\n", all, megabytes, least,
                   megabytes / least, omp_get_max_threads());
        expects(mass > 0, "stars with a mass");
        bench::writeJson(jsonPath, {{"program", "bench_read"},
                                    {"stars", all},
                                    {"megabytes", megabytes},
                                    {"threads", omp_get_max_threads()},
                                    {"rows", rows},
                                    {"seconds", least},
                                    {"megabytes_per_second", megabytes / least}});
    });
}
