#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check.sh DASHBOARD FOLDER: holds a dashboard against Grafana's schema, whose package npm puts into FOLDER once. Exit status 77: there
# is no npm.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
"$here/../oidc/install.sh" "$2" "$here" || exit $?
exec node "$2/check.mjs" "$1"
