#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh BIN: what Hansa does, shown in a minute. Starts a broker with two sites of this machine, submits real scripts to it, shows
# where each went and why, what it printed and what it used; then stops the broker and removes everything.
# BIN is the folder with hansad and hansa; all files are made in one temporary folder.
set -euo pipefail
root=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/..
# shellcheck source=scripts/common.sh
source "$root/scripts/common.sh"

bin=${1:?demo.sh BIN: the folder with hansad and hansa}
broker=""
folder=""

# Also on Ctrl-C and on an error: nothing of the demo stays behind.
exec {messages}>&2
leave() {
  local status=$? pid
  trap - EXIT INT TERM
  exec 2>&"$messages" # it may have come while a command's words were sent to nowhere
  stop_broker || ((status != 0)) || status=1
  if [[ -n $folder ]]; then
    # Jobs outlive their broker on purpose; those of an interrupted demo lie in its folder.
    for pid in /proc/[0-9]*; do
      [[ $(readlink "$pid/cwd" 2>/dev/null) != "$folder"/* ]] || kill -s KILL "${pid#/proc/}" 2>/dev/null || true
    done
    rm -rf "$folder"
  fi
  ((status < 128)) || note "interrupted; the broker is stopped, and nothing of the demo is left. Once more: ./dev demo"
  exit $status
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

stop_broker() {
  [[ -n $broker ]] || return 0
  local status=0 tries=150
  kill -s TERM "$broker" 2>/dev/null || true
  while kill -0 "$broker" 2>/dev/null && ((--tries)); do sleep 0.1; done
  ((tries)) || kill -s KILL "$broker" 2>/dev/null || true
  wait "$broker" 2>/dev/null || status=$?
  broker=""
  ((status == 0)) || { note "the broker ended with status $status; its last words:"; tail -5 "$folder/hansad.log" >&2; return 1; }
}

free_port() {
  local port
  for port in $(seq 7717 7816); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
  done
  die "no free port between 7717 and 7816"
}

hansa() { # ARGUMENT...: with the token in the file `token`
  "${as_hansa[@]}" HANSA_URL="http://127.0.0.1:$port" HANSA_TOKEN_FILE="$token" "$folder/bin/hansa" "$@"
}

show() { # ARGUMENT...: prints the command, then runs it
  printf '\n%s$ hansa %s%s\n' "$bold" "$*" "$plain"
  hansa "$@" 2>&1
}

script() { # NAME LINE...: writes a job script
  local name=$1
  shift
  printf '%s\n' '#!/bin/bash' "$@" >"$folder/scripts/$name"
  chmod 755 "$folder/scripts/$name"
}

submit() { # ARGUMENT...: sets `id`. Exit status 6 is a job that was rejected and is stored with its reason: part of the show.
  local answer status=0
  answer=$(hansa submit --json "$@") || status=$?
  ((status == 0 || status == 6)) || { note "hansa submit $* ended with status $status"; exit 1; }
  id=$(sed -n 's/.*"id" *: *"\([0-9A-Z]\{26\}\)".*/\1/p' <<<"$answer" | head -1)
  [[ -n $id ]] || { note "hansa submit $* gave no job id: $answer"; exit 1; }
  printf '    %-12s %s\n' "$2" "$id" # every call begins with --name NAME
  ids+=("$id")
}

make_hansa_user
set_as_hansa
account=$("${as_hansa[@]}" id -un)
port=$(free_port)
folder=$(mktemp -d /tmp/hansa-demo.XXXXXX)
mkdir -m 755 "$folder/bin" "$folder/scripts"
mkdir -m 700 "$folder/state" "$folder/kajaani" "$folder/barcelona"
# The repository may lie where that user cannot look (beneath /root).
install -m 755 "$bin/hansad" "$bin/hansa" "$bin/hansa-local-run" "$folder/bin/"

say "writing the configuration: two sites on this machine, Kajaani (FI, 8 cores) and Barcelona (ES, 2 cores)"
cat >"$folder/hansad.toml" <<CONF
[broker]
name = "hansa-demo"
country = "FI"
state_dir = "$folder/state"

[api]
listen = "127.0.0.1:$port"

[store]
url = "sqlite:hansa.db"

[engine]                     # quick loops: this is for showing
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 500
snapshot_max_age_ms = 30000

[[site]]
id = "kajaani"
name = "Kajaani, the larger one"
country = "FI"
connector = "local"
run_as = "self"
work_dir = "$folder/kajaani"
local = { cpus = 8, memory_mib = 8192 }
budget = { queries_per_minute = 6000, waiting_jobs = 50 }
accounts = { "local:alice" = "$account" }

[[site]]
id = "barcelona"
name = "Barcelona, the smaller one"
country = "ES"
connector = "local"
run_as = "self"
work_dir = "$folder/barcelona"
local = { cpus = 2, memory_mib = 2048 }
budget = { queries_per_minute = 6000, waiting_jobs = 50 }
accounts = { "local:alice" = "$account" }

[[project]]
id = "ai-lab"
members = ["local:alice"]
CONF
# shellcheck disable=SC2016 # expanded by the job
{
  script hello.sh 'echo "Hello from $(hostname), as $(id -un)"' 'seq 3'
  script train.sh 'echo "training, epoch $1"' 'sleep 3'
  script broken.sh 'echo "reading the data set" ' 'echo "no such file" >&2' 'exit 3'
  script endless.sh 'sleep 600'
}
((EUID != 0)) || chown -R "$hansa_user:" "$folder"

say "starting hansad as $account"
# In a session of its own: Ctrl-C is for the demo, which then stops it in order.
setsid "${as_hansa[@]}" "$folder/bin/hansad" --config "$folder/hansad.toml" >"$folder/hansad.log" 2>&1 </dev/null &
broker=$!
token=$folder/state/operator.token # written at the first start
until [[ -s $token ]] && hansa sites >/dev/null 2>&1; do
  if ! kill -0 "$broker" 2>/dev/null || ((SECONDS > 30)); then
    note "the broker does not serve; its last words:"
    tail -20 "$folder/hansad.log" >&2
    kill -s KILL "$broker" 2>/dev/null || true
    broker=""
    exit 1
  fi
  sleep 0.1
done

say "the operator makes a token for alice"
answer=$(hansa token create --user alice --role user --json)
(umask 077 && sed -n 's/.*"token" *: *"\([^"]*\)".*/\1/p' <<<"$answer" | head -1 >"$folder/alice.token")
((EUID != 0)) || chown "$hansa_user:" "$folder/alice.token"
show sites
token=$folder/alice.token

say "alice submits, once each, without saying where:"
ids=()
submit --name cancelled --cpus-per-task 2 --time 20m "$folder/scripts/endless.sh" # takes all of Barcelona, for 20 minutes as far as is known
cancelled=$id
submit --name hello "$folder/scripts/hello.sh"
hello=$id
submit --name broken "$folder/scripts/broken.sh"
submit --name too-slow --time 3s "$folder/scripts/endless.sh"
for epoch in 1 2 3 4 5 6; do submit --name "train-$epoch" --cpus-per-task 2 --time 1m "$folder/scripts/train.sh" "$epoch"; done
submit --name too-large --cpus-per-task 64 "$folder/scripts/hello.sh"
too_large=$id
show cancel "$cancelled"

say "waiting for all of them (a failed job makes \`hansa wait\` return 1; one that no site can hold is not waited for)"
waited=7 # the time was up: a broker that died meanwhile is noticed, not waited for
while ((waited == 7)); do
  waited=0
  hansa wait --timeout 2s "${ids[@]:0:${#ids[@]}-1}" >/dev/null 2>&1 || waited=$?
done
((waited <= 1)) || { note "hansa wait ended with status $waited"; exit 1; }

show jobs
say "where did \"hello\" go, and why?"
show explain "$hello"
say "and why did \"too-large\" go nowhere?"
show explain "$too_large"
say "what did \"hello\" print?"
show logs "$hello"

say "what was used? (the sites' accounting is read every half second)"
ran=$((${#ids[@]} - 1)) # all but the one that went nowhere
until hansa report usage --format csv | awk -F, -v ran="$ran" 'NR > 1 {runs += $3} END {exit runs < ran}' || ((SECONDS > 90)); do sleep 0.2; done
show report usage --by project,site

say "stopping the broker (SIGTERM) and removing $folder"
stop_broker
note "read on: docs/using-hansa.md for who runs jobs, docs/running-a-broker.md for who runs a centre"
