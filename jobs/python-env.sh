#!/usr/bin/env bash
# Makes a virtual environment with the packages of analysis/ and, if given, of a requirements file.
#
#   jobs/python-env.sh FOLDER [REQUIREMENTS.txt]
#
# A second run with the same requirements does nothing and needs no network.
source "$(dirname "$0")/common.sh"
case "${1:-}" in "" | --help | -h) usage; exit 0 ;; esac
folder=$1
requirements=${2:-}

stamp=$(cat analysis/pyproject.toml ${requirements:+"$requirements"} | sha256sum)
if [ -x "$folder/bin/python" ] && [ "$(cat "$folder/.stamp-${requirements:+tests}" 2>/dev/null)" = "$stamp" ]; then
  echo "$folder is up to date"
  exit 0
fi
[ -x "$folder/bin/pip" ] || python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet ${requirements:+-r "$requirements"} -e analysis
printf '%s\n' "$stamp" >"$folder/.stamp-${requirements:+tests}"
echo "$folder is ready"
