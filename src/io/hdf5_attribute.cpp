#include "io/hdf5_detail.hpp"

namespace tessera::h5::detail {

namespace {

// Attributes are small; a larger claim comes from a damaged file.
constexpr hsize_t maxAttributeBytes = 1 << 26;

struct Attribute {
    Id id, type, space;
    H5T_class_t kind;
    hsize_t count;
    std::string where;
};

Attribute open(hid_t object, const std::string& where, const std::string& name) {
    Attribute a;
    a.where = where + " attribute " + name;
    a.id = Id(check(H5Aopen(object, name.c_str(), H5P_DEFAULT), a.where, "cannot open"));
    a.type = Id(check(H5Aget_type(a.id.get()), a.where, "cannot read the type"));
    a.space = Id(check(H5Aget_space(a.id.get()), a.where, "cannot read the shape"));
    a.kind = H5Tget_class(a.type.get());
    a.count = hsize_t(check(H5Sget_simple_extent_npoints(a.space.get()), a.where, "cannot read the shape"));
    const hsize_t width = std::max<hsize_t>(H5Tget_size(a.type.get()), 8);
    if (a.count > maxAttributeBytes / width)
        throw Error(a.where + ": claims " + std::to_string(a.count) + " values: the file is damaged");
    return a;
}

}  // namespace

bool hasAttribute(hid_t object, const std::string& where, const std::string& name) {
    return check(H5Aexists(object, name.c_str()), where, "cannot look for an attribute") > 0;
}

template <class T>
std::optional<std::vector<T>> readAttribute(hid_t object, const std::string& where, const std::string& name) {
    if (!hasAttribute(object, where, name)) return std::nullopt;
    const Attribute a = open(object, where, name);
    if (!numeric(a.kind)) throw Error(a.where + ": holds " + className(a.kind) + " where a number is expected");
    std::vector<T> values(a.count);
    if (a.count != 0) check(H5Aread(a.id.get(), nativeType<T>(), values.data()), a.where, "cannot read");
    return values;
}

std::optional<std::string> readStringAttribute(hid_t object, const std::string& where, const std::string& name) {
    if (!hasAttribute(object, where, name)) return std::nullopt;
    const Attribute a = open(object, where, name);
    if (a.kind != H5T_STRING) throw Error(a.where + ": holds " + className(a.kind) + " where text is expected");
    if (a.count == 0) return std::nullopt;
    if (a.count != 1) throw Error(a.where + ": has " + std::to_string(a.count) + " values where one is expected");
    return stringsOf(a.type.get(), a.space.get(), a.count, a.where,
                     [&](hid_t type, void* out) { return H5Aread(a.id.get(), type, out); })
        .front();
}

void writeAttribute(hid_t object, const std::string& where, const std::string& name, hid_t type,
                    const std::vector<hsize_t>& shape, const void* values) {
    const std::string at = where + " attribute " + name;
    if (hasAttribute(object, where, name)) check(H5Adelete(object, name.c_str()), at, "cannot replace");
    const Id space(
        check(shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(shape.size()), shape.data(), nullptr), at,
              "cannot make the shape"));
    const Id id(
        check(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), at, "cannot create"));
    check(H5Awrite(id.get(), type, values), at, "cannot write");
}

void writeStringAttribute(hid_t object, const std::string& where, const std::string& name, const std::string& value) {
    const std::string at = where + " attribute " + name;
    const Id type(check(H5Tcopy(H5T_C_S1), at, "cannot make the text's type"));
    check(H5Tset_size(type.get(), H5T_VARIABLE), at, "cannot make the text's type");
    check(H5Tset_cset(type.get(), H5T_CSET_UTF8), at, "cannot make the text's type");
    const char* text = value.c_str();
    writeAttribute(object, where, name, type.get(), {}, &text);
}

#define TESSERA_INSTANTIATE(T) \
    template std::optional<std::vector<T>> readAttribute<T>(hid_t, const std::string&, const std::string&);
TESSERA_H5_TYPES(TESSERA_INSTANTIATE)
#undef TESSERA_INSTANTIATE

}  // namespace tessera::h5::detail
