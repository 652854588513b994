// SPDX-License-Identifier: Apache-2.0
// Every recorded answer of Slurm's commands, of both versions, has its meaning (tests/data/slurm/outcomes.tsv), and it is the
// same one in both but for what is listed here.
#include "broker/core/encoding.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/slurm/commands.hpp"
#include "connectors/slurm/job_state.hpp"
#include "connectors/slurm/submission.hpp"
#include "tests/unit/connectors_slurm/captures.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace hansa::connectors::slurm {

namespace {

constexpr std::array<std::string_view, 2> kReleases{"22.05", "26.05"};

struct Case {
  async::ChildResult result;
  std::string format;  // what -o was: "%i|%T", "JobID,State"; "-" for none
};

/// Each "NAME\tEXIT\tBYTES OF OUT\tBYTES OF ERR\tFORMAT\n", the two, '\n'.
std::map<std::string, Case> read_cases(std::string_view release) {
  const auto text = test::capture("", std::string(release) + ".cases");
  std::map<std::string, Case> cases;
  for (std::size_t at = 0; at < text.size();) {
    const auto line_end = text.find('\n', at);
    const auto head = test::split_at(std::string_view(text).substr(at, line_end - at), '\t');
    REQUIRE(head.size() == 5);
    const auto number = [&](std::size_t field) { return static_cast<std::size_t>(parse_count(head[field]).value()); };
    const auto out = number(2), err = number(3);
    REQUIRE(line_end + 1 + out + err < text.size());
    Case recorded{.result = {}, .format = std::string(head[4])};
    recorded.result.exit_status = static_cast<int>(number(1));
    recorded.result.out = text.substr(line_end + 1, out);
    recorded.result.err = text.substr(line_end + 1 + out, err);
    cases.emplace(head[0], std::move(recorded));
    at = line_end + 1 + out + err + 1;
  }
  return cases;
}

std::string shown(const std::optional<ExitCode>& exit) {
  return exit ? std::to_string(exit->code) + ':' + std::to_string(exit->signal) : "-";
}

/// The rows of a '|' table in the order of the connector's own columns. A column that was not asked for has a value that says
/// nothing.
Listing<Fields> as_asked(const Case& recorded, const std::vector<std::pair<std::string_view, std::string_view>>& columns,
                         char between, std::size_t& broken) {
  const auto names = test::split_at(recorded.format, between);
  Listing<Fields> rows;
  for (const auto line : test::split_at(recorded.result.out, '\n')) {
    const auto fields = test::split_at(line, '|');
    if (line.empty() || fields.front() == "JobID") continue;
    if (fields.size() != names.size()) {  // a name with '|' or a line break in it: asked as we ask, it breaks nothing
      ++broken;
      continue;
    }
    Fields row;
    for (const auto& [name, otherwise] : columns) {
      auto at = std::ranges::find(names, name);
      if (name == "JobIDRaw" && at == names.end()) at = std::ranges::find(names, "JobID");
      row.push_back(at == names.end() ? otherwise : fields[static_cast<std::size_t>(at - names.begin())]);
    }
    rows.rows.push_back(std::move(row));
  }
  return rows;
}

Listing<QueueRow> queue_of(const Case& recorded, std::size_t& broken) {
  return read_queue(as_asked(recorded,
                             {{"%i", "1"},
                              {"%i", "1"},
                              {"%u", "alice"},
                              {"", "c"},
                              {"%P", "main"},
                              {"%T", "PENDING"},
                              {"%r", "None"},
                              {"%V", "1795341614"},
                              {"", "N/A"},
                              {"%S", "N/A"},
                              {"%e", "N/A"},
                              {"%l", "10:00"},
                              {"", "1"},
                              {"", "0"},
                              {"", "0"},
                              {"", "cpu=1,node=1"},
                              {"%N", "n1"},
                              {"%a", "proj1"},
                              {"", "1"},
                              {"%h", "OK"},
                              {"%j", "x"}},
                             '|', broken));
}

Listing<HistoryRow> history_of(const Case& recorded, std::size_t& broken) {
  return read_history(as_asked(recorded,
                               {{"JobIDRaw", "1"},
                                {"Cluster", "c"},
                                {"User", "alice"},
                                {"Account", "proj1"},
                                {"Partition", "main"},
                                {"Submit", "1795341614"},
                                {"Start", "Unknown"},
                                {"End", "Unknown"},
                                {"ElapsedRaw", "0"},
                                {"State", "PENDING"},
                                {"ExitCode", "0:0"},
                                {"AllocTRES", "cpu=1,node=1"},
                                {"CPUTimeRAW", "0"},
                                {"JobName", "x"}},
                               ',', broken));
}

std::string meaning(const QueueRow& row) {
  const auto status = to_status(row);
  return row.state + '/' + std::to_string(static_cast<int>(status.phase)) + ' ' +
         (row.time_limit ? std::to_string(row.time_limit->count()) : "none") + (is_eligible(row.reason) ? "" : " waits");
}

std::string meaning(const HistoryRow& row) {
  const auto status = to_status(row);
  return row.state + '/' + std::to_string(static_cast<int>(status.phase)) + ' ' + shown(row.exit) + ' ' + status.reason.code +
         " cpus=" + std::to_string(row.granted.cpus);
}

template <class Row>
std::string told(const Listing<Row>& listing, std::size_t broken) {
  std::string text = "rows=" + std::to_string(listing.rows.size()) + " dropped=" + std::to_string(listing.dropped.size()) +
                     " broken=" + std::to_string(broken);
  if (listing.rows.size() > 4) return text;
  for (const auto& row : listing.rows) text += "; " + row.id + ' ' + meaning(row);
  return text;
}

std::string told(const Inventory& inventory) {
  std::string text = "dropped=" + std::to_string(inventory.dropped.size());
  for (const auto& node : inventory.nodes)
    text += "; " + node.name + ' ' + std::to_string(node.cpus) + ' ' + std::to_string(node.memory.value) +
            (node.usable ? "" : " off");
  for (const auto& partition : inventory.partitions)
    text += "; " + partition.name + ' ' + (partition.max_time ? std::to_string(partition.max_time->count()) : "none") +
            (partition.up ? "" : " down");
  if (!inventory.configuration.version.empty())
    text += "; " + inventory.configuration.version + ' ' + inventory.configuration.cluster;
  return text;
}

/// What the connector makes of it.
std::string outcome(const std::string& name, const Case& recorded) {
  const auto& result = recorded.result;
  const auto is = [&](std::string_view program) {
    return name.starts_with(program) || name.contains('.' + std::string(program));
  };
  if (is("sbatch")) {
    const auto receipt = read_sbatch_answer(result);
    return receipt ? "receipt " + receipt->site_job_id.str() : receipt.error().code;
  }
  if (is("scancel") || is("scontrol.hold") || is("scontrol.release") || is("scontrol.requeue")) {
    const bool denied = result.err.contains("Access/permission denied");
    if (!result.succeeded() && (denied || is_communication_failure(result.err))) return no_answer("x", result).error().code;
    return "seen when it is read back";
  }
  if (!result.succeeded() || (is("sacct") && result.err.contains("error:"))) return no_answer("x", result).error().code;
  std::size_t broken = 0;
  if (is("squeue")) return told(queue_of(recorded, broken), broken);
  if (is("sacct")) {
    const auto listing = history_of(recorded, broken);
    return told(listing, broken);
  }
  return told(parse_inventory(result.out));
}

}  // namespace

