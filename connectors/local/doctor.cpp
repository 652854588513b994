// SPDX-License-Identifier: Apache-2.0
// What this machine is found to be like, as a site.
#include "broker/domain/site_checks.hpp"
#include "connectors/local/local_connector.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace hansa::connectors::local {

using async::Deadline;
using async::Task;
using domain::finding;

namespace {

/// Of IPv4 (destination and mask are zero) or IPv6 (so is the prefix), by an interface that is not the loopback.
bool has_default_route() {
  constexpr const char* kFiles[] = {"/proc/net/route", "/proc/net/ipv6_route"};
  for (const auto* file : kFiles) {
    std::ifstream routes(file);
    for (std::string line; std::getline(routes, line);) {
      std::istringstream fields(line);
      std::vector<std::string> words;
      for (std::string word; fields >> word;) words.push_back(std::move(word));
      const bool v4 = words.size() >= 8 && words[1] == "00000000" && words[7] == "00000000" && words[0] != "lo";
      const bool v6 = words.size() == 10 && words[0] == std::string(32, '0') && words[1] == "00" && words[9] != "lo";
      if (v4 || v6) return true;
    }
  }
  return false;
}

}  // namespace

Task<domain::DoctorReport> LocalConnector::doctor(ports::DoctorRequest, Deadline deadline) {
  using enum domain::DoctorVerdict;
  if (deadline.passed(scheduler_)) {
    co_return fail(ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", "the local site was asked too late");
  }
  domain::DoctorReport report{.at = scheduler_.now_utc(), .scheduler = {}, .findings = {}, .drift = {}};
  const auto add = [&](domain::Finding found, std::string source) {
    found.source = std::move(source);
    found.at = report.at;
    report.findings.push_back(std::move(found));
  };
  add(finding("HISTORY", ok, "jobs are kept for " + std::to_string(options_.keep.count() / 86'400) + " days"), "the spool");
  add(finding("CLOCK", ok, "this machine's own"), "nothing");
  add(finding("RUN_AS", ok, "as " + user_ + ", the broker's own account"), "nothing");
  const auto mark = "doctor:" + std::to_string(to_unix_ms(report.at));
  const auto trial = co_await runner_.on_files([mark](Spool& spool) { return spool.work_folder().try_fence(mark); });
  if (trial) {
    add(finding("WORK_DIR", ok, "written to"), options_.work_dir);
    add(domain::judge_fence(trial->created, trial->second_created, trial->holder, mark),
        "symlink(2), twice, in " + options_.work_dir);
    add(domain::judge_room(trial->room), "statvfs(3) of " + options_.work_dir);
  } else {
    auto refused =
        finding("WORK_DIR", fault, trial.error().message, "let the broker's account write to work_dir (site.work_dir)");
    refused.bars = refused.reading = trial.error().kind == ErrorKind::storage_full;
    add(std::move(refused), options_.work_dir);
  }
  struct rlimit limit{};
  const bool limited = ::getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  add(domain::judge_cpu_limit(limited ? std::optional(Seconds{static_cast<std::int64_t>(limit.rlim_cur)}) : std::nullopt),
      "getrlimit(2)");
  std::vector<std::string> runtimes;
  for (const auto& program :
       {options_.profile.container_runtime, std::string("/usr/bin/apptainer"), std::string("/usr/bin/singularity")}) {
    if (!program.empty() && ::access(program.c_str(), X_OK) == 0) runtimes.push_back(program);
  }
  add(domain::judge_containers(runtimes, true), "site.profile.container_runtime, /usr/bin/apptainer, /usr/bin/singularity");
  if (options_.profile.outbound.empty()) {
    add(domain::judge_network(has_default_route()), "/proc/net/route, /proc/net/ipv6_route");
  } else {
    for (auto& told : domain::told_of_network(options_.profile.outbound)) add(std::move(told), "site.profile.outbound");
  }
  add(options_.gpus > 0 ? finding("GPUS", warning, std::to_string(options_.gpus) + " pretended",
                                  "a local site counts GPUs and hands none out: for trials only")
                        : finding("GPUS", ok, "none"),
      "hansad.toml: site.local");
  co_return report;
}

}  // namespace hansa::connectors::local
