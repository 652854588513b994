// SPDX-License-Identifier: Apache-2.0
// What a cluster is found to be like: some eight of its commands, whatever its size, and a handful for each account.
#include "broker/domain/site_checks.hpp"
#include "connectors/batch/account_checks.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/slurm/checks.hpp"
#include "connectors/slurm/slurm_connector.hpp"

#include <algorithm>
#include <set>

namespace hansa::connectors::slurm {

using batch::Notes;
using domain::finding;
using ports::Deadline;
using ports::Task;

namespace {

using enum domain::DoctorVerdict;

constexpr Seconds kRecently{3600};

}  // namespace

Task<domain::DoctorReport> SlurmConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  Notes notes(scheduler_);
  // The controller first: without it there is nothing to look over.
  notes.asked(2);
  const auto inventory = co_await commands_.inventory(deadline);
  if (!inventory) co_return std::unexpected(inventory.error());
  const auto shown = co_await commands_.ask("scontrol", {"show", "config"}, deadline);
  if (!shown) co_return std::unexpected(shown.error());
  const auto config = parse_config_lines(shown->out);
  for (auto& found : judge_configuration(config)) notes.add(std::move(found), "scontrol show config");
  const auto nodes = inventory->dropped.empty()
                         ? finding("NODES_FORMAT", ok, "understood")
                         : finding("NODES_FORMAT", warning,
                                   std::to_string(inventory->dropped.size()) +
                                       " records are not understood, the first: " + inventory->dropped.front().why,
                                   "report it with this version of Slurm: these nodes take no jobs");
  notes.add(nodes, "scontrol show node, partition, reservation");
  notes.add(judge_gres(*inventory), "scontrol show node");

  const auto before = scheduler_.now_utc();
  notes.asked(2);  // sdiag, squeue
  const auto sdiag = co_await commands_.ask("sdiag", {}, deadline);
  const auto clock = sdiag ? parse_clock(sdiag->out) : std::nullopt;
  if (clock) {
    const auto ours = before + (scheduler_.now_utc() - before) / 2;
    notes.add(domain::judge_clock(std::chrono::round<Seconds>(clock->clock - ours), request.clock_skew), "sdiag");
    notes.add(domain::judge_time_zone(std::chrono::round<Seconds>(clock->written - clock->clock)), "sdiag");
  } else {
    const auto why = sdiag ? std::string("sdiag tells no time") : sdiag.error().message;
    for (const auto* check : {"CLOCK", "TIME_ZONE"})
      notes.add(finding(check, not_checked, why, "let the broker's account ask sdiag"), "sdiag");
  }

  notes.add(batch::judge_listing("QUEUE_FORMAT", "squeue",
                                 co_await commands_.queue({.viewer = {}, .names = {}, .ended_too = true}, deadline)),
            "squeue");
  std::string level;
  if (keeps_history(config)) {
    notes.asked(3);
    const auto history = co_await commands_.history(
        {.viewer = {}, .names = {"hansa-doctor"}, .ids = {}, .from = scheduler_.now_utc() - kRecently}, deadline);
    const auto accounting = co_await commands_.ask("sacctmgr", {"--noheader", "show", "configuration"}, deadline);
    if (!history) {
      notes.add(
          batch::failure(
              "HISTORY", history.error(),
              "see that slurmdbd runs and answers: meanwhile no usage is read, and no submission without an answer is settled"),
          "sacct");
    } else {
      notes.add(judge_history(accounting ? parse_config_lines(accounting->out) : ConfigLines{}),
                "sacct, sacctmgr show configuration");
      notes.add(batch::judge_listing("HISTORY_FORMAT", "sacct", history), "sacct");
    }
    const auto own = co_await commands_.ask(
        "sacctmgr", {"--noheader", "--parsable2", "show", "user", own_account_, "format=AdminLevel"}, deadline);
    if (own) level = std::string(batch::trim(std::string_view(own->out).substr(0, own->out.find('\n'))));
  }
  notes.add(judge_privacy(config, level), "scontrol show config, sacctmgr show user");

  std::optional<std::set<std::string>> associated;
  if (wants_associations(config)) {
    const auto named = config.find("ClusterName");
    const auto cluster = named == config.end() ? std::string() : named->second;
    std::string users;
    for (const auto& account : request.accounts)
      users += (users.empty() ? "" : ",") + (account.empty() ? own_account_ : account.str());
    notes.asked();
    const auto told = co_await commands_.ask(
        "sacctmgr", {"--noheader", "--parsable2", "show", "associations", "cluster=" + cluster, "user=" + users, "format=User"},
        deadline);
    if (told && !users.empty()) {
      associated.emplace();
      for (std::string_view text = told->out; !text.empty();) associated->emplace(batch::trim(batch::cut(text, '\n')));
    }
  }
  const batch::AccountChecks checks(transport_, work_dirs_, scheduler_);
  for (const auto& account : request.accounts) {
    co_await checks.look_at(&notes, commands_.command({account, request.person}, "sbatch", {"--version"}), own_account_,
                            deadline);
    const auto name = account.empty() ? own_account_ : account.str();
    if (!associated) continue;
    auto charged = associated->contains(name)
                       ? finding("ASSOCIATION", ok, name + " may charge an account there")
                       : finding("ASSOCIATION", fault, name + " has no association at this cluster, and they are enforced",
                                 "sacctmgr add user " + name + " account=ACCOUNT");
    charged.bars = charged.verdict == fault;
    notes.add(std::move(charged), "sacctmgr show associations", account);
  }
  co_await checks.look_at_host(&notes, request.person, profile().outbound, deadline);
  co_return std::move(notes).report();
}

}  // namespace hansa::connectors::slurm
