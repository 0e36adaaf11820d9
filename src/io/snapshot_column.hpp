// One dataset of a group of particles or galaxies: read in rows, converted to physical units, every value checked.
#pragma once

#include <limits>
#include <string>

#include "io/snapshot_header.hpp"
#include "tessera/core/units.hpp"
#include "tessera/io/hdf5.hpp"

namespace tessera::snapshots {

// Values allowed, in physical units; not-a-number never is.
struct Limits {
    double low = -std::numeric_limits<float>::max();
    double high = std::numeric_limits<float>::max();
};
inline constexpr Limits nonNegative{0, std::numeric_limits<float>::max()};
inline constexpr Limits fraction{0, 1};
inline constexpr Limits speed{-units::c_km_s, units::c_km_s};  // a component [km/s]

class Column {
public:
    // Error where the dataset is absent, not of shape [rows] (width 1) or [rows, width], or larger than its file.
    Column(const h5::Group&, const std::string& name, std::size_t width, std::uint64_t rows, Limits = {});
    // Multiplies by the factor of the dataset's attributes or of the quantity's default.
    Column in(const Units&, Quantity) &&;
    Column scaledBy(double factor) &&;

    double rowBytes() const { return double(width_ * data_.valueBytes()); }  // as stored

    // Rows [first, first + count) of all columns, or of column k alone. Error: file, dataset, row and value of the
    // first that is out of limits.
    template <class T>
    void read(std::uint64_t first, std::uint64_t count, T* out) const;
    template <class T>
    void readComponent(std::size_t k, std::uint64_t first, std::uint64_t count, T* out) const;
    // The two halves of read(). fetch(), in the one thread that calls HDF5, takes the values as they are stored; or nothing
    // where they lie in the file as T has them. convert(), for any part of the rows, `out` being where that part is, and in
    // any thread, reads them in that case, makes physical units of them and checks.
    template <class T>
    void fetch(std::uint64_t first, std::uint64_t count, T* out) const;
    template <class T>
    void convert(std::uint64_t first, std::uint64_t count, T* out) const;
    // Whether values are stored as T.
    template <class T>
    bool holds() const {
        return data_.isPlain<T>();
    }

private:
    template <class T>
    void convert(std::uint64_t first, std::uint64_t count, std::size_t width, T* out) const;

    h5::Dataset data_;
    std::size_t width_;
    Limits limits_;
    double factor_ = 1;
    mutable bool plain_ = false;  // what fetch() has left to convert()
};

// Particles of a type: rows of the dataset all others of its group must agree with.
std::uint64_t rowsOf(const h5::Group&, const std::string& dataset);

}  // namespace tessera::snapshots
