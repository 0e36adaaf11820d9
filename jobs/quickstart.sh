#!/usr/bin/env bash
# From a fresh clone to cubes and pictures of galaxies, in quickstart/.
#
#   jobs/quickstart.sh [--no-install] [--stars N]
#
# Steps: install missing Debian packages (apt, as root or with sudo), build Release into build/, obtain the BC03lr library
# of stellar spectra, make a mock snapshot of N stars (default 1000000), observe four of its galaxies with MUSE, draw them.
# --no-install leaves out the first step, for a cluster where compilers and libraries come from modules.
source "$(dirname "$0")/common.sh"
install=yes
stars=1000000
while [ $# -gt 0 ]; do
  case "$1" in
    --no-install) install=no ;;
    --stars) stars=${2:?--stars needs a number}; shift ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1' (see --help)" ;;
  esac
  shift
done

cat <<TEXT
Tessera's quickstart will
  $([ $install = yes ] && echo "install missing Debian packages with apt-get (jobs/install-deps.sh lists them)" || echo "install no packages (--no-install)")
  build into                    $TOP/build
  keep spectra of stars in      ${TESSERA_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/tessera}
  write a mock snapshot, cubes and pictures into   $TOP/quickstart
TEXT

if [ $install = yes ]; then
  say "1/6 packages"
  jobs/install-deps.sh
fi

say "2/6 build"
cmake --preset host >build-quickstart.log 2>&1 || { cat build-quickstart.log; fail "cmake did not succeed"; }
rm -f build-quickstart.log
cmake --build --preset host -j "$(nproc)" --target tessera_cli

say "3/6 library of stellar spectra"
jobs/fetch-ssp.sh --tessera build/tessera --library bc03lr

say "4/6 mock snapshot"
rm -rf quickstart/mock quickstart/cubes*
mkdir -p quickstart
build/tessera mock --output quickstart/mock --galaxies 8 --stars "$stars" --gas $((stars / 5)) --chunks 4 --seed 1

say "5/6 observation: tessera run jobs/quickstart.json"
build/tessera run jobs/quickstart.json

say "6/6 pictures"
jobs/python-env.sh build/venv
build/venv/bin/tessera-quicklook quickstart/cubes.hdf5 --output quickstart

say "made in quickstart/"
(cd quickstart && du -sh --apparent-size -- *.hdf5 *.fits *.png mock)
cat <<'TEXT'

Try next
  build/tessera run jobs/quickstart.json --set view.inclination=90 --set output.path=quickstart/edge.hdf5
  build/venv/bin/tessera-quicklook quickstart/edge.hdf5
  build/tessera telescopes                    the instruments known by name
  build/tessera schema                        every key of the configuration with unit, range and default
  docs/formats.md                             how to point it at IllustrisTNG data of your own
TEXT
