// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/play.hpp"

#include "broker/core/digest.hpp"
#include "broker/store/sqlite_store.hpp"
#include "connectors/model/behaviour.hpp"
#include "policies/rules/load.hpp"
#include "tests/bottle/process.hpp"
#include "tests/sim/auditor.hpp"
#include "tests/sim/depot.hpp"
#include "tests/sim/trace.hpp"
#include "tests/sim/wire.hpp"

#include <algorithm>
#include <list>
#include <ostream>
#include <set>
#include <stdexcept>
#include <utility>

namespace hansa::sim {

using namespace std::chrono_literals;
using namespace domain;

namespace {

constexpr Milliseconds kFirstStart{0}, kDownAfterFailure{10'000}, kRetry{5'000};
constexpr Milliseconds kToResolve{600'000};        // I12
constexpr Milliseconds kToEnd = 12h, kToBook = 1h;

/// What is in force in every play: a site that is no member any more gets nothing.
constexpr const char* kRules = R"(
[meta]
id = "play"
version = "1.0.0"
approved_by = ["a@example", "b@example"]
default = "deny"
[[rule]]
id = "P-MEMBER"
effect = "permit"
actions = ["intake", "place", "dispatch", "reroute"]
when = [{attr = "site.status", op = "eq", value = "member"}]
legal_basis = "the federation's agreement"
owner = "o@example"
[[rule]]
id = "P-DATA"
effect = "permit"
actions = ["place", "stage_in", "dispatch", "reroute"]
when = [{attr = "site.status", op = "eq", value = "member"}, {attr = "dataset.labels", op = "within", value = ["open"]}]
legal_basis = "the federation's agreement"
owner = "o@example"
[[rule]]
id = "P-OUTPUT"
effect = "permit"
actions = ["log_export"]
when = [{attr = "project.id", op = "eq", value = "lab"}]
legal_basis = "the federation's agreement"
owner = "o@example"
)";

/// A submission until its client has an answer.
struct Client {
  Item wish;
  std::string key;
  std::vector<JobId> after;  // found when it is asked first
  bottle::Process::Answer<engine::Acceptance> answer;
};

class Play final : public ports::Accounts, public ports::Log {
 public:
  Play(const Plan& plan, std::ostream* log, const Mistake* mistake)
      : plan_(plan),
        wrongs_(mistake == nullptr ? Wrongs{} : mistake->make()),
        random_(plan.seed),
        trace_(time_, log),
        auditor_(time_, sites_) {
    auto opened = store::SqliteStore::open({.file = ":memory:", .broker_id = plan.options.broker_id, .inline_mode = true});
    if (!opened) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
    for (const auto& site : plan.sites) {
      sites_.emplace(site.id,
                     PlayedSite{.plan = site,
                                .budget = site.budget,
                                .model = std::make_shared<connectors::model::ModelSite>(time_, site.cluster, site.skew)});
      wires_[site.id];
      if (wrongs_.wrapper) sites_.at(site.id).model->cluster().set_wrapper(wrongs_.wrapper);
    }
    auditor_.allow_moves(plan.options.moves_per_thousand);
    depot_.emplace(plan, Depot::Parts{.time = time_,
                                      .random = random_,
                                      .store = *store_,
                                      .accounts = *this,
                                      .log = *this,
                                      .sites = sites_,
                                      .auditor = auditor_});
    for (const auto& item : plan.items) schedule(item);
  }
  ~Play() override { end_process(); }

  Played run() {
    start_process();
    go_to(MonotonicTime{plan_.length});
    heal();
    go_to(time_.now_monotonic() + kToResolve);
    if (!failed()) auditor_.nothing_unknown();
    finish();
    played_.violations = auditor_.violations();
    played_.trace = trace_.hash();
    played_.virtual_time = time_.now_monotonic().since_origin;
    played_.moves_begun = auditor_.moves_begun();
    played_.moves_made = auditor_.moves_made();
    played_.transfers_made = depot_->moved();
    played_.fired[static_cast<std::size_t>(What::transfer_fails)] = depot_->failed();
    played_.jobs = static_cast<std::int64_t>(auditor_.jobs().size());
    played_.arrays = std::ranges::count_if(auditor_.jobs(), [](const auto& entry) { return !entry.second.spec.array.empty(); });
    for (auto& [id, site] : sites_) {
      for (const auto& job : site.model->cluster().jobs()) {
        if (!job.request.fenced) continue;
        played_.payloads += job.payload_starts;
        if (!job.array_id.empty()) played_.tasks += job.payload_starts;
      }
    }
    return std::move(played_);
  }

