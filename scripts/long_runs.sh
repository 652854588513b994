# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # "./dev" sets root and sources all parts
# Benchmarks, simulation, fuzzing, chaos and soaking: what takes longer than a test may.

# A benchmark is a program tests/bench/NAME_bench.cpp (one room, no daemon) or an executable script tests/bench/NAME (the whole
# broker). Both run from the root with HANSA_BIN, the folder of the programs, in their environment.
benchmarks() { # prints their names
  find "$root/tests/bench" -maxdepth 1 -type f -name '*_bench.cpp' -printf '%f\n' | sed 's/_bench\.cpp$//' | sort
  find "$root/tests/bench" -maxdepth 1 -type f -executable -printf '%f\n' | sort
}

bench() { # [NAME...]
  local all name path
  mapfile -t all < <(benchmarks)
  for name; do
    [[ " ${all[*]} " == *" $name "* ]] || die "there is no benchmark \"$name\"; there are: ${all[*]}"
  done
  need build test
  step "build (release)" build release all benchmarks
  make_hansa_user
  (($#)) || set -- "${all[@]}"
  for name; do
    path=$root/build/release/bench/${name}_bench
    [[ -x $path ]] || path=$root/tests/bench/$name
    step "benchmark $name" env HANSA_BIN="$root/build/release/bin" HANSA_DEV_USER="$hansa_user" "$path" </dev/null
  done
}

# sim [OPTION...]: those of hansa_sim; tests/sim/README.md
sim() {
  need build
  step "build (hansa_sim)" build release hansa_sim
  step "simulation" "$root/build/release/tests/hansa_sim" "$@"
}

fuzz_targets() { find "$root/build/asan/fuzz" -maxdepth 1 -type f -executable -printf '%f\n' 2>/dev/null | sort; }

build_fuzz_targets() {
  need build test
  build asan -t targets all | sed -n 's/^\([a-z0-9_]*_fuzz\): phony$/\1/p' | xargs -r ninja -C "$root/build/asan"
}

# fuzz_one TARGET SECONDS: new inputs go to build/, the corpus of the repository is read and never grown by itself
fuzz_one() {
  local target=$1 seconds=$2 found=$root/build/asan/found/$1 corpora
  mkdir -p "$found"
  corpora=("$found")
  [[ ! -d $root/tests/fuzz/corpus/${target%_fuzz} ]] || corpora+=("$root/tests/fuzz/corpus/${target%_fuzz}")
  ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19 "$root/build/asan/fuzz/$target" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/" "${corpora[@]}" </dev/null
}

fuzz() { # [TARGET [SECONDS]]
  step "build (fuzz targets)" build_fuzz_targets
  if (($# == 0)); then
    note "the targets:"
    fuzz_targets
    return 0
  fi
  local target=$1 seconds=${2:-60}
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "\"$seconds\" is no number of seconds"
  fuzz_targets | grep -xF -- "$target" >/dev/null || die "there is no fuzz target \"$target\"; there are: $(fuzz_targets | xargs)"
  step "fuzz $target for $seconds s" fuzz_one "$target" "$seconds"
}

# The e2e test of that name, for as long as one likes; the bed that it starts is its own.
chaos() { # [--jobs N] [--kills N] [--seed S]
  need build test
  ((EUID == 0)) || die "chaos runs real Slurm, which needs root"
  step "build (release)" build release
  make_hansa_user
  local bed=$root/tests/testbed/slurm_testbed status=0
  export HANSA_TESTBED_DIR=${HANSA_TESTBED_DIR:-/var/tmp/hansa-chaos-bed} HANSA_TESTBED_PORT=${HANSA_TESTBED_PORT:-18600}
  step "start two clusters" "$bed" up alpha:8:2 beta:4:2:2
  step "chaos${*:+ $*}" env HANSA_BIN="$root/build/release/bin" HANSA_DEV_USER="$hansa_user" \
    python3 -u "$root/tests/e2e/chaos.py" "$@" </dev/null || status=$?
  step "stop the clusters" "$bed" down
  return $status
}

# shared_out N SHARE: SHARE FIRST MANY for each processor, side by side, with the least weight
shared_out() {
  local many=$1 share=$2 processors i each workers=() status=0
  [[ $many =~ ^[1-9][0-9]*$ ]] || die "\"$many\" is no number of seeds"
  processors=$(nproc)
  each=$(((many + processors - 1) / processors))
  for ((i = 0; i < processors; i++)); do
    "$share" $((i * each + 1)) "$each" &
    workers+=($!)
  done
  for i in "${workers[@]}"; do wait "$i" || status=1; done
  return $status
}

# soak rules [N]: the engine's promise about the rules, over N random federations
rules_share() { HANSA_FIRST_SEED=$1 HANSA_SEEDS=$2 nice -n 19 "$root/build/release/tests/rules_soak"; }
soak_rules() {
  step "build (rules_soak)" build release rules_soak
  shared_out "${1:-100000}" rules_share
}

# soak sim [N]: the whole broker's promises, over N seeds of the simulation
sim_share() { nice -n 19 "$root/build/release/tests/hansa_sim" --from "$1" --seeds "$2"; }
soak_sim() {
  step "build (hansa_sim)" build release hansa_sim
  shared_out "${1:-20000}" sim_share
}

# soak simulate: the aims of routing on whole traces (HANSA_KTH_TRACE, HANSA_LCG_TRACE: tests/bench/simulate)
soak_simulate() {
  step "build (hansa)" build release hansa
  HANSA_BIN=$root/build/release/bin "$root/tests/bench/simulate" --aims
}

# soak [SECONDS, 3600]: half of the time for the fuzz targets, half for repeating the tests until one fails
soak() {
  if [[ ${1:-} == rules ]]; then
    shift
    step "rules at every hop" soak_rules "$@"
    return
  fi
  if [[ ${1:-} == sim ]]; then
    shift
    step "simulation, many seeds" soak_sim "$@"
    return
  fi
  if [[ ${1:-} == simulate ]]; then
    step "routing against its aims" soak_simulate
    return
  fi
  local seconds=${1:-3600} target targets until
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "\"$seconds\" is no number of seconds"
  step "build (fuzz targets)" build_fuzz_targets
  step "build (release)" build release
  make_hansa_user
  mapfile -t targets < <(fuzz_targets)
  for target in "${targets[@]}"; do
    step "fuzz $target" fuzz_one "$target" $((seconds / 2 / ${#targets[@]} + 1))
  done
  until=$((SECONDS + seconds / 2))
  while ((SECONDS < until)); do
    step "tests, shuffled, $((until - SECONDS)) s to go" env HANSA_DEV_USER="$hansa_user" HANSA_SOAK=1 \
      ctest --test-dir "$root/build/release" -LE '^threat$' --schedule-random --output-on-failure --parallel "$(nproc)"
  done
}
