// A small RAII layer over the HDF5 C library. Every failure throws Error naming file, object and HDF5's own innermost
// reason; HDF5's automatic error printing is off. The parallel library, used through its serial (sec2) driver. Not for
// concurrent use by several threads: Debian's parallel HDF5 is not thread-safe.
//
//   auto file = h5::File::openRead("snap_099.0.hdf5");
//   auto masses = file.root().dataset("PartType4/Masses");
//   masses.readRows(first, count, out);   // converted to out's type by HDF5
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tessera/core/mpi_handle.hpp"

namespace tessera::h5 {

// Move-only owner of an hid_t; closed by the function that fits its kind. Destructors never throw.
class Id {
public:
    Id() = default;
    explicit Id(hid_t id) noexcept : id_(id) {}
    Id(Id&& o) noexcept : id_(o.id_) { o.id_ = H5I_INVALID_HID; }
    Id& operator=(Id&& o) noexcept;
    Id(const Id&) = delete;
    Id& operator=(const Id&) = delete;
    ~Id() { close(); }
    hid_t get() const noexcept { return id_; }
    explicit operator bool() const noexcept { return id_ >= 0; }
    void close() noexcept;
    hid_t release() noexcept { return std::exchange(id_, H5I_INVALID_HID); }  // to be closed by someone else

private:
    hid_t id_ = H5I_INVALID_HID;
};

template <class T>
hid_t nativeType();
template <>
hid_t nativeType<float>();
template <>
hid_t nativeType<double>();
template <>
hid_t nativeType<std::int8_t>();
template <>
hid_t nativeType<std::uint8_t>();
template <>
hid_t nativeType<std::int32_t>();
template <>
hid_t nativeType<std::uint32_t>();
template <>
hid_t nativeType<std::int64_t>();
template <>
hid_t nativeType<std::uint64_t>();

class Group;

class File {
public:
    static File openRead(const std::string& path);  // Error: absent, a directory, not HDF5, truncated
    static File create(const std::string& path);    // truncates
    static File openReadWrite(const std::string& path);
    // By all processes of a communicator through MPI-IO (NotCompiled where the library is serial). What makes objects or
    // attributes, and close(), are then calls of all of them in the same order with the same arguments: one that fails must
    // end the others. While an exception is on its way nothing is closed, since closing would wait for the others. One
    // such file at a time.
    static File openTogether(const std::string& path, const MpiHandle&);
    Group root() const;
    void flush();
    void close();  // reports a failing close (full disk), unlike the destructor
    const std::string& path() const { return path_; }

private:
    File(Id id, std::string path, bool together = false)
        : id_(std::move(id)), path_(std::move(path)), together_(together) {}
    Id id_;
    std::string path_;
    bool together_ = false;
    friend class Group;
};

// Which of the processes that write a dataset together this is.
struct Writer {
    std::size_t rank = 0, ranks = 1;
    std::size_t turn = 0;  // grows with every dataset, so that small ones are not all of the same rank
};

// How a dataset is stored. chunk empty: contiguous.
struct Layout {
    std::vector<hsize_t> chunk;
    int deflate = 0;  // with shuffle; 0: no filter
};

class Dataset {
public:
    const std::vector<hsize_t>& shape() const { return shape_; }
    hsize_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
    bool isFloat() const;  // class of the stored type: floating point
    bool isInteger() const;

    std::size_t valueBytes() const;  // of one value as it is stored, before compression
    hsize_t size() const;            // number of values: product of the shape; Error where it overflows

    // Error where the shape claims far more values than the stored bytes can hold, as in a damaged file. Every read
    // checks it; public for callers that allocate before they read.
    void checkPlausible() const;

    // Names of the members of a dataset of compounds; of others none.
    std::vector<std::string> members() const;
    // One value a row as text, of compounds those of a member: numbers as the shortest text that reads back to the same,
    // truth values as true and false. Error: of another rank or class.
    std::vector<std::string> texts(const std::string& member = "") const;

