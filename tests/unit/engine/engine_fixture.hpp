// SPDX-License-Identifier: Apache-2.0
#pragma once
// The world around a broker in a bottle: people, model sites, the real SQLite store (in memory), for histories that a test tells.

#include "broker/engine/allocation_register.hpp"
#include "broker/engine/catalogue.hpp"
#include "broker/engine/fact_register.hpp"
#include "broker/engine/secret_vault.hpp"
#include "connectors/model/model_connector.hpp"
#include "tests/bottle/process.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace hansa::engine::test {

using namespace std::chrono_literals;
using domain::JobState;
using domain::Outcome;

inline const Principal kAlice{"local:alice"}, kRoot{"local:root"};

struct SiteOptions {
  std::string id;
  std::int32_t cores = 4;  // on one node, unless `cluster` has node groups of its own
  domain::LoadBudget budget{};
  connectors::model::ClusterOptions cluster{.name = {}, .node_groups = {}};
  Milliseconds skew{0};
  std::map<ProjectId, std::string> scheduler_accounts = {};  // what a project is charged to there
  domain::Hardware hardware = {};
  domain::SoftwareProfile software = {};
  std::optional<domain::Charging> charging = {};
};

/// What a person asks for.
struct Wish {
  std::string behaviour = "run=10s";  // of the model job
  std::int32_t tasks = 1;
  Seconds limit{3600};
  std::vector<std::string> sites = {};
  std::string person = "local:alice";
  bool requeue = false;
  std::optional<std::string> key = {};  // idempotency key
  std::vector<std::string> datasets = {};
  domain::Labels labels = {};
  std::map<std::string, std::string> outputs = {};
  std::int32_t gpus = 0;  // of model a100
  std::string array = {};
  bool exclusive = false;
  std::vector<JobId> after = {};
  std::vector<std::size_t> after_earlier = {};  // of the same request
  std::vector<domain::Variant> variants = {};
  bool outbound = false;
  std::string image = {};
  std::vector<domain::SecretUse> secrets = {};
};

/// What is in force: the texts of the packs, and what is told of whom.
struct Law {
  std::vector<rules::PackText> packs = {};
  RegisterFacts broker = {};
  std::map<std::string, RegisterFacts> sites = {};
  RegisterFacts lab = {};  // the one project
  RegisterFacts alice = {};

  [[nodiscard]] Regulations regulations() const;
};
/// Parsed once, whoever asks for the same texts again: a history enacts the same few over and over. Fails the test if they are
/// none.
const std::vector<rules::Pack>& parsed(const std::vector<rules::PackText>& packs);
/// A rule's text; several actions or clauses have commas between them.
std::string rule(const std::string& id, const std::string& effect, const std::string& actions, const std::string& clauses,
                 const std::string& unless = "");
RegisterFact fact(rules::Attribute attribute, rules::Value value, std::optional<UtcTime> as_of = std::nullopt);

using bottle::Call;
using bottle::Gate;

class World {
 public:
  explicit World(std::vector<SiteOptions> sites, EngineOptions options = {}, std::uint64_t seed = 1);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // ---- the process
  void start();
  /// Nothing is stopped in order: what is not written is lost, what is at a site stays there.
  void crash();
  void restart() { crash(), start(); }
  /// Another process has taken the store over; this one does not know yet.
  void replace() { REQUIRE(store_->begin_epoch()); }
  [[nodiscard]] Engine& engine() { return process_->engine(); }
  [[nodiscard]] SecretVault& vault() { return *vault_; }
  [[nodiscard]] Gate& gate() { return *gate_; }
  [[nodiscard]] bool dead() const { return gate_->dead; }
  /// From now on, restarts included.
  void regulate(Law law);
  [[nodiscard]] const Law& law() const { return law_; }
  void drop_site(const std::string& id) { sites_.at(id).configured = false; }
  void add_site(const std::string& id) { sites_.at(id).configured = true; }

  // ---- time; both end early when the process dies
  void advance(Milliseconds by);
  bool until(const std::function<bool()>& done, Milliseconds at_most = 24h);

  // ---- people
  Result<Acceptance> try_submit(const std::vector<Wish>& wishes);
  JobId submit(const Wish& wish = {});
  std::vector<JobId> submit(int count, const Wish& wish);
  template <class T>
  Result<T> ask(async::Task<T> task, Milliseconds at_most = 1h) {
    auto outcome = start_asking(std::move(task));
    until([&] { return outcome->has_value(); }, at_most);
    if (!outcome->has_value()) return fail(ErrorKind::cancelled, "NO_ANSWER", "no answer in time, or the broker died");
    return std::move(**outcome);
  }
  /// Asked, not waited for.
  template <class T>
  bottle::Process::Answer<T> start_asking(async::Task<T> task) {
    return process_->start_asking(std::move(task));
  }

