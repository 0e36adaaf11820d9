#!/usr/bin/env bash
# Builds the GPU kernels, tests, checks and times them on this machine's GPU, and writes one report.
#
#   jobs/gpu_check.sh [--report FILE] [--build auto|full|kernels] [--headers DIR] [--folder DIR] [--arch LIST] [--quick]
#   jobs/gpu_check.sh --pack DIR
#
# --pack: makes DIR, to be carried to a machine without network: the tree, and below headers/ Catch2 2, Random123 and Eigen.
# There, DIR/jobs/gpu_check.sh needs nvcc with cudart, cuFFT and CUB (CUDA 12 or later), a g++ that it accepts (C++20), make,
# and no more; neither MPI, HDF5, FFTW, Boost nor CMake. --build full: the preset cuda, with all that Tessera needs;
# kernels: the kernels, their tests and the benchmark alone; auto: full where CMake finds everything.
# --headers: a folder of these headers (headers/ of the tree, else /usr/include). --folder: where to build (build-gpu-check).
# --arch: compute capabilities, e.g. "80 90" (of the GPUs found, else 80 and 90). --quick: no compute-sanitizer, a small galaxy.
#
# Steps: machine, build, kernel table, tests, compute-sanitizer (memcheck, racecheck, synccheck), benchmark of the kernels and of
# 6e6 stars through MUSE 100 x 100 x 3721. Exit code 0: everything ran and passed. 1: something failed. 2: the command line, or
# nothing to build with. 3: what could be tried passed, but there is no GPU, or no compute-sanitizer.
source "$(dirname "$0")/common.sh"

report='' build=auto headers='' folder=build-gpu-check arch='' quick=no pack=''
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=yes; shift; continue ;;
    --help | -h) usage; exit 0 ;;
    --report | --build | --headers | --folder | --arch | --pack) ;;
    *) echo "gpu_check.sh: no such option: $1 (--help)" >&2; exit 2 ;;
  esac
  [ $# -ge 2 ] || { echo "gpu_check.sh: $1 needs a value" >&2; exit 2; }
  declare "${1#--}=$2"
  shift 2
done
case "$build" in auto | full | kernels) ;; *) echo "gpu_check.sh: --build is auto, full or kernels, not '$build'" >&2; exit 2 ;; esac

# Folder that has $1 below it, among those given and the usual ones.
find_header() {
  local name=$1 dir
  for dir in ${headers:+"$headers"} "$TOP/headers" /usr/include /usr/local/include; do
    if [ -e "$dir/$name" ]; then echo "$dir"; return 0; fi
  done
  return 1
}

if [ -n "$pack" ]; then
  [ ! -e "$pack" ] || fail "$pack is there already"
  mkdir -p "$pack/headers"
  git -c safe.directory="$TOP" ls-files -co --exclude-standard -z | while IFS= read -r -d '' f; do
    if [ -f "$f" ]; then printf '%s\0' "$f"; fi
  done | tar --null -T - -cf - | tar -xf - -C "$pack"
  for what in catch2/catch.hpp Random123/philox.h eigen3/Eigen/Core; do
    dir=$(find_header "$what") || fail "--pack: $what was found neither in headers/ nor in /usr/include (jobs/install-deps.sh)"
    cp -rL "$dir/${what%%/*}" "$pack/headers/"
  done
  git -c safe.directory="$TOP" describe --always --dirty >"$pack/VERSION.txt" 2>/dev/null || true
  echo "$pack: $(du -sh "$pack" | cut -f1); there: jobs/gpu_check.sh"
  exit 0
fi

