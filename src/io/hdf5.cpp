#include "tessera/io/hdf5.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "io/hdf5_detail.hpp"

namespace tessera::h5 {

using detail::check;

namespace detail {

void silence() {
    static const bool done = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
    (void)done;
}

std::string reason() {
    std::string text;
    H5Ewalk2(
        H5E_DEFAULT, H5E_WALK_UPWARD,
        [](unsigned n, const H5E_error2_t* entry, void* out) -> herr_t {
            if (n == 0 && entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
            return 0;
        },
        &text);
    H5Eclear2(H5E_DEFAULT);
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

void fail(const std::string& where, const std::string& what, std::source_location at) {
    const std::string why = reason();
    throw Error(where + ": " + what + (why.empty() ? "" : " (" + why + ")"), at);
}

const char* className(H5T_class_t kind) {
    switch (kind) {
        case H5T_INTEGER:
            return "integers";
        case H5T_FLOAT:
            return "floating-point numbers";
        case H5T_STRING:
            return "text";
        case H5T_COMPOUND:
            return "compounds";
        case H5T_REFERENCE:
            return "references";
        case H5T_ENUM:
            return "an enumeration";
        case H5T_VLEN:
            return "lists of variable length";
        case H5T_ARRAY:
            return "arrays";
        default:
            return "an unusual type";
    }
}

bool numeric(H5T_class_t kind) {
    return kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_ENUM;
}

}  // namespace detail

Id& Id::operator=(Id&& o) noexcept {
    if (this != &o) {
        close();
        id_ = o.id_;
        o.id_ = H5I_INVALID_HID;
    }
    return *this;
}

void Id::close() noexcept {
    if (id_ < 0) return;
    const hid_t id = id_;
    id_ = H5I_INVALID_HID;
    if (H5Iis_valid(id) <= 0) return;  // closed with its file
    switch (H5Iget_type(id)) {
        case H5I_FILE:
            H5Fclose(id);
            break;
        case H5I_GROUP:
            H5Gclose(id);
            break;
        case H5I_DATASET:
            H5Dclose(id);
            break;
        case H5I_DATASPACE:
            H5Sclose(id);
            break;
        case H5I_DATATYPE:
            H5Tclose(id);
            break;
        case H5I_ATTR:
            H5Aclose(id);
            break;
        case H5I_GENPROP_LST:
            H5Pclose(id);
            break;
        default:
            H5Idec_ref(id);
            break;
    }
}

template <>
hid_t nativeType<float>() {
    return H5T_NATIVE_FLOAT;
}
template <>
hid_t nativeType<double>() {
    return H5T_NATIVE_DOUBLE;
}
template <>
hid_t nativeType<std::int8_t>() {
    return H5T_NATIVE_INT8;
}
template <>
hid_t nativeType<std::uint8_t>() {
    return H5T_NATIVE_UINT8;
}
template <>
hid_t nativeType<std::int32_t>() {
    return H5T_NATIVE_INT32;
}
template <>
hid_t nativeType<std::uint32_t>() {
    return H5T_NATIVE_UINT32;
}
template <>
hid_t nativeType<std::int64_t>() {
    return H5T_NATIVE_INT64;
}
template <>
hid_t nativeType<std::uint64_t>() {
    return H5T_NATIVE_UINT64;
}

namespace {

Id accessList(const std::string& path, bool write) {
    detail::silence();
    Id list(check(H5Pcreate(H5P_FILE_ACCESS), path, "cannot make an access list"));
    // A file that was written is whole on disk when its id is closed, whatever objects are still open.
    if (write) check(H5Pset_fclose_degree(list.get(), H5F_CLOSE_STRONG), path, "cannot set up access");
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
    // Parallel file systems are often mounted without locks.
    check(H5Pset_file_locking(list.get(), true, true), path, "cannot set up access");
#endif
    return list;
}

// The system's reason (absent, no permission, a directory) reads better than HDF5's.
void checkReadable(const std::string& path) {
    std::error_code none;
    if (std::filesystem::is_directory(path, none)) throw Error(path + ": is a directory, not an HDF5 file");
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) throw Error(path + ": cannot open (" + std::strerror(errno) + ")");
}

void checkHdf5(const std::string& path) {
    checkReadable(path);
    detail::silence();
    const htri_t is = H5Fis_hdf5(path.c_str());
    if (is == 0) throw Error(path + ": not an HDF5 file (no HDF5 signature)");
    if (is < 0) detail::fail(path, "cannot open");
}

}  // namespace

File File::openRead(const std::string& path) {
    checkHdf5(path);
    const Id list = accessList(path, false);
    return {Id(check(H5Fopen(path.c_str(), H5F_ACC_RDONLY, list.get()), path, "cannot open")), path};
}

File File::create(const std::string& path) {
    const Id list = accessList(path, true);
    return {Id(check(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, list.get()), path, "cannot create")), path};
}

File File::openReadWrite(const std::string& path) {
    checkHdf5(path);
    const Id list = accessList(path, true);
    return {Id(check(H5Fopen(path.c_str(), H5F_ACC_RDWR, list.get()), path, "cannot open for writing")), path};
}

Group File::root() const {
    return {Id(check(H5Gopen2(id_.get(), "/", H5P_DEFAULT), path_, "cannot open the root group")), path_ + ":/"};
}

void File::flush() {
    check(H5Fflush(id_.get(), H5F_SCOPE_GLOBAL), path_, "cannot write");
}

void File::close() {
    if (!id_) return;
    const herr_t result = H5Fclose(id_.get());
    // Where that failed the id may still be valid; nothing is gained by a second try.
    const std::string why = result < 0 ? detail::reason() : "";
    id_.close();
    H5Eclear2(H5E_DEFAULT);
    if (result < 0) throw Error(path_ + ": cannot complete the file (" + why + ")");
}

}  // namespace tessera::h5
