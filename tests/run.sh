#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: first the host preset with the Python tests, then the C++ tests
# once more under the address and undefined behaviour sanitizers, then the GPU kernels on the CPU under the race detector.
#
#   tests/run.sh [--quick] [--no-install]
#
# --quick: the host preset only. --no-install: the packages of jobs/install-deps.sh are there in another way.
source "$(dirname "$0")/../jobs/common.sh"
quick=no
install=yes
for option in "$@"; do
  case "$option" in
    --quick) quick=yes ;;
    --no-install) install=no ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$option' (see --help)" ;;
  esac
done

if [ $install = yes ]; then
  say "packages"
  jobs/install-deps.sh --tests
fi
say "Python environment"
jobs/python-env.sh build/venv tests/python-requirements.txt
say "build"
jobs/build.sh host -- -DTESSERA_PYTHON="$TOP/build/venv/bin/python"
say "SSP library"
jobs/fetch-ssp.sh --tessera build/tessera --library bc03lr

failed=0
say "tests"
ctest --preset host -j3 || failed=1  # of two cores: many tests wait, for signals, jobs and ranks

if [ $quick = no ]; then
  say "build with sanitizers"
  # Sources are compiled ten at a time, which is quicker; where their names clash, one by one.
  unity=(-DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=10)
  jobs/build.sh asan -- -DTESSERA_BENCHMARKS=OFF "${unity[@]}" || {
    say "the same, one source at a time"
    unity=(-DCMAKE_UNITY_BUILD=OFF)
    jobs/build.sh asan -- "${unity[@]}"
  }
  say "tests with sanitizers"
  export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
  export LSAN_OPTIONS="suppressions=$TOP/tests/lsan.supp:print_suppressions=0"
  export UBSAN_OPTIONS="print_stacktrace=1"
  ctest --preset asan -j2 -LE python || failed=1

  say "GPU kernels under the race detector"
  cmake --preset simt-tsan -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" "${unity[@]}"
  cmake --build --preset simt-tsan
  ctest --preset simt-tsan || failed=1
fi
exit $failed
