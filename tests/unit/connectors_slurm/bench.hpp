// SPDX-License-Identifier: Apache-2.0
#pragma once
// The connector against a site that is played: every command is seen, every answer chosen.

#include "connectors/slurm/slurm_connector.hpp"
#include "tests/unit/connectors_batch/played.hpp"
#include "tests/unit/connectors_slurm/captures.hpp"

#include <algorithm>
#include <memory>

namespace hansa::connectors::slurm::test {

using batch::test::answer;
using batch::test::SteppingScheduler;
using batch::test::ZeroRandom;
using transport::Command;
using transport::CommandResult;

inline std::string separator() {
  ZeroRandom zero;
  return make_separator(zero);
}

inline std::string row(std::initializer_list<std::string> fields) {
  std::string text;
  for (const auto& field : fields) text += field + separator();
  return text + '\n';
}

inline std::string queue_row(const std::string& id, const std::string& name, const std::string& state,
                             const std::string& user = "alice", const std::string& priority = "10",
                             const std::string& nodes = "n1", const std::string& exit = "0", const std::string& restarts = "0") {
  return row({id,           id,           user,         "alpha", "main",   state,    "None", "1800000000",
              "1800000000", "1800000001", "1800000009", "10:00", priority, restarts, exit,   "cpu=1,node=1",
              nodes,        "proj1",      "1",          "OK",    name});
}

inline std::string history_row(const std::string& id, const std::string& name, const std::string& state,
                               const std::string& submit = "1800000000", const std::string& user = "alice") {
  return row(
      {id, "alpha", user, "proj1", "main", submit, "1800000001", "1800000009", "8", state, "0:0", "cpu=1,node=1", "8", name});
}

inline constexpr std::string_view kConfiguration = "ClusterName = alpha\nSLURM_VERSION = 22.05.8\nPrivateData = none\n";

class Site final : public batch::test::PlayedSite {
 public:
  std::string configuration{kConfiguration};

 private:
  CommandResult otherwise(const std::string& name, const Command& command) override {
    return answer(name == "scontrol" && command.input.contains("show config") ? configuration : "");
  }
};

struct Bench {
  Bench() {
    auto made = SlurmConnector::make({.site = SiteId("s"), .slurm_conf = "/etc/slurm/slurm.conf"}, site, scheduler, random);
    REQUIRE(made.has_value());
    connector = std::move(*made);
  }

  template <class T>
  Result<T> ask(async::Task<T> task) {
    return batch::test::ask(std::move(task));
  }
  [[nodiscard]] async::Deadline soon() const { return async::Deadline::in(scheduler, Seconds{60}); }

  static ports::SiteJob job(const std::string& id, const std::string& tag, const std::string& account = "alice") {
    return batch::test::site_job(id, tag, account);
  }
  static ports::SubmitRequest request() {
    ports::SubmitRequest request;
    request.tag = Tag("hansa-T-1");
    request.account = LocalAccount("alice");
    request.queue = QueueName("main");
    request.payload.script = "#!/bin/sh\n";
    return request;
  }

  Site site;
  SteppingScheduler scheduler;
  ZeroRandom random;
  std::unique_ptr<SlurmConnector> connector;
};

inline bool has_argument(const Command& command, std::string_view argument) {
  return std::ranges::find(command.arguments, argument) != command.arguments.end();
}

}  // namespace hansa::connectors::slurm::test
