# Sourced by the scripts of jobs/ and tests/: goes to the top of the tree and sets what a run under root or without a home needs.
set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$TOP"

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
# The comment at the head of the script, without the shebang line and the hashes.
usage() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

# OpenMPI refuses root unless told twice, and pins each process to one core unless told not to.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_hwloc_base_binding_policy=none
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

# Where libraries of spectra go: the user's data directory, or the build folder for a user without a home.
if [ -z "${TESSERA_DATA:-}" ] && [ -z "${XDG_DATA_HOME:-}" ] && { [ -z "${HOME:-}" ] || [ ! -w "$HOME" ]; }; then
  export TESSERA_DATA="$TOP/build/data"
fi
