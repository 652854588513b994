// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/auditor.hpp"

#include "broker/domain/transition.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

namespace hansa::sim {

using namespace std::chrono_literals;
using namespace domain;
using connectors::model::ClusterJob;
using connectors::model::ClusterState;

namespace {

constexpr Milliseconds kMayBeNew = 5min;  // a job that has just been sent may not be listed yet
constexpr std::size_t kEnough = 5;  // violations of one play: the first tells the story

JobState state_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::succeeded: return JobState::succeeded;
    case Outcome::timed_out: return JobState::timed_out;
    case Outcome::cancelled: return JobState::cancelled;
    case Outcome::failed:
    case Outcome::never_started: break;
  }
  return JobState::failed;
}

/// What an attempt is bound to that has this site job: of a task its array.
const SiteJobId& bound_id(const ClusterJob& job) { return job.array_id.empty() ? job.id : job.array_id; }

/// A task's record is kept without its array's id: that is for its way into the ledger.
UsageRecord as_kept(UsageRecord record) {
  record.array_id = {};
  return record;
}

/// What may still be said of a job that is over.
bool may_follow_the_end(const EventBody& body) {
  return std::holds_alternative<CancelResolved>(body) || std::holds_alternative<SightingQuarantined>(body) ||
         std::holds_alternative<AttemptSealed>(body);
}

}  // namespace

void Auditor::violation(std::string_view invariant, const std::string& text) {
  if (violations_.size() < kEnough) {
    violations_.push_back(std::string(invariant) + " at " + std::to_string(time_.now_monotonic().since_origin.count()) +
                          " ms: " + text);
  }
}

// ---- what the world tells it

void Auditor::accepted(const std::vector<ports::NewJob>& jobs, const std::optional<ports::Idempotency>& key,
                       const ports::AcceptedJobs& answer) {
  if (key) {
    const auto known = keys_.find(key->key);
    if (known != keys_.end() && (known->second != answer.ids || !answer.repeated))
      violation("I9", "key " + key->key + " was answered with other jobs than the first time");
    keys_.emplace(key->key, answer.ids);
  }
  if (answer.repeated) return;
  for (const auto& item : jobs) {
    const auto& job = item.job;
    if (!jobs_.emplace(job.id, job).second) violation("I9", "job " + job.id.str() + " was accepted twice");
    events_[job.id].push_back(
        {.at = job.accepted_at, .body = Accepted{.owner = job.owner, .broker_id = job.broker_id, .spec = job.spec}});
  }
}

void Auditor::acknowledged(const std::string& key, const std::vector<JobId>& ids) {
  for (const auto& id : ids) {
    if (!jobs_.contains(id)) violation("I1", "job " + id.str() + " was acknowledged and is not durable");
  }
  const auto known = keys_.find(key);
  if (known != keys_.end() && known->second != ids)
    violation("I9", "key " + key + " was acknowledged with other jobs than are durable");
}

void Auditor::cancel_acknowledged(const JobId& id) {
  const auto at = jobs_.find(id);
  if (at != jobs_.end() && !at->second.cancel)
    violation("I1", "the cancel of " + id.str() + " was acknowledged and is not durable");
}

void Auditor::recorded(const ports::JobChange& change) {
  const auto at = jobs_.find(change.job.id);
  if (at == jobs_.end()) return violation("I1", "a change of job " + change.job.id.str() + ", which was never accepted");
  auto& job = at->second;
  const bool was_over = is_terminal(job.state);
  const auto state = job.state;
  for (const auto& event : change.events) {
    if (was_over && !may_follow_the_end(event.body))
      violation("I5", "job " + job.id.str() + " is over, and then: " + std::string(event_name(event.body)));
    if (const auto* intent = std::get_if<AttemptIntended>(&event.body)) check_place(job, *intent);
    words_.recorded(job, event.body);
    terms_.recorded(job, event.body);
    note_tasks(job, event.body);
    check_move(job, event.body);
    job.epoch = change.job.epoch;
    if (auto done = apply(job, event); !done) violation("I5", done.error().message + " (" + done.error().detail + ")");
    events_[job.id].push_back(event);
  }
  if (was_over && job.state != state) violation("I5", "job " + job.id.str() + " was over and has changed");
  if (!(job == change.job)) violation("I8", "the stored row of job " + job.id.str() + " is not what its events say");
}

