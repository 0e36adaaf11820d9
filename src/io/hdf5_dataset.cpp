#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "io/hdf5_detail.hpp"

namespace tessera::h5 {

using detail::check;

namespace {

std::string text(std::span<const hsize_t> values) {
    std::string out = "[";
    for (std::size_t i = 0; i < values.size(); ++i) out += (i ? ", " : "") + std::to_string(values[i]);
    return out + "]";
}

}  // namespace

Dataset::Dataset(Id id, std::string where) : id_(std::move(id)), where_(std::move(where)) {
    const Id space(check(H5Dget_space(id_.get()), where_, "cannot read the shape"));
    const int rank = check(H5Sget_simple_extent_ndims(space.get()), where_, "cannot read the shape");
    shape_.resize(std::size_t(rank));
    if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) shape_ = {0};
    if (rank > 0)
        check(H5Sget_simple_extent_dims(space.get(), shape_.data(), nullptr), where_, "cannot read the shape");
}

bool Dataset::isFloat() const {
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    return H5Tget_class(type.get()) == H5T_FLOAT;
}

bool Dataset::isInteger() const {
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    return H5Tget_class(type.get()) == H5T_INTEGER;
}

hsize_t Dataset::size() const {
    hsize_t n = 1;
    for (hsize_t d : shape_) {
        if (d != 0 && n > hsize_t(std::numeric_limits<std::int64_t>::max()) / d)
            throw Error(where_ + ": shape " + text(shape_) + " has too many values");
        n *= d;
    }
    return n;
}

std::size_t Dataset::valueBytes() const {
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    return H5Tget_size(type.get());
}

void Dataset::checkNumeric() const {
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    const auto kind = H5Tget_class(type.get());
    if (!detail::numeric(kind))
        throw Error(where_ + ": holds " + detail::className(kind) + " where numbers are expected");
}

// A damaged shape may claim terabytes. Deflate shrinks by less than 1032; never-written values are stored as nothing.
void Dataset::checkPlausible() const {
    const Id list(check(H5Dget_create_plist(id_.get()), where_, "cannot read the layout"));
    if (H5Pget_layout(list.get()) == H5D_VIRTUAL) return;
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    const double claimed = double(size()) * double(H5Tget_size(type.get()));
    const double stored = double(H5Dget_storage_size(id_.get()));
    const double possible = 64.0 * (1 << 20) + 1100 * stored;
    if (claimed > possible)
        throw Error(where_ + ": claims shape " + text(shape_) + " but stores " + std::to_string(std::size_t(stored)) +
                    " bytes: the file is damaged");
}

void Dataset::transfer(std::span<const hsize_t> start, std::span<const hsize_t> count, hid_t type, void* out,
                       const void* in) const {
    const char* verb = out != nullptr ? "cannot read" : "cannot write";
    if (start.size() != shape_.size() || count.size() != shape_.size())
        throw Error(where_ + ": " + verb + " a slab of rank " + std::to_string(start.size()) + " of shape " +
                    text(shape_));
    hsize_t n = 1;
    for (std::size_t i = 0; i < shape_.size(); ++i) {
        if (start[i] > shape_[i] || count[i] > shape_[i] - start[i])
            throw Error(where_ + ": " + verb + " " + text(count) + " values from " + text(start) + ": shape is " +
                        text(shape_));
        n *= count[i];
    }
    checkNumeric();
    if (n == 0) return;
    Id file, memory;
    if (!shape_.empty()) {
        file = Id(check(H5Dget_space(id_.get()), where_, "cannot read the shape"));
        check(H5Sselect_hyperslab(file.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), where_,
              "cannot select rows");
        memory = Id(check(H5Screate_simple(1, &n, nullptr), where_, "cannot make a shape"));
    }
    const hid_t fileSpace = file ? file.get() : H5S_ALL, memorySpace = memory ? memory.get() : H5S_ALL;
    if (out != nullptr) {
        checkPlausible();
        check(H5Dread(id_.get(), type, memorySpace, fileSpace, H5P_DEFAULT, out), where_, verb);
    } else {
        check(H5Dwrite(id_.get(), type, memorySpace, fileSpace, H5P_DEFAULT, in), where_, verb);
    }
}

template <class T>
void Dataset::readSlab(std::span<const hsize_t> start, std::span<const hsize_t> count, T* out) const {
    T nothing{};  // the buffer of an empty slab may be null
    transfer(start, count, nativeType<T>(), out != nullptr ? out : &nothing, nullptr);
}

template <class T>
void Dataset::writeSlab(std::span<const hsize_t> start, std::span<const hsize_t> count, const T* in) const {
    transfer(start, count, nativeType<T>(), nullptr, in);
}

template <class T>
void Dataset::readRows(hsize_t first, hsize_t count, T* out) const {
    std::vector<hsize_t> start(shape_.size(), 0), counts = shape_;
    if (!shape_.empty()) {
        start[0] = first;
        counts[0] = count;
    } else if (first != 0 || count > 1) {
        throw Error(where_ + ": has a single value where rows are expected");
    }
    if (!shape_.empty() || count != 0) readSlab(start, counts, out);
}

