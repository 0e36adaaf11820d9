// The device layer: streams, events, memory and launches. One interface, two implementations: CUDA where the file is
// compiled with TESSERA_GPU_CUDA, else SIMT, where kernels run on the CPU under checks (simt.hpp). Both may live in one
// program: everything below is in the inline namespace `cuda` or `simtBackend` of tessera::gpu.
//
//   Stream             work in order; synchronize() waits and throws the Error of what failed, done() does not wait. SIMT:
//                      work runs as late as possible, so that a missing synchronisation shows.
//   Event              record(stream), then wait(other stream), or synchronize() of the host
//   DeviceBuffer<T>    n values on the device, undefined at first, allocated and freed in the stream's order; must not
//                      outlive its stream. upload(), download(), zero() are asynchronous: host memory must live until they
//                      are done. SIMT: filled with NaN, and unreadable to the host under AddressSanitizer.
//   PinnedBuffer<T>    n values of page-locked host memory
//   upload(), download()  the same for any part of a device buffer
//   View<T>            pointer and size of a buffer, for kernels' arguments: no host pointer becomes one by accident.
//                      SIMT: every index is checked.
//   launch(grid, block, sharedBytes, stream, kernel, args...)
//                      an empty grid does nothing; errors name the line of the launch; launches() counts them
//   chooseDevice(nodeRank)
//                      before all else: processes on one machine take its devices in turns. Error where there is none.
//   deviceFound(), deviceName(), freeMemory() [byte], memoryLeft() of a budget
//
// Nothing looks at a device before one of these is called or a Stream is made.
#pragma once

#ifdef TESSERA_GPU_CUDA
#include "tessera/gpu/launch_cuda.hpp"
#else
#include "tessera/gpu/launch_simt.hpp"
#endif

namespace tessera::gpu {

// Blocks of `block` threads for n of them.
constexpr unsigned blocksFor(std::size_t n, unsigned block) {
    return unsigned((n + block - 1) / block);
}

inline namespace TESSERA_GPU_BACKEND {

// [byte] that may still be allocated, of what is free and of a budget for all of the process's buffers; 0: no budget.
inline std::size_t memoryLeft(std::size_t budget) {
    const std::size_t available = freeMemory(), used = allocated();
    if (budget == 0) return available;
    const std::size_t left = budget > used ? budget - used : 0;
    return left < available ? left : available;
}

}  // namespace TESSERA_GPU_BACKEND

}  // namespace tessera::gpu