    // Rows [first, first + count) of the first axis, whole in the other axes, converted to T. Reading a dataset of text
    // or compounds is an Error.
    template <class T>
    void readRows(hsize_t first, hsize_t count, T* out) const;
    template <class T>
    std::vector<T> readAll() const;
    template <class T>
    void writeRows(hsize_t first, hsize_t count, const T* in) const;
    template <class T>
    void writeAll(const T* in) const;
    // writeAll for a chunked dataset of rank 3: the chunks are shuffled and deflated by all threads at once and stored as
    // HDF5's own filters, which run on one thread, would have stored them. The calling thread alone calls HDF5.
    void writeAllParallel(const float* in) const;
    // Where the values lie in the file one after the other, as T has them: readPlain() then reads rows without the
    // library, in any thread. Of a file that is open for reading alone.
    template <class T>
    bool isPlain() const;
    template <class T>
    void readPlain(hsize_t first, hsize_t count, T* out) const;
    // Hyperslab of any rank.
    template <class T>
    void writeSlab(std::span<const hsize_t> start, std::span<const hsize_t> count, const T* in) const;
    template <class T>
    void readSlab(std::span<const hsize_t> start, std::span<const hsize_t> count, T* out) const;

    bool hasAttribute(const std::string& name) const;
    template <class T>
    std::optional<T> attribute(const std::string& name) const;  // scalar or 1-element, any numeric class
    template <class T>
    void setAttribute(const std::string& name, const T& value) const;
    void setAttribute(const std::string& name, const std::string& value) const;
    void setAttribute(const std::string& name, const char* value) const { setAttribute(name, std::string(value)); }
    std::optional<std::string> attributeString(const std::string& name) const;
    const std::string& where() const { return where_; }  // "file.hdf5:/PartType4/Masses"

private:
    friend class Group;
    Dataset(Id id, std::string where);
    void checkNumeric() const;
    void transfer(std::span<const hsize_t> start, std::span<const hsize_t> count, hid_t type, void* out,
                  const void* in) const;
    Id id_;
    std::string where_;
    std::vector<hsize_t> shape_;
    mutable std::int64_t place_ = -1;  // [byte] of plain values in the file; once isPlain() has found them
    mutable int descriptor_ = -1;      // the file's
};

class Group {
public:
    bool has(const std::string& path) const;      // group or dataset at this relative path
    bool isGroup(const std::string& path) const;  // Error if absent
    bool hasAttribute(const std::string& name) const;
    Group group(const std::string& path) const;        // Error if absent
    Group createGroup(const std::string& path) const;  // intermediate groups too; opens an existing one
    Dataset dataset(const std::string& path) const;    // Error if absent
    template <class T>
    Dataset createDataset(const std::string& name, const std::vector<hsize_t>& shape, const Layout& = {}) const;
    // createDataset and writeAll in one; a row of the catalogue, a small table.
    template <class T>
    Dataset write(const std::string& name, const std::vector<hsize_t>& shape, const T* in, const Layout& = {}) const;
    void writeStrings(const std::string& name, const std::vector<std::string>& values) const;  // fixed length
    std::vector<std::string> readStrings(const std::string& name) const;  // fixed or variable length
    std::vector<std::string> names() const;                               // links of this group, in name order

    // The object at `path` of another file under the name `name` here: an external link, which HDF5 follows when the
    // object is opened. A relative file name begins at this file's directory; the other file need not be there yet.
    void linkExternal(const std::string& name, const std::string& file, const std::string& path) const;
    // The file that an external link of this name leads to; empty where there is none.
    std::optional<std::string> linkedFile(const std::string& name) const;
    // A copy of a group with everything below it; chunks are copied as they are stored.
    void copy(const std::string& name, const Group& from) const;
    // The same into a file that is open together: each process reads and writes whole chunks of its own of every dataset,
    // which the library filters anew. All calls are collective, and it is an Error where the library made one otherwise.
    void copyTogether(const std::string& name, const Group& from, Writer&) const;

    // Attributes: scalar or array, int or float of any width; strings fixed or variable length, scalar or [1].
    // Empty optional: no such attribute, or one without a value. Error: of another class, or more than one value where
    // one is asked for. Setting replaces. Strings are written as variable-length UTF-8.
    template <class T>
    std::optional<T> attribute(const std::string& name) const;
    template <class T>
    std::optional<std::vector<T>> attributeArray(const std::string& name) const;
    std::optional<std::string> attributeString(const std::string& name) const;
    template <class T>
    void setAttribute(const std::string& name, const T& value) const;
    template <class T>
    void setAttributeArray(const std::string& name, const std::vector<T>& values,
                           const std::vector<hsize_t>& shape = {}) const;
    void setAttribute(const std::string& name, const std::string& value) const;
    void setAttribute(const std::string& name, const char* value) const { setAttribute(name, std::string(value)); }
    const std::string& where() const { return where_; }

private:
    friend class File;
    Group(Id id, std::string where) : id_(std::move(id)), where_(std::move(where)) {}
    Id id_;
    std::string where_;
};

}  // namespace tessera::h5
