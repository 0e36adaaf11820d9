// Chunks compressed by many threads, written through H5Dwrite_chunk.
#include <libdeflate.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>
#include <map>
#include <memory>

#include "io/hdf5_detail.hpp"
#include "tessera/core/memory.hpp"

namespace tessera::h5 {

using detail::check;

namespace {

using Shape = std::array<std::size_t, 3>;

// The order of HDF5's shuffle filter: all first bytes, all second bytes, ...
void shuffle(const float* values, std::size_t count, unsigned char* out) {
    const auto* in = reinterpret_cast<const unsigned char*>(values);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t b = 0; b < sizeof(float); ++b) out[b * count + i] = in[i * sizeof(float) + b];
}

// Entropy [bits a byte] of every eighth byte, from 0 to 8.
double sampledEntropy(const unsigned char* bytes, std::size_t count) {
    std::array<unsigned, 256> histogram{};
    unsigned n = 0;
    for (std::size_t i = 0; i < count; i += 8, ++n) ++histogram[bytes[i]];
    double entropy = 0;
    for (const unsigned h : histogram)
        if (h != 0) entropy -= double(h) / n * std::log2(double(h) / n);
    return entropy;
}

struct FreeCompressor {
    void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};
using Compressor = std::unique_ptr<libdeflate_compressor, FreeCompressor>;

// Whether deflate would be wasted on these bytes: all values equally often, and a piece deflated (it may hold
// repetitions that the entropy does not tell of) hardly smaller.
bool isNoise(const unsigned char* bytes, std::size_t count, libdeflate_compressor* compressor) {
    if (sampledEntropy(bytes, count) < 7.7) return false;
    std::array<unsigned char, 2048> piece;
    const std::size_t length = std::min(piece.size(), count);
    return libdeflate_deflate_compress(compressor, bytes + (count - length) / 2, length, piece.data(),
                                       length - length / 32) == 0;
}

// Stored blocks of deflate (RFC 1951, 3.2.4), of at most 65535 bytes each.
unsigned char* store(const unsigned char* bytes, std::size_t count, bool last, unsigned char* out) {
    while (count > 0) {
        const std::size_t n = std::min<std::size_t>(count, 65535);
        *out++ = last && n == count ? 1 : 0;
        for (const std::size_t length : {n, ~n})
            for (const int shift : {0, 8}) *out++ = static_cast<unsigned char>(length >> shift);
        std::memcpy(out, bytes, n);
        out += n;
        bytes += n;
        count -= n;
    }
    return out;
}

// One zlib stream (RFC 1950) of the four byte planes. The low bytes of a mantissa come first and are noise that deflate
// only spends time on: such planes go into stored blocks. Returns the length, 0 where the room does not suffice.
std::size_t deflatePlanes(const unsigned char* planes, std::size_t count, libdeflate_compressor* compressor,
                          unsigned char* out, std::size_t capacity) {
    const std::size_t bytes = count * sizeof(float);
    std::size_t stored = 0;
    while (stored < bytes && isNoise(planes + stored, count, compressor)) stored += count;
    unsigned char* end = out;
    *end++ = 0x78;  // deflate, window of 32 KiB
    *end++ = 0x9c;  // makes the two bytes a multiple of 31
    end = store(planes, stored, stored == bytes, end);
    if (stored < bytes) {
        const std::size_t room = capacity - std::size_t(end - out) - 4;
        const std::size_t length = libdeflate_deflate_compress(compressor, planes + stored, bytes - stored, end, room);
        if (length == 0) return 0;
        end += length;
    }
    const std::uint32_t checksum = libdeflate_adler32(1, planes, bytes);
    for (const int shift : {24, 16, 8, 0}) *end++ = static_cast<unsigned char>(checksum >> shift);
    return std::size_t(end - out);
}

// The level of libdeflate that makes cubes as small as zlib's level does, with and without noise: levels are zlib's for those
// who set them. The first is the fastest there is.
int levelOf(int zlib) {
    return zlib == 3 ? 2 : zlib == 4 ? 3 : zlib;
}

// Deflates one chunk after the other. Cubes of small galaxies are dark for the most part, and the search for repetitions is
// slow where there is nothing else: chunks of one value alone are deflated once.
class ChunkDeflater {
public:
    ChunkDeflater(int level, std::size_t values)
        : compressor_(libdeflate_alloc_compressor(levelOf(level))), values_(values), planes_(values * sizeof(float)) {}

    // Returns the length, 0 where it cannot be done.
    std::size_t operator()(const float* chunk, unsigned char* out, std::size_t capacity) {
        if (!compressor_) return 0;
        // Every value is the next one's.
        if (std::memcmp(chunk, chunk + 1, (values_ - 1) * sizeof(float)) != 0) return deflate(chunk, out, capacity);
        std::vector<unsigned char>& stream = ofValue_[std::bit_cast<std::uint32_t>(chunk[0])];
        if (stream.empty()) {
            stream.assign(out, out + deflate(chunk, out, capacity));
            const std::size_t length = stream.size();
            if (ofValue_.size() > mostValues) ofValue_.clear();
            return length;
        }
        std::copy(stream.begin(), stream.end(), out);
        return stream.size();
    }

private:
    static constexpr std::size_t mostValues = 4;  // 0 and NaN, as a rule

    std::size_t deflate(const float* chunk, unsigned char* out, std::size_t capacity) {
        shuffle(chunk, values_, planes_.data());
        return deflatePlanes(planes_.data(), values_, compressor_.get(), out, capacity);
    }

