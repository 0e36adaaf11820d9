// Values of datasets as text: tables that users write hold numbers, words and truth values of any type.
#include <fmt/format.h>

#include "io/hdf5_detail.hpp"

namespace tessera::h5 {

using detail::check;

std::vector<std::string> Dataset::members() const {
    const Id type(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    std::vector<std::string> names;
    if (H5Tget_class(type.get()) != H5T_COMPOUND) return names;
    const int n = check(H5Tget_nmembers(type.get()), where_, "cannot read the type");
    for (int i = 0; i < n; ++i) {
        char* name = H5Tget_member_name(type.get(), unsigned(i));
        names.emplace_back(name == nullptr ? "" : name);
        H5free_memory(name);
    }
    return names;
}

std::vector<std::string> Dataset::texts(const std::string& member) const {
    if (shape_.size() != 1) throw Error(where_ + ": is not one value a row");
    checkPlausible();
    const Id whole(check(H5Dget_type(id_.get()), where_, "cannot read the type"));
    const std::string where = member.empty() ? where_ : where_ + " " + member;
    const int index = member.empty() ? 0 : check(H5Tget_member_index(whole.get(), member.c_str()), where, "no member");
    const Id stored(check(member.empty() ? H5Tcopy(whole.get()) : H5Tget_member_type(whole.get(), unsigned(index)),
                          where, "cannot read the type"));
    // A compound of this member alone, in memory, where there are others.
    const auto read = [&](hid_t memory, void* out) {
        if (member.empty()) return H5Dread(id_.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
        const Id one(check(H5Tcreate(H5T_COMPOUND, H5Tget_size(memory)), where, "cannot make a type"));
        check(H5Tinsert(one.get(), member.c_str(), 0, memory), where, "cannot make a type");
        return H5Dread(id_.get(), one.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
    };
    const std::size_t n = shape_[0];
    std::vector<std::string> out;
    if (n == 0) return out;
    out.reserve(n);
    const auto numbers = [&]<class T>(std::vector<T> values) {
        check(read(nativeType<T>(), values.data()), where, "cannot read");
        for (const T& v : values) out.push_back(fmt::format("{}", v));
        return std::move(out);
    };
    const auto kind = H5Tget_class(stored.get());
    const std::size_t bytes = H5Tget_size(stored.get());
    if (kind == H5T_FLOAT) return bytes <= 4 ? numbers(std::vector<float>(n)) : numbers(std::vector<double>(n));
    if (kind == H5T_INTEGER)
        return H5Tget_sign(stored.get()) == H5T_SGN_NONE ? numbers(std::vector<std::uint64_t>(n))
                                                         : numbers(std::vector<std::int64_t>(n));
    if (kind == H5T_STRING) {
        const Id space(check(H5Dget_space(id_.get()), where, "cannot read the shape"));
        return detail::stringsOf(stored.get(), space.get(), n, where, read);
    }
    if (kind == H5T_ENUM && bytes == 1) {  // h5py's truth values
        std::vector<std::int8_t> values(n);
        check(read(stored.get(), values.data()), where, "cannot read");
        for (const std::int8_t v : values) out.emplace_back(v != 0 ? "true" : "false");
        return out;
    }
    throw Error(where + ": holds " + detail::className(kind) + " where numbers or text are expected");
}

}  // namespace tessera::h5
