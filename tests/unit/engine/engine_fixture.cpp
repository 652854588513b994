// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/engine/engine_fixture.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "broker/domain/transition.hpp"
#include "connectors/model/behaviour.hpp"
#include "policies/routing/replay.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>

namespace hansa::engine::test {

namespace model = connectors::model;

using async::Task;

class World::People final : public ports::Accounts {
 public:
  explicit People(World& world) : world_(world) {}
  [[nodiscard]] Result<LocalAccount> account_of(const Principal& person, const SiteId& site) const override {
    const auto& name = person.str();
    if (world_.strangers.contains(name))
      return fail(ErrorKind::permission_denied, "NO_ACCOUNT", name + " has no account at " + site.str());
    if (const auto at = world_.accounts.find({name, site.str()}); at != world_.accounts.end()) return LocalAccount(at->second);
    return LocalAccount(name.substr(name.find(':') + 1));
  }
  [[nodiscard]] std::vector<ProjectId> projects_of(const Principal& person) const override {
    const auto at = world_.projects.find(person.str());
    return {ProjectId(at == world_.projects.end() ? "lab" : at->second)};
  }

 private:
  World& world_;
};

class World::Notebook final : public ports::Log {
 public:
  explicit Notebook(World& world) : world_(world) {}
  void write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) override {
    std::string line =
        std::to_string(world_.time.now_monotonic().since_origin.count()) + (level >= ports::LogLevel::warning ? " ! " : "   ");
    line += sentence;
    for (const auto& field : fields) line.append(" ").append(field.name).append("=").append(field.value);
    if (std::getenv("HANSA_TEST_LOG") != nullptr) std::cerr << line << '\n';
    world_.log.push_back(std::move(line));
  }

 private:
  World& world_;
};

std::string rule(const std::string& id, const std::string& effect, const std::string& actions, const std::string& clauses,
                 const std::string& unless) {
  return "[[rule]]\nid = \"" + id + "\"\neffect = \"" + effect + "\"\nactions = [" + actions + "]\nwhen = [" + clauses + "]\n" +
         (unless.empty() ? "" : "unless = [" + unless + "]\n") + "legal_basis = \"a law\"\nowner = \"o@example\"\n";
}

RegisterFact fact(rules::Attribute attribute, rules::Value value, std::optional<UtcTime> as_of) {
  return {attribute, std::move(value), as_of};
}

const std::vector<rules::Pack>& parsed(const std::vector<rules::PackText>& packs) {
  static std::map<std::string, std::vector<rules::Pack>> known;
  std::string key;
  for (const auto& [file, text] : packs) key += file + '\0' + text + '\0';
  const auto at = known.find(key);
  if (at != known.end()) return at->second;
  auto read = rules::parse_packs(packs);
  if (!read) FAIL(read.error().message + ": " + read.error().faults.front().message);
  return known.emplace(std::move(key), std::move(*read)).first->second;
}

Regulations Law::regulations() const {
  Regulations regulations{.broker = broker, .projects = {{ProjectId("lab"), lab}}, .people = {{Principal("local:alice"), alice}}};
  for (const auto& [site, facts] : sites) regulations.sites.emplace(site, facts);
  if (packs.empty()) return regulations;
  auto compiled = rules::RuleSet::compile(parsed(packs));
  REQUIRE(compiled);
  regulations.rules = std::make_shared<const rules::RuleSet>(std::move(*compiled));
  regulations.packs_document = routing::packs_document(packs);
  regulations.packs_hash = sha256_hex(regulations.packs_document);
  return regulations;
}

World::World(std::vector<SiteOptions> sites, EngineOptions engine_options, std::uint64_t seed)
    : options(std::move(engine_options)),
      random(seed),
      people_(std::make_unique<People>(*this)),
      notebook_(std::make_unique<Notebook>(*this)) {
  options.broker_id = "test-broker";
  for (auto& s : sites) {
    if (s.cluster.name.empty()) s.cluster.name = s.id;
    if (s.cluster.node_groups.empty()) s.cluster.node_groups = {{.count = 1, .cores = s.cores}};
    const auto id = s.id;
    auto site = std::make_shared<model::ModelSite>(time, s.cluster, s.skew);
    sites_.emplace(id, Place{.options = std::move(s), .model = std::move(site)});
  }
  auto opened = store::SqliteStore::open({.file = ":memory:", .broker_id = options.broker_id, .inline_mode = true});
  REQUIRE(opened);
  store_ = std::move(*opened);
  vault_ = std::make_unique<SecretVault>(*store_, time, random);
  vault_->use(SealingKeys({SealingKey::parse(to_base64(std::string(SealingKey::kBytes, 'k'))).value()}));
  start();
}

World::~World() { crash(); }

