// Which backends this build has.
#include <string>

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

void requireDevice(Backend backend, int nodeRank) {
    if (backend == Backend::simt || backend == Backend::cuda) makeDeviceObserver(backend, nodeRank);
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
