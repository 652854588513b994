// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/commands.hpp"

#include "broker/core/time_text.hpp"
#include "connectors/batch/answers.hpp"

#include <iterator>

namespace hansa::connectors::slurm {

using ports::Deadline;
using ports::Task;
using transport::CommandResult;

namespace {

// Ids are an index of slurmdbd's, and its MaxQueryTimeRange does not count there.
constexpr UtcTime kEver = std::chrono::sys_days{std::chrono::year{2000} / 1 / 1};

/// sacct's -S and -E: ISO, in the zone it is asked in (TZ=UTC).
std::string iso(UtcTime time) {
  auto text = format_utc(time);
  text.pop_back();  // the 'Z'
  return text;
}

}  // namespace

std::unexpected<Error> no_answer(const std::string& program, const CommandResult& result) {
  return batch::no_answer(program, result,
                          result.err.contains("Access/permission denied") || result.err.contains("not authorized"));
}

std::vector<std::pair<std::string, std::string>> Commands::environment_of(std::string slurm_conf) {
  if (slurm_conf.empty()) return {};
  return {{"SLURM_CONF", std::move(slurm_conf)}};
}

/// Times in seconds since 1970. Only for what tells times: as another account, the variable must be on the switch's list.
transport::Command Commands::question_command(Viewer viewer, std::string_view program, std::vector<std::string> arguments) const {
  auto asking = command(std::move(viewer), program, std::move(arguments));
  asking.environment.emplace_back("SLURM_TIME_FORMAT", "%s");
  return asking;
}

Task<Listing<QueueRow>> Commands::queue(QueueQuestion question, Deadline deadline) {
  const auto separator = make_separator(random_);
  // Array tasks one by one; in the order in which Slurm looks at them.
  std::vector<std::string> arguments{"--noheader", "--all", "--array", "--sort=-p,i", "--Format=" + queue_format(separator)};
  if (question.ended_too) arguments.emplace_back("--states=all");
  if (const auto names = batch::join_in_pieces(question.names, ','); names.size() == 1)
    arguments.push_back("--name=" + names.front());
  const auto result = co_await run(question_command(std::move(question.viewer), "squeue", std::move(arguments)), deadline);
  if (!result) co_return std::unexpected(result.error());
  // An unknown field is only a complaint on stderr (rc 0), and every row lacks it.
  if (!result->succeeded() || !batch::came_to_an_end(*result)) co_return no_answer("squeue", *result);
  auto listing = parse_squeue(result->out, separator);
  listing.complete = listing.complete && !result->out_truncated;
  if (auto understood = batch::check_understood("squeue", listing, *result); !understood)
    co_return std::unexpected(understood.error());
  co_return listing;
}

Task<Listing<HistoryRow>> Commands::history(HistoryQuestion question, Deadline deadline) {
  const auto separator = make_separator(random_);
  // Asked plainly, 22.05 leaves out what was cancelled before it became eligible; asked by all states with an end, it has
  // everything but the pending, which squeue has. Times are UTC (TZ); -X: no steps; -D: every run of a requeued job.
  // A selection that is longer than an argument goes in several calls; squeue is asked for everything then: it gets all jobs from
  // the controller anyway and filters by itself.
  const std::string states = "CA,CD,F,TO,NF,OOM,PR,DL,BF,RQ,RS,RV";
  const std::vector<std::string> arguments{"--allusers",
                                           "--allocations",
                                           "--duplicates",
                                           "--noheader",
                                           "--noconvert",
                                           "--parsable",
                                           "--delimiter=" + separator,
                                           "--format=" + history_format(),
                                           "--state=" + states + (question.only_ended ? "" : ",R,S,PD"),
                                           "--starttime=" + iso(question.ids.empty() ? question.from : kEver),
                                           "--endtime=" + (question.to ? iso(*question.to) : "now")};
  std::vector<std::vector<std::string>> calls;
  const auto add = [&](std::string_view option, const std::vector<std::string>& items) {
    for (const auto& piece : batch::join_in_pieces(items, ',')) {
      calls.push_back(arguments);
      calls.back().push_back(std::string(option) + piece);
    }
  };
  add("--name=", question.names);
  add("--jobs=", question.ids);
  if (calls.empty()) calls.push_back(arguments);

  Listing<HistoryRow> all;
  for (auto& call : calls) {
    const auto result = co_await run(question_command(question.viewer, "sacct", std::move(call)), deadline);
    if (!result) co_return std::unexpected(result.error());
    // With slurmdbd down sacct complains and fails (dbddown.sacct); a complaint with rc 0 is not trusted either.
    if (!result->succeeded() || !batch::came_to_an_end(*result) || result->err.contains("error:"))
      co_return no_answer("sacct", *result);
    auto listing = parse_sacct(result->out, separator);
    if (auto understood = batch::check_understood("sacct", listing, *result); !understood)
      co_return std::unexpected(understood.error());
    all.complete = all.complete && listing.complete && !result->out_truncated;
    std::ranges::move(listing.rows, std::back_inserter(all.rows));
    std::ranges::move(listing.dropped, std::back_inserter(all.dropped));
  }
  co_return all;
}

Task<Inventory> Commands::inventory(Deadline deadline) {
  constexpr std::size_t kConfigurationKept = 10;
  const bool first = !configuration_;
  const bool anew = first || ++inventories_since_ >= kConfigurationKept;
  auto asking = question_command({}, "scontrol", {"--all", "--oneliner", "--quiet"});
  asking.input = inventory_questions(anew);
  const auto result = co_await run(std::move(asking), deadline);
  if (!result) co_return std::unexpected(result.error());
  // scontrol says what failed with its exit code only; one of the answers being there does not make the others complete.
  if (!result->succeeded() || !batch::came_to_an_end(*result) || result->out_truncated) co_return no_answer("scontrol", *result);
  auto inventory = parse_inventory(result->out);
  if (!anew) co_return inventory;
  if (inventory.configuration.cluster.empty()) {
    co_return fail(ErrorKind::internal, "SITE_GARBLED", "scontrol does not say the cluster's name", result->out.substr(0, 512));
  }
  inventories_since_ = 0;
  if (!first) {
    configuration_ = inventory.configuration;
    co_return inventory;
  }
  // slurmdbd hides jobs on its own account. No sacctmgr, no answer: then what slurm.conf says is taken for both.
  const auto accounting = co_await run(command({}, "sacctmgr", {"--noheader", "show", "configuration"}), deadline);
  history_hides_jobs_ = inventory.configuration.hides_jobs;
  if (accounting && accounting->succeeded()) history_hides_jobs_ = parse_inventory(accounting->out).configuration.hides_jobs;
  configuration_ = inventory.configuration;
  co_return inventory;
}

Task<CommandResult> Commands::ask(std::string program, std::vector<std::string> arguments, Deadline deadline) {
  auto result = co_await run(command({}, program, std::move(arguments)), deadline);
  if (result && (!result->succeeded() || !batch::came_to_an_end(*result))) co_return no_answer(program, *result);
  co_return result;
}

Task<Configuration> Commands::configuration(Deadline deadline) {
  if (!configuration_) {
    if (const auto asked = co_await inventory(deadline); !asked) co_return std::unexpected(asked.error());
  }
  co_return *configuration_;
}

Task<std::vector<Viewer>> Commands::viewers_of(std::vector<ports::SiteJob> jobs, Deadline deadline) {
  const auto known = co_await configuration(deadline);
  if (!known) co_return std::unexpected(known.error());
  if (!known->hides_jobs && !history_hides_jobs_) co_return std::vector<Viewer>(1);
  co_return batch::viewers_among(jobs);
}

}  // namespace hansa::connectors::slurm
