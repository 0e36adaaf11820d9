#!/usr/bin/env bash
# Configures and builds a preset of CMakePresets.json.
#
#   jobs/build.sh PRESET [--check] [-- CMAKE ARGUMENTS]
#
# PRESET: host (Release, into build/), debug, asan, tsan. --check: after that clang-format and clang-tidy, where they are
# installed, must find nothing to change in src/, include/ and tests/.
source "$(dirname "$0")/common.sh"
case "${1:-}" in "" | --help | -h) usage; exit 0 ;; esac
preset=$1
shift
check=no
if [ "${1:-}" = --check ]; then check=yes; shift; fi
if [ "${1:-}" = -- ]; then shift; fi

cmake --preset "$preset" "$@"
cmake --build --preset "$preset" -j "$(nproc)"

if [ $check = yes ]; then
  folder=build
  [ "$preset" = host ] || folder=build-$preset
  mapfile -t sources < <(git ls-files 'src/*.cpp' 'include/*.hpp' 'src/*.hpp' 'tests/*.cpp' 'tests/*.hpp')
  if command -v clang-format >/dev/null; then
    clang-format --dry-run -Werror "${sources[@]}"
    echo "clang-format: ${#sources[@]} files as they should be"
  else
    echo "clang-format is not installed: skipped"
  fi
  if command -v run-clang-tidy >/dev/null; then
    run-clang-tidy -quiet -p "$folder" "$TOP/src/.*\.cpp"
  else
    echo "clang-tidy is not installed: skipped"
  fi
fi
