// Copies of groups and datasets between files. H5Ocopy does the same, but HDF5 1.10 crashes in it where the disk is full.
#include <algorithm>
#include <cstddef>

#include "io/hdf5_detail.hpp"

namespace tessera::h5 {

using detail::check;

namespace {

constexpr const char* cannot = "cannot copy";

}  // namespace

void detail::copyAttributes(hid_t from, hid_t to, const std::string& at) {
    H5O_info_t info;
    check(H5Oget_info(from, &info), at, cannot);
    for (hsize_t i = 0; i < info.num_attrs; ++i) {
        const Id in(
            check(H5Aopen_by_idx(from, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT), at, cannot));
        std::string name(std::size_t(check(H5Aget_name(in.get(), 0, nullptr), at, cannot)) + 1, '\0');
        check(H5Aget_name(in.get(), name.size(), name.data()), at, cannot);
        const Id type(check(H5Aget_type(in.get()), at, cannot)), space(check(H5Aget_space(in.get()), at, cannot));
        const auto n = std::size_t(check(H5Sget_simple_extent_npoints(space.get()), at, cannot));
        std::vector<std::byte> values(n * H5Tget_size(type.get()));
        const Id out(
            check(H5Acreate2(to, name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), at, cannot));
        if (values.empty()) continue;
        check(H5Aread(in.get(), type.get(), values.data()), at, cannot);
        const herr_t written = H5Awrite(out.get(), type.get(), values.data());
        const std::string why = written < 0 ? detail::reason() : "";
        if (H5Tdetect_class(type.get(), H5T_VLEN) > 0 || H5Tis_variable_str(type.get()) > 0)
            H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, values.data());
        if (written < 0) throw Error(at + " attribute " + name.c_str() + ": cannot write (" + why + ")");
    }
}

namespace {

// The chunks as they are stored, without undoing their filters.
void copyChunks(hid_t from, hid_t to, hid_t layout, const std::vector<hsize_t>& shape, const std::string& at) {
    std::vector<hsize_t> chunk(shape.size()), offset(shape.size(), 0);
    check(H5Pget_chunk(layout, int(chunk.size()), chunk.data()), at, cannot);
    std::vector<std::byte> bytes;
    for (bool more = true; more;) {
        hsize_t stored = 0;
        check(H5Dget_chunk_storage_size(from, offset.data(), &stored), at, cannot);
        if (stored > 0) {
            std::uint32_t mask = 0;
            bytes.resize(stored);
            check(H5Dread_chunk(from, H5P_DEFAULT, offset.data(), &mask, bytes.data()), at, "cannot read");
            check(H5Dwrite_chunk(to, H5P_DEFAULT, mask, offset.data(), stored, bytes.data()), at, "cannot write");
        }
        more = false;
        for (std::size_t axis = shape.size(); axis-- > 0 && !more;) {
            offset[axis] += chunk[axis];
            more = offset[axis] < shape[axis];
            if (!more) offset[axis] = 0;
        }
    }
}

void copyDataset(hid_t from, hid_t parent, const char* name, const std::string& at) {
    const Id type(check(H5Dget_type(from), at, cannot)), space(check(H5Dget_space(from), at, cannot));
    const Id layout(check(H5Dget_create_plist(from), at, cannot));
    const Id to(
        check(H5Dcreate2(parent, name, type.get(), space.get(), H5P_DEFAULT, layout.get(), H5P_DEFAULT), at, cannot));
    detail::copyAttributes(from, to.get(), at);
    const auto n = std::size_t(check(H5Sget_simple_extent_npoints(space.get()), at, cannot));
    if (n == 0) return;
    if (H5Pget_layout(layout.get()) == H5D_CHUNKED) {
        std::vector<hsize_t> shape(std::size_t(H5Sget_simple_extent_ndims(space.get())));
        check(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr), at, cannot);
        copyChunks(from, to.get(), layout.get(), shape, at);
        return;
    }
    expects(H5Tdetect_class(type.get(), H5T_VLEN) == 0 && H5Tis_variable_str(type.get()) == 0, "values of fixed size");
    std::vector<hsize_t> shape(std::size_t(H5Sget_simple_extent_ndims(space.get())));
    if (shape.empty()) {
        std::vector<std::byte> value(H5Tget_size(type.get()));
        check(H5Dread(from, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.data()), at, "cannot read");
        check(H5Dwrite(to.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.data()), at, "cannot write");
        return;
    }
    // So many rows at a time that not all is in memory at once.
    constexpr std::size_t most = std::size_t(64) << 20;  // [byte]
    check(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr), at, cannot);
    const std::size_t row = n / std::size_t(shape[0]) * H5Tget_size(type.get());
    std::vector<hsize_t> start(shape.size(), 0), count = shape;
    std::vector<std::byte> values;
    for (; start[0] < shape[0]; start[0] += count[0]) {
        count[0] = std::min<hsize_t>(std::max<std::size_t>(most / row, 1), shape[0] - start[0]);
        values.resize(std::size_t(count[0]) * row);
        const Id memory(check(H5Screate_simple(int(count.size()), count.data(), nullptr), at, cannot));
        check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), at,
              cannot);
        check(H5Dread(from, type.get(), memory.get(), space.get(), H5P_DEFAULT, values.data()), at, "cannot read");
        check(H5Dwrite(to.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, values.data()), at,
              "cannot write");
    }
}

}  // namespace

void Group::copy(const std::string& name, const Group& from) const {
    const Group to = createGroup(name);
    detail::copyAttributes(from.id_.get(), to.id_.get(), to.where_);
    for (const std::string& part : from.names()) {
        const std::string at = to.where_ + "/" + part;
        const Id item(check(H5Oopen(from.id_.get(), part.c_str(), H5P_DEFAULT), at, cannot));
        if (H5Iget_type(item.get()) == H5I_GROUP)
            to.copy(part, from.group(part));
        else
            copyDataset(item.get(), to.id_.get(), part.c_str(), at);
    }
}

}  // namespace tessera::h5
