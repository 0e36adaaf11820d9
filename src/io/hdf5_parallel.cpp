// Chunks compressed by many threads, written through H5Dwrite_chunk.
#include <zlib.h>

#include <array>
#include <cmath>
#include <cstring>

#include "io/hdf5_detail.hpp"

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

// Whether deflate would be wasted on these bytes: all values equally often, and a piece deflated at level 1 (it may
// hold repetitions that the entropy does not tell of) no smaller.
bool isNoise(const unsigned char* bytes, std::size_t count) {
    if (sampledEntropy(bytes, count) < 7.7) return false;
    std::array<unsigned char, 4096> piece;
    const std::size_t length = std::min(piece.size(), count);
    uLongf deflated = uLongf(length - length / 32);
    return compress2(piece.data(), &deflated, bytes + (count - length) / 2, uLong(length), 1) == Z_BUF_ERROR;
}

// One zlib stream of the four byte planes. The low bytes of a mantissa are noise that deflate only spends time on: such
// planes go into stored blocks. Returns the length, 0 where zlib failed.
std::size_t deflatePlanes(const unsigned char* planes, std::size_t count, int level, unsigned char* out,
                          std::size_t capacity) {
    z_stream stream{};
    if (deflateInit(&stream, level) != Z_OK) return 0;
    stream.next_out = out;
    stream.avail_out = uInt(capacity);
    bool good = true;
    for (std::size_t b = 0; b < sizeof(float); ++b) {
        const unsigned char* plane = planes + b * count;
        good = good && deflateParams(&stream, isNoise(plane, count) ? 0 : level, Z_DEFAULT_STRATEGY) == Z_OK;
        stream.next_in = const_cast<unsigned char*>(plane);
        stream.avail_in = uInt(count);
        const bool last = b + 1 == sizeof(float);
        good = good && deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH) == (last ? Z_STREAM_END : Z_OK);
    }
    const std::size_t length = stream.total_out;
    deflateEnd(&stream);
    return good ? length : 0;
}

// Copies the chunk at `start` out of the array; what lies beyond the array's end is zero.
void cut(const float* in, const Shape& shape, const Shape& chunk, const Shape& start, float* out) {
    std::memset(out, 0, chunk[0] * chunk[1] * chunk[2] * sizeof(float));
    Shape n;
    for (int i = 0; i < 3; ++i) n[i] = std::min(chunk[i], shape[i] - start[i]);
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
    const std::size_t capacity = filters.deflate > 0 ? compressBound(uLong(bytes)) + 1024 : bytes;
    const std::size_t batch = std::clamp<std::size_t>((std::size_t(16) << 20) / capacity, 1, total);
    std::vector<unsigned char> stored(batch * capacity);
    std::vector<std::size_t> storedBytes(batch);
    const auto startOf = [&](std::size_t i) -> Shape {
        return {i / (chunks[1] * chunks[2]) * chunk[0], i / chunks[2] % chunks[1] * chunk[1], i % chunks[2] * chunk[2]};
    };
    for (std::size_t first = 0; first < total; first += batch) {
        const std::size_t count = std::min(batch, total - first);
        int failed = 0;
#pragma omp parallel reduction(| : failed)
        {
            std::vector<float> raw(values);
            std::vector<unsigned char> shuffled(filters.deflate > 0 ? bytes : 0);
#pragma omp for schedule(dynamic)
            for (std::size_t i = 0; i < count; ++i) {
                unsigned char* out = stored.data() + i * capacity;
                cut(in, shape, chunk, startOf(first + i), raw.data());
                if (filters.deflate == 0) {
                    std::memcpy(out, raw.data(), bytes);
                    storedBytes[i] = bytes;
                    continue;
                }
                shuffle(raw.data(), values, shuffled.data());
                storedBytes[i] = deflatePlanes(shuffled.data(), values, filters.deflate, out, capacity);
                failed |= storedBytes[i] == 0;
            }
        }
        if (failed) throw Error(where_ + ": cannot compress");
        for (std::size_t i = 0; i < count; ++i) {
            const Shape start = startOf(first + i);
            const hsize_t offset[3] = {start[0], start[1], start[2]};
            check(H5Dwrite_chunk(id_.get(), H5P_DEFAULT, 0, offset, storedBytes[i], stored.data() + i * capacity),
                  where_, "cannot write");
        }
    }
}

}  // namespace tessera::h5