  // ---- what the broker asks of its surroundings

  [[nodiscard]] Result<LocalAccount> account_of(const Principal& person, const SiteId& site) const override {
    const auto& name = person.str();
    if (withdrawn_.contains({name, site.str()}))
      return fail(ErrorKind::permission_denied, "NO_ACCOUNT", name + " has no account at " + site.str());
    return LocalAccount(name.substr(name.find(':') + 1));
  }
  [[nodiscard]] std::vector<ProjectId> projects_of(const Principal&) const override { return {ProjectId("lab")}; }

  void write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) override {
    for (const auto& field : fields) auditor_.logged(field.value);
    if (!trace_.is_read()) return;
    std::string line(level >= ports::LogLevel::warning ? "log! " : "log  ");
    line += sentence;
    for (const auto& field : fields) line.append(" ").append(field.name).append("=").append(field.value);
    trace_.note(line);
  }

 private:
  // ---- the plan

  [[nodiscard]] const std::string& site_of(const Item& item) const {
    return plan_.sites[static_cast<std::size_t>(item.site) % plan_.sites.size()].id;
  }
  void fired(What what) { ++played_.fired[static_cast<std::size_t>(what)]; }
  void at(MonotonicTime when, std::function<void()> what) { agenda_.emplace(std::pair{when, planned_++}, std::move(what)); }

  void schedule(const Item& item) {
    if (item.what >= What::reply_lost && item.what <= What::connection_refused) {
      wires_[site_of(item)].faults.emplace(std::pair{item.text, item.n}, &item);
      return;
    }
    at(MonotonicTime{item.at}, [this, &item] { begin(item); });
  }

  void begin(const Item& item) {
    auto& site = sites_.at(site_of(item));
    trace_.add("* " + item.describe());
    switch (item.what) {
      case What::submit: return submit(item);
      case What::repeat_submit: return submit(item);
      case What::cancel: return cancel(item);
      case What::hold:
      case What::release:
      case What::read_output: return ask_about_job(item);
      case What::drain:
      case What::resume: return ask_about_site(item, site);

      case What::site_down:
      case What::site_silent:
      case What::site_mute:
      case What::site_slow:
      case What::queue_off:
      case What::history_off:
      case What::history_empty:
      case What::max_jobs:
      case What::site_refuses:
      case What::accepts_late: return window(item, site);
      case What::history_lags: site.model->cluster().set_accounting_lag(Seconds(60 + 60 * item.n)); return window(item, site);
      case What::queue_down:
        fired(item.what);
        site.model->cluster().set_queue_up(QueueName("batch"), false);
        return later(item, [&site] { site.model->cluster().set_queue_up(QueueName("batch"), true); });
      case What::node_lost:
        fired(item.what);
        site.model->cluster().set_node_usable(0, false);
        return later(item, [&site] { site.model->cluster().set_node_usable(0, true); });
      case What::clock_off: {
        fired(item.what);
        const Milliseconds by = item.n < 0 ? -1h : 1h;
        site.model->cluster().step_clock(by);
        return later(item, [&site, by] { site.model->cluster().step_clock(-by); });
      }
      case What::site_hold: {
        const auto* job = pick(site, item.n, [](const auto& j) { return j.state == connectors::model::ClusterState::pending; });
        if (job == nullptr) return again_soon(item);
        fired(item.what);
        site.model->cluster().hold(job->id, true);
        return later(item, [&site, id = job->id] { site.model->cluster().hold(id, false); });
      }
      case What::site_requeue: {
        const auto* job = pick(site, item.n, [](const auto& j) { return j.state == connectors::model::ClusterState::running; });
        if (job == nullptr || !site.model->cluster().requeue(job->id)) return again_soon(item);
        return fired(item.what);
      }
      case What::controller_restart:
        if (!item.text.empty()) return after_submit_[site.plan.id].push_back(&item);
        fired(item.what);
        return site.model->cluster().restart_controller(item.lasts);
      case What::same_name: return borrow_name(item, site);

      case What::crash: return (void)armed_.emplace_back(&item, 0);
      case What::kill:
        if (!process_) return;
        fired(item.what);
        down_for_ = item.lasts;
        return end_process();
      case What::disk_full:
        fired(item.what);
        full_ = true;
        if (process_) process_->gate().full = true;
        return later(item, [this] { fill_disk(false); });
      case What::clock_step: {
        fired(item.what);
        const Milliseconds by = item.n < 0 ? -1h : 1h;
        time_.step_utc(by);
        return later(item, [this, by] { time_.step_utc(-by); });
      }
      case What::takeover:
        if (!process_) return;
        fired(item.what);
        (void)store_->begin_epoch();
        return later(item, [this] { end_process(); });
      case What::site_suspended:
        fired(item.what);
        suspend(site, true);
        return later(item, [this, &site] { suspend(site, false); });
      case What::account_withdrawn: {
        fired(item.what);
        const std::pair entry{item.person, site.plan.id};
        withdrawn_.insert(entry);
        return later(item, [this, entry] { withdrawn_.erase(entry); });
      }
      case What::site_dropped:
        fired(item.what);
        dropped_.insert(site.plan.id);
        end_process();
        return later(item, [this, id = site.plan.id] {
          dropped_.erase(id);
          end_process();
        });
      case What::budget_changed:
        fired(item.what);
        site.budget.waiting_jobs = item.n < 0 ? 1 : 8;
        site.budget.queries_per_minute = item.n < 0 ? 4 : 20;
        end_process();
        return later(item, [this, &site] {
          site.budget = site.plan.budget;
          end_process();
        });
      case What::mover_silent:
        fired(item.what);
        depot_->silence(true);
        return later(item, [this] { depot_->silence(false); });
      case What::mover_killed: fired(item.what); return depot_->kill_movers();
      case What::transfer_fails: return depot_->fail_next(item.n);
      case What::reply_lost:
      case What::reply_delayed:
      case What::reply_truncated:
      case What::reply_garbage:
      case What::request_twice:
      case What::connection_refused: return;
    }
  }