void World::start() {
  const auto epoch = store_->begin_epoch();
  REQUIRE(epoch);
  options.epoch = *epoch;
  gate_ = std::make_shared<Gate>();
  gate_->process = ++processes_;
  gate_->calling = [this](const Call& call, int in_flight) {
    calls.push_back(call);
    auto& most = most_in_flight[call.site];
    most = std::max(most, in_flight);
  };
  gate_->retell = [this](const std::string& site, ports::JobStatus& status) {
    if (retell) retell(site, status);
  };
  if (on_start) on_start();
  std::vector<SiteSetup> setups;
  for (auto& [id, place] : sites_) {
    if (!place.configured) continue;
    setups.push_back(
        {.site = {.id = SiteId(id),
                  .name = id,
                  .country = "FI",
                  .connector = "model",
                  .budget = place.options.budget,
                  .scheduler_accounts = place.options.scheduler_accounts,
                  .hardware = place.options.hardware,
                  .software = place.options.software,
                  .charging = place.options.charging},
         .connector = bottle::gated(std::make_unique<model::ModelConnector>(time, SiteId(id), place.model), gate_, time, id)});
  }
  stores_ = bottle::gated(*store_, gate_);
  transfers_ = bottle::gated_transfers(*store_, gate_);
  datasets_ = bottle::gated_catalogue(*store_, gate_);
  process_ = std::make_unique<bottle::Process>(bottle::Process::Parts{.time = time,
                                                                      .random = random,
                                                                      .stores = *stores_,
                                                                      .accounts = *people_,
                                                                      .log = *notebook_,
                                                                      .gate = gate_,
                                                                      .datasets = datasets_.get(),
                                                                      .transfers = transfers_.get(),
                                                                      .data = data,
                                                                      .allocations = store_.get(),
                                                                      .secrets = vault_.get()},
                                               options, std::move(setups));
  process_->engine().regulate(law_.regulations());
  auto facts = this->facts();
  const auto loaded = start_asking(facts.load());
  time.run_ready();
  REQUIRE(loaded->has_value());
  REQUIRE(loaded->value());
  const auto started = process_->start();
  if (!started) INFO(started.error().message);
  REQUIRE((started || dead()));
}

void World::crash() { process_.reset(); }

void World::regulate(Law law) {
  law_ = std::move(law);
  engine().regulate(law_.regulations());
}

void World::advance(Milliseconds by) { process_ ? process_->advance(by) : time.advance(by); }

bool World::until(const std::function<bool()>& done, Milliseconds at_most) { return process_->until(done, at_most); }

Result<Acceptance> World::try_submit(const std::vector<Wish>& wishes) {
  std::vector<domain::Submission> submissions;
  for (const auto& wish : wishes) {
    domain::Submission s;
    s.spec.name = "test";
    s.spec.resources.tasks = wish.tasks;
    s.spec.time_limit = wish.limit;
    s.spec.requeue = wish.requeue;
    for (const auto& id : wish.sites) s.spec.placement.sites.emplace_back(id);
    for (const auto& id : wish.datasets) s.spec.datasets.emplace_back(id);
    s.spec.labels = wish.labels;
    s.spec.outputs = wish.outputs;
    s.spec.resources.exclusive = wish.exclusive;
    if (!wish.array.empty()) s.spec.array = domain::parse_task_array(wish.array).value();
    s.spec.after = wish.after;
    s.after_earlier = wish.after_earlier;
    s.spec.variants = wish.variants;
    s.spec.software.outbound = wish.outbound;
    s.spec.software.image = wish.image;
    s.spec.secrets = wish.secrets;
    if (wish.gpus > 0) s.spec.resources.gpus_per_node = wish.gpus, s.spec.resources.gpu_model = "a100";
    s.payload.script = "#!/bin/sh\n#model " + wish.behaviour + "\n";
    submissions.push_back(std::move(s));
  }
  const auto& first = wishes.front();
  std::optional<ports::Idempotency> key;
  if (first.key) key = ports::Idempotency{.key = *first.key, .request_hash = "hash of " + *first.key};
  return ask(engine().intake().accept(Principal(first.person), std::move(submissions), std::move(key)));
}

JobId World::submit(const Wish& wish) { return submit(1, wish).front(); }

std::vector<JobId> World::submit(int count, const Wish& wish) {
  std::vector<JobId> ids;
  while (count > 0) {
    const auto batch = std::min(count, 1000);
    const auto accepted = try_submit(std::vector<Wish>(static_cast<std::size_t>(batch), wish));
    REQUIRE(accepted);
    for (const auto& job : accepted->jobs) ids.push_back(job.id);
    count -= batch;
  }
  time.run_ready();
  return ids;
}

using bottle::read;

