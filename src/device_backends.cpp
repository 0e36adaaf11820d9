// Which backends this build has.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <string>
#include <vector>

#include "device_adjoint.hpp"
#include "device_observer.hpp"
#include "tessera/core/error.hpp"

namespace tessera {

#ifdef TESSERA_HAS_SIMT
namespace gpu::simtBackend {
std::unique_ptr<DeviceObserver> makeObserver(int nodeRank);
std::unique_ptr<DeviceAdjoint> makeAdjoint(int nodeRank);
}  // namespace gpu::simtBackend
#endif
#ifdef TESSERA_HAS_CUDA
namespace gpu::cuda {
std::unique_ptr<DeviceObserver> makeObserver(int nodeRank);
std::unique_ptr<DeviceAdjoint> makeAdjoint(int nodeRank);
bool deviceIsThere();
}  // namespace gpu::cuda
#endif

namespace {

// ", on ranks 1 (node a), 3 (node b) of 4": those that found none; the first ones.
std::string ranksWithout(const Comm& world, bool mine) {
    constexpr int most = 8;
    char host[HOST_NAME_MAX + 1] = {};
    gethostname(host, sizeof host - 1);
    const std::string name = mine ? fmt::format("{} ({})\n", world.rank(), host) : std::string();
    const std::vector<char> all = world.gatherAll(std::span<const char>(name));
    const auto count = std::count(all.begin(), all.end(), '\n');
    std::string text;
    int named = 0;
    for (auto from = all.begin(); from != all.end() && named < most; ++named) {
        const auto end = std::find(from, all.end(), '\n');
        text += (named > 0 ? ", " : "") + std::string(from, end);
        from = end + 1;
    }
    return fmt::format("; on {} {}{} of {}", count > 1 ? "ranks" : "rank", text,
                       count > most ? fmt::format(" and {} more", count - most) : "", world.size());
}

}  // namespace

std::unique_ptr<DeviceObserver> makeDeviceObserver(Backend backend, [[maybe_unused]] int nodeRank) {
#ifdef TESSERA_HAS_SIMT
    if (backend == Backend::simt) return gpu::simtBackend::makeObserver(nodeRank);
#endif
#ifdef TESSERA_HAS_CUDA
    if (backend == Backend::cuda || (backend == Backend::automatic && gpu::cuda::deviceIsThere()))
        return gpu::cuda::makeObserver(nodeRank);
#endif
    if (backend == Backend::simt || backend == Backend::cuda)
        throw NotCompiled(std::string("resources.backend: this build was made without ") +
                          (backend == Backend::cuda ? "CUDA (TESSERA_CUDA)" : "SIMT (TESSERA_SIMT)"));
    return nullptr;
}

bool deviceIsUsed(Backend backend) {
#ifdef TESSERA_HAS_CUDA
    if (backend == Backend::automatic) return gpu::cuda::deviceIsThere();
#endif
    return backend == Backend::simt || backend == Backend::cuda;
}

std::string deviceBackends() {
    std::string text;
#ifdef TESSERA_HAS_SIMT
    text += ", simt";
#endif
#ifdef TESSERA_HAS_CUDA
    text += ", cuda";
#ifdef TESSERA_CUDA_HAS_NCCL
    text += " with NCCL";
#endif
#endif
    return text.empty() ? "none" : text.substr(2);
}

void requireDevice(Backend backend, const Comm& world) {
    if (backend != Backend::simt && backend != Backend::cuda) return;
    std::string mine;
    try {
        const auto device = makeDeviceObserver(backend, nodeRank());
        spdlog::info("on {}", device->device());
    } catch (const NotCompiled&) {
        throw;
    } catch (const Error& e) {
        const std::string text = e.what(), key = "resources.backend";
        mine = (text.starts_with(key) ? text : key + ": " + text) + '\n';
    }
    const std::vector<char> all = world.gatherAll(std::span<const char>(mine));
    if (all.empty()) return;
    const std::string who = world.size() > 1 ? ranksWithout(world, !mine.empty()) : std::string();
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    throw Error(fmt::format("{}{}{}", std::string(all.begin(), std::find(all.begin(), all.end(), '\n')), who,
                            visible != nullptr ? fmt::format(" (CUDA_VISIBLE_DEVICES is \"{}\")", visible) : ""));
}

// The same devices; the observer's errors.
std::unique_ptr<DeviceAdjoint> makeDeviceAdjoint(Backend backend, [[maybe_unused]] int nodeRank) {
#ifdef TESSERA_HAS_SIMT
    if (backend == Backend::simt) return gpu::simtBackend::makeAdjoint(nodeRank);
#endif
#ifdef TESSERA_HAS_CUDA
    if (backend == Backend::cuda || (backend == Backend::automatic && gpu::cuda::deviceIsThere()))
        return gpu::cuda::makeAdjoint(nodeRank);
#endif
    makeDeviceObserver(backend, nodeRank);  // throws where the build has no such backend
    return nullptr;
}

}  // namespace tessera
