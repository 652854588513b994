// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/job_state.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::slurm {

namespace {

using domain::Outcome;
using ports::Phase;

struct StateWord {
  std::string_view word;
  Phase phase;
  Outcome outcome = Outcome::failed;  // with Phase::ended
  std::string_view message = "";      // for people; "" where the exit code says it all
};

// squeue's and sacct's full words; slurm/slurm.h of 22.05 and 26.05. EXPEDITING is 26.05's.
constexpr std::array<StateWord, 26> kStates{{
    {"PENDING", Phase::queued},
    {"CONFIGURING", Phase::queued},  // nodes are booting for it
    {"REQUEUE_FED", Phase::queued},
    {"REQUEUE_HOLD", Phase::queued},
    {"SPECIAL_EXIT", Phase::queued},  // requeued and held
    {"RESV_DEL_HOLD", Phase::queued},
    {"EXPEDITING", Phase::queued},
    {"RUNNING", Phase::running},
    {"SUSPENDED", Phase::running},
    {"STOPPED", Phase::running},
    {"RESIZING", Phase::running},
    {"SIGNALING", Phase::running},
    {"COMPLETING", Phase::finishing},
    {"STAGE_OUT", Phase::finishing},
    {"POWER_UP_NODE", Phase::queued},
    {"COMPLETED", Phase::ended, Outcome::succeeded},
    {"FAILED", Phase::ended, Outcome::failed},
    {"TIMEOUT", Phase::ended, Outcome::timed_out, "stopped by the site at its time limit"},
    {"DEADLINE", Phase::ended, Outcome::timed_out, "stopped by the site at its deadline"},
    {"CANCELLED", Phase::ended, Outcome::cancelled, "cancelled at the site"},
    {"NODE_FAIL", Phase::ended, Outcome::failed, "a node of the job failed"},
    {"OUT_OF_MEMORY", Phase::ended, Outcome::failed, "the job used more memory than it asked for"},
    {"PREEMPTED", Phase::ended, Outcome::failed, "the site took its nodes for work of higher priority"},
    {"BOOT_FAIL", Phase::ended, Outcome::never_started, "its nodes could not be started"},
    {"REVOKED", Phase::ended, Outcome::never_started, "withdrawn by the site's federation"},
    {"REQUEUED", Phase::not_seen},  // the history closes a run with it; the job's next row follows
}};

const StateWord* find_state(std::string_view state) {
  const auto word = state_word(state);
  const auto found = std::ranges::find(kStates, word, &StateWord::word);
  return found == kStates.end() ? nullptr : &*found;
}

}  // namespace

std::string_view state_word(std::string_view state) { return state.substr(0, state.find(' ')); }

Phase phase_of(std::string_view state) {
  const auto* known = find_state(state);
  return known == nullptr ? Phase::not_seen : known->phase;
}

bool is_eligible(std::string_view pending_reason) {
  constexpr std::array<std::string_view, 22> kWaitsForSomethingElse{"Dependency",
                                                                    "JobHeld",
                                                                    "JobHold",
                                                                    "BeginTime",
                                                                    "job requeued in held state",
                                                                    "launch failed requeued held",
                                                                    "Reservation",
                                                                    "Assoc",
                                                                    "QOS",
                                                                    "PartitionConfig",
                                                                    "PartitionNodeLimit",
                                                                    "PartitionTimeLimit",
                                                                    "PartitionDown",
                                                                    "PartitionInactive",
                                                                    "BadConstraints",
                                                                    "ReqNodeNotAvail",
                                                                    "Licenses",
                                                                    "JobArrayTaskLimit",
                                                                    "AccountNotAllowed",
                                                                    "InvalidAccount",
                                                                    "InvalidQOS",
                                                                    "DeadLine"};
  return std::ranges::none_of(kWaitsForSomethingElse,
                              [&](std::string_view prefix) { return pending_reason.starts_with(prefix); });
}

void describe_end(ports::JobStatus& status, const EndedRun& run) {
  const auto* state = find_state(run.state);
  if (state == nullptr || state->phase != Phase::ended) return;
  status.outcome = state->outcome;
  const auto exit = run.exit.value_or(ExitCode{});
  // "0:125" of OUT_OF_MEMORY and "0:53" of a failed launch are Slurm's own marks, not signals that a process got.
  if (exit.signal > 0 && exit.signal <= 31) status.signal = exit.signal;
  if (status.outcome == Outcome::succeeded || exit.code != 0) status.exit_code = exit.code;
  if (status.outcome == Outcome::failed && exit.signal == 0 && run.exit) status.exit_code = exit.code;

  const auto word = state->word;
  if (word == "COMPLETED") return;
  status.reason.code = word == "FAILED" ? "EXIT_CODE" : std::string(word);
  if (word == "FAILED") {
    if (!run.had_nodes) {
      status.reason = {"SITE_FAILED", "the site gave it up before it started (" +
                                          std::string(run.reason.empty() ? "no reason given" : run.reason) + ")"};
      status.exit_code.reset();
      status.signal.reset();
    } else if (exit.signal == 53) {
      status.reason = {"LAUNCH_FAILED", "the site could not start it (working directory or output file)"};
      status.exit_code.reset();
    } else if (status.signal) {
      status.reason = {"SIGNAL", "ended by signal " + std::to_string(*status.signal)};
    } else {
      status.reason.message =
          run.exit ? "exit code " + std::to_string(exit.code) : "with an exit code that the site does not tell";
    }
    return;
  }
  status.reason.message = state->message;
  if (word == "CANCELLED") {
    if (const auto by = run.state.find(" by "); by != std::string_view::npos) {
      status.reason.message += " by uid " + std::string(run.state.substr(by + 4));
    }
    if (!run.had_nodes) status.reason.message += ", before it started";
  }
}

}  // namespace hansa::connectors::slurm
