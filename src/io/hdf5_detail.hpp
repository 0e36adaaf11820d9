// What the parts of the HDF5 layer share: error texts, and attributes on any object.
#pragma once

#include <hdf5.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

// The numeric types that the layer's templates are made for.
#define TESSERA_H5_TYPES(X) \
    X(float) X(double) X(std::int8_t) X(std::uint8_t) X(std::int32_t) X(std::uint32_t) X(std::int64_t) X(std::uint64_t)

namespace tessera::h5::detail {

// Turns HDF5's automatic error printing off, once.
void silence();
// The innermost entry of HDF5's error stack, without the newlines some of its texts hold; clears the stack.
std::string reason();
[[noreturn]] void fail(const std::string& where, const std::string& what, SourceLocation = SourceLocation::current());

// Throws where an HDF5 call returned a negative value.
template <class R>
R check(R result, const std::string& where, const char* what, SourceLocation at = SourceLocation::current()) {
    if (result < 0) fail(where, what, at);
    return result;
}

// Files that are open together with other processes.
int& filesTogether();

void copyAttributes(hid_t from, hid_t to, const std::string& at);  // of any type

// "integers", "text", ... of a stored type.
const char* className(H5T_class_t);
bool numeric(H5T_class_t);

// Strings of a dataset or an attribute. read(memoryType, buffer) fetches all n values.
template <class Read>
std::vector<std::string> stringsOf(hid_t stored, hid_t space, hsize_t n, const std::string& where, Read read) {
    std::vector<std::string> out;
    const Id memory(check(H5Tcopy(stored), where, "cannot copy the text's type"));
    if (check(H5Tis_variable_str(stored), where, "cannot read the text's type") > 0) {
        std::vector<char*> text(n, nullptr);
        check(read(memory.get(), text.data()), where, "cannot read the text");
        for (const char* t : text) out.emplace_back(t == nullptr ? "" : t);
        H5Dvlen_reclaim(memory.get(), space, H5P_DEFAULT, text.data());
        return out;
    }
    const std::size_t width = H5Tget_size(stored);
    if (width == 0) fail(where, "text of width 0");
    const bool spaces = H5Tget_strpad(stored) == H5T_STR_SPACEPAD;
    std::string text(n * width, '\0');
    check(read(memory.get(), text.data()), where, "cannot read the text");
    for (hsize_t i = 0; i < n; ++i) {
        std::string one = text.substr(i * width, width);
        one.resize(std::min(one.find('\0'), one.size()));
        if (spaces) one.erase(one.find_last_not_of(' ') + 1);
        out.push_back(std::move(one));
    }
    return out;
}

bool hasAttribute(hid_t object, const std::string& where, const std::string& name);
template <class T>
std::optional<std::vector<T>> readAttribute(hid_t object, const std::string& where, const std::string& name);
std::optional<std::string> readStringAttribute(hid_t object, const std::string& where, const std::string& name);
void writeAttribute(hid_t object, const std::string& where, const std::string& name, hid_t type,
                    const std::vector<hsize_t>& shape, const void* values);
void writeStringAttribute(hid_t object, const std::string& where, const std::string& name, const std::string& value);

// readAttribute where exactly one value is meant.
template <class T>
std::optional<T> readScalarAttribute(hid_t object, const std::string& where, const std::string& name) {
    const auto values = readAttribute<T>(object, where, name);
    if (!values || values->empty()) return std::nullopt;
    if (values->size() != 1)
        throw Error(where + " attribute " + name + ": has " + std::to_string(values->size()) +
                    " values where one is expected");
    return values->front();
}

}  // namespace tessera::h5::detail