void Auditor::check_place(const Job& job, const AttemptIntended& intent) {
  auto& site = sites_.at(intent.site.str());
  const auto& wanted = job.spec.placement.sites;
  if (!wanted.empty() && std::ranges::find(wanted, intent.site) == wanted.end())
    violation("I4", "job " + job.id.str() + " goes to " + intent.site.str() + ", which its user left out");
  if (site.drained && site.drained_at < time_.now_monotonic())
    violation("I4", "job " + job.id.str() + " goes to " + intent.site.str() + ", which is drained");
  if (site.suspended && site.suspended_at < time_.now_monotonic())
    violation("I4", "job " + job.id.str() + " is placed at " + intent.site.str() + ", which the rules forbid");
  for (const auto& before : job.spec.after) {
    if (jobs_.at(before).state != JobState::succeeded)
      violation("I19", "job " + job.id.str() + " goes to " + intent.site.str() + " before job " + before.str() +
                           ", which it comes after, has succeeded");
  }
  const auto waiting = std::ranges::count_if(jobs_, [&](const auto& entry) {
    const auto* live = entry.second.live_attempt();
    if (live == nullptr || live->site != intent.site) return false;
    if (live->unknown_since && live->reason.code == "RAN_UNSEEN") return false;  // it has left the queue
    // Whose site job has started does not wait there, though the broker has yet to see it: bound to the holder of its fence.
    const auto started = [](const ClusterJob* there) { return there->started_at.has_value(); };
    if (std::ranges::any_of(site_jobs_of(entry.second, *live), started)) return false;
    return entry.second.state == JobState::submitting || entry.second.state == JobState::queued;
  });
  if (waiting >= site.budget.waiting_jobs)
    violation("I10", "site " + intent.site.str() + " has " + std::to_string(waiting) + " of ours waiting, and gets one more");
}

/// Of an attempt: its site job, or the tasks of its array, as far as the site's controller remembers them.
std::vector<const ClusterJob*> Auditor::site_jobs_of(const Job& job, const Attempt& attempt) {
  const auto& cluster = sites_.at(attempt.site.str()).model->cluster();
  const auto name = domain::make_tag(job.id, attempt.number).str();
  if (!job.spec.array.empty()) return cluster.tasks_of(attempt.site_job_id, name);
  const auto* there = cluster.job(attempt.site_job_id, name);
  if (there == nullptr) return {};
  return {there};
}

void Auditor::check_move(const Job& job, const EventBody& body) {
  if (std::holds_alternative<MoveIntended>(body)) {
    if (job.move_begun()) violation("I15", "job " + job.id.str() + " is moved a second time");
    if (++moves_begun_ * 1'000 > std::ssize(jobs_) * moves_per_thousand_) {
      violation("I16", std::to_string(moves_begun_) + " moves of " + std::to_string(jobs_.size()) +
                           " jobs are begun, of a thousand " + std::to_string(moves_per_thousand_) + " may");
    }
  }
  const auto* ended = std::get_if<AttemptEnded>(&body);
  const auto* attempt = job.live_attempt();
  if (ended == nullptr || attempt == nullptr) return;
  const bool moved = ended->reason.code == "MOVED", taken_back = ended->reason.code == "OTHER_ACCOUNT";
  if (!moved && !taken_back) return;
  moves_made_ += moved ? 1 : 0;
  if (moved && !attempt->move) violation("I15", "job " + job.id.str() + " is moved without an intent");
  for (const auto* there : site_jobs_of(job, *attempt)) {
    if (there->state == ClusterState::pending || there->state == ClusterState::running || there->payload_starts > 0)
      violation(moved ? "I15" : "I26", "job " + job.id.str() + " is " + (moved ? "moved" : "taken back") + " while site job " +
                                           there->id.str() + " is " + there->site_state);
  }
}

void Auditor::calling(const bottle::Call& call, int in_flight) {
  auto& site = sites_.at(call.site);
  if (in_flight > site.budget.concurrent_calls)
    violation("I13", "site " + call.site + ": " + std::to_string(in_flight) + " calls at a time");
  const auto check = [&](const char* kind, std::int32_t allowed) {
    auto& window = windows_[{call.site, kind}];
    while (!window.empty() && call.at - window.front() >= 60s) window.pop_front();
    window.push_back(call.at);
    auto many = std::ssize(window);
    if (std::string_view(kind) == "queries") {
      many +=
          std::ranges::count_if(more_queries_[call.site], [&](MonotonicTime at) { return at < call.at && call.at - at < 60s; });
    }
    if (many > allowed) violation("I13", "site " + call.site + ": " + std::to_string(many) + " " + kind + " in a minute");
  };
  words_.calling(call);
  if (call.what == "submit")
    check("submits", site.budget.submits_per_minute);
  else if (call.what == "cancel")
    check("cancels", site.budget.cancels_per_minute);
  else if (call.what != "seal" && call.what != "read_output" && call.what != "look_at" && call.what != "read_file")
    check("queries", site.budget.queries_per_minute);
}

