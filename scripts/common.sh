# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # "./dev" sets root and sources all parts
# What every part of ./dev needs: saying what happens, timing a step, and the user that hansad runs as.
# `root` (the repository) is set by ./dev.

bold="" plain=""
if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() { printf './dev: %s\n' "$*" >&2; exit 1; }

# step WHAT COMMAND...: says it, does it, says how long it took. The command's exit status is the step's.
step() {
  local what=$1 started=$SECONDS status=0
  shift
  say "$what"
  "$@" || status=$?
  if ((status == 0)); then note "done in $((SECONDS - started)) s"; else note "FAILED after $((SECONDS - started)) s (exit status $status)"; fi
  return $status
}

# hansad refuses to run as root, so root on a new machine gets it a user of its own.
readonly hansa_user=hansa-dev

make_hansa_user() {
  ((EUID == 0)) || return 0
  id "$hansa_user" >/dev/null 2>&1 && return 0
  note "making the user $hansa_user, because hansad does not run as root"
  useradd --create-home --shell /bin/bash "$hansa_user"
}

# The words to put before a command that shall run as that user (for a normal user: as oneself), with a clean environment.
# An array and no function, so that `"${as_hansa[@]}" hansad &` leaves the pid of hansad itself in $!.
as_hansa=()
set_as_hansa() {
  as_hansa=(env)
  ((EUID == 0)) || return 0
  local home
  home=$(getent passwd "$hansa_user" | cut -d: -f6)
  as_hansa=(setpriv --reuid="$hansa_user" --regid="$(id -g "$hansa_user")" --init-groups --inh-caps=-all --no-new-privs
    env -i "HOME=$home" "USER=$hansa_user" "LOGNAME=$hansa_user" SHELL=/bin/bash PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8)
}
