// SPDX-License-Identifier: Apache-2.0
// Every recorded answer of five versions has its meaning: tests/data/slurm/rest/outcomes.tsv.
#include "tests/unit/connectors_slurmrest/recorded.hpp"

#include "broker/core/encoding.hpp"
#include "connectors/slurm/job_state.hpp"
#include "connectors/slurmrest/api_version.hpp"
#include "connectors/slurmrest/lists.hpp"
#include "connectors/slurmrest/reply.hpp"
#include "connectors/slurmrest/submission.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace hansa::connectors::slurmrest {

using slurm::HistoryRow;
using slurm::Listing;
using slurm::QueueRow;
using test::answer;
using test::kVersions;

namespace {

constexpr std::size_t kFew = 6;  // rows that are told one by one

std::string shown(const std::optional<slurm::ExitCode>& exit) {
  return exit ? std::to_string(exit->code) + ':' + std::to_string(exit->signal) : "-";
}

std::string told(const QueueRow& row) {
  return row.display_id + ' ' + row.state + ' ' + shown(row.exit) + ' ' + row.user + ' ' + row.queue.str() +
         " cpus=" + std::to_string(row.tres.cpus) + " nodes=[" + row.nodes + "] priority=" + (row.priority == 0 ? "0" : "+");
}

std::string told(const HistoryRow& row) {
  return row.shown_id + '#' + std::to_string(row.run) + ' ' + row.state + ' ' + shown(row.exit) + ' ' + row.user + ' ' +
         row.account + " cpus=" + std::to_string(row.granted.cpus) + " elapsed=" + std::to_string(row.elapsed.count());
}

template <class Row>
std::string told(const Result<Listing<Row>>& listing) {
  if (!listing) return listing.error().code;
  std::string text = "rows=" + std::to_string(listing->rows.size()) + " dropped=" + std::to_string(listing->dropped.size());
  if (listing->rows.size() <= kFew) {
    for (const auto& row : listing->rows) text += "; " + told(row);
  }
  return text;
}

template <class Read>
std::string told_inventory(const Reply& reply, Read read) {
  slurm::Inventory inventory;
  if (auto done = read(reply.document->root(), inventory); !done) return done.error().code;
  std::string text = "dropped=" + std::to_string(inventory.dropped.size());
  for (const auto& node : inventory.nodes) {
    text += "; " + node.name + " cpus=" + std::to_string(node.cpus) + " mem=" + std::to_string(node.memory.value) +
            (node.usable ? " usable" : " off");
  }
  for (const auto& partition : inventory.partitions) {
    text += "; " + partition.name + (partition.up ? " up" : " down") +
            " max=" + (partition.max_time ? std::to_string(partition.max_time->count()) : "none") +
            " nodes=" + std::to_string(partition.nodes.size()) + (partition.is_default ? " default" : "");
  }
  return text;
}

bool begins(const std::string& name, std::initializer_list<std::string_view> heads) {
  return std::ranges::any_of(heads, [&](std::string_view head) { return name.starts_with(head); });
}

/// What the connector makes of it, asked as it asks.
std::string outcome(std::string name, const http::Response& response) {
  for (const std::string_view prefix : {"down.", "dbddown.", "enforce.", "any."}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  if (begins(name, {"submit", "nouser-submit"})) {
    const auto receipt = read_receipt(response, "alice");
    if (!receipt) CHECK(receipt.error().kind == ErrorKind::unknown_outcome);
    return receipt ? "receipt " + receipt->site_job_id.str() : receipt.error().code;
  }
  const auto reply = Reply::read(response);
  if (begins(name, {"cancel", "run-cancel", "update", "signal-KILL", "requeue"}) && name != "signal-KILL-after") {
    const auto failure = failure_of_change(reply, "alice");
    return failure ? failure->code : "fine";
  }
  if (reply.has(kNothingFound) && begins(name, {"dbjob"})) return "rows=0 dropped=0";
  if (reply.has(kInvalidJobId) && begins(name, {"job-", "run-job"})) return "no such job";
  if (auto failure = failure_of(reply, "alice")) return failure->code;
  if (begins(name, {"jobs-state"})) return "fine";  // never asked
  if (begins(name, {"dbjob", "run-dbjob"})) return told(read_history(reply.document->root(), ""));
  if (begins(name, {"job", "run-job", "signal-KILL-after", "nouser-jobs"})) return told(read_queue(reply.document->root()));
  if (begins(name, {"node"})) return told_inventory(reply, read_nodes);
  if (begins(name, {"partition"})) return told_inventory(reply, read_partitions);
  return "fine";
}

HistoryRow one_run(std::string_view version, const std::string& name, std::size_t which = 0) {
  const auto reply = Reply::read(answer(version, name));
  REQUIRE(reply.document);
  const auto listing = read_history(reply.document->root(), "");
  REQUIRE(listing.has_value());
  REQUIRE(listing->rows.size() > which);
  return listing->rows[which];
}

}  // namespace

TEST_CASE("slurmrestd's recorded answers: each of five versions parses to its values or gives the right error") {
  std::map<std::string, std::string> expected;
  std::istringstream table(test::file("outcomes.tsv"));
  for (std::string line; std::getline(table, line);) {
    const auto tab = line.rfind('\t');
    REQUIRE(tab != std::string::npos);
    expected.emplace(line.substr(0, tab), line.substr(tab + 1));
  }
  std::size_t seen = 0, parsed = 0, errors = 0, recovered = 0;
  std::string written;
  for (const auto version : kVersions) {
    for (const auto& [name, response] : test::cases(version)) {
      const auto key = std::string(version) + '\t' + name;
      const auto now = outcome(name, response);
      written += key + '\t' + now + '\n';
      INFO(key);
      const auto wanted = expected.find(key);
      CHECK((wanted == expected.end() ? "(not in outcomes.tsv)" : wanted->second) == now);
      ++seen;
      const bool error = now.starts_with("SITE_") || now.starts_with("TOKEN_");
      (error ? errors : parsed) += 1;
      if (!error && response.body.starts_with('{') && !is_utf8(response.body)) ++recovered;
    }
  }
  CHECK(expected.size() == seen);
  std::printf("slurmrestd, recorded: %zu cases, %zu parsed, %zu right errors, %zu recovered (names that are no UTF-8)\n", seen,
              parsed, errors, recovered);
  if (const char* file = std::getenv("HANSA_WRITE_OUTCOMES"); file != nullptr) std::ofstream(file) << written;
}

TEST_CASE("slurmrestd's recorded answers: the same run reads the same in every version") {
  for (const auto* name : {"dbjob-ok", "dbjob-exit3", "dbjob-signal9", "dbjob-array"}) {
    const auto newest = one_run("v0.0.45", name);
    for (const auto version : {"v0.0.42", "v0.0.43", "v0.0.44"}) {
      INFO(version << " " << name);
      CHECK(one_run(version, name).line == newest.line);
    }
    INFO("v0.0.38 " << name);
    const auto oldest = one_run("v0.0.38", name);
    CHECK(oldest.name == newest.name);
    CHECK(oldest.user == newest.user);
    CHECK(oldest.account == newest.account);
    CHECK(oldest.queue == newest.queue);
    CHECK(oldest.granted.cpus == newest.granted.cpus);
    CHECK(oldest.granted.nodes == newest.granted.nodes);
  }
  CHECK(one_run("v0.0.45", "dbjob-exit3").exit->code == 3);
  CHECK_FALSE(one_run("v0.0.38", "dbjob-exit3", 1).exit.has_value());  // told as 0: not told
  CHECK(one_run("v0.0.38", "dbjob-signal9").exit->signal == 9);
  CHECK(one_run("v0.0.45", "dbjob-signal9").exit->signal == 9);
  for (const auto version : {"v0.0.38", "v0.0.45"}) {
    INFO(version);
    CHECK(one_run(version, "dbjob-requeue").state == "REQUEUED");
    CHECK(one_run(version, "dbjob-requeue", 1).state == "COMPLETED");
    CHECK(one_run(version, "dbjob-requeue", 1).run == 1);
  }
}

TEST_CASE("a failed job whose exit code is not told says so") {
  const auto status = slurm::to_status(one_run("v0.0.38", "dbjob-exit3", 1));
  CHECK(status.phase == ports::Phase::ended);
  CHECK(status.outcome == domain::Outcome::failed);
  CHECK_FALSE(status.exit_code.has_value());
  CHECK(status.reason.message.contains("does not tell"));
}

TEST_CASE("slurmrestd's recorded lists: jobs as Slurm's commands tell them") {
  for (const auto version : {"v0.0.38", "v0.0.42", "v0.0.45"}) {
    INFO(version);
    const auto reply = Reply::read(answer(version, "jobs"));
    REQUIRE(reply.document);
    const auto listing = read_queue(reply.document->root());
    REQUIRE(listing.has_value());
    CHECK(listing->dropped.empty());
    CHECK(listing->complete);
    const auto tasks = std::ranges::count_if(listing->rows, [](const QueueRow& row) { return row.display_id.starts_with("7_"); });
    CHECK(tasks == 6);  // "1,11,13,15,17,19%3": one record there
    CHECK(std::ranges::is_sorted(listing->rows, std::ranges::greater{}, &QueueRow::priority));
    const auto held = std::ranges::find(listing->rows, "7_11", &QueueRow::display_id);
    REQUIRE(held != listing->rows.end());
    CHECK(held->reason == "JobHeldUser");
    CHECK(held->priority == 0);
    CHECK(held->tres.memory.value == 16000);
  }
}

TEST_CASE("slurmrestd says its version, and the cluster from 0.0.42 on") {
  const auto meta = [](std::string_view version) { return read_meta(Reply::read(answer(version, "ping")).document->root()); };
  CHECK(meta("v0.0.38").version == "22.05.8");
  CHECK(meta("v0.0.38").cluster.empty());
  CHECK(meta("v0.0.45").version == "26.05.3");
  CHECK(meta("v0.0.45").cluster == "nova");
  CHECK(meta("v0.0.42").cluster == "nova");
}

TEST_CASE("the version: the highest that both have, by what slurmrestd serves") {
  const auto chosen = [](std::string text) {
    const auto document = Document::parse(std::move(text));
    REQUIRE(document.has_value());
    return choose_version(document->root());
  };
  CHECK(chosen(test::file("openapi-22.05.json"))->str() == "v0.0.38");
  CHECK(chosen(test::file("openapi-26.05.json"))->str() == "v0.0.45");
  const auto paths = [](std::initializer_list<std::string_view> versions) {
    std::string text = "{\"paths\":{\"/openapi\":{}";
    for (const auto version : versions) {
      text.append(",\"/slurm/").append(version).append("/job/submit\":{},\"/slurmdb/").append(version).append("/jobs/\":{}");
    }
    return text + "}}";
  };
  CHECK(chosen(paths({"v0.0.44", "v0.0.47", "v1.0.0", "v0.0.450"}))->str() == "v0.0.44");  // newer than we: not by guess
  CHECK(chosen(paths({"v0.0.42", "v0.0.38"}))->str() == "v0.0.42");
  CHECK(chosen(paths({"v0.0.38", "v0.0.39", "v0.0.40"}))->str() == "v0.0.40");  // 23.11
  CHECK(chosen(paths({"v0.0.39", "v0.0.40", "v0.0.41"}))->str() == "v0.0.41");  // 24.05
  CHECK(chosen(paths({"v0.0.38", "v0.0.39"}))->str() == "v0.0.38");              // 23.02
  const auto none = chosen(paths({"v0.0.37", "v0.0.39"}));
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == "SITE_VERSION");
  CHECK(none.error().message.contains("v0.0.37, v0.0.39"));
  CHECK(none.error().message.contains("v0.0.38, v0.0.40, v0.0.41, v0.0.42, v0.0.43, v0.0.44, v0.0.45"));
  CHECK(none.error().message.contains("0.0.39 does not tell which partitions are up"));
  // Served for one of the two daemons only: not served.
  const auto half = chosen(R"({"paths":{"/slurm/v0.0.45/job/submit":{},"/slurmdb/v0.0.44/jobs":{}}})");
  REQUIRE_FALSE(half.has_value());
  CHECK(half.error().message.contains("OpenAPI versions: none"));
  CHECK(chosen("{\"paths\":[]}").error().code == "SITE_GARBLED");
  CHECK(chosen("[]").error().code == "SITE_GARBLED");
}

}  // namespace hansa::connectors::slurmrest