/// A look at a site is one call of many questions, which count once it is known how many they were.
void Auditor::site_recorded(const SiteState& state) {
  words_.site_recorded(state);
  if (!state.doctor) return;
  const auto& site = state.id.str();
  const auto [at, is_new] = looked_over_at_.try_emplace(site, state.doctor->at);
  if (!is_new && at->second == state.doctor->at) return;
  at->second = state.doctor->at;
  for (auto more = state.doctor->questions - 1; more > 0; --more) more_queries_[site].push_back(time_.now_monotonic());
}

void Auditor::submitting(const std::string& site, const ports::SubmitRequest& request) {
  const auto at = jobs_.find(request.job);
  const auto* attempt = at == jobs_.end() ? nullptr : at->second.live_attempt();
  if (attempt == nullptr && at != jobs_.end() && at->second.state == JobState::lost) return;  // given up while it was on its way
  if (attempt == nullptr || attempt->number != request.attempt || attempt->site.str() != site)
    return violation("I3", "job " + request.job.str() + " is sent to " + site + " without a durable intent");
  if (attempt->account != request.account)
    violation("I3",
              "job " + request.job.str() + " is sent as " + request.account.str() + ", intended as " + attempt->account.str());
  if (attempt->sealed) violation("I3", "job " + request.job.str() + " is sent although its fence is sealed");
  const auto& there = sites_.at(site);
  if (there.suspended && there.suspended_at < time_.now_monotonic())
    violation("I4", "job " + request.job.str() + " is sent to " + site + ", which the rules forbid");
  for (const auto& dataset : at->second.spec.datasets) {
    if (!there.whole.contains(dataset))
      violation("I17", "job " + request.job.str() + " is sent to " + site + ", where dataset " + dataset.str() + " does not lie");
  }
}

void Auditor::cancelling(const std::string& site, const ports::SiteJob& job, ports::CancelWhen when) {
  const auto tag = parse_tag(job.tag.str());
  const auto at = tag ? jobs_.find(tag->job) : jobs_.end();
  if (at == jobs_.end()) return violation("I3", "a cancel of " + job.id.str() + " at " + site + ", which is not ours");
  const auto* attempt = at->second.live_attempt();
  const bool bound = attempt != nullptr && attempt->number == tag->attempt && attempt->site_job_id == job.id;
  if (bound && job.these_tasks_only) return cancelling_tasks(site, at->second, job.tasks);
  const bool taken_back = bound && (attempt->move || terms_.charged_otherwise(tag->job, tag->attempt));
  if (bound && when == ports::CancelWhen::only_while_pending && !taken_back)
    violation("I3", "job " + tag->job.str() + " is cancelled at " + site + " while it waits, and it is not to be taken back");
  if (bound && when == ports::CancelWhen::always && !at->second.cancel)
    violation("I3", "job " + tag->job.str() + " is cancelled at " + site + " and nobody asked for it");
}

void Auditor::logged(std::string_view line) {
  if (line.find("#model") != std::string_view::npos) violation("I11", "a script in the log: " + std::string(line));
}

// ---- when it looks

void Auditor::step() {
  std::int64_t payloads = 0;
  for (auto& [id, site] : sites_) payloads += site.model->cluster().payload_starts();
  if (payloads == payloads_seen_) return;
  payloads_seen_ = payloads;
  check_payloads();
  terms_.look_at_nodes();
}

void Auditor::check_payloads() {
  struct Runs {
    int starts = 0, jobs = 0;
    bool requeue = false;
  };
  std::map<std::pair<JobId, std::int32_t>, Runs> runs;  // job, task
  std::map<JobId, std::set<std::pair<std::string, std::string>>> arrays;  // site and id of those of which a task ran
  each_of_ours([&](const std::string& site, const ClusterJob& job, const TagParts& tag) {
    if (job.payload_starts == 0) return;
    auto& of_task = runs[{tag.job, job.task}];
    of_task.starts += job.payload_starts;
    ++of_task.jobs;
    if (!job.array_id.empty()) arrays[tag.job].emplace(site, job.array_id.str() + ' ' + job.request.name);
    if (const auto at = jobs_.find(tag.job); at != jobs_.end()) of_task.requeue = at->second.spec.requeue;
  });
  for (const auto& [what, of_task] : runs) {
    const auto about = "the payload of job " + what.first.str() + ", task " + std::to_string(what.second) + ", ran ";
    if (of_task.jobs > 1) violation("I2", about + "in " + std::to_string(of_task.jobs) + " site jobs");
    if (of_task.starts > 1 && !of_task.requeue) violation("I2", about + std::to_string(of_task.starts) + " times");
    const auto cancelled = cancelled_tasks_.find(what.first);
    if (cancelled == cancelled_tasks_.end() || !cancelled->second.contains(what.second)) continue;
    if (of_task.starts > cancelled->second.at(what.second).starts)
      violation("I23", about + "after it was on record as cancelled");
  }
  for (const auto& [id, submissions] : arrays) {
    if (submissions.size() > 1)
      violation("I22", "tasks of " + std::to_string(submissions.size()) + " submissions of job " + id.str() + " ran");
  }
}

