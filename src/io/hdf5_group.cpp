#include "io/hdf5_detail.hpp"

namespace tessera::h5 {

using detail::check;

namespace {

std::string join(const std::string& where, const std::string& path) {
    return where.back() == '/' ? where + path : where + "/" + path;
}

Id makeDataset(hid_t group, const std::string& at, const std::string& name, hid_t type,
               const std::vector<hsize_t>& shape, const Layout& layout) {
    expects(layout.deflate == 0 || !layout.chunk.empty(), "chunks where a dataset is compressed");
    const Id space(
        check(shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(shape.size()), shape.data(), nullptr), at,
              "cannot make the shape"));
    const Id links(check(H5Pcreate(H5P_LINK_CREATE), at, "cannot make a property list"));
    check(H5Pset_create_intermediate_group(links.get(), 1), at, "cannot set up the dataset");
    const Id list(check(H5Pcreate(H5P_DATASET_CREATE), at, "cannot make a property list"));
    // No time stamp: the same values give the same bytes, and so the same checksum of a library.
    check(H5Pset_obj_track_times(list.get(), false), at, "cannot set up the dataset");
    const bool empty = std::find(shape.begin(), shape.end(), hsize_t(0)) != shape.end();
    if (!layout.chunk.empty() && !shape.empty() && !empty) {
        expects(layout.chunk.size() == shape.size(), "a chunk of the dataset's rank");
        std::vector<hsize_t> chunk = layout.chunk;
        for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = std::clamp<hsize_t>(chunk[i], 1, shape[i]);
        check(H5Pset_chunk(list.get(), int(chunk.size()), chunk.data()), at, "cannot set chunks");
        if (layout.deflate > 0) {
            check(H5Pset_shuffle(list.get()), at, "cannot set the shuffle filter");
            check(H5Pset_deflate(list.get(), unsigned(layout.deflate)), at, "cannot set the deflate filter");
        }
    }
    return Id(check(H5Dcreate2(group, name.c_str(), type, space.get(), links.get(), list.get(), H5P_DEFAULT), at,
                    "cannot create the dataset"));
}

}  // namespace

bool Group::has(const std::string& path) const {
    // H5Lexists fails, rather than denies, where a group on the way is missing.
    for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (!part.empty()) {
            const char* what = "cannot look for an object";
            if (check(H5Lexists(id_.get(), part.c_str(), H5P_DEFAULT), join(where_, part), what) == 0) return false;
            const htri_t there = H5Oexists_by_name(id_.get(), part.c_str(), H5P_DEFAULT);
            if (check(there, join(where_, part), what) == 0) return false;
        }
        if (end == std::string::npos) return true;
    }
}

bool Group::isGroup(const std::string& path) const {
    const std::string at = join(where_, path);
    const Id object(check(H5Oopen(id_.get(), path.c_str(), H5P_DEFAULT), at, "cannot open"));
    return H5Iget_type(object.get()) == H5I_GROUP;
}

bool Group::hasAttribute(const std::string& name) const {
    return detail::hasAttribute(id_.get(), where_, name);
}

Group Group::group(const std::string& path) const {
    const std::string at = join(where_, path);
    if (!has(path)) throw Error(at + ": no such group");
    return {Id(check(H5Gopen2(id_.get(), path.c_str(), H5P_DEFAULT), at, "cannot open as a group")), at};
}

Group Group::createGroup(const std::string& path) const {
    if (has(path)) return group(path);
    const std::string at = join(where_, path);
    const Id list(check(H5Pcreate(H5P_LINK_CREATE), at, "cannot make a property list"));
    check(H5Pset_create_intermediate_group(list.get(), 1), at, "cannot set up the group");
    return {Id(check(H5Gcreate2(id_.get(), path.c_str(), list.get(), H5P_DEFAULT, H5P_DEFAULT), at,
                     "cannot create the group")),
            at};
}