    Compressor compressor_;
    std::size_t values_;
    std::vector<unsigned char> planes_;
    std::map<std::uint32_t, std::vector<unsigned char>> ofValue_;
};

// Copies the chunk at `start` out of the array. What lies beyond the array's end no one reads: it is as the chunk begins, so that
// dark chunks are of one value at the edges too.
void cut(const float* in, const Shape& shape, const Shape& chunk, const Shape& start, float* out) {
    Shape n;
    for (int i = 0; i < 3; ++i) n[i] = std::min(chunk[i], shape[i] - start[i]);
    if (n != chunk)
        std::fill_n(out, chunk[0] * chunk[1] * chunk[2], in[(start[0] * shape[1] + start[1]) * shape[2] + start[2]]);
    for (std::size_t y = 0; y < n[0]; ++y)
        for (std::size_t x = 0; x < n[1]; ++x)
            std::memcpy(out + (y * chunk[1] + x) * chunk[2],
                        in + ((start[0] + y) * shape[1] + start[1] + x) * shape[2] + start[2], n[2] * sizeof(float));
}

struct Filters {
    bool supported = true, shuffle = false;
    int deflate = 0;
};

// Only the pipelines that Layout makes: none, or shuffle then deflate.
Filters filtersOf(hid_t list) {
    Filters filters;
    const int n = H5Pget_nfilters(list);
    filters.supported = n == 0 || n == 2;
    for (int i = 0; i < n && filters.supported; ++i) {
        unsigned flags = 0, config = 0, values[4] = {0, 0, 0, 0};
        std::size_t count = 4;
        const H5Z_filter_t id = H5Pget_filter2(list, unsigned(i), &flags, &count, values, 0, nullptr, &config);
        filters.supported = id == (i == 0 ? H5Z_FILTER_SHUFFLE : H5Z_FILTER_DEFLATE);
        if (i == 0) filters.shuffle = true;
        if (i == 1) filters.deflate = int(values[0]);
    }
    return filters;
}

}  // namespace

void Dataset::writeAllParallel(const float* in) const {
    const Id list(check(H5Dget_create_plist(id_.get()), where_, "cannot read the layout"));
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    const Filters filters = filtersOf(list.get());
    const bool same = check(H5Tequal(type.get(), H5T_NATIVE_FLOAT), where_, "cannot compare types") > 0;
    if (shape_.size() != 3 || H5Pget_layout(list.get()) != H5D_CHUNKED || !filters.supported || !same || size() == 0) {
        writeAll(in);
        return;
    }
    hsize_t chunkOf[3];
    check(H5Pget_chunk(list.get(), 3, chunkOf), where_, "cannot read the chunks");
    Shape shape, chunk, chunks;
    for (int i = 0; i < 3; ++i) {
        shape[i] = shape_[i];
        chunk[i] = chunkOf[i];
        chunks[i] = (shape[i] + chunk[i] - 1) / chunk[i];
    }
    const std::size_t values = chunk[0] * chunk[1] * chunk[2], bytes = values * sizeof(float);
    const std::size_t total = chunks[0] * chunks[1] * chunks[2];
    const auto startOf = [&](std::size_t i) -> Shape {
        return {i / (chunks[1] * chunks[2]) * chunk[0], i / chunks[2] % chunks[1] * chunk[1], i % chunks[2] * chunk[2]};
    };
    const auto write = [&](std::size_t i, const void* stored, std::size_t length) {
        const Shape start = startOf(i);
        const hsize_t offset[3] = {start[0], start[1], start[2]};
        check(H5Dwrite_chunk(id_.get(), H5P_DEFAULT, 0, offset, length, stored), where_, "cannot write");
    };
    if (filters.deflate == 0) {  // copying is all there is to do: one thread is as fast as the file
        Buffer<float> raw(values);
        for (std::size_t i = 0; i < total; ++i) {
            cut(in, shape, chunk, startOf(i), raw.data());
            write(i, raw.data(), bytes);
        }
        return;
    }
    // A batch is deflated by all while the first of them writes the one before it: the file is the same for any number.
    const std::size_t capacity = libdeflate_zlib_compress_bound(nullptr, bytes) + 1024;
    const std::size_t batch = std::min(total, std::max<std::size_t>(32, 4 * std::size_t(omp_get_max_threads())));
    Buffer<unsigned char> stored(2 * batch * capacity);
    std::vector<std::size_t> storedBytes(2 * batch);
    const auto slotOf = [&](std::size_t i) { return i / batch % 2 * batch + i % batch; };
    const auto writeBatch = [&](std::size_t first) {
        for (std::size_t i = first; i < std::min(first + batch, total); ++i)
            write(i, stored.data() + slotOf(i) * capacity, storedBytes[slotOf(i)]);
    };
    std::atomic<bool> failed = false;
    std::exception_ptr fault;
#pragma omp parallel
    {
        std::vector<float> raw(values);
        ChunkDeflater deflate(filters.deflate, values);
        for (std::size_t first = 0; first < total; first += batch) {
#pragma omp master
            if (first > 0 && !failed) try {
                    writeBatch(first - batch);
                } catch (...) {
                    fault = std::current_exception();
                    failed = true;
                }
#pragma omp for schedule(dynamic)
            for (std::size_t i = first; i < std::min(first + batch, total); ++i) {
                if (failed) continue;
                cut(in, shape, chunk, startOf(i), raw.data());
                std::size_t& length = storedBytes[slotOf(i)];
                length = deflate(raw.data(), stored.data() + slotOf(i) * capacity, capacity);
                if (length == 0) failed = true;
            }
        }
    }
    if (fault) std::rethrow_exception(fault);
    if (failed) throw Error(where_ + ": cannot compress");
    writeBatch((total - 1) / batch * batch);
}

}  // namespace tessera::h5
