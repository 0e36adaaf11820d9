// Dual numbers v + d epsilon, epsilon^2 = 0: one directional derivative carried forward through any function that is a
// template of its number type. f(Dual{x, xDot}).d = f'(x) xDot. Comparisons and floor look at the value alone.
#pragma once

#include <cmath>
#include <type_traits>

#include "tessera/core/hd.hpp"

namespace tessera {

template <class T>
struct Dual {
    T v{}, d{};

    constexpr Dual() = default;
    template <class U>
    requires std::is_arithmetic_v<U> TESSERA_HD constexpr Dual(U value) : v(T(value)) {}  // a constant
    TESSERA_HD constexpr Dual(T value, T derivative) : v(value), d(derivative) {}

    TESSERA_HD constexpr Dual& operator+=(const Dual& o) { return *this = {v + o.v, d + o.d}; }
    TESSERA_HD constexpr Dual& operator-=(const Dual& o) { return *this = {v - o.v, d - o.d}; }
    TESSERA_HD constexpr Dual& operator*=(const Dual& o) { return *this = {v * o.v, d * o.v + v * o.d}; }
    TESSERA_HD constexpr Dual& operator/=(const Dual& o) {
        const T q = v / o.v;
        return *this = {q, (d - q * o.d) / o.v};
    }
    friend TESSERA_HD constexpr Dual operator-(const Dual& a) { return {-a.v, -a.d}; }
    friend TESSERA_HD constexpr Dual operator+(Dual a, const Dual& b) { return a += b; }
    friend TESSERA_HD constexpr Dual operator-(Dual a, const Dual& b) { return a -= b; }
    friend TESSERA_HD constexpr Dual operator*(Dual a, const Dual& b) { return a *= b; }
    friend TESSERA_HD constexpr Dual operator/(Dual a, const Dual& b) { return a /= b; }
    friend TESSERA_HD constexpr bool operator==(const Dual& a, const Dual& b) { return a.v == b.v; }
    friend TESSERA_HD constexpr auto operator<=>(const Dual& a, const Dual& b) { return a.v <=> b.v; }

    friend TESSERA_HD Dual sqrt(const Dual& a) {
        const T r = std::sqrt(a.v);
        return {r, a.d / (2 * r)};
    }
    friend TESSERA_HD Dual exp(const Dual& a) {
        const T e = std::exp(a.v);
        return {e, e * a.d};
    }
    friend TESSERA_HD Dual expm1(const Dual& a) { return {std::expm1(a.v), std::exp(a.v) * a.d}; }
    friend TESSERA_HD Dual log(const Dual& a) { return {std::log(a.v), a.d / a.v}; }
    friend TESSERA_HD Dual log1p(const Dual& a) { return {std::log1p(a.v), a.d / (1 + a.v)}; }
    friend TESSERA_HD Dual log10(const Dual& a) { return {std::log10(a.v), a.d / (a.v * T(2.302585092994045684))}; }
    friend TESSERA_HD Dual sin(const Dual& a) { return {std::sin(a.v), std::cos(a.v) * a.d}; }
    friend TESSERA_HD Dual cos(const Dual& a) { return {std::cos(a.v), -std::sin(a.v) * a.d}; }
    friend TESSERA_HD Dual sinh(const Dual& a) { return {std::sinh(a.v), std::cosh(a.v) * a.d}; }
    friend TESSERA_HD Dual tanh(const Dual& a) {
        const T t = std::tanh(a.v);
        return {t, (1 - t * t) * a.d};
    }
    friend TESSERA_HD Dual atanh(const Dual& a) { return {std::atanh(a.v), a.d / (1 - a.v * a.v)}; }
    friend TESSERA_HD Dual erf(const Dual& a) {
        return {std::erf(a.v), T(1.128379167095512574) * std::exp(-a.v * a.v) * a.d};  // 2/sqrt(pi)
    }
    // a^b of a positive base.
    friend TESSERA_HD Dual pow(const Dual& a, const Dual& b) {
        const T p = std::pow(a.v, b.v);
        return {p, p * (b.v / a.v * a.d + std::log(a.v) * b.d)};
    }
    friend TESSERA_HD Dual fabs(const Dual& a) { return a.v < 0 ? -a : a; }
    friend TESSERA_HD Dual round(const Dual& a) { return Dual(std::round(a.v)); }  // constant but at its steps
};

// Numbers that physics is written for: an integer by mistake does not compile.
template <class T>
struct IsDual : std::false_type {};
template <class T>
struct IsDual<Dual<T>> : std::true_type {};
template <class T>
concept Real = std::is_floating_point_v<T> || IsDual<T>::value;

// The number without its derivative.
template <class T>
TESSERA_HD constexpr double valueOf(const T& x) {
    return static_cast<double>(x);
}
template <class T>
TESSERA_HD constexpr double valueOf(const Dual<T>& x) {
    return valueOf(x.v);
}

}  // namespace tessera