  /// There is nothing yet that it could befall.
  void again_soon(const Item& item) {
    const auto when = time_.now_monotonic() + 2 * kRetry;
    if (when < MonotonicTime{plan_.length}) at(when, [this, &item] { begin(item); });
  }

  /// The controller dies so soon after it has accepted a job that it may not have saved it.
  void submitted(const std::string& id) {
    const int n = ++submits_[id];
    for (const auto* item : after_submit_[id]) {
      if (item->n != n) continue;
      at(time_.now_monotonic() + item->count * 100ms, [this, id, item] {
        fired(item->what);
        trace_.add("* the controller of " + id + " starts again");
        sites_.at(id).model->cluster().restart_controller(item->lasts);
      });
    }
  }

  /// When it is over. Everything that is to be over is so at the latest when the plan is.
  void later(const Item& item, std::function<void()> end) {
    at(std::min(time_.now_monotonic() + item.lasts, std::max(MonotonicTime{plan_.length}, time_.now_monotonic())),
       std::move(end));
  }

  void window(const Item& item, PlayedSite& site) {
    auto& windows = wires_[site.plan.id].windows;
    windows.insert(item.what);
    apply(site, item);
    later(item, [this, &site, &item, &windows] {
      windows.erase(windows.find(item.what));
      apply(site, item);
    });
  }
  void apply(PlayedSite& site, const Item& item) {
    auto& faults = site.model->faults;
    const auto on = [&](What what) { return wires_[site.plan.id].windows.contains(what); };
    faults.down = on(What::site_down);
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
  }

  template <class Which>
  const connectors::model::ClusterJob* pick(PlayedSite& site, int n, Which which) {
    std::vector<const connectors::model::ClusterJob*> found;
    for (const auto& job : site.model->cluster().jobs()) {
      if (job.request.fenced && which(job)) found.push_back(&job);
    }
    return found.empty() ? nullptr : found[static_cast<std::size_t>(n) % found.size()];
  }

