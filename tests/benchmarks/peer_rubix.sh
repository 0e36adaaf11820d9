#!/usr/bin/env bash
# Tessera and astro-rubix 0.0.5 on the same stars in one run; prints both times a star and their ratio.
#
#   tests/benchmarks/peer_rubix.sh [BUILD_DIR] [RUBIX_STARS] [TESSERA_STARS]
#
# RUBIX goes into a virtual environment of its own in the build directory (a download of some 200 MB, once), or into the
# one that RUBIX_VENV names. Its time a star does not depend on their number beyond 1e4; Tessera's falls with it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-"$here/../../build"}
rubix_stars=${2:-100000}
tessera_stars=${3:-6000000}
venv=${RUBIX_VENV:-$build/venv-rubix}
bench=$build/tests/benchmarks/bench_forward
work=$build/bench-rubix
mkdir -p "$work"

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import rubix' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q astro-rubix==0.0.5 h5py
fi

"$bench" --stars "$rubix_stars" --write-stars "$work/stars.h5"
"$venv/bin/python" "$here/bench_rubix.py" "$work/stars.h5" --json "$work/rubix.json"
"$bench" --stars "$rubix_stars" --json "$work/tessera_same.json" | tail -n 1
"$bench" --stars "$tessera_stars" --json "$work/tessera.json" | tail -n 1
"$venv/bin/python" - "$work" <<'PY'
import json, sys
read = lambda name: json.load(open(f"{sys.argv[1]}/{name}.json"))
peer, same, many = read("rubix"), read("tessera_same"), read("tessera")
t = peer["microseconds_per_star"]
print(f"ratio of time a star, RUBIX / Tessera: {t / same['microseconds_per_star']:.0f} at {same['stars']} stars each, "
      f"{t / many['microseconds_per_star']:.0f} with Tessera at {many['stars']}")
PY