void Group::linkExternal(const std::string& name, const std::string& file, const std::string& path) const {
    const std::string at = join(where_, name);
    check(H5Lcreate_external(file.c_str(), path.c_str(), id_.get(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), at,
          "cannot link");
}

std::optional<std::string> Group::linkedFile(const std::string& name) const {
    const std::string at = join(where_, name);
    const char* what = "cannot read a link";
    if (check(H5Lexists(id_.get(), name.c_str(), H5P_DEFAULT), at, what) == 0) return {};
    H5L_info_t info;
    check(H5Lget_info(id_.get(), name.c_str(), &info, H5P_DEFAULT), at, what);
    if (info.type != H5L_TYPE_EXTERNAL) return {};
    std::vector<char> value(info.u.val_size);
    check(H5Lget_val(id_.get(), name.c_str(), value.data(), value.size(), H5P_DEFAULT), at, what);
    unsigned flags = 0;
    const char *file = nullptr, *object = nullptr;
    check(H5Lunpack_elink_val(value.data(), value.size(), &flags, &file, &object), at, what);
    return file;
}

Dataset Group::dataset(const std::string& path) const {
    const std::string at = join(where_, path);
    if (!has(path)) throw Error(at + ": no such dataset");
    return {Id(check(H5Dopen2(id_.get(), path.c_str(), H5P_DEFAULT), at, "cannot open as a dataset")), at};
}

template <class T>
Dataset Group::createDataset(const std::string& name, const std::vector<hsize_t>& shape, const Layout& layout) const {
    const std::string at = join(where_, name);
    return {makeDataset(id_.get(), at, name, nativeType<T>(), shape, layout), at};
}

template <class T>
Dataset Group::write(const std::string& name, const std::vector<hsize_t>& shape, const T* in,
                     const Layout& layout) const {
    Dataset d = createDataset<T>(name, shape, layout);
    d.writeAll(in);
    return d;
}

void Group::writeStrings(const std::string& name, const std::vector<std::string>& values) const {
    const std::string at = join(where_, name);
    std::size_t width = 1;
    for (const auto& v : values) width = std::max(width, v.size());
    const Id type(check(H5Tcopy(H5T_C_S1), at, "cannot make the text's type"));
    check(H5Tset_size(type.get(), width), at, "cannot make the text's type");
    check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), at, "cannot make the text's type");
    check(H5Tset_cset(type.get(), H5T_CSET_UTF8), at, "cannot make the text's type");
    std::string all(values.size() * width, '\0');
    for (std::size_t i = 0; i < values.size(); ++i) values[i].copy(all.data() + i * width, width);
    const Id id = makeDataset(id_.get(), at, name, type.get(), {values.size()}, {});
    if (!values.empty())
        check(H5Dwrite(id.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, all.data()), at, "cannot write");
}

std::vector<std::string> Group::readStrings(const std::string& name) const {
    const Dataset d = dataset(name);
    const Id type(check(H5Dget_type(d.id_.get()), d.where_, "cannot read the type"));
    const auto kind = H5Tget_class(type.get());
    if (kind != H5T_STRING) throw Error(d.where_ + ": holds " + detail::className(kind) + " where text is expected");
    d.checkPlausible();
    if (d.size() == 0) return {};
    const Id space(check(H5Dget_space(d.id_.get()), d.where_, "cannot read the shape"));
    return detail::stringsOf(type.get(), space.get(), d.size(), d.where_, [&](hid_t memory, void* out) {
        return H5Dread(d.id_.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
    });
}

std::vector<std::string> Group::names() const {
    H5G_info_t info;
    check(H5Gget_info(id_.get(), &info), where_, "cannot list");
    std::vector<std::string> out;
    for (hsize_t i = 0; i < info.nlinks; ++i) {
        const auto nameAt = [&](char* to, std::size_t size) {
            return check(H5Lget_name_by_idx(id_.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, to, size, H5P_DEFAULT),
                         where_, "cannot list");
        };
        std::string name(std::size_t(nameAt(nullptr, 0)) + 1, '\0');
        nameAt(name.data(), name.size());
        name.pop_back();
        out.push_back(std::move(name));
    }
    return out;
}

template <class T>
std::optional<T> Group::attribute(const std::string& name) const {
    return detail::readScalarAttribute<T>(id_.get(), where_, name);
}

template <class T>
std::optional<std::vector<T>> Group::attributeArray(const std::string& name) const {
    return detail::readAttribute<T>(id_.get(), where_, name);
}

std::optional<std::string> Group::attributeString(const std::string& name) const {
    return detail::readStringAttribute(id_.get(), where_, name);
}

template <class T>
void Group::setAttribute(const std::string& name, const T& value) const {
    detail::writeAttribute(id_.get(), where_, name, nativeType<T>(), {}, &value);
}

template <class T>
void Group::setAttributeArray(const std::string& name, const std::vector<T>& values,
                              const std::vector<hsize_t>& shape) const {
    hsize_t n = 1;
    for (hsize_t d : shape) n *= d;
    expects(shape.empty() || n == values.size(), "as many attribute values as the shape says");
    detail::writeAttribute(id_.get(), where_, name, nativeType<T>(),
                           shape.empty() ? std::vector<hsize_t>{values.size()} : shape, values.data());
}

void Group::setAttribute(const std::string& name, const std::string& value) const {
    detail::writeStringAttribute(id_.get(), where_, name, value);
}

#define TESSERA_INSTANTIATE(T)                                                                                        \
    template Dataset Group::createDataset<T>(const std::string&, const std::vector<hsize_t>&, const Layout&) const;   \
    template Dataset Group::write<T>(const std::string&, const std::vector<hsize_t>&, const T*, const Layout&) const; \
    template std::optional<T> Group::attribute<T>(const std::string&) const;                                          \
    template std::optional<std::vector<T>> Group::attributeArray<T>(const std::string&) const;                        \
    template void Group::setAttribute<T>(const std::string&, const T&) const;                                         \
    template void Group::setAttributeArray<T>(const std::string&, const std::vector<T>&, const std::vector<hsize_t>&) \
        const;
TESSERA_H5_TYPES(TESSERA_INSTANTIATE)
#undef TESSERA_INSTANTIATE

}  // namespace tessera::h5