TEST_CASE("Slurm's recorded answers: each of both versions parses to its values or gives the right error") {
  std::map<std::string, std::string> expected;
  const auto table = test::capture("", "outcomes.tsv");
  for (const auto line : test::split_at(table, '\n')) {
    if (const auto tab = line.rfind('\t'); tab != std::string_view::npos)
      expected.emplace(line.substr(0, tab), line.substr(tab + 1));
  }
  std::string written;
  std::size_t all = 0;
  for (const auto release : kReleases) {
    std::size_t seen = 0, parsed = 0, errors = 0, recovered = 0;
    for (const auto& [name, recorded] : read_cases(release)) {
      const auto key = std::string(release) + '\t' + name;
      const auto now = outcome(name, recorded);
      written += key + '\t' + now + '\n';
      INFO(key);
      const auto wanted = expected.find(key);
      CHECK((wanted == expected.end() ? "(not in outcomes.tsv)" : wanted->second) == now);
      ++seen;
      const bool error = now.starts_with("SITE_");
      (error ? errors : parsed) += 1;
      if (now.contains("broken=") && !now.contains("dropped=0 broken=0")) ++recovered;
    }
    all += seen;
    std::printf("Slurm %s, recorded: %zu cases, %zu parsed, %zu right errors, %zu recovered (rows that names broke, of arrays)\n",
                std::string(release).c_str(), seen, parsed, errors, recovered);
  }
  CHECK(expected.size() == all);
  if (const char* file = std::getenv("HANSA_WRITE_OUTCOMES"); file != nullptr) std::ofstream(file) << written;
}

TEST_CASE("Slurm's recorded answers: the same jobs mean the same in both versions") {
  // What Slurm itself tells in another way (its versions, not our reading of them).
  const std::map<std::string, std::string> told_otherwise{
      {"exit3", "a finished job that is requeued: 22.05 rewrites its row to REQUEUED, 26.05 keeps FAILED"},
      {"nodefail", "NODE_FAIL has exit 0:0 in 22.05, 1:0 in 26.05"},
      {"nodefailrq", "the same"},
      {"deadl", "recorded before its deadline in 22.05, after it in 26.05"}};
  std::array<std::map<std::string, std::vector<std::string>>, 2> jobs;  // name -> the meanings of its runs
  for (std::size_t i = 0; i < kReleases.size(); ++i) {
    std::size_t broken = 0;
    const auto cases = read_cases(kReleases[i]);
    for (const auto* name : {"sacct.all-22fields", "sacct.job-cancelq"}) {
      for (const auto& row : history_of(cases.at(name), broken).rows) jobs[i][row.name].push_back(meaning(row));
    }
  }
  std::size_t compared = 0;
  for (const auto& [name, meanings] : jobs[0]) {
    // Generic names stand for several jobs, of which the two scripts have different numbers.
    if (name == "wrap" || name == "openapi" || !jobs[1].contains(name) || told_otherwise.contains(name)) continue;
    INFO(name);
    CHECK(meanings == jobs[1].at(name));
    ++compared;
  }
  std::printf("Slurm 22.05 and 26.05, recorded: %zu jobs mean the same, %zu are told otherwise by Slurm\n", compared,
              told_otherwise.size());
  CHECK(compared >= 20);
}

}  // namespace hansa::connectors::slurm
