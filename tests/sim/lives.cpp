// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lives.hpp"

#include "broker/core/digest.hpp"
#include "policies/rules/load.hpp"

#include <stdexcept>

namespace hansa::sim {

using namespace std::chrono_literals;
using namespace domain;

namespace {

constexpr Milliseconds kDownAfterFailure{10'000};

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

}  // namespace

Lives::Lives(World& world, People& people, Mishaps& mishaps)
    : world_(world), people_(people), mishaps_(mishaps), down_for_(kDownAfterFailure) {
  auto opened = store::SqliteStore::open({.file = ":memory:", .broker_id = world.plan.options.broker_id, .inline_mode = true});
  if (!opened) throw std::runtime_error(opened.error().message);
  store_ = std::move(*opened);
  depot_.emplace(world.plan, Depot::Parts{.time = world.time,
                                          .random = world.random,
                                          .store = *store_,
                                          .accounts = *this,
                                          .log = *this,
                                          .sites = world.sites,
                                          .auditor = world.auditor});
}

Result<LocalAccount> Lives::account_of(const Principal& person, const SiteId& site) const {
  const auto& name = person.str();
  if (withdrawn_.contains({name, site.str()}))
    return fail(ErrorKind::permission_denied, "NO_ACCOUNT", name + " has no account at " + site.str());
  return LocalAccount(name.substr(name.find(':') + 1));
}

void Lives::write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) {
  for (const auto& field : fields) world_.auditor.logged(field.value);
  if (!world_.trace.is_read()) return;
  std::string line(level >= ports::LogLevel::warning ? "log! " : "log  ");
  line += sentence;
  for (const auto& field : fields) line.append(" ").append(field.name).append("=").append(field.value);
  world_.trace.note(line);
}

// ---- what is done to it

void Lives::begin(const Item& item) {
  auto& site = world_.sites.at(world_.site_of(item));
  switch (item.what) {
    case What::crash: return (void)armed_.emplace_back(&item, 0);
    case What::kill:
      if (!process_) return;
      world_.fired(item.what);
      down_for_ = item.lasts;
      return end();
    case What::disk_full:
      world_.fired(item.what);
      fill_disk(true);
      return world_.later(item, [this] { fill_disk(false); });
    case What::clock_step: {
      world_.fired(item.what);
      const Milliseconds by = item.n < 0 ? -1h : 1h;
      world_.time.step_utc(by);
      return world_.later(item, [this, by] { world_.time.step_utc(-by); });
    }
    case What::takeover:
      if (!process_) return;
      world_.fired(item.what);
      (void)store_->begin_epoch();
      world_.auditor.words().store_may_refuse();
      return world_.later(item, [this] { end(); });
    case What::site_suspended:
      world_.fired(item.what);
      suspend(site, true);
      return world_.later(item, [this, &site] { suspend(site, false); });
    case What::account_withdrawn: {
      world_.fired(item.what);
      const std::pair entry{item.person, site.plan.id};
      withdrawn_.insert(entry);
      return world_.later(item, [this, entry] { withdrawn_.erase(entry); });
    }
    case What::site_dropped:
      world_.fired(item.what);
      dropped_.insert(site.plan.id);
      end();
      return world_.later(item, [this, id = site.plan.id] {
        dropped_.erase(id);
        end();
      });
    case What::budget_changed:
      world_.fired(item.what);
      site.budget.waiting_jobs = item.n < 0 ? 1 : 8;
      site.budget.queries_per_minute = item.n < 0 ? 4 : 20;
      end();
      return world_.later(item, [this, &site] {
        site.budget = site.plan.budget;
        end();
      });
    case What::mover_silent:
      world_.fired(item.what);
      depot_->silence(true);
      return world_.later(item, [this] { depot_->silence(false); });
    case What::mover_killed: world_.fired(item.what); return depot_->kill_movers();
    case What::transfer_fails: return depot_->fail_next(item.n);
    default: return;
  }
}

void Lives::heal() {
  armed_.clear();
  depot_->heal();
  for (auto& [id, site] : world_.sites) {
    site.drained = false;
    suspend(site, false);
  }
  if (!process_) start_soon();
}

void Lives::fill_disk(bool full) {
  full_ = full;
  if (process_) process_->gate().full = full;
  world_.auditor.words().disk_changed(full);
}

void Lives::suspend(PlayedSite& site, bool suspended) {
  site.suspended = suspended;
  site.suspended_at = world_.time.now_monotonic();
  world_.auditor.words().facts_changed();
  if (process_) process_->engine().regulate(regulations());
}

engine::Regulations Lives::regulations() const {
  static const std::vector<rules::PackText> texts{{.file = "play.toml", .text = kRules}};
  const auto status = [](const char* word) {
    return engine::RegisterFacts{{rules::Attribute::site_status, std::string(word), std::nullopt}};
  };
  engine::Regulations in_force{
      .rules = std::make_shared<const rules::RuleSet>(rules::RuleSet::compile(rules::parse_packs(texts).value()).value()),
      .packs_document = routing::packs_document(texts),
      .broker = status("member")};
  in_force.packs_hash = sha256_hex(in_force.packs_document);
  for (const auto& [id, site] : world_.sites) in_force.sites.emplace(id, status(site.suspended ? "suspended" : "member"));
  return in_force;
}

// ---- a life

void Lives::open_gate() {
  gate_ = std::make_shared<bottle::Gate>();
  gate_->process = static_cast<int>(++world_.played.counts.lives);
  gate_->full = full_;
  gate_->passing = [this, gate = gate_.get()](const bottle::Point& point) { pass(*gate, point); };
  gate_->calling = [this](const bottle::Call& call, int in_flight) {
    ++world_.played.counts.site_calls;
    world_.auditor.calling(call, in_flight);
    mishaps_.calling(call);
  };
  gate_->accepted = [this](const auto& jobs, const auto& key, const auto& answer) {
    for (const auto& id : answer.ids) world_.trace.add("durable " + id.str() + (answer.repeated ? " again" : " accepted"));
    world_.auditor.accepted(jobs, key, answer);
  };
  gate_->recorded = [this](const ports::JobChange& change) {
    ++world_.played.counts.writes;
    for (const auto& event : change.events) {
      world_.trace.add("durable " + change.job.id.str() + " " + std::string(event_name(event.body)) + " " +
                       to_json(event.body).dump() + " " + std::to_string(event.at.time_since_epoch().count()));
    }
    world_.auditor.recorded(change);
  };
  gate_->site_recorded = [this](const SiteState& state) { world_.auditor.site_recorded(state); };
  for (const auto& [id, site] : world_.sites) {
    if (site.plan.persons) gate_->as_persons.insert(id);
  }
  gate_->login = [this](const std::string& site, const Principal& person) -> std::optional<Error> {
    if (!world_.sites.at(site).lapsed.contains(person.str())) return std::nullopt;
    return fail(ErrorKind::unavailable, "CREDENTIAL_ENDS_TOO_EARLY", "the certificate of " + person.str() + " has ended").error();
  };
  // Slurm forgets tasks that were cancelled before they began.
  gate_->retell = [this](const std::string& site, ports::JobStatus& status) {
    if (!world_.sites.at(site).plan.forgets_unstarted) return;
    std::erase_if(status.tasks, [](const auto& task) { return task.outcome == Outcome::cancelled && !task.started_at; });
  };
}

engine::SiteSetup Lives::set_up(const std::string& id, PlayedSite& site) {
  auto connector =
      wired(std::make_unique<connectors::model::ModelConnector>(world_.time, SiteId(id), site.model), id, world_.wires[id],
            {.time = world_.time,
             .trace = world_.trace,
             .auditor = world_.auditor,
             .fired = world_.played.fired,
             .process = gate_->process,
             .call_timeout = world_.plan.options.call_timeout,
             .submit_timeout = world_.plan.options.submit_timeout,
             .struck = [this, id](const Item& item, const Principal& who) { mishaps_.struck(id, item, who); }});
  connector = bottle::gated(std::move(connector), gate_, world_.time, id);
  if (world_.wrongs.connector) connector = world_.wrongs.connector(std::move(connector));
  return {.site = {.id = SiteId(id),
                   .name = id,
                   .country = "FI",
                   .connector = "model",
                   .budget = site.budget,
                   .scheduler_accounts = {{ProjectId("lab"), kChargedTo}},
                   .hardware = {.gpu_vendor = {}, .architecture = {}, .devices_per_gpu = site.plan.devices_per_gpu}},
          .connector = std::move(connector)};
}

void Lives::start() {
  const auto epoch = store_->begin_epoch();
  if (!epoch) throw std::runtime_error(epoch.error().message);
  auto options = world_.plan.options;
  options.epoch = *epoch;
  open_gate();
  world_.auditor.words().life_begins(gate_->process);
  std::vector<engine::SiteSetup> setups;
  for (auto& [id, site] : world_.sites) {
    if (!dropped_.contains(id)) setups.push_back(set_up(id, site));
  }
  stores_ = bottle::gated(*store_, gate_);
  if (world_.wrongs.stores) stores_ = world_.wrongs.stores(std::move(stores_));
  down_for_ = kDownAfterFailure;
  bottle::Process::Parts parts{
      .time = world_.time, .random = world_.random, .stores = *stores_, .accounts = *this, .log = *this, .gate = gate_};
  depot_->open(parts, gate_, world_.wrongs);
  process_ = std::make_unique<bottle::Process>(std::move(parts), std::move(options), std::move(setups));
  world_.process = process_.get();
  process_->engine().regulate(regulations());
  world_.trace.add("* the broker starts, life " + std::to_string(world_.played.counts.lives));
  const auto started = process_->start();
  if (!started) {
    world_.trace.add("* it does not: " + started.error().code);
    return end();
  }
  people_.ask_again();
}

void Lives::end() {
  if (!process_) return;
  world_.trace.add("* the broker is dead");
  world_.process = nullptr;
  process_.reset();
  depot_->close();
  stores_.reset();
  people_.process_died();
  start_at_ = world_.time.now_monotonic() + std::exchange(down_for_, kDownAfterFailure);
  compare_store();
}

void Lives::pass(bottle::Gate& gate, const bottle::Point& point) {
  const auto name = point.name();
  for (auto armed = armed_.begin(); armed != armed_.end(); ++armed) {
    auto& [item, passed] = *armed;
    if (item->text != name || ++passed < item->count) continue;
    world_.fired(What::crash);
    ++world_.played.counts.deaths[name];
    world_.trace.add("* dies at " + name);
    gate.dead = true;
    down_for_ = item->lasts;
    armed_.erase(armed);
    return;
  }
}

// ---- its store

void Lives::compare_store() {
  world_.auditor.compare(read(store_->events_after(0, 100'000)), read(store_->jobs({.limit = 10'000})));
}

std::vector<UsageRecord> Lives::ledger() {
  std::vector<UsageRecord> all;
  for (const auto& [id, job] : world_.auditor.jobs()) {
    for (auto& record : read(store_->usage_of(id))) all.push_back(std::move(record));
  }
  return all;
}

}  // namespace hansa::sim
