#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check.sh PRINT_OPENAPI FOLDER: writes the document into FOLDER and validates it there with the pinned validator, which npm puts beside
# it once. Exit status 77: there is no npm.
set -euo pipefail
print=$1 folder=$2
here=$(dirname "$(realpath "$0")")

mkdir -p "$folder"
"$print" > "$folder/openapi.json"
if ! command -v npm > /dev/null || ! command -v node > /dev/null; then
  echo "skipped: npm and node are needed to validate $folder/openapi.json"
  exit 77
fi
cp "$here/validate.mjs" "$here/package.json" "$folder"
if ! cmp -s "$here/package-lock.json" "$folder/installed-lock.json"; then
  cp "$here/package-lock.json" "$folder"
  (cd "$folder" && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$here/package-lock.json" "$folder/installed-lock.json"
fi
exec node "$folder/validate.mjs" "$folder/openapi.json"
