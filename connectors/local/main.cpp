// SPDX-License-Identifier: Apache-2.0
// hansa-local-run: see supervise.hpp.
#include "connectors/local/supervise.hpp"

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] != '/') {
    std::fputs("usage: hansa-local-run JOBDIR (an absolute path; started by hansad, not by people)\n", stderr);
    return 2;
  }
  return hansa::connectors::local::supervise_in_background(argv[1]);
}
