// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/engine/engine_fixture.hpp"

#include "broker/domain/transition.hpp"
#include "connectors/model/behaviour.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>

namespace hansa::engine::test {

namespace model = connectors::model;

using async::Deadline;
using async::Task;

namespace {

std::unexpected<Error> gone() { return fail(ErrorKind::cancelled, "PROCESS_DEAD", "this process has crashed"); }

/// Between the engine and a model site.
class GatedConnector final : public ports::SiteConnector {
 public:
  GatedConnector(World& world, std::shared_ptr<Gate> gate, std::string site, std::unique_ptr<ports::SiteConnector> inner)
      : world_(world), gate_(std::move(gate)), site_(std::move(site)), inner_(std::move(inner)) {}

  Task<domain::SiteSnapshot> snapshot(Deadline d) override {
    return pass<domain::SiteSnapshot>("snapshot", 0, [this, d] { return inner_->snapshot(d); });
  }
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest r, Deadline d) override {
    return pass<ports::SubmitReceipt>("submit", 1, [this, d, r = std::move(r)] { return inner_->submit(r, d); });
  }
  Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, Deadline d) override {
    const auto n = wanted.size();
    return pass<ports::FindResult>("find", n, [this, d, w = std::move(wanted)] { return inner_->find(w, d); });
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    const auto n = jobs.size();
    return pass<std::vector<ports::JobStatus>>("status", n, [this, d, j = std::move(jobs)] { return inner_->status(j, d); });
  }
  Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    return pass<domain::CancelOutcome>("cancel", 1, [this, d, job, when] { return inner_->cancel(job, when, d); });
  }
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline d) override {
    return pass<ports::SealOutcome>("seal", 1, [this, d, fence] { return inner_->seal(fence, d); });
  }
  Task<ports::UsagePage> usage(ports::UsageCursor from, Deadline d) override {
    return pass<ports::UsagePage>("usage", 0, [this, d, from] { return inner_->usage(from, d); });
  }
  Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                       Deadline d) override {
    return pass<ports::OutputChunk>("read_output", 1, [=, this] { return inner_->read_output(job, stream, offset, limit, d); });
  }

 private:
  template <class T>
  Task<T> pass(std::string what, std::size_t jobs, std::function<Task<T>()> call) {
    if (gate_->dead) co_return gone();
    world_.calls.push_back(
        {.site = site_, .what = std::move(what), .at = world_.time.now_monotonic(), .process = gate_->process, .jobs = jobs});
    struct Flight {
      int& n;
      ~Flight() { --n; }
    } flight{in_flight_};
    auto& most = world_.most_in_flight[site_];
    most = std::max(most, ++in_flight_);
    auto answer = co_await call();
    if (gate_->dead) co_return gone();
    if constexpr (std::is_same_v<T, std::vector<ports::JobStatus>>) {
      if (answer && world_.retell) std::ranges::for_each(*answer, [&](auto& status) { world_.retell(site_, status); });
    }
    co_return answer;
  }

  World& world_;
  std::shared_ptr<Gate> gate_;
  std::string site_;
  std::unique_ptr<ports::SiteConnector> inner_;
  int in_flight_ = 0;
};

}  // namespace

/// Between the engine and its store.
class GatedStore final : public ports::JobStore, public ports::UsageStore, public ports::SiteStore {
 public:
  GatedStore(store::SqliteStore& inner, std::shared_ptr<Gate> gate) : inner_(inner), gate_(std::move(gate)) {}

  Task<ports::AcceptedJobs> accept_jobs(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> key) override {
    return write<ports::AcceptedJobs>(inner_.accept_jobs(std::move(jobs), std::move(key)));
  }
  Task<> record(ports::JobChange change) override { return write<void>(inner_.record(std::move(change))); }
  Task<std::size_t> book_usage(SiteId site, std::vector<domain::UsageRecord> records, ports::UsageCursor next) override {
    return write<std::size_t>(inner_.book_usage(std::move(site), std::move(records), std::move(next)));
  }
  Task<> record_site_state(domain::SiteState state) override { return write<void>(inner_.record_site_state(std::move(state))); }

