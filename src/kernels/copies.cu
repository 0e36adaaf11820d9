#include "kernels/copies.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

Staging::Piece& Staging::freePiece() {
    Piece& piece = pieces_[next_++ % 2];
    if (piece.memory.size() == 0) piece.memory = PinnedBuffer<std::byte>(bytes_);
    if (piece.used) piece.sent.synchronize();
    piece.used = true;
    return piece;
}

void Staging::upload(const Stream& copies, void* to, std::span<const std::span<const std::byte>> from) {
    auto* place = static_cast<std::byte*>(to);
    std::size_t source = 0, at = 0;  // of what comes next
    while (source < from.size()) {
        if (from[source].empty()) {
            ++source;
            continue;
        }
        Piece& piece = freePiece();
        std::size_t filled = 0;
        while (source < from.size() && filled < bytes_) {
            const std::size_t count = std::min(bytes_ - filled, from[source].size() - at);
            if (count > 0) std::memcpy(piece.memory.data() + filled, from[source].data() + at, count);
            filled += count;
            at += count;
            if (at < from[source].size()) continue;
            ++source;
            at = 0;
        }
        gpu::upload(copies, place, piece.memory.data(), filled);
        piece.sent.record(copies);
        place += filled;
    }
}

Arriving::Arriving(const Stream& kernels, const Stream& copies, Staging& staging, std::span<const StarRows> rows) {
    std::size_t n = 0;
    for (const StarRows& r : rows) n += r.count;
    stars_.position = DeviceBuffer<Vec3d>(n, kernels);
    stars_.velocity = DeviceBuffer<Vec3f>(n, kernels);
    stars_.mass = DeviceBuffer<float>(n, kernels);
    stars_.age = DeviceBuffer<float>(n, kernels);
    stars_.metallicity = DeviceBuffer<float>(n, kernels);
    Event room;  // memory of the kernels' stream is there when the stream comes so far
    room.record(kernels);
    room.wait(copies);
    std::vector<std::span<const std::byte>> from(rows.size());
    const auto send = [&](auto& to, auto field) {
        for (std::size_t i = 0; i < rows.size(); ++i)
            from[i] = std::as_bytes((rows[i].stars->*field).view().subspan(rows[i].first, rows[i].count));
        staging.upload(copies, to.data(), from);
    };
    send(stars_.position, &Stars::position);
    send(stars_.velocity, &Stars::velocity);
    send(stars_.mass, &Stars::mass);
    send(stars_.age, &Stars::age);
    send(stars_.metallicity, &Stars::metallicity);
    there_.record(copies);
}

// The memory must not go before the copies are done; what failed is known elsewhere.
Arriving::~Arriving() {
    try {
        if (!awaited_) there_.synchronize();
    } catch (const Error&) {
        return;
    }
}

Leaving::~Leaving() {
    try {
        if (!waited_) there_.synchronize();
    } catch (const Error&) {
        return;
    }
}

Leaving::Leaving(const Stream& kernels, const Stream& copies, PinnedBuffer<float>& memory, std::size_t mostBytes,
                 std::vector<DeviceBuffer<float>> buffers)
    : buffers_(std::move(buffers)), copies_(copies), memory_(memory) {
    std::size_t all = 0;
    for (const auto& b : buffers_) {
        place_.push_back(all);
        all += b.size();
    }
    direct_ = all > mostBytes / sizeof(float);
    if (!direct_ && memory.size() < all) {
        memory = {};  // first, so that both are not there at once
        memory = PinnedBuffer<float>(all);
    }
    Event made;
    made.record(kernels);
    made.wait(copies);
    for (std::size_t i = 0; i < buffers_.size(); ++i)
        if (!direct_ && buffers_[i].size() > 0)
            gpu::download(copies, memory.data() + place_[i], buffers_[i].data(), buffers_[i].size() * sizeof(float));
    there_.record(copies);
}

void Leaving::get(std::size_t i, std::size_t first, std::span<float> to) {
    expects(first <= buffers_[i].size() && to.size() <= buffers_[i].size() - first, "values that are there");
    if (!waited_) there_.synchronize();
    waited_ = true;
    if (!direct_) {
        std::copy_n(memory_.data() + place_[i] + first, to.size(), to.data());
        return;
    }
    gpu::download(copies_, to.data(), buffers_[i].data() + first, to.size_bytes());
    copies_.synchronize();
}

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
