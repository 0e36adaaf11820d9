#!/usr/bin/env bash
# Installs the Debian packages that Tessera needs and that are not there yet; this is the one list of them.
#
#   jobs/install-deps.sh [--dry-run]
#
# With all packages present it needs neither a network nor rights. Otherwise it runs apt-get as root or through sudo.
# --dry-run prints what is missing and changes nothing.
source "$(dirname "$0")/common.sh"

PACKAGES=(
  # compiler and build
  build-essential g++ cmake ninja-build pkg-config git
  # MPI, parallel HDF5
  libopenmpi-dev openmpi-bin libhdf5-openmpi-dev hdf5-tools libdeflate-dev
  # libraries
  libboost-program-options-dev libfftw3-dev libcfitsio-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libeigen3-dev
  librandom123-dev libssl-dev
  # tests and benchmarks
  catch2 fitsverify libbenchmark-dev
  # Python for figures and tests, in a virtual environment
  python3 python3-venv
)

dry_run=no
case "${1:-}" in
  "") ;;
  --dry-run) dry_run=yes ;;
  --help | -h) usage; exit 0 ;;
  *) fail "unknown option '$1' (see --help)" ;;
esac

if ! command -v dpkg-query >/dev/null; then
  fail "this is not Debian: install the equivalents of these packages, then use --no-install: ${PACKAGES[*]}"
fi
missing=()
for package in "${PACKAGES[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  # A package of several architectures prints its status once for each.
  case "$status" in *not-installed* | "") missing+=("$package") ;; *installed*) ;; *) missing+=("$package") ;; esac
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "all ${#PACKAGES[@]} Debian packages are installed"
  exit 0
fi

echo "${#missing[@]} of ${#PACKAGES[@]} Debian packages are missing: ${missing[*]}"
[ $dry_run = no ] || exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "to install them, run as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}")
echo "running: ${as_root[*]} apt-get update"
"${as_root[@]}" apt-get update -q
echo "running: ${install[*]}"
"${install[@]}" </dev/null
