#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install.sh FOLDER [FROM]: puts the pinned packages of FROM's package-lock.json (of this folder's) into FOLDER, once, and its programs
# beside them. Exit status 77: there is no npm, or neither its cache nor its registry has them (a registry that answers otherwise fails
# the test).
set -euo pipefail
folder=$1
here=${2:-$(dirname "$(realpath "$0")")}
if ! command -v npm > /dev/null || ! command -v node > /dev/null; then
  echo "skipped: npm and node are needed for the packages of $here"
  exit 77
fi
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9  # two tests may want it at once
cp "$here"/*.mjs "$here/package.json" "$folder"
if ! cmp -s "$here/package-lock.json" "$folder/installed-lock.json"; then
  cp "$here/package-lock.json" "$folder"
  if ! said=$(cd "$folder" && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error 2>&1); then
    echo "$said" >&2
    # npm's codes of a network that is not there; ENOTCACHED is of --offline.
    grep -qE 'code (ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT)' \
      <<< "$said" || exit 1
    echo "skipped: npm's cache has not the packages of $here/package-lock.json, and its registry is not reached"
    exit 77
  fi
  cp "$here/package-lock.json" "$folder/installed-lock.json"
fi
