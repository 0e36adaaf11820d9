#include "tessera/io/hdf5.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>

#include "io/hdf5_detail.hpp"

namespace tessera::h5 {

using detail::check;

namespace detail {

void silence() {
    // A library built for threads has one setting a thread.
    thread_local const bool done = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
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
    // Of a failed write, with its time, addresses and sizes, what the system said.
    const std::string mark = "error message = '";
    if (const std::size_t at = text.find(mark); at != std::string::npos) {
        const std::size_t from = at + mark.size();
        text = text.substr(from, text.find('\'', from) - from);
    }
    return text;
}

int& filesTogether() {
    static int files = 0;
    return files;
}

void fail(const std::string& where, const std::string& what, SourceLocation at) {
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

namespace {

// Files whose last writes failed, by their id's file name, and why.
std::map<std::string, std::string>& failedFiles() {
    static std::map<std::string, std::string> files;
    return files;
}

std::string nameOf(hid_t object) {
    const ssize_t length = H5Fget_name(object, nullptr, 0);
    std::string name(std::size_t(std::max<ssize_t>(length, 0)) + 1, '\0');
    H5Fget_name(object, name.data(), name.size());
    name.pop_back();
    return name;
}

// Whether it is to be flushed before it is closed, so that a full disk is noticed in time. A flush of a file that is open
// together would be a call of all processes.
bool writable(hid_t object) {
    if (detail::filesTogether() > 0) return false;
    const hid_t file = H5Iget_file_id(object);
    if (file < 0) return false;
    unsigned intent = 0;
    const bool known = H5Fget_intent(file, &intent) >= 0;
    H5Idec_ref(file);
    return known && (intent & H5F_ACC_RDWR) != 0;
}

// HDF5 frees half of a file or dataset that it cannot flush on closing, keeps its id, and crashes over it when the
// library ends. So where the disk is full, what remains to be written goes to an anonymous file in memory, and closing
// succeeds; File::close reports the reason.
void abandon(hid_t object) {
    failedFiles().emplace(nameOf(object), detail::reason());
#ifdef __linux__
    const hid_t file = H5Iget_file_id(object);
    void* descriptor = nullptr;
    if (file >= 0 && H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor) >= 0 && descriptor != nullptr) {
        const int sink = ::memfd_create("tessera-abandoned", MFD_CLOEXEC);
        if (sink >= 0) {
            ::dup2(sink, *static_cast<int*>(descriptor));
            ::close(sink);
        }
    }
    // A failed flush leaves the cache in a state that makes the next one fail too, and clears it thereby.
    for (int tries = 0; tries < 3 && file >= 0 && H5Fflush(file, H5F_SCOPE_GLOBAL) < 0; ++tries) {
    }
    if (file >= 0) H5Idec_ref(file);
#endif
}

}  // namespace

void Id::close() noexcept {
    if (id_ < 0) return;
    if (detail::filesTogether() > 0 && std::uncaught_exceptions() > 0) return;  // see File::openTogether()
    const hid_t id = id_;
    id_ = H5I_INVALID_HID;
    if (H5Iis_valid(id) <= 0) return;  // closed with its file
    switch (H5Iget_type(id)) {
        case H5I_FILE:
            if (writable(id) && H5Fflush(id, H5F_SCOPE_GLOBAL) < 0) abandon(id);
            H5Fclose(id);
            break;
        case H5I_DATASET:
            if (writable(id) && H5Dflush(id) < 0) abandon(id);
            H5Dclose(id);
            break;
        case H5I_GROUP:
            H5Gclose(id);
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

// Makes the file and takes back a first page: HDF5 crashes later over a file that it could not begin.
void checkCreatable(const std::string& path) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) throw Error(path + ": cannot create (" + std::strerror(errno) + ")");
    const std::string page(4096, '\0');
    const bool written = ::pwrite(file, page.data(), page.size(), 0) == ssize_t(page.size());
    const int why = errno;
    const bool closed = ::close(file) == 0;
    if (!written || !closed) throw Error(path + ": cannot create (" + std::strerror(written ? errno : why) + ")");
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
    checkCreatable(path);
    // A file that is emptied ext4 writes out whole when it is closed, seconds for gigabytes; a new one when there is time.
    const bool link = std::filesystem::is_symlink(path), gone = !link && ::unlink(path.c_str()) == 0;
    const Id list = accessList(path, true);
    const hid_t made = H5Fcreate(path.c_str(), gone ? H5F_ACC_EXCL : H5F_ACC_TRUNC, H5P_DEFAULT, list.get());
    return {Id(check(made, path, "cannot create")), path};
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
    if (together_) {
        flush();  // every process's own writes: one could not sync those of another machine
        check(H5Fclose(id_.release()), path_, "cannot complete the file");
        --detail::filesTogether();
        return;
    }
    const std::string name = nameOf(id_.get());
    if (writable(id_.get()) && H5Fflush(id_.get(), H5F_SCOPE_GLOBAL) < 0) abandon(id_.get());
    const herr_t result = H5Fclose(id_.get());
    id_.release();
    const auto failed = failedFiles().find(name);
    std::string why = failed != failedFiles().end() ? failed->second : "";
    failedFiles().erase(name);
    if (result < 0 && why.empty()) why = detail::reason();
    H5Eclear2(H5E_DEFAULT);
    if (!why.empty() || result < 0) throw Error(path_ + ": cannot complete the file (" + why + ")");
}

}  // namespace tessera::h5