  Task<domain::Job> job(JobId id) override { return inner_.job(id); }
  Task<domain::JobPayload> payload(JobId id) override { return inner_.payload(id); }
  Task<std::vector<domain::Job>> jobs(ports::JobQuery query) override { return inner_.jobs(std::move(query)); }
  Task<std::vector<domain::Job>> active_jobs(std::optional<JobId> after, std::size_t limit) override {
    return inner_.active_jobs(after, limit);
  }
  Task<std::vector<ports::StoredEvent>> events(JobId id) override { return inner_.events(id); }
  Task<std::vector<ports::StoredEvent>> events_after(std::int64_t after, std::size_t limit) override {
    return inner_.events_after(after, limit);
  }
  Task<std::int64_t> last_event() override { return inner_.last_event(); }
  Task<domain::Decision> decision(JobId id) override { return inner_.decision(id); }
  Task<std::string> document(std::string hash) override { return inner_.document(std::move(hash)); }
  Task<ports::UsageCursor> usage_cursor(SiteId site) override { return inner_.usage_cursor(std::move(site)); }
  Task<std::vector<ports::UsageRow>> usage_report(ports::UsageQuery query) override {
    return inner_.usage_report(std::move(query));
  }
  Task<std::vector<domain::UsageRecord>> usage_of(JobId id) override { return inner_.usage_of(id); }
  Task<std::vector<domain::SiteState>> site_states() override { return inner_.site_states(); }

 private:
  template <class T>
  Task<T> write(Task<T> work) {
    if (gate_->dead) co_return gone();
    if (gate_->full) co_return fail(ErrorKind::storage_full, "STORAGE_FULL", "no space left");
    const auto number = ++gate_->writes;
    const bool last = gate_->die_at_write && number >= *gate_->die_at_write;
    if (last && gate_->die_before) {
      gate_->dead = true;
      co_return gone();
    }
    auto outcome = co_await std::move(work);
    if (last) gate_->dead = true;
    if (gate_->dead) co_return gone();
    co_return outcome;
  }

  store::SqliteStore& inner_;
  std::shared_ptr<Gate> gate_;
};

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
  [[nodiscard]] std::vector<ProjectId> projects_of(const Principal&) const override { return {ProjectId("lab")}; }

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
  start();
}

World::~World() { crash(); }

