#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check.sh PRINT_CASES FOLDER: writes the cases into FOLDER and has Cedar, which npm puts beside them once, answer them there. Exit
# status 77: there is no npm.
set -euo pipefail
print=$1 folder=$2
here=$(dirname "$(realpath "$0")")

if ! command -v npm > /dev/null || ! command -v node > /dev/null; then
  echo "skipped: npm and node are needed to ask Cedar"
  exit 77
fi
mkdir -p "$folder"
cp "$here/compare.mjs" "$here/package.json" "$folder"
if ! cmp -s "$here/package-lock.json" "$folder/installed-lock.json"; then
  cp "$here/package-lock.json" "$folder"
  (cd "$folder" && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$here/package-lock.json" "$folder/installed-lock.json"
fi
"$print" "${HANSA_SEED:-1}" > "$folder/cases.jsonl"
# Node 20's optimising compiler aborts ("unreachable code" in the deoptimizer) under the WebAssembly glue: it stays off.
exec node --no-opt "$folder/compare.mjs" "$folder/cases.jsonl"