mkdir -p "$folder"
report=${report:-$folder/report.txt}
: >"$report"
failed=() skipped=() passed=()
put() { printf '%s\n' "$@" | tee -a "$report"; }
# step NAME COMMAND...: its output goes to the report; 77 means that it could not run.
step() {
  local name=$1 code=0 begin=$SECONDS
  shift
  put "" "== $name"
  "$@" >"$folder/step.log" 2>&1 || code=$?
  tail -n 200 "$folder/step.log" | tee -a "$report"
  case $code in
    0) passed+=("$name"); put "-- passed after $((SECONDS - begin)) s" ;;
    77) skipped+=("$name"); put "-- skipped" ;;
    *) failed+=("$name"); put "-- FAILED with exit code $code after $((SECONDS - begin)) s" ;;
  esac
  return 0
}
finish() {
  put "" "== summary" "passed: ${#passed[@]} (${passed[*]:-none})" "skipped: ${#skipped[@]} (${skipped[*]:-none})" \
    "failed: ${#failed[@]} (${failed[*]:-none})"
  if [ ${#failed[@]} -gt 0 ]; then
    put "gpu_check: FAILED; the report is $report"
    exit 1
  elif [ ${#skipped[@]} -gt 0 ]; then
    put "gpu_check: all that could be tried passed, but not everything could (see skipped); the report is $report"
    exit 3
  fi
  put "gpu_check: everything passed; the report is $report"
  exit 0
}

mkdir -p "$folder"
nvcc=${CUDACXX:-$(command -v nvcc || true)}
if [ -z "$nvcc" ] && [ -x /usr/local/cuda/bin/nvcc ]; then nvcc=/usr/local/cuda/bin/nvcc; fi
machine() {
  date -u +%Y-%m-%dT%H:%MZ
  cat VERSION.txt 2>/dev/null || git -c safe.directory="$TOP" describe --always --dirty 2>/dev/null || true
  uname -srm
  grep -m1 'model name' /proc/cpuinfo || true
  nproc
  "${nvcc:-nvcc}" --version | tail -n 2
  "${CXX:-g++}" --version | head -n 1
  nvidia-smi --query-gpu=name,compute_cap,memory.total,driver_version,clocks.max.sm,clocks.max.memory --format=csv || {
    echo "nvidia-smi finds no GPU"
    return 77
  }
}
step machine machine
if [ -z "$nvcc" ]; then
  put "gpu_check: there is no nvcc in PATH, in CUDACXX or in /usr/local/cuda: nothing can be built"
  exit 2
fi
gpu=yes
case " ${skipped[*]:-} " in *" machine "*) gpu=no ;; esac
if [ -z "$arch" ]; then
  arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | sort -u | grep -E '^[0-9]+$' | tr '\n' ' ' || true)
  [ -n "$arch" ] || arch="80 90"
fi
toolkit=$(cd "$(dirname "$(readlink -f "$nvcc")")/.." && pwd)
bin=$folder/bin

# Kernels, tests and benchmark by make, without CMake.
build_kernels() {
  local catch2 random123 source object gencode="" a
  catch2=$(find_header catch2/catch.hpp) || { echo "there is no catch2/catch.hpp: see --pack and --headers"; return 1; }
  random123=$(find_header Random123/philox.h) || { echo "there is no Random123/philox.h: see --pack and --headers"; return 1; }
  for a in $arch; do gencode+=" -gencode arch=compute_$a,code=[sm_$a,compute_$a]"; done
  mkdir -p "$folder/objects" "$bin"
  local common="-std=c++20 -DTESSERA_GPU_CUDA -I$TOP/include -I$TOP/src -I$TOP/tests"
  # Carried headers before the system's; the system's own folder must not be named.
  for a in "$catch2" "$random123"; do
    if [ "$a" != /usr/include ]; then common+=" -isystem $a"; fi
  done
  local lib="$toolkit/lib64"
  [ -d "$lib" ] || lib="$toolkit/lib"
  {
    local kernels="" name
    echo "all:"
    for source in src/kernels/*.cu src/gpu/cuda/*.cu src/gpu/cuda/*.cpp src/core/memory.cpp tests/gpu/main.cpp tests/gpu/test_*.cpp tests/gpu/bench.cpp; do
      case "$source" in */test_defects.cpp) continue ;; esac
      object=$folder/objects/$(echo "$source" | tr / _).o
      case "$source" in
        *.cu) printf '%s: %s\n\t%s %s %s -O3 --Werror=all-warnings -Xptxas=-warn-spills -c %s -o %s\n' "$object" "$source" "$nvcc" "$common" "$gencode" "$source" "$object" ;;
        *) printf '%s: %s\n\t%s %s -O2 -isystem %s/include -c %s -o %s\n' "$object" "$source" "${CXX:-g++}" "$common" "$toolkit" "$source" "$object" ;;
      esac
      case "$source" in
        src/*) kernels+=" $object" ;;
        tests/gpu/test_*) name=${source##*/test_}; name=test_cuda_${name%.cpp}
          printf 'all: %s/%s\n%s/%s: %s %s $(KERNELS)\n\t%s $^ -L%s -lcudart -lcufft -lcublasLt -Wl,-rpath,%s -o $@\n' "$bin" "$name" "$bin" "$name" "$object" \
            "$folder/objects/tests_gpu_main.cpp.o" "${CXX:-g++}" "$lib" "$lib" ;;
        tests/gpu/bench.cpp)
          printf 'all: %s/bench_cuda\n%s/bench_cuda: %s $(KERNELS)\n\t%s $^ -L%s -lcudart -lcufft -lcublasLt -Wl,-rpath,%s -o $@\n' "$bin" "$bin" "$object" \
            "${CXX:-g++}" "$lib" "$lib" ;;
      esac
    done
    echo "KERNELS :=$kernels"
  } >"$folder/rules"
  # Prerequisites are expanded as they are read: the list comes first.
  { grep '^KERNELS' "$folder/rules"; grep -v '^KERNELS' "$folder/rules"; } >"$folder/Makefile"
  make -s -j "$(nproc)" -f "$folder/Makefile"
}
configure_full() { CUDACXX=$nvcc cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES="$(echo $arch | tr ' ' ';')"; }
build_full() { cmake --build --preset cuda -j "$(nproc)"; }