void Auditor::compare(const std::vector<ports::StoredEvent>& events, const std::vector<Job>& rows) {
  std::map<JobId, std::vector<JobEvent>> stored;
  for (const auto& event : events) {
    auto& of_job = stored[event.job];
    of_job.push_back(event.event);
    if (event.version != static_cast<std::int64_t>(of_job.size()))
      violation("I8", "event " + std::to_string(event.version) + " of job " + event.job.str() + " is out of order");
  }
  for (const auto& [id, ours] : events_) {
    const auto at = stored.find(id);
    if (at == stored.end())
      violation("I1", "job " + id.str() + " was durable and is gone");
    else if (at->second != ours)
      violation("I8", "the events of job " + id.str() + " are not those that were committed");
  }
  for (const auto& row : rows) {
    const auto at = jobs_.find(row.id);
    if (at == jobs_.end())
      violation("I1", "job " + row.id.str() + " was never accepted");
    else if (!(at->second == row))
      violation("I8", "the stored row of job " + row.id.str() + " is not what its events say");
  }
}

bool Auditor::all_over() const {
  return std::ranges::all_of(jobs_, [](const auto& entry) { return is_terminal(entry.second.state); });
}

bool Auditor::only_a_person_knows(const Job& job) {
  std::set<std::pair<std::string, std::string>> ran, forgotten;  // site, bound id and name
  each_of_ours([&](const std::string& site, const ClusterJob& at_site, const TagParts& tag) {
    if (tag.job != job.id) return;
    const std::pair which{site, bound_id(at_site).str() + ' ' + at_site.request.name};
    if (at_site.payload_starts > 0) ran.insert(which);
    const auto* attempt = job.last_attempt();
    const auto* told = attempt == nullptr ? nullptr : attempt->last_run(at_site.task);
    const bool known = told != nullptr && told->outcome;
    const bool purged = at_site.purged && !sites_.at(site).model->cluster().is_listed(at_site) && !known;
    if (at_site.forgotten || purged) forgotten.insert(which);
  });
  // Of an array that has begun a task that is forgotten goes nowhere else, whether it had started or not.
  return std::ranges::any_of(forgotten, [&](const auto& which) { return ran.contains(which); });
}

void Auditor::nothing_unknown() {
  for (const auto& [id, job] : jobs_) {
    const auto* attempt = job.live_attempt();
    if (attempt == nullptr || is_terminal(job.state) || only_a_person_knows(job)) continue;
    if (attempt->unknown_since && time_.now_utc() - *attempt->unknown_since > kMayBeNew) {
      violation("I12", "job " + id.str() + " is still unknown at " + attempt->site.str() + ": " + attempt->reason.code + ", " +
                           attempt->reason.message);
    }
  }
}

void Auditor::at_the_end(const std::vector<UsageRecord>& ledger, bool refusals_possible) {
  check_payloads();
  for (const auto& [id, job] : jobs_) check_end(job, refusals_possible);
  check_site_jobs();
  check_ledger(ledger);
  terms_.at_the_end(ledger);
}