template <class T>
void Dataset::writeRows(hsize_t first, hsize_t count, const T* in) const {
    std::vector<hsize_t> start(shape_.size(), 0), counts = shape_;
    if (!shape_.empty()) {
        start[0] = first;
        counts[0] = count;
    } else if (first != 0 || count > 1) {
        throw Error(where_ + ": has a single value where rows are expected");
    }
    if (!shape_.empty() || count != 0) writeSlab(start, counts, in);
}

template <class T>
bool Dataset::isPlain() const {
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    const Id list(check(H5Dget_create_plist(id_.get()), where_, "cannot read the layout"));
    if (shape_.empty() || H5Tequal(type.get(), nativeType<T>()) <= 0) return false;
    if (H5Pget_layout(list.get()) != H5D_CONTIGUOUS || H5Pget_external_count(list.get()) != 0) return false;
    const haddr_t place = H5Dget_offset(id_.get());
    const Id file(H5Iget_file_id(id_.get())), access(file ? H5Fget_access_plist(file.get()) : -1);
    unsigned intent = 0;
    void* handle = nullptr;
    const bool simple = access && H5Pget_driver(access.get()) == H5FD_SEC2 && H5Fget_intent(file.get(), &intent) >= 0 &&
                        intent == H5F_ACC_RDONLY && H5Fget_vfd_handle(file.get(), H5P_DEFAULT, &handle) >= 0;
    H5Eclear2(H5E_DEFAULT);
    if (!simple || handle == nullptr || !std::in_range<std::int64_t>(place)) return false;  // never written: no place
    place_ = std::int64_t(place);
    descriptor_ = *static_cast<int*>(handle);
    return true;
}

template <class T>
void Dataset::readPlain(hsize_t first, hsize_t count, T* out) const {
    expects(place_ >= 0 && first <= rows() && count <= rows() - first, "rows of plain values");
    hsize_t width = sizeof(T);
    for (std::size_t k = 1; k < shape_.size(); ++k) width *= shape_[k];
    auto* to = reinterpret_cast<char*>(out);
    auto from = off_t(hsize_t(place_) + first * width);
    for (hsize_t left = count * width; left > 0;) {
        const ssize_t got = ::pread(descriptor_, to, std::min<hsize_t>(left, hsize_t(1) << 30), from);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            throw Error(where_ + ": cannot read (" + (got < 0 ? std::strerror(errno) : "the file ends before") + ")");
        to += got;
        from += got;
        left -= hsize_t(got);
    }
}

template <class T>
std::vector<T> Dataset::readAll() const {
    checkNumeric();
    checkPlausible();
    std::vector<T> values(size());
    readSlab(std::vector<hsize_t>(shape_.size(), 0), shape_, values.data());
    return values;
}

template <class T>
void Dataset::writeAll(const T* in) const {
    writeSlab(std::vector<hsize_t>(shape_.size(), 0), shape_, in);
}

bool Dataset::hasAttribute(const std::string& name) const {
    return detail::hasAttribute(id_.get(), where_, name);
}

std::optional<std::string> Dataset::attributeString(const std::string& name) const {
    return detail::readStringAttribute(id_.get(), where_, name);
}

void Dataset::setAttribute(const std::string& name, const std::string& value) const {
    detail::writeStringAttribute(id_.get(), where_, name, value);
}

template <class T>
std::optional<T> Dataset::attribute(const std::string& name) const {
    return detail::readScalarAttribute<T>(id_.get(), where_, name);
}

template <class T>
void Dataset::setAttribute(const std::string& name, const T& value) const {
    detail::writeAttribute(id_.get(), where_, name, nativeType<T>(), {}, &value);
}

#define TESSERA_INSTANTIATE(T)                                                                               \
    template void Dataset::readRows<T>(hsize_t, hsize_t, T*) const;                                          \
    template bool Dataset::isPlain<T>() const;                                                               \
    template void Dataset::readPlain<T>(hsize_t, hsize_t, T*) const;                                         \
    template std::vector<T> Dataset::readAll<T>() const;                                                     \
    template void Dataset::writeRows<T>(hsize_t, hsize_t, const T*) const;                                   \
    template void Dataset::writeAll<T>(const T*) const;                                                      \
    template void Dataset::writeSlab<T>(std::span<const hsize_t>, std::span<const hsize_t>, const T*) const; \
    template void Dataset::readSlab<T>(std::span<const hsize_t>, std::span<const hsize_t>, T*) const;        \
    template std::optional<T> Dataset::attribute<T>(const std::string&) const;                               \
    template void Dataset::setAttribute<T>(const std::string&, const T&) const;
TESSERA_H5_TYPES(TESSERA_INSTANTIATE)
#undef TESSERA_INSTANTIATE

}  // namespace tessera::h5