if [ "$build" != kernels ]; then
  if command -v cmake >/dev/null && configure_full >"$folder/configure.log" 2>&1; then
    build=full
  elif [ "$build" = full ]; then
    tail -n 30 "$folder/configure.log" 2>/dev/null | tee -a "$report"
    put "gpu_check: the preset cuda cannot be configured here (CMake and all packages of jobs/install-deps.sh are needed); try --build kernels"
    exit 2
  else
    put "" "the preset cuda cannot be configured here: the kernels alone are built"
    build=kernels
  fi
fi
if [ "$build" = full ]; then
  step "build (full)" build_full
  bin=build-cuda/tests/gpu
else
  step "build (kernels alone)" build_kernels
fi
[ ${#failed[@]} -eq 0 ] || finish

random123=$(find_header Random123/philox.h || true)
kernel_table() {
  command -v python3 >/dev/null || { echo "there is no python3"; return 77; }
  python3 tests/gpu/kernel_table.py --nvcc "$nvcc" --include "$random123"
}
# Another version of nvcc has other figures: they are shown, and only spills count.
case "$("$nvcc" --version)" in
  *"release 13.0"*) step "kernel table" kernel_table ;;
esac

tests=$(find "$bin" -maxdepth 1 -name 'test_cuda_*' -type f | sort)
[ -n "$tests" ] || { failed+=("tests are missing in $bin"); finish; }
for t in $tests; do step "${t##*/}" "$t"; done
if [ "$build" = full ] && [ $gpu = yes ]; then step "ctest -L cuda" ctest --preset cuda -L cuda; fi

sanitizer=$(command -v compute-sanitizer || true)
if [ -z "$sanitizer" ] && [ -x "$toolkit/bin/compute-sanitizer" ]; then sanitizer=$toolkit/bin/compute-sanitizer; fi
sanitize() {
  [ $gpu = yes ] || { echo "there is no GPU"; return 77; }
  [ -n "$sanitizer" ] || { echo "compute-sanitizer is not in PATH nor in $toolkit/bin"; return 77; }
  local t
  for t in $tests; do
    echo "$1 ${t##*/}"
    "$sanitizer" --tool "$1" --error-exitcode 9 "$t" || return
  done
}
if [ $quick = no ]; then
  for tool in memcheck racecheck synccheck; do step "compute-sanitizer $tool" sanitize $tool; done
fi
if [ $quick = yes ]; then
  step "benchmark" "$bin/bench_cuda" --stars 100000 --field 30 --pixels 500
else
  step "benchmark" "$bin/bench_cuda"
fi
finish
