// Copies beside the kernels: stars come in and cubes go out on streams of their own, through page-locked memory, while the stream
// of the kernels works on other galaxies. Device memory is always that of the kernels' stream.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "kernels/ordered_stars.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/particles.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// From pageable memory to the device, through two pieces of page-locked memory in turns.
class Staging {
public:
    // bytes: of each piece
    explicit Staging(std::size_t bytes) : bytes_(bytes) {}
    std::size_t bytes() const { return bytes_ * pieces_.size(); }
    // One after the other from the place on.
    void upload(const Stream& copies, void* to, std::span<const std::span<const std::byte>> from);

private:
    struct Piece {
        PinnedBuffer<std::byte> memory;
        Event sent;
        bool used = false;
    };
    Piece& freePiece();

    std::size_t bytes_;
    std::array<Piece, 2> pieces_;
    std::size_t next_ = 0;
};

// What copy() sends finds the memory of `kernels` there, and is there for what `kernels` does next.
template <class Copy>
void arriveBehind(const Stream& kernels, const Stream& copies, Copy copy) {
    Event room, there;  // memory of the kernels' stream is there when the stream comes so far
    room.record(kernels);
    room.wait(copies);
    copy();
    there.record(copies);
    there.wait(kernels);
}

// Stars [first, first + count) of those of a galaxy.
struct StarRows {
    const Stars* stars;
    std::size_t first, count;
};

// Stars on their way to the device.
class Arriving {
public:
    // Begins the copies. kernels: has nothing to do that lasts.
    Arriving(const Stream& kernels, const Stream& copies, Staging&, std::span<const StarRows>);
    // What is launched from here on finds them there.
    DeviceStars take(const Stream& kernels) {
        there_.wait(kernels);
        awaited_ = true;
        return std::move(stars_);
    }
    ~Arriving();
    Arriving(const Arriving&) = delete;
    Arriving& operator=(const Arriving&) = delete;

private:
    DeviceStars stars_;
    Event there_;
    bool awaited_ = false;
};

// Floats that leave the device, from several buffers. Where they are more than may be page-locked, they leave when they are asked
// for.
class Leaving {
public:
    // Begins the copies behind all that `kernels` has to do; the page-locked memory is grown where it is too small, to at most so
    // many bytes.
    Leaving(const Stream& kernels, const Stream& copies, PinnedBuffer<float>& memory, std::size_t mostBytes,
            std::vector<DeviceBuffer<float>> buffers);
    ~Leaving();
    Leaving(const Leaving&) = delete;
    Leaving& operator=(const Leaving&) = delete;
    // Values of buffer i from `first` on. Waits.
    void get(std::size_t i, std::size_t first, std::span<float> to);

private:
    std::vector<DeviceBuffer<float>> buffers_;
    std::vector<std::size_t> place_;
    const Stream& copies_;
    const PinnedBuffer<float>& memory_;
    Event there_;
    bool waited_ = false, direct_ = false;
};

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
