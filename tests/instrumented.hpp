#pragma once

namespace tessera::test {

// Whether a sanitizer watches this program, which then takes ten to a hundred times as long: tests that repeat themselves, or
// draw at random, do less of it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool instrumented = true;
#else
constexpr bool instrumented = false;
#endif

}  // namespace tessera::test
