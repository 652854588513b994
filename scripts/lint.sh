# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # "./dev" sets root and sources all parts
# Format and lint, of the files that changed since main unless --all is said.

# The repository may belong to another user than the one who works here (a fresh clone handed to root).
git_here() { git -c safe.directory="$root" -C "$root" "$@"; }

# source_files [--all]: those that exist
source_files() {
  local base
  if [[ ${1:-} != --all ]] && base=$(git_here merge-base HEAD origin/main 2>/dev/null || git_here rev-parse --verify -q HEAD); then
    { git_here diff --name-only --diff-filter=d "$base"; git_here ls-files --others --exclude-standard; } | sort -u
  else
    git_here ls-files --cached --others --exclude-standard | sort -u
  fi | while read -r file; do [[ ! -f $root/$file ]] || echo "$file"; done
}

cpp_files() { source_files "$@" | grep -E '\.(hpp|cpp)$' || true; }

shell_files() {
  source_files "$@" | while read -r file; do
    if [[ $file == *.sh ]] || head -c 64 "$root/$file" | head -1 | grep -qaE '^#!.*\b(ba)?sh$'; then echo "$file"; fi
  done
}

check_all_option() { [[ $# == 0 || $* == --all ]] || die "unknown option \"$*\": only --all is known"; }

format_files() { # [--all]
  check_all_option "$@"
  need lint
  step "clang-format" bash -c 'xargs -r -d "\n" clang-format-19 -i' <<<"$(cpp_files "$@")"
}

lint() { # [--all]
  check_all_option "$@"
  need build lint
  local files bad=0
  mapfile -t files < <(cpp_files "$@")
  if ((${#files[@]})); then
    step "clang-format: ${#files[@]} files" clang-format-19 --dry-run -Werror "${files[@]}" || bad=1
    step "clang-tidy" tidy "${files[@]}" || bad=1
  else
    note "no C++ file has changed; all of them: ./dev lint --all"
  fi
  mapfile -t files < <(shell_files "$@")
  ((${#files[@]} == 0)) || step "shellcheck: ${#files[@]} files" shellcheck -x "${files[@]}" || bad=1
  step "layer check" python3 -B tests/layers/check_layers.py || bad=1
  return $bad
}

# tidy FILE...: headers are checked through the .cpp files that include them, so a changed header brings its twin. Without precompiled
# headers: a file that does not include what it uses is an error here.
tidy() {
  local file compiled=() wanted log=$root/build/lint.configure.log
  mkdir -p "$root/build"
  (cd "$root" && cmake --preset release -B build/lint -D HANSA_PRECOMPILE=OFF -D HANSA_UNITY=OFF) >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  mapfile -t wanted < <(printf '%s\n' "${@%.?pp}" | sort -u)
  for file in "${wanted[@]}"; do
    if [[ -f $root/$file.cpp ]] && grep -qF "/$file.cpp\"" "$root/build/lint/compile_commands.json"; then compiled+=("$file.cpp"); fi
  done
  ((${#compiled[@]})) || return 0
  printf '%s\0' "${compiled[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 -p "$root/build/lint" --quiet
}
