#!/usr/bin/env bash
# Installs the Debian packages that Tessera needs and that are not there yet; this is the one list of them.
#
#   jobs/install-deps.sh [--tests] [--dry-run]
#
# --tests: also a Slurm for the test of job arrays and PyTorch, where that is possible; without them their tests are skipped.
# With all packages present it needs neither a network nor rights. Otherwise it runs apt-get as root or through sudo.
# --dry-run prints what is missing and changes nothing.
source "$(dirname "$0")/common.sh"

PACKAGES=(
  # compiler and build
  build-essential g++ cmake ninja-build pkg-config git
  # MPI, parallel HDF5
  libopenmpi-dev openmpi-bin libhdf5-openmpi-dev hdf5-tools libdeflate-dev
  # libraries
  libboost-program-options-dev libboost-context-dev libfftw3-dev libopenblas-openmp-dev libcfitsio-dev nlohmann-json3-dev libspdlog-dev
  libfmt-dev libeigen3-dev librandom123-dev libssl-dev
  # tests and benchmarks
  catch2 fitsverify libbenchmark-dev
  # Python for figures and tests, in a virtual environment
  python3 python3-venv python3-dev
)
TEST_PACKAGES=(slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge python3-torch)

dry_run=no
tests=no
while [ $# -gt 0 ]; do
  case "$1" in
    --dry-run) dry_run=yes ;;
    --tests) tests=yes ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1' (see --help)" ;;
  esac
  shift
done

if ! command -v dpkg-query >/dev/null; then
  fail "this is not Debian: install the equivalents of these packages, then use --no-install: ${PACKAGES[*]}"
fi

missing_of() {  # PACKAGE ...
  local package status
  for package in "$@"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    # A package of several architectures prints its status once for each.
    case "$status" in *not-installed* | "") echo "$package" ;; *installed*) ;; *) echo "$package" ;; esac
  done
}

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
run() { echo "running: $*"; "$@" </dev/null; }
updated=no
install() {  # PACKAGE ...
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    echo "to install them, run as root: apt-get install $*"
    return 1
  fi
  [ $updated = yes ] || run "${as_root[@]}" apt-get update -q || return 1
  updated=yes
  run "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

mapfile -t missing < <(missing_of "${PACKAGES[@]}")
if [ ${#missing[@]} -eq 0 ]; then
  echo "all ${#PACKAGES[@]} Debian packages are installed"
else
  echo "${#missing[@]} of ${#PACKAGES[@]} Debian packages are missing: ${missing[*]}"
  [ $dry_run = yes ] || install "${missing[@]}" || fail "cannot install ${missing[*]}"
fi

if [ $tests = yes ]; then
  mapfile -t missing < <(missing_of "${TEST_PACKAGES[@]}")
  if [ ${#missing[@]} -gt 0 ]; then
    echo "${#missing[@]} of ${#TEST_PACKAGES[@]} packages for tests are missing: ${missing[*]}"
    [ $dry_run = yes ] || install "${missing[@]}" || echo "without them, tests that need them are skipped"
  fi
fi
