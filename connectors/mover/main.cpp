// SPDX-License-Identifier: Apache-2.0
// hansa-move-run: see supervise.hpp.
#include "broker/async/real_scheduler.hpp"
#include "connectors/mover/supervise.hpp"

#include <cstdio>
#include <iostream>
#include <iterator>

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] != '/') {
    std::fputs("usage: hansa-move-run SPOOL (an absolute path; started by hansad, not by people)\n", stderr);
    return 2;
  }
  const std::string question{std::istreambuf_iterator<char>(std::cin), {}};
  const hansa::async::RealScheduler clock;
  hansa::async::SystemRandom random;
  const auto given = hansa::connectors::mover::answer(argv[1], question, clock, random);
  std::puts(given.text.c_str());
  return given.is_error ? 1 : 0;
}
