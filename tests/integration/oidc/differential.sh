#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# differential.sh TOKEN_VERDICTS FOLDER COUNT: has COUNT tokens judged by our gate and by npm's jose.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
"$here/install.sh" "$2"
exec node "$2/differential.mjs" "$1" "$3" "${HANSA_SEED:-1}"
