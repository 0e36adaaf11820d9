#!/usr/bin/env bash
# Runs a Python test with the interpreter given first; exit 77 (skipped) where there is none.
python=$1
shift
if [ -z "$python" ] || [ ! -x "$python" ]; then
  echo "SKIP: no Python environment (configure with -DTESSERA_PYTHON=..., as tests/run.sh does)"
  exit 77
fi
exec "$python" "$@"