  void borrow_name(const Item& item, PlayedSite& site) {
    std::vector<std::string> names;  // best those that the broker may be looking for
    for (const bool unbound : {true, false}) {
      for (const auto& [id, job] : auditor_.jobs()) {
        const auto* attempt = job.live_attempt();
        if (attempt != nullptr && attempt->site.str() == site.plan.id && (attempt->state != AttemptState::bound) == unbound)
          names.push_back(make_tag(id, attempt->number).str());
      }
      if (!names.empty()) break;
    }
    if (names.empty()) return;
    fired(item.what);
    const auto& name = names[static_cast<std::size_t>(item.n) % names.size()];
    (void)site.model->cluster().submit({.name = name, .account = LocalAccount("mallory"), .behaviour = {}});
    site.strangers.insert(static_cast<std::int64_t>(site.model->cluster().jobs().size()));
  }

  // ---- people

  void submit(const Item& item) {
    fired(item.what);
    clients_.push_back({.wish = item, .key = "k" + std::to_string(item.n), .after = earlier_jobs(item), .answer = {}});
    ask(clients_.back());
  }

  /// The person's own, those that were acknowledged last.
  [[nodiscard]] std::vector<JobId> earlier_jobs(const Item& item) const {
    std::vector<JobId> found;
    for (auto id = known_.rbegin(); id != known_.rend() && std::cmp_less(found.size(), item.after); ++id) {
      if (auditor_.jobs().at(*id).owner.str() == item.person) found.push_back(*id);
    }
    return found;
  }

  void ask(Client& client) {
    if (!process_) return;
    const auto& wish = client.wish;
    std::vector<Submission> submissions;
    for (int i = 0; i < wish.count; ++i) {
      Submission s;
      s.spec.name = "sim";
      s.spec.time_limit = 300s;
      s.spec.requeue = wish.requeue;
      if (wish.pinned) s.spec.placement.sites.emplace_back(site_of(wish));
      for (const auto& dataset : wish.datasets) s.spec.datasets.emplace_back(dataset);
      s.spec.after = client.after;
      if (!wish.array.empty()) s.spec.array = parse_task_array(wish.array).value();
      if (wish.chained && i > 0) s.after_earlier = {static_cast<std::size_t>(i) - 1};
      s.payload.script = "#!/bin/sh\n#model " + wish.text + "\n#model-out done\n";
      submissions.push_back(std::move(s));
    }
    client.answer = process_->start_asking(
        process_->engine().intake().accept(Principal(wish.person), std::move(submissions),
                                           ports::Idempotency{.key = client.key, .request_hash = "hash of " + client.key}));
  }

  void hear_answers() {
    for (auto client = clients_.begin(); client != clients_.end();) {
      if (!client->answer || !client->answer->has_value()) {
        ++client;
        continue;
      }
      const auto answer = std::move(**client->answer);
      client->answer.reset();
      if (answer) {
        std::vector<JobId> ids;
        for (const auto& job : answer->jobs) ids.push_back(job.id);
        trace_.add("acknowledged " + client->key);
        auditor_.acknowledged(client->key, ids);
        for (const auto& id : ids) {
          if (std::ranges::find(known_, id) == known_.end()) known_.push_back(id);
        }
        client = clients_.erase(client);
        continue;
      }
      // As a client does: the same again, until there is an answer.
      at(time_.now_monotonic() + kRetry, [this, key = client->key, n = client->wish.what] {
        for (auto& c : clients_) {
          if (c.key == key && c.wish.what == n && !c.answer) ask(c);
        }
      });
      ++client;
    }
    std::erase_if(cancels_, [&](auto& asked) {
      auto& [id, answer] = asked;
      if (!answer->has_value()) return false;
      if (**answer) auditor_.cancel_acknowledged(id);
      return true;
    });
    std::erase_if(drains_, [&](auto& asked) {
      auto& [item, answer] = asked;
      if (!answer->has_value()) return false;
      auto& site = sites_.at(site_of(*item));
      if (**answer) site.drained = item->what == What::drain, site.drained_at = time_.now_monotonic();
      return true;
    });
  }

  [[nodiscard]] std::optional<JobId> job_of(const Item& item) const {
    if (known_.empty() || !process_) return std::nullopt;
    return known_[static_cast<std::size_t>(item.n) % known_.size()];
  }

