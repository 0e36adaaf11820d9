#!/usr/bin/env bash
# Installs a build into a temporary folder, then builds and runs a project that finds it by find_package(tessera).
#
#   tests/test_install.sh BUILD_FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$1" --prefix "$folder/prefix" >"$folder/log"
"$folder/prefix/bin/tessera" --version
cmake -S "$here/install" -B "$folder/build" -DCMAKE_PREFIX_PATH="$folder/prefix" >>"$folder/log" 2>&1 ||
  { cat "$folder/log"; exit 1; }
cmake --build "$folder/build" >>"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
"$folder/build/consumer"
