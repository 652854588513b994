// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/mishaps.hpp"

#include <algorithm>
#include <memory>

namespace hansa::sim {

using namespace std::chrono_literals;
using namespace domain;
using connectors::model::ClusterJob;
using connectors::model::ClusterRequest;
using connectors::model::ClusterState;

namespace {

constexpr Milliseconds kSoon{10'000};

}  // namespace

void Mishaps::build_sites() {
  for (const auto& planned : world_.plan.sites) {
    auto options = planned.cluster;
    const auto id = planned.id;
    options.on_submission = [this, id](ClusterRequest& request) {
      if (!request.fenced) return;
      world_.auditor.terms().arriving(id, request);
      auto& on = altering_[id];
      alter(on.empty() ? nullptr : on.back(), world_.sites.at(id), request);
    };
    auto& site = world_.sites
                     .emplace(id, PlayedSite{.plan = planned,
                                             .budget = planned.budget,
                                             .model = std::make_shared<connectors::model::ModelSite>(
                                                 world_.time, std::move(options), planned.skew)})
                     .first->second;
    world_.wires[id];
    ++world_.played.counts.profiles[planned.profile];
    if (world_.wrongs.wrapper) site.model->cluster().set_wrapper(world_.wrongs.wrapper);
  }
}

void Mishaps::arm(const Item& item) { world_.wires[world_.site_of(item)].faults.emplace(std::pair{item.text, item.n}, &item); }

void Mishaps::begin(const Item& item) {
  auto& site = world_.sites.at(world_.site_of(item));
  auto& cluster = site.model->cluster();
  switch (item.what) {
    case What::history_lags: cluster.set_accounting_lag(Seconds(60 + 60 * item.n)); return window(item, site);
    case What::queue_down:
      world_.fired(item.what);
      cluster.set_queue_up(QueueName("batch"), false);
      return world_.later(item, [&site] { site.model->cluster().set_queue_up(QueueName("batch"), true); });
    case What::node_lost:
      world_.fired(item.what);
      cluster.set_node_usable(0, false);
      return world_.later(item, [&site] { site.model->cluster().set_node_usable(0, true); });
    case What::clock_off: {
      world_.fired(item.what);
      const Milliseconds by = item.n < 0 ? -1h : 1h;
      cluster.step_clock(by);
      return world_.later(item, [&site, by] { site.model->cluster().step_clock(-by); });
    }
    case What::site_hold: {
      const auto* job = pick(site, item.n, [](const auto& j) { return j.state == ClusterState::pending; });
      if (job == nullptr) return again_soon(item);
      world_.fired(item.what);
      cluster.hold(job->id, true);
      return world_.later(item, [&site, id = job->id] { site.model->cluster().hold(id, false); });
    }
    case What::partial_start: return hold_tasks(item, site);
    case What::login_lapses:
      if (site.plan.persons) lapse(item, site, item.person);
      return;
    case What::site_alters: {
      auto& on = altering_[site.plan.id];
      on.push_back(&item);
      return world_.later(item, [&on, &item] { std::erase(on, &item); });
    }
    case What::finding: {
      world_.fired(item.what);
      auto& findings = site.model->faults.findings;
      site.model->faults.questions = 1 + item.n % 4;
      findings.push_back({.check = "ROOM",
                          .subject = item.n % 2 == 0 ? "" : item.person.substr(item.person.find(':') + 1),
                          .verdict = DoctorVerdict::fault,
                          .value = "0 bytes are free",
                          .source = "model",
                          .remedy = "make room",
                          .reading = item.n % 4 < 2,
                          .bars = true});
      return world_.later(item, [&findings, found = findings.back()] { findings.erase(std::ranges::find(findings, found)); });
    }
    case What::site_requeue: {
      const auto* job = pick(site, item.n, [](const auto& j) { return j.state == ClusterState::running; });
      if (job == nullptr || !cluster.requeue(job->id)) return again_soon(item);
      return world_.fired(item.what);
    }
    case What::controller_restart:
      if (!item.text.empty()) return after_submit_[site.plan.id].push_back(&item);
      world_.fired(item.what);
      return cluster.restart_controller(item.lasts);
    case What::history_purged: world_.fired(item.what); return cluster.purge_history(Seconds(60 * item.n));
    case What::same_name: return borrow_name(item, site);
    default: return window(item, site);
  }
}

/// There is nothing yet that it could befall.
void Mishaps::again_soon(const Item& item) {
  const auto when = world_.time.now_monotonic() + kSoon;
  if (when < MonotonicTime{world_.plan.length}) world_.at(when, [this, &item] { begin(item); });
}

void Mishaps::calling(const bottle::Call& call) {
  if (call.what == "submit") submitted(call.site);
}

/// The controller dies so soon after it has accepted a job that it may not have saved it.
void Mishaps::submitted(const std::string& id) {
  const int n = ++submits_[id];
  for (const auto* item : after_submit_[id]) {
    if (item->n != n) continue;
    world_.at(world_.time.now_monotonic() + item->count * 100ms, [this, id, item] {
      world_.fired(item->what);
      world_.trace.add("* the controller of " + id + " starts again");
      world_.sites.at(id).model->cluster().restart_controller(item->lasts);
    });
  }
}

void Mishaps::heal() {
  after_submit_.clear();
  for (auto& [id, wire] : world_.wires) wire.faults.clear();
}

// ---- for a time

void Mishaps::window(const Item& item, PlayedSite& site) {
  auto& windows = world_.wires[site.plan.id].windows;
  windows.insert(item.what);
  apply(site, item);
  world_.later(item, [this, &site, &item, &windows] {
    windows.erase(windows.find(item.what));
    apply(site, item);
  });
}

void Mishaps::apply(PlayedSite& site, const Item& item) {
  auto& faults = site.model->faults;
  const auto on = [&](What what) { return world_.wires[site.plan.id].windows.contains(what); };
  faults.down = on(What::site_down) || on(What::cable_cut);
  faults.silent = on(What::site_silent);
  faults.mute = on(What::site_mute);
  faults.latency = on(What::site_slow) ? Milliseconds(1'000 + 4'000 * item.n) : 0ms;
  faults.queue_off = on(What::queue_off);
  faults.history_off = on(What::history_off);
  faults.history_empty = on(What::history_empty);
  faults.max_jobs = on(What::max_jobs) ? std::optional<std::size_t>(static_cast<std::size_t>(item.n % 3)) : std::nullopt;
  faults.refuse =
      on(What::site_refuses) ? std::optional<std::string>("Requested node configuration is not available") : std::nullopt;
  faults.submit_delay = on(What::accepts_late) ? Milliseconds(Seconds(item.count)) : 0ms;
  if (!on(What::history_lags)) site.model->cluster().set_accounting_lag(site.plan.cluster.accounting_lag);
  if (item.what == What::site_vetoes || item.what == What::over_budget) apply_own_end(site, item);
}

/// Its budget, and its rules, which are other ones each time.
void Mishaps::apply_own_end(PlayedSite& site, const Item& item) {
  const auto on = [&](What what) { return world_.wires[site.plan.id].windows.contains(what); };
  auto& faults = site.model->faults;
  if (item.what == What::site_vetoes) site.model->site_rules = "version " + std::to_string(++site_rules_);
  if (item.what == What::over_budget) faults.over_budget = on(What::over_budget) && item.n % 2 == 0;
  const bool vetoes = on(What::site_vetoes), full = on(What::over_budget);
  const bool of_all = item.n % 2 == 0;
  if (!vetoes && !full) {
    faults.veto = {};
    return;
  }
  faults.veto = [this, vetoes, full, of_all, person = item.person](const ports::SubmitRequest& request) -> std::optional<Error> {
    if (full) { return fail(ErrorKind::rate_limited, "OVER_BUDGET", "the load budget of the site's own end is used up").error(); }
    if (!vetoes || (!of_all && request.person.str() != person)) return std::nullopt;
    world_.fired(What::site_vetoes);
    return fail(ErrorKind::permission_denied, "SITE_RULES_DENY", "the site's own rules deny it").error();
  };
}

void Mishaps::struck(const std::string& id, const Item& item, const Principal& person) {
  auto& site = world_.sites.at(id);
  if (item.what == What::login_cut && site.plan.persons) return lapse(item, site, person.str());
  if (item.what != What::cable_cut) return;
  auto& windows = world_.wires[id].windows;
  windows.insert(item.what);
  apply(site, item);
  world_.later(item, [this, &site, &item, &windows] {
    windows.erase(windows.find(item.what));
    apply(site, item);
    if (windows.contains(What::cable_cut) || world_.process == nullptr) return;
    const auto& back = world_.process->gate().way_is_back;
    const auto tell = back.find(site.plan.id);
    if (tell == back.end()) return;
    world_.auditor.words().way_is_back(site.plan.id);
    tell->second();
  });
}

void Mishaps::lapse(const Item& item, PlayedSite& site, const std::string& person) {
  if (item.what == What::login_lapses) world_.fired(item.what);
  if (site.lapsed.insert(person); site.lapsed.count(person) == 1) site.lapsed_at[person] = world_.time.now_monotonic();
  world_.later(item, [&site, person] { site.lapsed.erase(site.lapsed.find(person)); });
}

// ---- of jobs that are there

const ClusterJob* Mishaps::pick(PlayedSite& site, int n, const Which& which) {
  std::vector<const ClusterJob*> found;
  for (const auto& job : site.model->cluster().jobs()) {
    if (job.request.fenced && which(job)) found.push_back(&job);
  }
  return found.empty() ? nullptr : found[static_cast<std::size_t>(n) % found.size()];
}

void Mishaps::hold_tasks(const Item& item, PlayedSite& site) {
  auto& cluster = site.model->cluster();
  const auto* begun = pick(site, item.n, [](const auto& j) { return !j.array_id.empty() && j.state == ClusterState::running; });
  if (begun == nullptr) return again_soon(item);
  std::vector<SiteJobId> waiting;
  for (const auto* task : cluster.tasks_of(begun->array_id, begun->request.name)) {
    if (task->state == ClusterState::pending && !task->held) waiting.push_back(task->id);
  }
  if (waiting.empty()) return again_soon(item);
  world_.fired(item.what);
  for (const auto& id : waiting) cluster.hold(id, true);
  world_.later(item, [&site, waiting] {
    for (const auto& id : waiting) site.model->cluster().hold(id, false);
  });
}

/// What a site makes of a submission, as a job_submit plug-in does.
void Mishaps::alter(const Item* item, PlayedSite& site, ClusterRequest& request) {
  if (item == nullptr) return;
  world_.fired(item->what);
  switch (item->n) {
    case 0: request.time_limit = 100s; return;
    case 1:
      if (request.queue.empty() || site.plan.cluster.queues.size() < 2) return;
      request.queue = request.queue == QueueName("spare") ? QueueName("batch") : QueueName("spare");
      return;
    case 2:
      if (request.resources.tasks > request.resources.nodes) {
        request.resources.tasks = request.resources.nodes;
        return;
      }
      request.time_limit = 100s;
      return;
    default: request.scheduler_account = "others"; return;
  }
}

void Mishaps::borrow_name(const Item& item, PlayedSite& site) {
  std::vector<std::string> names;  // best those that the broker may be looking for
  for (const bool unbound : {true, false}) {
    for (const auto& [id, job] : world_.auditor.jobs()) {
      const auto* attempt = job.live_attempt();
      if (attempt != nullptr && attempt->site.str() == site.plan.id && (attempt->state != AttemptState::bound) == unbound)
        names.push_back(make_tag(id, attempt->number).str());
    }
    if (!names.empty()) break;
  }
  if (names.empty()) return;
  world_.fired(item.what);
  const auto& name = names[static_cast<std::size_t>(item.n) % names.size()];
  (void)site.model->cluster().submit({.name = name, .account = LocalAccount("mallory"), .behaviour = {}});
  site.strangers.insert(static_cast<std::int64_t>(site.model->cluster().jobs().size()));
}

}  // namespace hansa::sim