  void cancel(const Item& item) {
    const auto id = job_of(item);
    if (!id) return;
    fired(item.what);
    cancels_.emplace_back(*id, process_->start_asking(process_->engine().cancel(*id, Principal("local:alice"))));
  }

  void ask_about_job(const Item& item) {
    const auto id = job_of(item);
    if (!id) return;
    fired(item.what);
    auto& engine = process_->engine();
    if (item.what == What::hold)
      (void)process_->start_asking(engine.hold(*id));
    else if (item.what == What::release)
      (void)process_->start_asking(engine.release(*id));
    else
      (void)process_->start_asking(
          engine.read_output(auditor_.jobs().at(*id), ports::Stream::out, 0, 1000, async::Deadline::in(time_, 30s)));
  }

  void ask_about_site(const Item& item, PlayedSite& site) {
    if (!process_) return;
    fired(item.what);
    auto& engine = process_->engine();
    site.drained = false;  // until it is acknowledged
    drains_.emplace_back(&item,
                         process_->start_asking(item.what == What::drain ? engine.drain_site(SiteId(site.plan.id), "maintenance")
                                                                         : engine.resume_site(SiteId(site.plan.id))));
  }

  // ---- the rules

  void suspend(PlayedSite& site, bool suspended) {
    site.suspended = suspended;
    site.suspended_at = time_.now_monotonic();
    if (process_) process_->engine().regulate(regulations());
  }

  [[nodiscard]] engine::Regulations regulations() const {
    static const std::vector<rules::PackText> texts{{.file = "play.toml", .text = kRules}};
    const auto status = [](const char* word) {
      return engine::RegisterFacts{{rules::Attribute::site_status, std::string(word), std::nullopt}};
    };
    engine::Regulations in_force{
        .rules = std::make_shared<const rules::RuleSet>(rules::RuleSet::compile(rules::parse_packs(texts).value()).value()),
        .packs_document = routing::packs_document(texts),
        .broker = status("member")};
    in_force.packs_hash = sha256_hex(in_force.packs_document);
    for (const auto& [id, site] : sites_) in_force.sites.emplace(id, status(site.suspended ? "suspended" : "member"));
    return in_force;
  }

  // ---- time and the lives of the process

  [[nodiscard]] bool failed() const { return !auditor_.violations().empty(); }

  void step() {
    ++played_.steps;
    auditor_.step();
    hear_answers();
  }

  void do_next() {
    const auto when = agenda_.begin()->first.first;
    advance_to(when);
    if (failed() || time_.now_monotonic() < when) return;  // something else comes first now
    agenda_.extract(agenda_.begin()).mapped()();
    step();
  }
  /// To `t`, and everything on the way.
  void go_to(MonotonicTime t) {
    while (!failed()) {
      if (!agenda_.empty() && agenda_.begin()->first.first <= t) {
        do_next();
      } else if (time_.now_monotonic() < t) {
        advance_to(t);
      } else {
        return;
      }
    }
  }

  /// To `t`, or to what has come on the agenda before it meanwhile.
  void advance_to(MonotonicTime t) {
    const auto overtaken = [&] { return !agenda_.empty() && agenda_.begin()->first.first < t; };
    while (time_.now_monotonic() < t && !failed() && !overtaken()) {
      const auto now = time_.now_monotonic();
      if (!process_) {
        time_.run_until(std::min(t, std::max(start_at_, now)));
        if (time_.now_monotonic() >= start_at_) start_process();
        continue;
      }
      process_->until(
          [&] {
            step();
            return failed() || overtaken();
          },
          t - now);
      if (process_->dead())
        end_process();
      else if (time_.now_monotonic() == now && !overtaken())
        time_.run_until(t);
    }
  }

