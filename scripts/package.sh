# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # "./dev" sets root and sources all parts
# Debian packages: docs/installing.md.

package() { # [BUILD [VERSION]]
  local preset=${1:-package} version=${2:-}
  need build package
  if [[ $preset == package ]]; then
    step "build (what is packaged)" build package hansad hansa hansa-agent hansa-switch hansa-local-run hansa-move-run
  fi
  [[ -x $root/build/$preset/bin/hansad ]] || die "there is no build/$preset/bin/hansad: ./dev build $preset"
  step "packages" "$root/packaging/build_debs" "$root/build/$preset" "$root/build/packages" ${version:+"$version"}

  step "lintian" lintian --allow-root --fail-on error,warning "$root"/build/packages/hansa-*_*.deb
  note "the packages are in build/packages: apt install ./build/packages/hansa-*.deb (docs/installing.md)"
}
