# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # "./dev" sets root and sources all parts
# Configuring and building one preset. ccache makes a second clone quick: paths are taken relative to the repository.

export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G} CCACHE_SLOPPINESS=pch_defines,time_macros

# build PRESET [TARGET...]
build() {
  local preset=$1 folder=$root/build/$1 log
  shift
  log=$root/build/$preset.configure.log
  mkdir -p "$root/build"
  (cd "$root" && cmake --preset "$preset") >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    return 1
  }
  ninja -C "$folder" "$@" </dev/null
}

# tests_of PRESET CTEST-OPTION...: the names of the tests that are chosen
tests_of() {
  local preset=$1
  shift
  ctest --test-dir "$root/build/$preset" --show-only "$@" | sed -n 's/^ *Test *#[0-9]*: //p'
}

# build_tests PRESET CTEST-OPTION...: configures, then builds the executables of the chosen tests only (a test of hansa_test has
# its target's name; those without a target are scripts)
build_tests() {
  local preset=$1 chosen targets
  shift
  build "$preset" -t targets all >"$root/build/$preset.targets" || return
  chosen=$(tests_of "$preset" "$@" | sort -u)
  targets=$(comm -12 <(echo "$chosen") <(sed -n 's/: phony$//p' "$root/build/$preset.targets" | sort -u))
  [[ -n $targets ]] || { note "no test is chosen"; return 0; }
  # shellcheck disable=SC2086 # one word a target
  ninja -C "$root/build/$preset" $targets </dev/null
}
