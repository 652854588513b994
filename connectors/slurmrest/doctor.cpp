// SPDX-License-Identifier: Apache-2.0
// What a cluster is found to be like through slurmrestd: some eight of its answers, whatever its size, and for each account its
// token and what it can do with its files.
#include "broker/core/time_text.hpp"
#include "broker/domain/site_checks.hpp"
#include "connectors/batch/account_checks.hpp"
#include "connectors/slurm/checks.hpp"
#include "connectors/slurmrest/slurmrest_connector.hpp"

#include <algorithm>

namespace hansa::connectors::slurmrest {

using domain::finding;
using ports::Deadline;
using ports::Task;

namespace {

using enum domain::DoctorVerdict;

constexpr Seconds kRecently{3600};
constexpr Seconds kShortToken{300};

domain::Finding judge_token(const Result<std::optional<UtcTime>>& end, bool from_file, UtcTime now) {
  if (!end) return batch::failure("TOKEN", end.error(), "have a token for this account made, and renewed before it ends");
  if (!*end) return finding("TOKEN", warning, "one that says no end", "let it end: one that is stolen is good for ever");
  const auto left = std::chrono::floor<Seconds>(**end - now);
  auto found = finding("TOKEN", ok, "one that ends in " + format_duration(left));
  found.reading = true;
  if (!from_file || left >= kShortToken) return found;
  found.verdict = warning;
  found.remedy = "renew the token file well before the end of the token in it: what is asked meanwhile is refused";
  return found;
}

domain::Finding judge_sight(const Result<slurm::Listing<slurm::QueueRow>>& queue, const std::string& own, bool private_jobs) {
  if (private_jobs)
    return finding("PRIVATE_DATA", ok,
                   "slurmrest.private_jobs is set: each account is asked for its own jobs, with its own token");
  const bool others = queue && std::ranges::any_of(queue->rows, [&](const slurm::QueueRow& row) { return row.user != own; });
  if (others) return finding("PRIVATE_DATA", ok, "the token of the broker's own account is shown others' jobs");
  return finding("PRIVATE_DATA", not_checked, "no job of others is shown: none is there, or they are hidden",
                 "slurmrestd does not tell PrivateData: set slurmrest.private_jobs if the cluster hides jobs");
}

}  // namespace

Task<domain::DoctorReport> SlurmrestConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  batch::Notes notes(scheduler_);
  const auto asked_before = rest_.questions_asked();
  // Without slurmrestd there is nothing to look over.
  const auto version = co_await rest_.version(deadline);
  if (!version) co_return std::unexpected(version.error());
  notes.add(finding("API_VERSION", ok, version->str()), "GET /openapi.json");
  const auto up = co_await rest_.ping(deadline);
  if (!up) co_return std::unexpected(up.error());
  auto controller = *up ? finding("CONTROLLER", fault, **up, "see that slurmctld runs and that slurmrestd reaches it")
                        : finding("CONTROLLER", ok, "answers slurmrestd");
  controller.reading = up->has_value();
  notes.add(std::move(controller), "ping");

  const auto inventory = co_await rest_.inventory(deadline);
  if (inventory) {
    notes.add(slurm::judge_version(inventory->configuration.version), "nodes: meta");
    notes.add(slurm::judge_gres(*inventory), "nodes");
  }
  notes.add(
      !inventory ? batch::failure("NODES_FORMAT", inventory.error(), "see why slurmrestd does not tell nodes and partitions")
      : inventory->dropped.empty() ? finding("NODES_FORMAT", ok, "understood")
                                   : finding("NODES_FORMAT", warning,
                                             std::to_string(inventory->dropped.size()) +
                                                 " records are not understood, the first: " + inventory->dropped.front().why,
                                             "report it with this version of Slurm: these nodes take no jobs"),
      "nodes, partitions, reservations");

  const auto before = scheduler_.now_utc();
  const auto clock = co_await rest_.clock(deadline);
  const auto ours = before + (scheduler_.now_utc() - before) / 2;
  notes.add(clock ? domain::judge_clock(std::chrono::round<Seconds>(*clock - ours), request.clock_skew)
                  : finding("CLOCK", not_checked, clock.error().message, "let the broker's account ask for diag"),
            "diag");

  const auto queue = co_await rest_.queue({.viewer = {}, .names = {}, .ended_too = true}, deadline);
  notes.add(batch::judge_listing("QUEUE_FORMAT", "slurmrestd (jobs)", queue), "jobs");
  notes.add(judge_sight(queue, own_account_, rest_.private_jobs()), "jobs");
  const auto history = co_await rest_.history(
      {.viewer = {}, .names = {"hansa-doctor"}, .ids = {}, .from = scheduler_.now_utc() - kRecently}, deadline);
  if (history) {
    notes.add(finding("HISTORY", ok, "on; slurmrestd does not tell for how long jobs are kept"), "slurmdb jobs");
    notes.add(batch::judge_listing("HISTORY_FORMAT", "slurmrestd (slurmdb jobs)", history), "slurmdb jobs");
  } else {
    notes.add(
        batch::failure("HISTORY", history.error(),
                       "see that slurmdbd runs and that slurmrestd reaches it: meanwhile no usage is read, and no submission "
                       "without an answer is settled"),
        "slurmdb jobs");
  }
  const auto arrays = rest_.max_array_size();
  notes.add(arrays > 1 ? finding("ARRAYS", ok, "indices up to " + std::to_string(arrays - 1) + ", as configured")
                       : finding("ARRAYS", warning, "off (slurmrest.max_array_size)", "set it to the cluster's MaxArraySize"),
            "hansad.toml: slurmrest.max_array_size");
  for (const auto* check : {"COMMENTS", "JOB_IDS", "TIME_ZONE"})
    notes.add(finding(check, not_checked, "slurmrestd does not tell", "see: scontrol show config, at the site"), "nothing");

  const batch::AccountChecks checks(transport_, work_dirs_, scheduler_);
  for (const auto& account : request.accounts) {
    notes.add(
        judge_token(co_await rest_.token_of({account, request.person}, deadline), rest_.tokens_from_file(), scheduler_.now_utc()),
        "slurmrest.token_file, token_command", account);
    const auto home = co_await home_of(account, deadline);
    notes.add(
        home ? finding("HOME", ok, *home)
             : batch::failure("HOME", home.error(), "let this machine know the account, with the home that it has at the site"),
        "the directory of accounts", account);
    // A program that the account's files need anyway.
    co_await checks.look_at(&notes,
                            {.program = "/usr/bin/ln",
                             .arguments = {"--version"},
                             .environment = {{"LC_ALL", "C"}},
                             .account = account,
                             .person = request.person},
                            own_account_, deadline);
  }
  co_await checks.look_at_host(&notes, request.person, profile().outbound, deadline);
  notes.asked(static_cast<std::int32_t>(rest_.questions_asked() - asked_before));
  co_return std::move(notes).report();
}

}  // namespace hansa::connectors::slurmrest