  void start_process() {
    const auto epoch = store_->begin_epoch();
    if (!epoch) throw std::runtime_error(epoch.error().message);
    auto options = plan_.options;
    options.epoch = *epoch;
    gate_ = std::make_shared<bottle::Gate>();
    gate_->process = static_cast<int>(++played_.lives);
    gate_->full = full_;
    gate_->passing = [this, gate = gate_.get()](const bottle::Point& point) { pass(*gate, point); };
    gate_->calling = [this](const bottle::Call& call, int in_flight) {
      ++played_.site_calls;
      auditor_.calling(call, in_flight);
      if (call.what == "submit") submitted(call.site);
    };
    gate_->accepted = [this](const auto& jobs, const auto& key, const auto& answer) {
      for (const auto& id : answer.ids) trace_.add("durable " + id.str() + (answer.repeated ? " again" : " accepted"));
      auditor_.accepted(jobs, key, answer);
    };
    gate_->recorded = [this](const ports::JobChange& change) {
      ++played_.writes;
      for (const auto& event : change.events) {
        trace_.add("durable " + change.job.id.str() + " " + std::string(event_name(event.body)) + " " +
                   to_json(event.body).dump() + " " + std::to_string(event.at.time_since_epoch().count()));
      }
      auditor_.recorded(change);
    };
    std::vector<engine::SiteSetup> setups;
    for (auto& [id, site] : sites_) {
      if (dropped_.contains(id)) continue;
      auto connector = wired(std::make_unique<connectors::model::ModelConnector>(time_, SiteId(id), site.model), id, wires_[id],
                             {.time = time_,
                              .trace = trace_,
                              .auditor = auditor_,
                              .fired = played_.fired,
                              .process = gate_->process,
                              .call_timeout = plan_.options.call_timeout,
                              .submit_timeout = plan_.options.submit_timeout});
      connector = bottle::gated(std::move(connector), gate_, time_, id);
      if (wrongs_.connector) connector = wrongs_.connector(std::move(connector));
      setups.push_back({.site = {.id = SiteId(id), .name = id, .country = "FI", .connector = "model", .budget = site.budget},
                        .connector = std::move(connector)});
    }
    stores_ = bottle::gated(*store_, gate_);
    if (wrongs_.stores) stores_ = wrongs_.stores(std::move(stores_));
    down_for_ = kDownAfterFailure;
    bottle::Process::Parts parts{
        .time = time_, .random = random_, .stores = *stores_, .accounts = *this, .log = *this, .gate = gate_};
    depot_->open(parts, gate_, wrongs_);
    process_ = std::make_unique<bottle::Process>(std::move(parts), std::move(options), std::move(setups));
    process_->engine().regulate(regulations());
    trace_.add("* the broker starts, life " + std::to_string(played_.lives));
    const auto started = process_->start();
    if (!started) {
      trace_.add("* it does not: " + started.error().code);
      return end_process();
    }
    for (auto& client : clients_) {
      if (!client.answer) ask(client);
    }
  }

  void end_process() {
    if (!process_) return;
    trace_.add("* the broker is dead");
    process_.reset();
    depot_->close();
    stores_.reset();
    for (auto& client : clients_) client.answer.reset();
    cancels_.clear();
    for (const auto& [item, answer] : drains_) {
      if (item->what == What::drain) sites_.at(site_of(*item)).drained = false;
    }
    drains_.clear();
    start_at_ = time_.now_monotonic() + std::exchange(down_for_, kDownAfterFailure);
    compare_store();
  }

  void pass(bottle::Gate& gate, const bottle::Point& point) {
    const auto name = point.name();
    for (auto armed = armed_.begin(); armed != armed_.end(); ++armed) {
      auto& [item, passed] = *armed;
      if (item->text != name || ++passed < item->count) continue;
      fired(What::crash);
      ++played_.deaths[name];
      trace_.add("* dies at " + name);
      gate.dead = true;
      down_for_ = item->lasts;
      armed_.erase(armed);
      return;
    }
  }

  void fill_disk(bool full) {
    full_ = full;
    if (process_) process_->gate().full = full;
  }

  template <class T>
  T read(async::Task<T> task) {
    return bottle::read(time_, std::move(task));
  }

  void compare_store() { auditor_.compare(read(store_->events_after(0, 100'000)), read(store_->jobs({.limit = 10'000}))); }

  // ---- the end

  void heal() {
    if (failed()) return;
    trace_.add("* everything heals");
    armed_.clear();
    after_submit_.clear();
    depot_->heal();
    for (auto& [id, wire] : wires_) wire.faults.clear();
    if (process_) {
      for (const auto& [id, site] : sites_) (void)process_->start_asking(process_->engine().resume_site(SiteId(id)));
    }
    for (auto& [id, site] : sites_) {
      site.drained = false;
      suspend(site, false);
    }
    if (!process_) start_at_ = time_.now_monotonic();
    go_to(time_.now_monotonic() + 1s);
    drive(
        [this] {
          if (!process_) return false;
          if (!clients_.empty()) return false;
          for (const auto& [id, site] : sites_) (void)process_->start_asking(process_->engine().resume_site(SiteId(id)));
          for (const auto& [id, job] : auditor_.jobs()) {
            if (job.held_by_user) (void)process_->start_asking(process_->engine().release(id));
          }
          return true;
        },
        10min, 1s);
  }