void World::add_dataset(const std::string& id, const domain::Labels& labels, std::int64_t bytes) {
  Catalogue catalogue(time, changes_, *store_, *people_, *notebook_);
  const domain::Content content{.size = domain::Bytes{bytes}, .files = 1, .hash = domain::ContentHash(sha256_hex(id))};
  read(time, catalogue.add({.by = kAlice, .reason = ""}, DatasetId(id),
                           {.owner = kAlice, .project = ProjectId("lab"), .labels = labels, .content = content}));
}

void World::approve_all(const CatalogueOutcome& outcome) {
  Catalogue catalogue(time, changes_, *store_, *people_, *notebook_);
  for (const auto& change : outcome.changes) {
    if (!change.needs_second_person) continue;
    read(time, catalogue.rule({.by = kRoot, .reason = ""}, dataset(outcome.dataset.id.str()), change, true));
  }
}

void World::relabel(const std::string& id, const domain::Labels& labels) {
  Catalogue catalogue(time, changes_, *store_, *people_, *notebook_);
  approve_all(read(time, catalogue.amend({.by = kAlice, .reason = ""}, dataset(id), {.labels = labels})));
}

void World::set_terms(const std::string& id, const domain::Terms& terms) {
  Catalogue catalogue(time, changes_, *store_, *people_, *notebook_);
  Amendment amendment{.permit = terms.permit, .reviewed = terms.reviewed};
  if (!terms.transfer_basis.empty()) amendment.transfer_basis = terms.transfer_basis;
  approve_all(read(time, catalogue.amend({.by = kAlice, .reason = ""}, dataset(id), std::move(amendment))));
}

void World::add_replica(const std::string& id, const std::string& site, std::optional<UtcTime> until) {
  Catalogue catalogue(time, changes_, *store_, *people_, *notebook_);
  const Asking asking{.by = kAlice, .reason = ""};
  read(time, catalogue.add_replica(asking, dataset(id), {.site = SiteId(site), .root = domain::RootName("scratch"), .path = id}));
  if (!until) return;
  approve_all(
      read(time, catalogue.verify_replica(
                     asking, dataset(id),
                     {.site = SiteId(site), .hash = dataset(id).content.hash, .at = std::nullopt, .expires_at = *until})));
}

FactRegister World::facts() { return {time, changes_, *store_, process_->engine(), *notebook_}; }

void World::state_fact(const std::string& subject, const std::string& attribute, rules::Value value,
                       std::optional<UtcTime> until) {
  auto facts = this->facts();
  const auto outcome = read(time, facts.state({.by = kAlice, .reason = ""}, {domain::parse_subject(subject).value(), attribute},
                                              {.value = std::move(value), .until = until, .evidence = "a letter"}));
  for (const auto& change : outcome.changes) {
    if (change.needs_second_person) read(time, facts.rule({.by = kRoot, .reason = ""}, change, true));
  }
}

void World::withdraw_fact(const std::string& subject, const std::string& attribute) {
  auto facts = this->facts();
  read(time, facts.withdraw({.by = kAlice, .reason = ""}, {domain::parse_subject(subject).value(), attribute}));
}

domain::AllocationId World::grant(std::int64_t units, const std::string& unit, const std::string& site) {
  AllocationRegister allocations(time, changes_, *store_, engine(), *notebook_);
  return read(time,
              allocations.grant(
                  {.by = kRoot, .reason = ""},
                  {.project = ProjectId("lab"), .site = SiteId(site), .unit = unit, .amount = {units * domain::kChargesPerUnit}}))
      .id;
}

void World::tell_balance(const std::string& site, std::int64_t units, const std::string& unit) {
  AllocationRegister allocations(time, changes_, *store_, engine(), *notebook_);
  std::vector<ports::ToldBalance> told;
  told.push_back({.project = ProjectId("lab"),
                  .site = SiteId(site),
                  .unit = unit,
                  .left = {units * domain::kChargesPerUnit},
                  .as_of = time.now_utc()});
  REQUIRE(read(time, allocations.tell({.by = kRoot, .reason = ""}, std::move(told))) == 1);
}

domain::Allocation World::allocation(const domain::AllocationId& id) { return read(time, store_->allocation(id, UtcTime{})); }

std::vector<domain::Allocation> World::balances() {
  auto all = read(time, store_->allocations(std::nullopt, UtcTime{}));
  std::erase_if(all, [](const domain::Allocation& one) { return one.kind != domain::AllocationKind::balance; });
  return all;
}

domain::Allocation World::balance(const std::string& site) {
  for (auto& one : balances()) {
    if (one.site.str() == site) return one;
  }
  FAIL("nothing was told of " + site);
  return {};
}

