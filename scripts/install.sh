# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # "./dev" sets root and sources all parts
# What Hansa needs from Debian 12, in sets, and `need SET...`, which installs what is missing and is quick when nothing is.

declare -rA packages=(
  [build]="clang-19 lld-19 cmake ninja-build ccache git python3
    libboost1.81-dev libssl-dev libssh-dev zlib1g-dev libsqlite3-dev nlohmann-json3-dev libtomlplusplus-dev libcli11-dev
    libhowardhinnant-date-dev tzdata
    libspdlog-dev libmimalloc-dev libvalijson-dev libcjose-dev catch2 librapidcheck-dev libbenchmark-dev"
  [test]="libclang-rt-19-dev llvm-19 sqlite3 curl jq openssl openssh-server openssh-client rclone rsync procps prometheus
    slurmctld slurmd slurmdbd slurmrestd slurm-client slurm-wlm-basic-plugins slurm-wlm-jwt-plugin
    munge mariadb-server libfaketime nodejs npm libz3-dev"
  [package]="dpkg-dev debhelper binutils systemd man-db lintian"
  [lint]="clang-format-19 clang-tidy-19 shellcheck"
)

# missing PACKAGE...: those that are neither installed nor there as a command of that name (a Node.js from elsewhere brings its
# own npm, and Debian's then refuses to be installed)
missing() {
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p' | sort -u) |
    while read -r package; do command -v "$package" >/dev/null || echo "$package"; done
}

need() { # SET...
  local set wanted=() absent as_root=()
  for set in "$@"; do
    # shellcheck disable=SC2206 # words are what we want
    wanted+=(${packages[$set]})
  done
  command -v apt-get >/dev/null || { note "no apt-get here: make sure that you have the like of ${wanted[*]}"; return 0; }
  mapfile -t absent < <(missing "${wanted[@]}")
  ((${#absent[@]})) || return 0

  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "these packages are missing, and there is no sudo: apt-get install ${absent[*]}"
    note "using sudo for apt-get, for nothing else"
    as_root=(sudo)
  fi
  local log=$root/build/apt.log
  mkdir -p "$root/build"
  say "installing ${#absent[@]} packages: ${absent[*]} (log: build/apt.log)"
  {
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -q &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install -y -q --no-install-recommends "${absent[@]}"
  } >"$log" 2>&1 </dev/null || {
    tail -20 "$log" >&2
    die "apt-get failed; the whole log is build/apt.log"
  }
}
