// SPDX-License-Identifier: Apache-2.0
// hansa-move-run: see supervise.hpp.
#include "broker/async/real_scheduler.hpp"
#include "connectors/mover/supervise.hpp"

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <span>
#include <string_view>

namespace {

using namespace hansa::connectors::mover;

int complain(const std::string& words) {
  std::fprintf(stderr, "hansa-move-run: %s\n", words.c_str());
  return 2;
}

int job(std::string_view task, const char* spool, std::string_view text) {
  if (task != "move" && task != "discard") return complain("--job is for \"move\" or \"discard\"");
  const auto order = order_from_json(text);
  if (!order) return complain(order.error().message);
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(spool, error);
  if (error) return complain("cannot find the spool: " + error.message());
  const hansa::async::RealScheduler clock;
  hansa::async::SystemRandom random;
  return run_as_job(task == "move" ? JobTask::move : JobTask::discard, path.string(), *order, clock, random);
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  if (argc == 5 && std::string_view(arguments[1]) == "--job") return job(arguments[2], arguments[3], arguments[4]);
  if (argc != 2 || arguments[1][0] != '/') {
    std::fputs(
        "usage: hansa-move-run SPOOL (an absolute path; started by hansad, not by people)\n"
        "       hansa-move-run --job move|discard SPOOL ORDER (in a job of a site's, in the job's own folder)\n",
        stderr);
    return 2;
  }
  const std::string question{std::istreambuf_iterator<char>(std::cin), {}};
  const hansa::async::RealScheduler clock;
  hansa::async::SystemRandom random;
  const auto given = answer(arguments[1], question, clock, random);
  std::puts(given.text.c_str());
  return given.is_error ? 1 : 0;
}
