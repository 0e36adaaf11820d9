// Host/device annotation and the small vector algebra that physics/ is written in.
// This is the only header that looks at __CUDACC__.
#pragma once

#include <cmath>

#ifdef __CUDACC__
#define TESSERA_HD __host__ __device__
#else
#define TESSERA_HD
#endif
// The turns of the loop behind it stay apart on a device: together they would want more registers than there are.
#ifdef __CUDA_ARCH__
#define TESSERA_NO_UNROLL _Pragma("unroll 1")
#else
#define TESSERA_NO_UNROLL
#endif

namespace tessera {

template <class T>
struct Vec3 {
    T x{}, y{}, z{};

    TESSERA_HD constexpr T& operator[](int i) { return i == 0 ? x : (i == 1 ? y : z); }
    TESSERA_HD constexpr const T& operator[](int i) const { return i == 0 ? x : (i == 1 ? y : z); }
    TESSERA_HD constexpr Vec3& operator+=(const Vec3& o) {
        x += o.x;
        y += o.y;
        z += o.z;
        return *this;
    }
    TESSERA_HD constexpr Vec3& operator-=(const Vec3& o) {
        x -= o.x;
        y -= o.y;
        z -= o.z;
        return *this;
    }
    TESSERA_HD constexpr Vec3& operator*=(T s) {
        x *= s;
        y *= s;
        z *= s;
        return *this;
    }
    friend TESSERA_HD constexpr Vec3 operator+(Vec3 a, const Vec3& b) { return a += b; }
    friend TESSERA_HD constexpr Vec3 operator-(Vec3 a, const Vec3& b) { return a -= b; }
    friend TESSERA_HD constexpr Vec3 operator*(Vec3 a, T s) { return a *= s; }
    friend TESSERA_HD constexpr Vec3 operator*(T s, Vec3 a) { return a *= s; }
    friend constexpr bool operator==(const Vec3&, const Vec3&) = default;

    template <class U>
    TESSERA_HD constexpr Vec3<U> to() const {
        return {static_cast<U>(x), static_cast<U>(y), static_cast<U>(z)};
    }
};

using Vec3d = Vec3<double>;
using Vec3f = Vec3<float>;

template <class T>
TESSERA_HD constexpr T dot(const Vec3<T>& a, const Vec3<T>& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <class T>
TESSERA_HD constexpr Vec3<T> cross(const Vec3<T>& a, const Vec3<T>& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
template <class T>
TESSERA_HD T norm(const Vec3<T>& a) {
    using std::sqrt;
    return sqrt(dot(a, a));
}

// Rows are the new axes: x'_i = sum_j row[i][j] x_j.
template <class T>
struct Mat3 {
    Vec3<T> row[3]{{T(1), T(0), T(0)}, {T(0), T(1), T(0)}, {T(0), T(0), T(1)}};

    friend TESSERA_HD constexpr Vec3<T> operator*(const Mat3& m, const Vec3<T>& v) {
        return {dot(m.row[0], v), dot(m.row[1], v), dot(m.row[2], v)};
    }
    friend TESSERA_HD constexpr Mat3 operator*(const Mat3& a, const Mat3& b) {
        Mat3 c;
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j)
                c.row[i][j] = a.row[i].x * b.row[0][j] + a.row[i].y * b.row[1][j] + a.row[i].z * b.row[2][j];
        return c;
    }
};

using Mat3d = Mat3<double>;

template <class T>
TESSERA_HD constexpr Mat3<T> transpose(const Mat3<T>& m) {
    Mat3<T> t;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) t.row[i][j] = m.row[j][i];
    return t;
}
template <class T>
TESSERA_HD constexpr T determinant(const Mat3<T>& m) {
    return dot(m.row[0], cross(m.row[1], m.row[2]));
}

template <class T>
TESSERA_HD constexpr T sq(T x) {
    return x * x;
}

}  // namespace tessera
