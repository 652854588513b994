# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # "./dev" sets root and sources all parts
# ./dev test: everything that must hold before a change is taken. Goes on after a failure, so that one run shows all of them;
# its last line sums up every CTest test as "N passed, N failed, N skipped".

passed=0 failed=0 skipped=0 failures=() second_tries=()

# attribute NAME FILE: of the <testsuite> in CTest's JUnit file
attribute() {
  tr '\n' ' ' <"$2" | grep -o '<testsuite [^>]*>' | sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p"
}

# count_tests PRESET CTEST-OPTION...: runs them and adds to the sums
count_tests() {
  local preset=$1 report=$root/build/$1.junit.xml status=0 parallel all bad left
  shift
  rm -f "$report"
  parallel=$(($(nproc) + 2))  # many mostly wait
  [[ $preset != release ]] || ((++parallel))  # those on Slurm above all
  ctest --test-dir "$root/build/$preset" --output-on-failure --no-tests=ignore --parallel "$parallel" --output-junit "$report" \
    "$@" </dev/null || status=$?
  if [[ ! -s $report ]]; then
    ((status == 0)) || { ((++failed)); failures+=("ctest of $preset did not run"); }
    return $status
  fi
  all=$(attribute tests "$report") bad=$(attribute failures "$report")
  left=$(($(attribute skipped "$report") + $(attribute disabled "$report")))
  local again=()
  if ((0 < bad && bad <= 3)) && [[ $preset == release ]]; then
    mapfile -t again < <(passed_alone "$report")
    ((${#again[@]} < bad)) || status=0
  fi
  second_tries+=("${again[@]}")
  passed=$((passed + all - bad - left + ${#again[@]})) failed=$((failed + bad - ${#again[@]})) skipped=$((skipped + left))
  mapfile -t -O ${#failures[@]} failures < <(failed_in "$report" | grep -vxF "$(printf '%s\n' "${again[@]}")" | sed "s/\$/ ($preset)/")
  return $status
}

# failed_in FILE: the names in CTest's JUnit file
failed_in() { sed -n 's/.*<testcase name="\([^"]*\)".*status="fail".*/\1/p' "$1"; }

# passed_alone FILE: tries those that failed beside real daemons once more, by themselves, and tells which passed then: in the run they
# share the machine with everything else. Each is named in the summary: one that needs its second try again and again is a defect.
passed_alone() {
  local name
  for name in $(failed_in "$1"); do
    note "once more, alone, if it is of integration or e2e: $name" >&2
    if ctest --test-dir "$root/build/release" --output-on-failure --no-tests=error -L '^(integration|e2e)$' -R "^$name\$" \
      </dev/null >&2; then echo "$name"; fi
  done
}

# part WHAT COMMAND...: a step that may fail without ending the run; a build that fails counts as one failed test
part() {
  step "$@" || { ((++failed)); failures+=("$1"); return 1; }
}

# Ctrl-C ends CTest before it takes its fixtures down.
interrupted() {
  trap - INT
  stop_behind
  note "interrupted; taking down the Slurm clusters of the tests, if they are up"
  local bed
  for bed in /var/tmp/hansa-testbed-*; do
    ((EUID != 0)) || [[ -n ${HANSA_TESTBED_KEEP:-} || ! -d $bed ]] || HANSA_TESTBED_DIR=$bed "$root/tests/testbed/slurm_testbed" down >/dev/null 2>&1 || true
  done
  note "what is built stays built; go on with the same command"
  exit 130
}

# sanitized_tests PRESET: sets `chosen` to the CTest options that choose what runs under it
sanitized_tests() {
  case $1 in
    asan) chosen=(-L '^(unit|contract|fuzz)$' -LE '^long$' -E '^layers') ;;
    tsan) chosen=(-L '^(unit|contract)$' -LE '^long$' -R '(^|_)(async|store|http)(_|$)') ;;
    *) die "\"$1\" is no preset of a sanitizer" ;;
  esac
}

build_sanitized() { # PRESET
  local chosen
  sanitized_tests "$1"
  build_tests "$1" "${chosen[@]}"
}

# The tests on Slurm mostly wait: meanwhile what else must build is built with what they leave of the processors, in a session of its
# own with the least weight (sched(7), autogroup). It may fail: the step that needs it says so.
behind=""
build_behind() {
  # shellcheck disable=SC2016 # they expand in there
  setsid nice -n 19 bash -c 'echo 19 >/proc/self/autogroup; for what in asan tsan benchmarks; do "$0" build "$what"; done' "$root/dev" \
    >"$root/build/behind.log" 2>&1 </dev/null &
  behind=$!
}
stop_behind() { [[ -z $behind ]] || kill -- "-$behind" 2>/dev/null || true; }
wait_behind() { # two builds in one tree would be in each other's way
  wait "$behind" || true
  behind=""
}

test_all() {
  local label="" quick=0 started=$SECONDS
  while (($#)); do
    case $1 in
      --label) label=${2:?--label needs a label: unit, contract, sim, integration, e2e}; shift 2 ;;
      --quick) quick=1; shift ;;
      *) die "unknown option \"$1\": ./dev test [--label unit|contract|sim|integration|e2e] [--quick]" ;;
    esac
  done
  [[ -z $label || $label =~ ^(unit|contract|sim|integration|e2e)$ ]] ||
    die "there is no label \"$label\": unit, contract, sim, integration, e2e"

  need build test package
  make_hansa_user
  trap interrupted INT
  # The sanitizers' reports are of use only with names in them.
  export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19 UBSAN_OPTIONS=print_stacktrace=1 HANSA_DEV_USER=$hansa_user
  export TSAN_OPTIONS="external_symbolizer_path=$ASAN_SYMBOLIZER_PATH second_deadlock_stack=1"

  local choice=()
  if [[ -n $label ]]; then
    choice=(-L "^$label\$")
  elif ((quick)); then
    choice=(-L '^(unit|contract)$')
  elif ((EUID != 0)); then
    note "not root: the tests that start Slurm and switch users are left out (labels integration and e2e)"
    choice=(-LE '^(integration|e2e)$')
  else
    choice=(-LE '^long$')  # ./dev soak, or by name
  fi
  local all=0
  if ((!quick)) && [[ -z $label ]]; then all=1; fi
  if part "build (release)" build release; then
    if ((all)); then
      build_behind
      trap stop_behind EXIT
    fi
    step "tests (release${label:+, $label})" count_tests release "${choice[@]}" || true
  fi
  if ((all)); then
    [[ -z $behind ]] || step "build (to the end of what was begun behind the tests)" wait_behind
    part "build (benchmarks)" build release benchmarks || true
    sanitized asan "address and undefined-behaviour sanitizers; fuzz targets, 3 s each"
    note "$(executions) inputs were tried on the fuzz targets"
    sanitized tsan "thread sanitizer"
  fi

  say "all steps took $((SECONDS - started)) s"
  ((${#failures[@]} == 0)) || { note "failed:"; printf '      %s\n' "${failures[@]}" >&2; }
  ((${#second_tries[@]} == 0)) || { note "failed beside the others, passed alone (their failures are above):"; printf '      %s\n' "${second_tries[@]}" >&2; }
  echo "$passed passed, $failed failed, $skipped skipped"
  ((failed == 0))
}

# executions: of the fuzz targets in the last run of them
executions() {
  sed -n 's/^stat::number_of_executed_units: *//p' "$root/build/asan/Testing/Temporary/LastTest.log" 2>/dev/null |
    awk '{sum += $1} END {print sum + 0}'
}

sanitized() { # PRESET WORDS
  local preset=$1 words=$2 chosen
  sanitized_tests "$preset"
  part "build ($words)" build_sanitized "$preset" && { step "tests ($words)" count_tests "$preset" "${chosen[@]}" || true; }
}