  // ---- the register of datasets: alice's, of the project "lab"; root is the second person
  void add_dataset(const std::string& id, const domain::Labels& labels, std::int64_t bytes = 1);
  void relabel(const std::string& id, const domain::Labels& labels);
  void set_terms(const std::string& id, const domain::Terms& terms);
  /// Verified until then; nothing: a copy that nobody has looked at.
  void add_replica(const std::string& id, const std::string& site, std::optional<UtcTime> until);
  domain::Dataset dataset(const std::string& id);

  // ---- the registers of places, projects and people, as this process has them
  [[nodiscard]] FactRegister facts();
  /// Asked by alice, and approved by root if need be.
  void state_fact(const std::string& subject, const std::string& attribute, rules::Value value,
                  std::optional<UtcTime> until = std::nullopt);
  void withdraw_fact(const std::string& subject, const std::string& attribute);

  // ---- allocations, of the project "lab", by root
  domain::AllocationId grant(std::int64_t units, const std::string& unit = "core-hours", const std::string& site = "");
  /// What the site says is left.
  void tell_balance(const std::string& site, std::int64_t units, const std::string& unit = "core-hours");
  domain::Allocation allocation(const domain::AllocationId& id);
  /// Of all sites and projects.
  std::vector<domain::Allocation> balances();
  /// The site's balance of "lab".
  domain::Allocation balance(const std::string& site);

  // ---- what is stored
  domain::Job job(const JobId& id);
  JobState state(const JobId& id) { return job(id).state; }
  std::vector<domain::JobEvent> events(const JobId& id);
  template <class Event>
  std::vector<Event> events_of(const JobId& id) {
    std::vector<Event> found;
    for (const auto& event : events(id)) {
      if (const auto* body = std::get_if<Event>(&event.body)) found.push_back(*body);
    }
    return found;
  }
  /// The last one about the job, and what decisions were taken from.
  domain::Decision decision(const JobId& id);
  std::string document(const std::string& hash);
  std::vector<domain::UsageRecord> usage(const JobId& id);
  std::vector<domain::WaitScore> waits(const std::string& site);
  bool over(const JobId& id) { return domain::is_terminal(state(id)); }
  bool all_over(const std::vector<JobId>& ids);
  bool run_to_end(const std::vector<JobId>& ids, Milliseconds at_most = 24h);
  SiteReport report(const std::string& site);
  Counters counters();

  // ---- what is at the sites
  connectors::model::ModelSite& site(const std::string& id) { return *sites_.at(id).model; }
  connectors::model::Cluster& cluster(const std::string& id) { return site(id).cluster(); }
  [[nodiscard]] int payload_runs(const JobId& id, std::optional<std::int32_t> attempt = std::nullopt);
  [[nodiscard]] int site_jobs(const std::string& site, const JobId& id);
  /// Somebody at the site gives a job of their own this name.
  SiteJobId plant(const std::string& site, const std::string& account, const Tag& name, const std::string& behaviour = "run=10s");

  // ---- what left the process
  std::vector<Call> calls;
  std::map<std::string, int> most_in_flight;  // per site
  [[nodiscard]] int count(const std::string& site, const std::string& what, MonotonicTime from = {}) const;
  /// No more of any kind than the budget allows in any 60 s, over restarts, nor at a time.
  void check_budgets() const;
  std::vector<std::string> log;

  std::map<std::pair<std::string, std::string>, std::string>
      accounts;  // person, site -> account; absent: "alice" of "local:alice"
  std::function<void(const std::string& site, ports::JobStatus&)> retell;  // what a site says of a job, changed on its way
  std::function<void()> on_start;  // a new process has its gate, and has done nothing yet
  std::set<std::string> strangers;  // persons without an account anywhere
  std::map<std::string, std::string> projects;  // person -> their project; absent: "lab"
  EngineOptions options;
  DataSetup data;  // of the next process
  simulation::VirtualScheduler time;
  simulation::SeededRandom random;

 private:
  struct Place {
    SiteOptions options;
    std::shared_ptr<connectors::model::ModelSite> model;
    bool configured = true;
  };
  class People;
  class Notebook;

  void approve_all(const CatalogueOutcome& outcome);

  Law law_;
  std::map<std::string, Place> sites_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<SecretVault> vault_;
  std::unique_ptr<People> people_;
  std::unique_ptr<Notebook> notebook_;
  int processes_ = 0;
  std::shared_ptr<Gate> gate_;
  std::unique_ptr<bottle::Stores> stores_;
  std::unique_ptr<ports::TransferStore> transfers_;
  std::unique_ptr<ports::CatalogueStore> datasets_;
  std::unique_ptr<bottle::Process> process_;
  UlidSource changes_{time, random};
};

/// The job's decision is taken again from what the store has, and is the same to the last byte.
void check_replay(World& w, const JobId& id);

}  // namespace hansa::engine::test
