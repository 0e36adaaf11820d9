// Arrays between numpy and Tessera, without copies: the Python side hands over arrays of the layout asked for here.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "tessera/core/hd.hpp"
#include "tessera/core/memory.hpp"
#include "tessera/model/cube.hpp"

namespace tessera::python {

namespace nb = nanobind;

template <class T, class... Shape>
using In = nb::ndarray<const T, Shape..., nb::c_contig, nb::device::cpu>;
using FloatsIn = In<float, nb::ndim<1>>;
using DoublesIn = In<double, nb::ndim<1>>;
using FloatVectorsIn = In<float, nb::shape<-1, 3>>;
using DoubleVectorsIn = In<double, nb::shape<-1, 3>>;
using CubeIn = In<float, nb::ndim<3>>;

static_assert(sizeof(Vec3f) == 3 * sizeof(float) && sizeof(Vec3d) == 3 * sizeof(double));

// Tessera's columns are read through these buffers, never written.
template <class T, class Array>
Buffer<T> borrow(const Array& a) {
    return Buffer<T>::borrow(const_cast<T*>(reinterpret_cast<const T*>(a.data())), a.shape(0));
}
inline Cube borrowCube(const CubeIn& a) {
    return Cube(a.shape(0), a.shape(1), a.shape(2),
                Buffer<float>::borrow(const_cast<float*>(a.data()), a.shape(0) * a.shape(1) * a.shape(2)));
}

// A numpy array of memory that belongs to `owner`.
template <class T>
nb::object arrayOf(const T* data, std::initializer_list<std::size_t> shape, nb::handle owner) {
    return nb::cast(nb::ndarray<nb::numpy, T>(const_cast<T*>(data), shape, owner));
}
inline nb::object arrayOf(const Vec3f* data, std::size_t n, nb::handle owner) {
    return arrayOf(reinterpret_cast<const float*>(data), {n, 3}, owner);
}
inline nb::object arrayOf(const Vec3d* data, std::size_t n, nb::handle owner) {
    return arrayOf(reinterpret_cast<const double*>(data), {n, 3}, owner);
}

// The owner of what a value holds, for arrays of its memory.
template <class T>
nb::capsule capsuleOf(std::unique_ptr<T> value) {
    return nb::capsule(value.release(), [](void* p) noexcept { delete static_cast<T*>(p); });
}

template <class T>
nb::object copyOf(const std::vector<T>& values, std::initializer_list<std::size_t> shape) {
    auto own = std::make_unique<std::vector<T>>(values);
    const T* data = own->data();
    return arrayOf(data, shape, capsuleOf(std::move(own)));
}
inline nb::object copyOf(const Vec3d& v) {
    return copyOf(std::vector<double>{v.x, v.y, v.z}, {3});
}
inline nb::object copyOf(const Mat3d& m) {
    std::vector<double> v;
    for (const Vec3d& r : m.row) v.insert(v.end(), {r.x, r.y, r.z});
    return copyOf(v, {3, 3});
}

}  // namespace tessera::python
