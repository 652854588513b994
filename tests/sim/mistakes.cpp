// SPDX-License-Identifier: Apache-2.0
// The wrong brokers by name. Each has one mistake that somebody makes somewhere; the simulation must find every one of them.

#include "tests/sim/campaign.hpp"
#include "tests/sim/wrong_stores.hpp"
#include "tests/sim/wrong_terms.hpp"
#include "tests/sim/wrong_ways.hpp"
#include "tests/sim/wrong_wrappers.hpp"

namespace hansa::sim {

using namespace domain;
using namespace wrong;

namespace {

template <class Store, class... Arguments>
std::function<Wrongs()> store(Arguments... arguments) {
  return [=] {
    return Wrongs{.stores = [=](std::unique_ptr<Stores> inner) -> std::unique_ptr<Stores> {
      return std::make_unique<Store>(std::move(inner), arguments...);
    }};
  };
}

template <class Connector>
std::function<Wrongs()> connector() {
  return [] {
    return Wrongs{.connector = [](std::unique_ptr<ports::SiteConnector> inner) -> std::unique_ptr<ports::SiteConnector> {
      return std::make_unique<Connector>(std::move(inner));
    }};
  };
}

template <class Transfers>
std::function<Wrongs()> transfers() {
  return [] {
    return Wrongs{.transfers = [](std::unique_ptr<ports::TransferStore> inner) -> std::unique_ptr<ports::TransferStore> {
      return std::make_unique<Transfers>(std::move(inner));
    }};
  };
}

Wrongs believes_copies() {
  return {.datasets = [](std::unique_ptr<ports::CatalogueStore> inner) -> std::unique_ptr<ports::CatalogueStore> {
    return std::make_unique<BelievesCopies>(std::move(inner));
  }};
}

std::function<Wrongs()> wrapper(connectors::model::Wrapper wrong) {
  return [wrong = std::move(wrong)] { return Wrongs{.wrapper = wrong}; };
}

Wrongs usage_twice() {
  return {.stores = [life = 0](std::unique_ptr<Stores> inner) mutable -> std::unique_ptr<Stores> {
    return std::make_unique<UsageTwice>(std::move(inner), ++life);
  }};
}

}  // namespace

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> all{
      {"intent_after_send", "the intent is committed after the send", store<Postponing>(&is<AttemptIntended>)},
      {"unknown_is_failed", "a submission without an answer has failed", connector<UnknownIsFailed>()},
      {"absence_is_end", "what squeue does not show is over", connector<AbsenceIsEnd>()},
      {"silent_is_dead", "the jobs of a site that does not answer are dead", connector<SilentIsDead>()},
      {"adopts_by_name", "whatever has the name is adopted, whose and when not asked", connector<AdoptsByName>()},
      {"unreachable_is_sealed", "the next site is tried before the last one has confirmed", connector<UnreachableIsSealed>()},
      {"held_is_sealed", "the seal's answer is not read", connector<HeldIsSealed>()},
      {"new_tag_for_resend", "a submission that is repeated gets a new tag", connector<NewTagForResend>()},
      {"always_requeue", "every job may be requeued by its site", connector<AlwaysRequeue>()},
      {"keys_in_memory", "idempotency keys are kept in memory only", store<KeysInMemory>()},
      {"early_answer", "a group commit is acknowledged early", store<EarlyAnswer>()},
      {"second_end", "a terminal state is overwritten", store<SecondEnd>()},
      {"cancel_not_durable", "a cancel is acknowledged and not written", store<Postponing>(&is<CancelRequested>)},
      {"cancel_is_end", "what was cancelled is over, whatever the site did", connector<CancelIsEnd>()},
      {"drain_in_memory", "a drain is forgotten by a restart", store<DrainInMemory>()},
      {"calls_in_memory", "a restart begins a new minute of a site's budget", store<CallsInMemory>()},
      {"usage_twice", "usage is recorded twice after a restart", usage_twice},
      {"cursor_first", "the accounting's cursor moves before the records are booked", store<CursorFirst>()},
      {"system_clock", "a time is read from the system's clock", connector<SystemClock>()},
      {"asks_again_and_again", "a question without an answer is repeated at once", connector<AsksTwice>()},
      {"tells_scripts", "an error carries the job's script into the log", connector<TellsScripts>()},
      {"fence_skipped", "the payload starts without a fence", wrapper(no_fence)},
      {"fence_without_holder", "the lock does not say whose it is", wrapper(without_holder)},
      {"fence_error_is_duplicate", "any error is taken for \"duplicate\"", wrapper(any_error_is_duplicate)},
      {"fence_requeue_is_duplicate", "a requeue is taken for a duplicate", wrapper(requeue_is_duplicate)},
      {"fence_shared", "attempts share one fence", wrapper(shared)},
      {"array_resent_for_its_rest", "an array is sent again when some of its tasks are not seen", connector<ResendsForTheRest>()},
      {"missing_tasks_are_done", "what is not listed of an array has succeeded", connector<MissingTasksAreDone>()},
      {"array_without_its_right", "an array's tasks have a fence each, and the array has none", wrapper(tasks_alone)},
      {"move_without_seal", "a job moves without a seal", connector<NoSeal>()},
      {"move_at_once", "a job moves without waiting for the outcome of its cancel", connector<MovesAtOnce>()},
      {"moves_in_memory", "moves are counted anew after a restart", store<MovesInMemory>()},
      {"transfers_in_memory", "a restart forgets what is being moved", transfers<TransfersInMemory>()},
      {"transfer_not_on_record", "a transfer begins before it is on record", transfers<NotOnRecord>()},
      {"believes_copies", "a copy counts that nobody has verified", believes_copies},
      {"task_cancel_not_durable", "a task's cancel is acknowledged and not written", store<Postponing>(&is<TaskCancelRequested>)},
      {"task_cancel_takes_all", "who gives up one task gives up the array", connector<TaskCancelTakesAll>()},
      {"tasks_from_one", "of an array the wrong tasks are cancelled", connector<TasksFromOne>()},
      {"task_cancel_is_end", "a task that a cancel was sent for is over", connector<TaskCancelIsEnd>()},
      {"holes_are_filled", "an array is sent from its first task to its last", connector<HolesAreFilled>()},
      {"variant_not_sent", "a variant's GPUs are not asked for", connector<VariantNotSent>()},
      {"gpus_in_devices", "a site is asked for GPUs as programs count them", connector<GpusInDevices>()},
      {"exclusive_not_sent", "nodes of a job's own are asked for as any others", connector<ExclusiveNotSent>()},
      {"usage_by_tasks", "whole nodes are accounted for as the tasks on them", store<UsageByTasks>()},
      {"grants_unread", "what is asked for is taken for what is given", connector<GrantsUnread>()},
      {"accounts_unread", "who is charged is not read back", connector<AccountsUnread>()},
      {"nothing_bars", "what bars jobs from a site is a warning like any other", connector<NothingBars>()},
      {"findings_in_memory", "what was found at a site is forgotten by a restart", store<FindingsInMemory>()},
      {"looks_are_one_question", "a look at a site asks more than it counts", connector<LooksAreOneQuestion>()},
      {"veto_is_of_one_job", "a site's final no is taken for one about this job", connector<VetoIsOfOneJob>()},
      {"hammers_budgets", "what was too much for a site's own end is asked again at once", connector<HammersBudgets>()},
      {"lapsed_is_dead", "whose login has ended has no jobs any more", connector<LapsedIsDead>()},
      {"broken_is_unsent", "a connection that broke has carried nothing", connector<BrokenIsUnsent>()},
      {"refused_is_unsent", "a refusal proves that nothing is there", connector<RefusedIsUnsent>()},
      {"lost_record_is_none", "a record that was not understood is one that is not there", connector<LostRecordIsNone>()},
      {"any_end_is_success", "a job goes ahead when what it comes after is over, however that ended", store<AnyEndIsSuccess>()},
  };
  return all;
}

}  // namespace hansa::sim
