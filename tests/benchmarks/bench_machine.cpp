// The machine's limits, for rooflines: memory bandwidth of a triad (a[i] = b[i] + s c[i], three arrays far larger than
// the caches; 12 bytes an element, the line read before it is written not counted, as STREAM counts) and the rate of
// float fused multiply-adds from registers at the SIMD level that Tessera uses.
//
//   bench_machine [--threads 1 2 ...] [--megabytes 256] [--runs 5] [--json FILE]
#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <thread>

#include "bench_common.hpp"
#include "fma_rate.hpp"
#include "simd/kernels.hpp"
#include "tessera/core/memory.hpp"
#include "tessera/core/version.hpp"

namespace po = boost::program_options;
using namespace tessera;

namespace {

// [GB/s]
double triadRate(std::size_t megabytes, int threads, int runs) {
    const std::size_t n = (megabytes << 20) / sizeof(float);
    Buffer<float> a(n), b(n), c(n);
    float *out = a.data(), *x = b.data(), *y = c.data();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
        out[i] = 0;
        x[i] = float(i % 7);
        y[i] = float(i % 5);
    }
    double best = 1e300;
    for (int run = 0; run < runs; ++run)
        best = std::min(best, bench::seconds([&] {
#pragma omp parallel for simd num_threads(threads) schedule(static)
                            for (std::size_t i = 0; i < n; ++i) out[i] = x[i] + 3 * y[i];
                        }));
    return out[n / 2] < 0 ? 0 : 3.0 * double(n) * sizeof(float) / best * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<int> threads;
    std::size_t megabytes = 0;
    int runs = 0;
    std::string jsonPath;
    const int cores = int(std::thread::hardware_concurrency());
    po::options_description options("bench_machine");
    options.add_options()("help", "this text")("threads", po::value(&threads)->multitoken(), "OpenMP threads")(
        "megabytes", po::value(&megabytes)->default_value(256), "size of each of the triad's three arrays")(
        "runs", po::value(&runs)->default_value(5), "the best of so many")(
        "json", po::value(&jsonPath)->default_value(""), "write the figures to this file");
    return bench::program(argc, argv, options, [&] {
        if (threads.empty())
            for (int t = 1; t <= cores; t *= 2) threads.push_back(t);

        const std::string level = simd::kernels().name;
        nlohmann::json report = {{"program", "bench_machine"}, {"simd", level},         {"cores", cores},
                                 {"compiler", compiler()},     {"commit", commit()},    {"version", version()},
                                 {"build", buildType()},       {"megabytes", megabytes}};
        for (const int t : threads) {
            const double triad = triadRate(megabytes, t, runs), fma = bench::fmaRate(t, runs);
            fmt::print("{} threads: triad {:.1f} GB/s, {} {:.1f} G FMA/s\n", t, triad, level, fma);
            report["cases"].push_back(
                {{"threads", t}, {"triad_gigabytes_per_second", triad}, {"giga_fma_per_second", fma}});
        }
        bench::writeJson(jsonPath, report);
    });
}