void World::start() {
  const auto epoch = store_->begin_epoch();
  REQUIRE(epoch);
  options.epoch = *epoch;
  gate_ = std::make_shared<Gate>();
  gate_->process = ++processes_;
  ids_ = std::make_unique<UlidSource>(time, random);
  gated_store_ = std::make_unique<GatedStore>(*store_, gate_);
  std::vector<SiteSetup> setups;
  for (auto& [id, place] : sites_) {
    if (!place.configured) continue;
    setups.push_back(
        {.site = {.id = SiteId(id), .name = id, .country = "FI", .connector = "model", .budget = place.options.budget},
         .connector = std::make_unique<GatedConnector>(*this, gate_, id,
                                                       std::make_unique<model::ModelConnector>(time, SiteId(id), place.model))});
  }
  engine_ = std::make_unique<Engine>(Engine::Parts{.strand = time.executor(),
                                                   .scheduler = time,
                                                   .ids = *ids_,
                                                   .jobs = *gated_store_,
                                                   .usage = *gated_store_,
                                                   .sites = *gated_store_,
                                                   .accounts = *people_,
                                                   .log = *notebook_},
                                     options, std::move(setups));
  asks_ = std::make_unique<async::TaskGroup>(time.executor(), 100'000, [](std::string_view, const Error&) {});
  const auto started = ask(engine_->start());
  if (!started) INFO(started.error().message);
  REQUIRE((started || dead()));
}

void World::crash() {
  if (!engine_) return;
  gate_->dead = true;
  bool stopped = false;
  const auto stop = [](async::TaskGroup& asks, Engine& engine) -> Task<> {
    (void)co_await asks.close();
    co_return co_await engine.stop();
  };
  boost::asio::co_spawn(time.executor(), stop(*asks_, *engine_),
                        [&](const std::exception_ptr&, const Result<void>&) { stopped = true; });
  time.run_ready();
  if (!stopped) {  // cannot be: a cancelled coroutine waits for nothing
    std::cerr << "the engine did not unwind\n";
    std::abort();
  }
  engine_.reset();
  asks_.reset();
  time.run_ready();  // what was posted and refers to none of it
  gated_store_.reset();
  ids_.reset();
}

void World::advance(Milliseconds by) {
  const auto end = time.now_monotonic() + by;
  if (!time.run_until([this] { return dead(); }, by) && time.now_monotonic() < end) time.run_until(end);
}

bool World::until(const std::function<bool()>& done, Milliseconds at_most) {
  time.run_until([&] { return dead() || done(); }, at_most);
  return !dead() && done();
}

Result<Acceptance> World::try_submit(const std::vector<Wish>& wishes) {
  std::vector<domain::Submission> submissions;
  for (const auto& wish : wishes) {
    domain::Submission s;
    s.spec.name = "test";
    s.spec.resources.tasks = wish.tasks;
    s.spec.time_limit = wish.limit;
    s.spec.requeue = wish.requeue;
    for (const auto& id : wish.sites) s.spec.placement.sites.emplace_back(id);
    s.payload.script = "#!/bin/sh\n#model " + wish.behaviour + "\n";
    submissions.push_back(std::move(s));
  }
  const auto& first = wishes.front();
  std::optional<ports::Idempotency> key;
  if (first.key) key = ports::Idempotency{.key = *first.key, .request_hash = "hash of " + *first.key};
  return ask(engine_->intake().accept(Principal(first.person), std::move(submissions), std::move(key)));
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

namespace {

/// The inline store answers within one turn: no time passes, and no process is needed.
template <class T>
T read(simulation::VirtualScheduler& time, Task<T> task) {
  std::optional<Result<T>> answer;
  boost::asio::co_spawn(time.executor(), std::move(task), [&](const std::exception_ptr&, Result<T> r) { answer = std::move(r); });
  time.run_ready();
  REQUIRE(answer);
  if (!*answer) FAIL(answer->error().message);
  return std::move(**answer);
}

}  // namespace

domain::Job World::job(const JobId& id) { return read(time, store_->job(id)); }

std::vector<domain::JobEvent> World::events(const JobId& id) {
  std::vector<domain::JobEvent> events;
  for (auto& stored : read(time, store_->events(id))) events.push_back(std::move(stored.event));
  return events;
}

domain::Decision World::decision(const JobId& id) { return read(time, store_->decision(id)); }

std::string World::document(const std::string& hash) { return read(time, store_->document(hash)); }

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
  const auto reports = ask(engine_->sites());
  REQUIRE(reports);
  const auto at = std::ranges::find_if(*reports, [&](const auto& r) { return r.site.id.str() == site; });
  REQUIRE(at != reports->end());
  return *at;
}

Counters World::counters() {
  auto answer = ask(engine_->counters());
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
  constexpr std::array kQueries{"snapshot", "find", "status", "usage"};
  for (const auto& [id, place] : sites_) {
    const auto& budget = place.options.budget;
    const auto check = [&](const char* kind, std::int32_t allowed, const auto& counts) {
      std::map<int, std::deque<MonotonicTime>> recent;
      for (const auto& call : calls) {
        if (call.site != id || !counts(call.what)) continue;
        auto& window = recent[call.process];
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

}  // namespace hansa::engine::test
