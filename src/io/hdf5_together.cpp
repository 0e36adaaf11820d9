// One file written by all processes through MPI-IO. Rules of HDF5 that this file keeps: what changes the file's structure is a
// call of all processes, with the same arguments; filtered chunks are written collectively alone, without conversion of
// types, by processes that have nothing to write too.
#include <algorithm>
#include <cstddef>
#include <numeric>

#include "io/hdf5_detail.hpp"

namespace tessera::h5 {

using detail::check;

#ifdef H5_HAVE_PARALLEL

namespace {

constexpr const char* cannot = "cannot write together";

// The types of the driver's arguments follow from its declaration, so that MPI need not be named here.
template <class Communicator, class Info>
herr_t setDriver(herr_t (*set)(hid_t, Communicator, Info), hid_t list, const MpiHandle& mpi) {
    return set(list, *static_cast<const Communicator*>(mpi.communicator), *static_cast<const Info*>(mpi.info));
}

// What one process has of a dataset: a box of whole chunks.
struct Box {
    std::vector<hsize_t> start, count;
    hsize_t values() const {
        return std::accumulate(count.begin(), count.end(), hsize_t(1), std::multiplies<hsize_t>());
    }
};

// Slices of chunks along the axis that has most of them, a slice a process; where there are fewer, some have none.
Box boxOf(const Writer& writer, const std::vector<hsize_t>& shape, const std::vector<hsize_t>& chunk) {
    std::size_t axis = 0;
    const auto chunksOf = [&](std::size_t k) { return (shape[k] + chunk[k] - 1) / chunk[k]; };
    for (std::size_t k = 1; k < shape.size(); ++k)
        if (chunksOf(k) > chunksOf(axis)) axis = k;
    const hsize_t chunks = chunksOf(axis), parts = std::min<hsize_t>(chunks, writer.ranks);
    const hsize_t part = (writer.rank + writer.turn) % writer.ranks;
    Box box{std::vector<hsize_t>(shape.size(), 0), shape};
    if (part >= parts) {
        box.count[axis] = 0;
        return box;
    }
    const auto edge = [&](hsize_t k) { return std::min(chunks * k / parts * chunk[axis], shape[axis]); };
    box.start[axis] = edge(part);
    box.count[axis] = edge(part + 1) - edge(part);
    return box;
}

void select(hid_t space, const Box& box, const std::string& at) {
    if (box.values() == 0)
        check(H5Sselect_none(space), at, cannot);
    else
        check(H5Sselect_hyperslab(space, H5S_SELECT_SET, box.start.data(), nullptr, box.count.data(), nullptr), at,
              cannot);
}

// Error where the library has not done all together what all called together: it would be slow, or wrong.
void assertCollective(hid_t transfer, const std::string& at) {
    std::uint32_t local = 0, global = 0;
    check(H5Pget_mpio_no_collective_cause(transfer, &local, &global), at, cannot);
    if (local != H5D_MPIO_COLLECTIVE || global != H5D_MPIO_COLLECTIVE)
        throw Error(at + ": was not written collectively (causes " + std::to_string(local) + " here, " +
                    std::to_string(global) + " of all; H5Pget_mpio_no_collective_cause)");
}

void copyDataset(hid_t from, hid_t parent, const char* name, const std::string& at, Writer& writer) {
    const Id type(check(H5Dget_type(from), at, cannot)), space(check(H5Dget_space(from), at, cannot));
    const Id layout(check(H5Dget_create_plist(from), at, cannot));
    check(H5Pset_fill_time(layout.get(), H5D_FILL_TIME_NEVER), at, cannot);  // all of it is written below
    const Id to(
        check(H5Dcreate2(parent, name, type.get(), space.get(), H5P_DEFAULT, layout.get(), H5P_DEFAULT), at, cannot));
    detail::copyAttributes(from, to.get(), at);
    expects(H5Tdetect_class(type.get(), H5T_VLEN) == 0 && H5Tis_variable_str(type.get()) == 0, "values of fixed size");
    std::vector<hsize_t> shape(std::size_t(check(H5Sget_simple_extent_ndims(space.get()), at, cannot)));
    if (shape.empty()) throw Error(at + ": has a single value, which a cube file has not");
    check(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr), at, cannot);
    if (std::find(shape.begin(), shape.end(), hsize_t(0)) != shape.end()) return;
    std::vector<hsize_t> chunk = shape;  // what is not chunked is small, and one process writes it
    if (H5Pget_layout(layout.get()) == H5D_CHUNKED)
        check(H5Pget_chunk(layout.get(), int(chunk.size()), chunk.data()), at, cannot);

    const Box box = boxOf(writer, shape, chunk);
    ++writer.turn;
    const hsize_t n = std::max<hsize_t>(box.values(), 1);
    std::vector<std::byte> values(n * H5Tget_size(type.get()));
    const Id memory(check(H5Screate_simple(1, &n, nullptr), at, cannot));
    if (box.values() == 0) check(H5Sselect_none(memory.get()), at, cannot);
    select(space.get(), box, at);
    if (box.values() > 0)
        check(H5Dread(from, type.get(), memory.get(), space.get(), H5P_DEFAULT, values.data()), at, "cannot read");
    const Id transfer(check(H5Pcreate(H5P_DATASET_XFER), at, cannot));
    check(H5Pset_dxpl_mpio(transfer.get(), H5FD_MPIO_COLLECTIVE), at, cannot);
    check(H5Dwrite(to.get(), type.get(), memory.get(), space.get(), transfer.get(), values.data()), at, "cannot write");
    assertCollective(transfer.get(), at);
}

}  // namespace

File File::openTogether(const std::string& path, const MpiHandle& mpi) {
    expects(detail::filesTogether() == 0 && mpi.communicator != nullptr, "one file at a time, of several processes");
    detail::silence();
    const Id list(check(H5Pcreate(H5P_FILE_ACCESS), path, "cannot make an access list"));
    check(setDriver(H5Pset_fapl_mpio, list.get(), mpi), path, "cannot set up access");
    check(H5Pset_fclose_degree(list.get(), H5F_CLOSE_STRONG), path, "cannot set up access");
    Id file(check(H5Fopen(path.c_str(), H5F_ACC_RDWR, list.get()), path, "cannot open for writing together"));
    ++detail::filesTogether();
    return {std::move(file), path, true};
}

void Group::copyTogether(const std::string& name, const Group& from, Writer& writer) const {
    const Group to = createGroup(name);
    detail::copyAttributes(from.id_.get(), to.id_.get(), to.where_);
    for (const std::string& part : from.names()) {
        const std::string at = to.where_ + "/" + part;
        const Id item(check(H5Oopen(from.id_.get(), part.c_str(), H5P_DEFAULT), at, cannot));
        if (H5Iget_type(item.get()) == H5I_GROUP)
            to.copyTogether(part, from.group(part), writer);
        else
            copyDataset(item.get(), to.id_.get(), part.c_str(), at, writer);
    }
}

#else

namespace {
[[noreturn]] void notCompiled(const std::string& where) {
    throw NotCompiled(where + ": this build has a serial HDF5, with which processes cannot write one file together");
}
}  // namespace

File File::openTogether(const std::string& path, const MpiHandle&) {
    notCompiled(path);
}

void Group::copyTogether(const std::string& name, const Group&, Writer&) const {
    notCompiled(where_ + "/" + name);
}

#endif

}  // namespace tessera::h5
