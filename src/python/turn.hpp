// Calculations leave Python to its other threads, and take turns among themselves: each has all of resources.threads, and
// neither FFTW's planner nor HDF5 nor the stages' timers are for several threads at once.
#pragma once

#include <nanobind/nanobind.h>

#include <mutex>

namespace tessera::python {

inline std::mutex& turnMutex() {
    static std::mutex m;
    return m;
}

// f() touches nothing of Python. The order, first the interpreter's lock goes and then a turn is waited for, lets no two wait
// for each other.
template <class F>
auto aside(F f) {
    const nanobind::gil_scoped_release release;
    const std::lock_guard turn(turnMutex());
    return f();
}

}  // namespace tessera::python
