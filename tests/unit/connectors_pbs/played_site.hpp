// SPDX-License-Identifier: Apache-2.0
#pragma once
// The connector against a PBS that is played: every command is seen, every answer chosen.

#include "connectors/pbs/pbs_connector.hpp"
#include "tests/unit/connectors_batch/played.hpp"
#include "tests/unit/connectors_pbs/captures.hpp"

namespace hansa::connectors::pbs::test {

using batch::test::answer;
using transport::Command;
using transport::CommandResult;

inline std::string job_record(const std::string& id, const std::string& name, const std::string& state, Fields more = {},
                              const std::string& user = "alice") {
  Fields fields{{"Job_Name", name}, {"Job_Owner", user + "@login"}, {"job_state", state},
                {"server", "s"},    {"ctime", "1800000000"},        {"mtime", "1800000009"}};
  if (state == "R" || state == "F") fields.insert(fields.end(), {{"stime", "1800000001"}, {"run_count", "1"}});
  fields.insert(fields.end(), more.begin(), more.end());
  return record("Job Id: " + id, fields);
}

inline const Fields kDone{{"substate", "92"}, {"Exit_status", "0"}};

class CapturingLog final : public ports::Log {
 public:
  void write(ports::LogLevel, std::string_view sentence, std::initializer_list<ports::LogField> fields) override {
    lines.emplace_back(sentence);
    for (const auto& field : fields) lines.back().append(" ").append(field.name).append("=").append(field.value);
  }
  std::vector<std::string> lines;
};

class Site final : public batch::test::PlayedSite {
 public:
  void set(const std::string& name, const std::string& value) {
    for (auto& field : server) {
      if (field.first == name) field.second = value;
    }
  }
  Fields server{{"scheduling", "True"}, {"query_other_jobs", "True"}, {"job_history_enable", "True"}, {"pbs_version", "23"}};

 private:
  /// qstat's three faces.
  [[nodiscard]] std::string name_of(const Command& command) const override {
    auto name = command.program.substr(command.program.rfind('/') + 1);
    const auto& first = command.arguments.empty() ? name : command.arguments.front();
    return name == "qstat" && (first == "-B" || first == "-Q") ? name + first : name;
  }
  CommandResult otherwise(const std::string& name, const Command&) override {
    if (name == "qstat-B") return answer(record("Server: s", server));
    if (name == "qstat-Q") return answer(record("Queue: workq", {{"enabled", "True"}, {"started", "True"}}));
    return answer("");
  }
};

struct Bench {
  explicit Bench(Options options = {.site = SiteId("s"), .conf = "/etc/pbs.conf", .server = "pbs01"}) {
    auto made = PbsConnector::make(std::move(options), site, scheduler, random, log);
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

  Site site;
  batch::test::SteppingScheduler scheduler;
  batch::test::ZeroRandom random;
  CapturingLog log;
  std::unique_ptr<PbsConnector> connector;
};

}  // namespace hansa::connectors::pbs::test