void Auditor::check_end(const Job& job, bool refusals_possible) {
  if (!job.spec.array.empty()) return check_end_of_array(job, refusals_possible);
  const auto about = "job " + job.id.str() + " is " + std::string(to_string(job.state)) + " (" + job.reason.code + ")";
  const ClusterJob* ran = nullptr;
  std::string fence_error;
  each_of_ours([&](const std::string&, const ClusterJob& at_site, const TagParts& tag) {
    if (tag.job == job.id && at_site.payload_starts > 0) ran = &at_site;
  });
  if (!is_terminal(job.state)) return violation("I2", about + " and never ended");
  if (job.reason.code == "DEPENDENCY_NEVER_SATISFIED") {
    const auto failed = [&](const JobId& before) { return jobs_.at(before).state != JobState::succeeded; };
    if (ran != nullptr || std::ranges::none_of(job.spec.after, failed)) violation("I19", about + " without cause");
    return;
  }
  if (job.state == JobState::lost) return;  // a person's word
  if (ran == nullptr) {
    const bool cancelled = job.state == JobState::cancelled && job.cancel;
    const bool fence = job.state == JobState::failed && job.reason.code == "FENCE_FAILED";
    const bool refused = refusals_possible && (job.state == JobState::rejected || job.reason.code == "NO_SITE_TOOK_IT");
    if (!cancelled && !fence && !refused) violation("I2", about + ", and its payload never ran");
    return;
  }
  if (ran->forgotten) return violation("I2", about + ", which only a person can know");
  if (ran->state != ClusterState::ended && ran->state != ClusterState::completing)
    return violation("I2", about + ", and site job " + ran->id.str() + " runs its payload");
  if (job.state != state_of(*ran->outcome))
    violation("I2", about + ", and its payload in site job " + ran->id.str() + " ended " + std::string(to_string(*ran->outcome)));
  if (job.reason.code == "DUPLICATE") violation("I2", about + ", which is no end of a job");
  if (job.state == JobState::cancelled && !job.cancel) violation("I2", about + ", and nobody asked for it");
}

void Auditor::check_site_jobs() {
  each_of_ours([&](const std::string& site, const ClusterJob& at_site, const TagParts& tag) {
    const auto at = jobs_.find(tag.job);
    if (at == jobs_.end()) return violation("I3", "site job " + at_site.id.str() + " carries a tag of no job of ours");
    const auto& attempts = at->second.attempts;
    const auto* attempt = tag.attempt <= static_cast<std::int32_t>(attempts.size())
                              ? &attempts[static_cast<std::size_t>(tag.attempt) - 1]
                              : nullptr;
    if (attempt == nullptr || attempt->site.str() != site)
      return violation("I3", "site job " + at_site.id.str() + " at " + site + " is no attempt of job " + tag.job.str());
    if (attempt->site_job_id == bound_id(at_site) || at_site.payload_starts == 0 || at_site.forgotten || at_site.purged) return;
    const bool noted = std::ranges::any_of(events_[tag.job], [&](const JobEvent& event) {
      const auto* sighting = std::get_if<SightingQuarantined>(&event.body);
      return sighting != nullptr && sighting->attempt == tag.attempt && sighting->site_job_id == bound_id(at_site);
    });
    if (!noted && at->second.state != JobState::lost)
      violation("I6", "site job " + at_site.id.str() + " at " + site + " ran for job " + tag.job.str() +
                          " and is nowhere in its record");
  });
}

std::vector<UsageRecord> Auditor::not_booked(const std::vector<UsageRecord>& ledger) {
  std::vector<UsageRecord> missing;
  for (auto& [id, site] : sites_) {
    const auto told = site.model->usage_records(SiteId(id));
    const auto& cluster = site.model->cluster();
    for (std::size_t i = 0; i < told.size(); ++i) {
      const auto& job = cluster.job_of(cluster.accounting()[i]);
      const auto tag = parse_tag(job.request.name);
      const auto at = tag && job.request.fenced ? jobs_.find(tag->job) : jobs_.end();
      if (at == jobs_.end() || job.payload_starts == 0 || !told[i].started_at || job.purged) continue;
      // Given up by a person before anybody knew its job id: nobody can be sure that it is ours.
      const auto& attempt = at->second.attempts.at(static_cast<std::size_t>(tag->attempt) - 1);
      if (at->second.state == JobState::lost && attempt.site_job_id.empty()) continue;
      if (std::ranges::find(ledger, as_kept(told[i])) == ledger.end()) missing.push_back(told[i]);
    }
  }
  return missing;
}

void Auditor::check_ledger(const std::vector<UsageRecord>& ledger) {
  const auto about = [](const UsageRecord& record) {
    return "run of site job " + record.site_job_id.str() + " at " + record.site.str() + ", " + record.tag.str();
  };
  std::vector<UsageRecord> told;
  for (auto& [id, site] : sites_) {
    for (auto& record : site.model->usage_records(SiteId(id))) told.push_back(as_kept(std::move(record)));
  }
  for (const auto& record : ledger) {
    const auto at = std::ranges::find(told, record);
    if (at == told.end())
      violation("I7", "the ledger's " + about(record) + " is not as the site tells it, or is booked twice");
    else
      told.erase(at);
  }
  for (const auto& record : not_booked(ledger)) violation("I7", "the ledger has no " + about(record));
}

}  // namespace hansa::sim