domain::Dataset World::dataset(const std::string& id) { return read(time, store_->dataset(DatasetId(id))); }

domain::Job World::job(const JobId& id) { return read(time, store_->job(id)); }

std::vector<domain::JobEvent> World::events(const JobId& id) {
  std::vector<domain::JobEvent> events;
  for (auto& stored : read(time, store_->events(id))) events.push_back(std::move(stored.event));
  return events;
}

domain::Decision World::decision(const JobId& id) { return read(time, store_->decision(id)); }

std::string World::document(const std::string& hash) { return read(time, store_->document(hash)); }

std::vector<domain::WaitScore> World::waits(const std::string& site) {
  return read(time, store_->recent_waits(SiteId(site), 1'000));
}

std::vector<domain::UsageRecord> World::usage(const JobId& id) { return read(time, store_->usage_of(id)); }

bool World::all_over(const std::vector<JobId>& ids) {
  return std::ranges::all_of(ids, [&](const JobId& id) { return over(id); });
}

bool World::run_to_end(const std::vector<JobId>& ids, Milliseconds at_most) {
  const auto end = time.now_monotonic() + at_most;
  while (!dead() && time.now_monotonic() < end) {  // asking the store after every handler would be quadratic
    if (all_over(ids)) return true;
    advance(5s);
  }
  return all_over(ids);
}

SiteReport World::report(const std::string& site) {
  const auto reports = ask(engine().sites());
  REQUIRE(reports);
  const auto at = std::ranges::find_if(*reports, [&](const auto& r) { return r.site.id.str() == site; });
  REQUIRE(at != reports->end());
  return *at;
}

Counters World::counters() {
  auto answer = ask(engine().counters());
  REQUIRE(answer);
  return *answer;
}

int World::payload_runs(const JobId& id, std::optional<std::int32_t> attempt) {
  int runs = 0;
  for (auto& [name, place] : sites_) {
    for (const auto& job : place.model->cluster().jobs()) {
      const auto tag = domain::parse_tag(job.request.name);
      if (tag && tag->job == id && (!attempt || tag->attempt == *attempt)) runs += job.payload_starts;
    }
  }
  return runs;
}

int World::site_jobs(const std::string& site, const JobId& id) {
  return static_cast<int>(std::ranges::count_if(cluster(site).jobs(), [&](const auto& job) {
    const auto tag = domain::parse_tag(job.request.name);
    return tag && tag->job == id;
  }));
}

SiteJobId World::plant(const std::string& site, const std::string& account, const Tag& name, const std::string& behaviour) {
  auto parsed = model::parse_behaviour("#model " + behaviour);
  REQUIRE(parsed);
  auto id = cluster(site).submit({.name = name.str(), .account = LocalAccount(account), .behaviour = *parsed});
  REQUIRE(id);
  return *id;
}

int World::count(const std::string& site, const std::string& what, MonotonicTime from) const {
  return static_cast<int>(std::ranges::count_if(
      calls, [&](const Call& c) { return c.site == site && c.at >= from && (what == "*" || c.what == what); }));
}

void World::check_budgets() const {
  constexpr std::array kQueries{"snapshot", "find", "status", "usage", "doctor"};
  for (const auto& [id, place] : sites_) {
    const auto& budget = place.options.budget;
    const auto check = [&](const char* kind, std::int32_t allowed, const auto& counts) {
      std::deque<MonotonicTime> window;
      for (const auto& call : calls) {
        if (call.site != id || !counts(call.what)) continue;
        while (!window.empty() && call.at - window.front() >= 60s) window.pop_front();
        window.push_back(call.at);
        if (static_cast<std::int32_t>(window.size()) > allowed) {
          FAIL(id << ": " << window.size() << " " << kind << " in a minute at " << call.at.since_origin.count() << " ms, allowed "
                  << allowed);
        }
      }
    };
    check("queries", budget.queries_per_minute,
          [&](const std::string& what) { return std::ranges::find(kQueries, what) != kQueries.end(); });
    check("submits", budget.submits_per_minute, [](const std::string& what) { return what == "submit"; });
    check("cancels", budget.cancels_per_minute, [](const std::string& what) { return what == "cancel"; });
    if (const auto most = most_in_flight.find(id); most != most_in_flight.end()) CHECK(most->second <= budget.concurrent_calls);
  }
}

void check_replay(World& w, const JobId& id) {
  const auto stored = w.decision(id);
  INFO("job " << id.str() << ": " << stored.reason.code << ", " << stored.reason.message);
  const auto again = routing::replay(w.job(id).spec, stored.input_hash,
                                     [&](const std::string& hash) -> Result<std::string> { return w.document(hash); });
  REQUIRE(again);
  CHECK(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(stored)));
}

}  // namespace hansa::engine::test
