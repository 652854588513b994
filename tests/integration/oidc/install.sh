#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install.sh FOLDER: puts the pinned packages of package-lock.json into FOLDER, once, and these programs beside them. Exit status 77:
# there is no npm.
set -euo pipefail
folder=$1
here=$(dirname "$(realpath "$0")")
if ! command -v npm > /dev/null || ! command -v node > /dev/null; then
  echo "skipped: npm and node are needed for an OpenID provider"
  exit 77
fi
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9  # two tests may want it at once
cp "$here"/*.mjs "$here/package.json" "$folder"
if ! cmp -s "$here/package-lock.json" "$folder/installed-lock.json"; then
  cp "$here/package-lock.json" "$folder"
  (cd "$folder" && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$here/package-lock.json" "$folder/installed-lock.json"
fi