  /// Goes on by `by` until `done`. False: it was not within `at_most`.
  bool drive(const std::function<bool()>& done, Milliseconds at_most, Milliseconds by) {
    const auto end = time_.now_monotonic() + at_most;
    while (!failed()) {
      if (done()) return true;
      if (time_.now_monotonic() >= end) return false;
      go_to(time_.now_monotonic() + by);
    }
    return false;
  }

  void finish() {
    if (failed()) return;
    drive(
        [this] {
          for (const auto& [id, job] : auditor_.jobs()) {
            if (is_terminal(job.state) || !process_ || !auditor_.only_a_person_knows(job)) continue;
            ++played_.left_to_people;
            (void)process_->start_asking(
                process_->engine().resolve_lost(id, Principal("local:root"), "the site has forgotten it"));
          }
          return auditor_.all_over();
        },
        kToEnd, 30s);
    if (failed()) return;
    if (!drive([this] { return depot_->at_rest(); }, kToBook, 60s) && !failed())
      auditor_.violation("I18", "a transfer has no end");
    std::vector<UsageRecord> ledger;
    drive(
        [&] {
          ledger = this->ledger();
          return auditor_.not_booked(ledger).empty();
        },
        kToBook, 60s);
    if (failed()) return;
    const auto happened = [&](What what) { return played_.fired[static_cast<std::size_t>(what)] > 0; };
    std::size_t asked = 0;
    for (const auto& item : plan_.items) asked += item.what == What::submit ? static_cast<std::size_t>(item.count) : 0;
    if (auditor_.jobs().size() != asked)
      auditor_.violation("I9",
                         std::to_string(asked) + " jobs were asked for, " + std::to_string(auditor_.jobs().size()) + " accepted");
    auditor_.at_the_end(ledger,
                        happened(What::site_refuses) || happened(What::account_withdrawn) || happened(What::site_dropped));
    end_process();
  }

  std::vector<UsageRecord> ledger() {
    std::vector<UsageRecord> all;
    for (const auto& [id, job] : auditor_.jobs()) {
      for (auto& record : read(store_->usage_of(id))) all.push_back(std::move(record));
    }
    return all;
  }

  const Plan& plan_;
  Wrongs wrongs_;
  Played played_;
  simulation::VirtualScheduler time_;
  simulation::SeededRandom random_;
  Trace trace_;
  std::map<std::string, PlayedSite> sites_;
  Auditor auditor_;
  std::map<std::string, WireState> wires_;
  std::unique_ptr<store::SqliteStore> store_;
  std::optional<Depot> depot_;

  std::map<std::pair<MonotonicTime, std::int64_t>, std::function<void()>> agenda_;
  std::int64_t planned_ = 0;
  std::map<std::string, int> submits_;
  std::map<std::string, std::vector<const Item*>> after_submit_;  // controllers that die after the n-th one
  std::vector<std::pair<const Item*, int>> armed_;     // crash points, and how often each was passed
  std::set<std::pair<std::string, std::string>> withdrawn_;
  std::set<std::string> dropped_;
  bool full_ = false;

  std::list<Client> clients_;
  std::vector<JobId> known_;                           // acknowledged
  std::vector<std::pair<JobId, bottle::Process::Answer<Job>>> cancels_;
  std::vector<std::pair<const Item*, bottle::Process::Answer<void>>> drains_;

  std::shared_ptr<bottle::Gate> gate_;
  std::unique_ptr<bottle::Stores> stores_;
  std::unique_ptr<bottle::Process> process_;
  MonotonicTime start_at_{kFirstStart};
  Milliseconds down_for_ = kDownAfterFailure;
};

}  // namespace

Played play(const Plan& plan, std::ostream* log, const Mistake* mistake) {
  Play game(plan, log, mistake);
  return game.run();
}

}  // namespace hansa::sim
