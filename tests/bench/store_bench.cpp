// SPDX-License-Identifier: Apache-2.0
// How fast the store takes jobs, against a bare SQLite loop that inserts the same rows in groups of the same size, by
// turns; and whether it stays so with many jobs stored.
//
//   store_bench [--dir DIR] [--seconds S] [--rounds N] [--depth JOBS]

#include "broker/core/canonical_json.hpp"
#include "broker/domain/transition.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/sqlite_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace {

using namespace hansa;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct SystemClock final : hansa::Clock {
  UtcTime now_utc() const override { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); }
  MonotonicTime now_monotonic() const override { return {}; }
};
struct Mersenne final : Random {
  std::mt19937_64 engine{1};
  void fill(std::span<std::byte> out) override {
    for (auto& byte : out) byte = static_cast<std::byte>(engine());
  }
};

class Jobs {
 public:
  /// The next request's owner; there are twenty.
  std::size_t next_owner() { return ++owners_ % 20; }
  ports::NewJob next(std::size_t owner) {
    domain::JobSpec spec;
    spec.name = "train-" + std::to_string(count_ % 1000);
    spec.project = ProjectId("project-" + std::to_string(count_ % 10));
    spec.resources.nodes = 2;
    spec.resources.tasks = 8;
    spec.resources.cpus_per_task = 8;
    spec.resources.gpu_model = "a100";
    const domain::Accepted accepted{.owner = Principal("local:user" + std::to_string(owner)), .broker_id = "bench", .spec = spec};
    ++count_;
    return {
        .job = domain::new_job(ids_.next(), 1, clock_.now_utc(), accepted),
        .payload = {
            .script = "#!/bin/bash\n#SBATCH --comment=bench\nmodule load python\nsrun python train.py --epochs 3 --lr 0.001\n" +
                      std::string(200, '#'),
            .arguments = {"--epochs", "3"},
            .environment = {{"OMP_NUM_THREADS", "8"}, {"MODE", "train"}}}};
  }
  std::string key() { return ids_.next().str(); }

 private:
  SystemClock clock_;
  Mersenne random_;
  UlidSource ids_{clock_, random_};
  std::size_t count_ = 0;
  std::size_t owners_ = 0;
};

void clear(const std::filesystem::path& dir) {
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
}

std::unique_ptr<store::SqliteStore> open_store(const std::filesystem::path& dir) {
  store::Options options;
  options.state_dir = dir;
  options.broker_id = "bench";
  auto opened = store::SqliteStore::open(options);
  if (!opened) {
    std::fprintf(stderr, "%s %s\n", opened.error().message.c_str(), opened.error().detail.c_str());
    std::exit(1);
  }
  if (auto epoch = (*opened)->begin_epoch(); !epoch) std::exit(1);
  return std::move(*opened);
}

double cpu_seconds(int whose) {
  rusage usage{};
  ::getrusage(whose, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Rate {
  double caller_us = 0;  // processor time a job, of the callers' thread and of the store's
  double store_us = 0;
  double rows_per_second = 0;
  double group = 0;
  std::vector<double> latencies_ms;
};

double percentile(std::vector<double>& values, double p) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(p * static_cast<double>(values.size())))];
}

async::Task<> caller(store::SqliteStore& store, Jobs& jobs, Clock::time_point end, std::size_t bulk, Rate& rate, bool keyed,
                     std::vector<JobId>* ids) {
  while (Clock::now() < end) {
    const auto begun = Clock::now();
    std::vector<ports::NewJob> request;
    const auto owner = jobs.next_owner();
    for (std::size_t i = 0; i < bulk; ++i) request.push_back(jobs.next(owner));
    std::optional<ports::Idempotency> key;
    if (keyed) key = ports::Idempotency{.key = jobs.key(), .request_hash = std::string(64, 'a')};
    auto accepted = co_await store.accept_jobs(std::move(request), std::move(key));
    if (!accepted) {
      std::fprintf(stderr, "%s %s\n", accepted.error().message.c_str(), accepted.error().detail.c_str());
      std::exit(1);
    }
    rate.rows_per_second += static_cast<double>(bulk);
    rate.latencies_ms.push_back(seconds_since(begun) * 1e3);
    if (ids != nullptr) ids->insert(ids->end(), accepted->ids.begin(), accepted->ids.end());
  }
  co_return Result<void>{};
}

Rate through_store(store::SqliteStore& store, Jobs& jobs, int callers, double seconds, std::size_t bulk = 1, bool keyed = true,
                   std::vector<JobId>* ids = nullptr) {
  Rate rate;
  boost::asio::io_context context(1);
  const auto before = store.figures();
  const auto cpu = cpu_seconds(RUSAGE_SELF);
  const auto own_cpu = cpu_seconds(RUSAGE_THREAD);
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (int i = 0; i < callers; ++i) {
    boost::asio::co_spawn(context, caller(store, jobs, end, bulk, rate, keyed, ids),
                          [](const std::exception_ptr& e, const Result<void>&) {
                            if (e) std::rethrow_exception(e);
                          });
  }
  context.run();
  const auto after = store.figures();
  rate.caller_us = (cpu_seconds(RUSAGE_THREAD) - own_cpu) / rate.rows_per_second * 1e6;
  rate.store_us = (cpu_seconds(RUSAGE_SELF) - cpu) / rate.rows_per_second * 1e6 - rate.caller_us;
  rate.rows_per_second /= seconds_since(start);
  rate.group =
      static_cast<double>(after.group.sum - before.group.sum) / static_cast<double>(after.group.count() - before.group.count());
  return rate;
}

/// The same tables and rows, by the shortest loop there is: values made beforehand, no queue, no thread, no savepoint.
double bare_sqlite(const std::filesystem::path& dir, Jobs& jobs, std::size_t group, double seconds, double& cpu_us) {
  double cpu = 0;
  clear(dir);
  store::Connection db({.path = (dir / "bare.db").string(), .vfs = "", .busy_timeout = Milliseconds{1000}, .cache_kib = 65536},
                       store::Connection::Mode::read_write);
  if (!db.apply_settings(store::Connection::Mode::read_write) || !store::migrate(db, store::migrations(), UtcTime{}))
    std::exit(1);
  sqlite3_wal_autocheckpoint(db.handle(), 4000);
  const auto prepare = [&](const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) std::exit(1);
    return statement;
  };
  auto* job = prepare(
      "INSERT INTO jobs(id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, held_by_user, "
      "accepted_at_ms, spec) VALUES(?1, ?2, ?3, 'bench', 1, 1, 1, 'accepted', '', '', 0, ?4, ?5)");
  auto* payload = prepare("INSERT INTO payloads(job, script, arguments, environment) VALUES(?1, ?2, ?3, ?4)");
  auto* event = prepare("INSERT INTO events(job, version, at_ms, name, body) VALUES(?1, 1, ?2, 'accepted', ?3)");
  auto* key = prepare("INSERT INTO idempotency(key, owner, request_hash, first_job, jobs, at_ms) VALUES(?1, ?2, ?3, ?4, 1, 0)");
  const auto step = [&](sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) std::exit(1);
    sqlite3_reset(statement);
  };
  const auto text = [](sqlite3_stmt* s, int i, const std::string& v) {
    sqlite3_bind_text(s, i, v.data(), static_cast<int>(v.size()), SQLITE_STATIC);
  };
  const auto blob = [](sqlite3_stmt* s, int i, const std::string& v) {
    sqlite3_bind_blob(s, i, v.data(), static_cast<int>(v.size()), SQLITE_STATIC);
  };
  const std::string hash(64, 'a');

  store::VerdictWriter verdicts;
  double rows = 0;
  double spent = 0;
  while (spent < seconds) {
    std::vector<ports::NewJob> made;
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < group * 16; ++i) {
      made.push_back(jobs.next(jobs.next_owner()));
      keys.push_back(jobs.key());
    }
    const auto request = store::prepare_accept(std::move(made), std::nullopt, verdicts);
    const auto start = Clock::now();
    const auto cpu_before = cpu_seconds(RUSAGE_THREAD);
    for (std::size_t i = 0; i < request->entries.size();) {
      db.run_script("BEGIN IMMEDIATE");
      for (std::size_t g = 0; g < group; ++g, ++i) {
        const auto& entry = request->entries[i];
        sqlite3_bind_blob(job, 1, entry.job.id.bytes().data(), 16, SQLITE_STATIC);
        text(job, 2, entry.job.owner.str());
        text(job, 3, entry.job.spec.project.str());
        sqlite3_bind_int64(job, 4, to_unix_ms(entry.job.accepted_at));
        text(job, 5, entry.spec);
        step(job);
        const auto row = sqlite3_last_insert_rowid(db.handle());
        sqlite3_bind_int64(payload, 1, row);
        blob(payload, 2, entry.script);
        blob(payload, 3, entry.arguments);
        blob(payload, 4, entry.environment);
        step(payload);
        sqlite3_bind_int64(event, 1, row);
        sqlite3_bind_int64(event, 2, to_unix_ms(entry.job.accepted_at));
        text(event, 3, entry.event);
        step(event);
        text(key, 1, keys[i]);
        text(key, 2, entry.job.owner.str());
        text(key, 3, hash);
        sqlite3_bind_int64(key, 4, row);
        step(key);
      }
      db.run_script("COMMIT");
    }
    spent += seconds_since(start);
    cpu += cpu_seconds(RUSAGE_THREAD) - cpu_before;
    rows += static_cast<double>(request->entries.size());
  }
  for (auto* statement : {job, payload, event, key}) sqlite3_finalize(statement);
  cpu_us = cpu / rows * 1e6;
  return rows / spent;
}

struct Spread {
  std::vector<double> values;
  void print(const char* what) {
    std::ranges::sort(values);
    std::printf("%s %8.0f [%.0f-%.0f]", what, values[values.size() / 2], values.front(), values.back());
  }
  double median() { return std::ranges::sort(values), values[values.size() / 2]; }
};

void intake(const std::filesystem::path& dir, double seconds, int rounds) {
  std::printf("jobs/s, one request a job, each with an Idempotency-Key; median [range] of %d rounds of %.1f s\n", rounds,
              seconds);
  for (const int callers : {1, 8, 32, 64}) {
    Spread ours;
    Spread bare;
    Spread groups;
    std::vector<double> latencies;
    Spread caller_us;
    Spread store_us;
    Spread bare_us;
    for (int round = 0; round < rounds; ++round) {
      clear(dir);
      Jobs jobs;
      double group = 1;
      {
        auto store = open_store(dir);
        auto rate = through_store(*store, jobs, callers, seconds);
        ours.values.push_back(rate.rows_per_second);
        groups.values.push_back(group = rate.group);
        caller_us.values.push_back(rate.caller_us);
        store_us.values.push_back(rate.store_us);
        latencies.insert(latencies.end(), rate.latencies_ms.begin(), rate.latencies_ms.end());
      }
      double cpu = 0;
      bare.values.push_back(
          bare_sqlite(dir, jobs, std::max<std::size_t>(1, static_cast<std::size_t>(group + 0.5)), seconds, cpu));
      bare_us.values.push_back(cpu);
    }
    std::printf("%3d callers: ", callers);
    ours.print("store");
    bare.print("  bare SQLite");
    std::printf("  ratio %.2f  jobs a commit %.1f  ack p50 %.2f p99 %.2f max %.1f ms\n", ours.median() / bare.median(),
                groups.median(), percentile(latencies, 0.5), percentile(latencies, 0.99), latencies.back());
    std::printf("             processor time a job: callers %.1f, store %.1f, bare SQLite %.1f us\n", caller_us.median(),
                store_us.median(), bare_us.median());
  }
}

void get_latencies(store::SqliteStore& store, const std::vector<JobId>& ids, int calls, std::mt19937_64& random,
                   std::vector<double>& took) {
  boost::asio::io_context context(1);
  boost::asio::co_spawn(
      context,
      [&]() -> async::Task<> {
        for (int i = 0; i < calls; ++i) {
          const auto id = ids[random() % ids.size()];
          const auto start = Clock::now();
          if (!co_await store.job(id)) std::exit(1);
          took.push_back(seconds_since(start) * 1e6);
        }
        co_return Result<void>{};
      }(),
      [](const std::exception_ptr&, const Result<void>&) {});
  context.run();
}

void depth(const std::filesystem::path& dir, std::size_t stored, double seconds, int rounds) {
  const auto full = dir / "full";
  const auto empty = dir / "empty";
  clear(full);
  Jobs jobs;
  std::vector<JobId> ids;
  auto deep = open_store(full);
  const auto fill = Clock::now();
  while (ids.size() < stored) through_store(*deep, jobs, 8, 1.0, 100, true, &ids);
  std::printf("%zu jobs stored in %.0f s, 100 a request\n", ids.size(), seconds_since(fill));

  Spread deep_rate;
  Spread empty_rate;
  std::mt19937_64 random(7);
  std::vector<double> deep_get;
  std::vector<double> empty_get;
  for (int round = 0; round < rounds; ++round) {
    clear(empty);
    auto fresh = open_store(empty);
    std::vector<JobId> few;
    empty_rate.values.push_back(through_store(*fresh, jobs, 32, seconds, 1, true, &few).rows_per_second);
    deep_rate.values.push_back(through_store(*deep, jobs, 32, seconds).rows_per_second);
    few.resize(std::min<std::size_t>(few.size(), 1000));
    for (int turn = 0; turn < 40; ++turn) {  // short turns: what else the machine does hits both alike
      get_latencies(*fresh, few, 500, random, empty_get);
      get_latencies(*deep, ids, 500, random, deep_get);
    }
  }
  empty_rate.print("intake at 32 callers: empty");
  deep_rate.print("  full");
  std::printf("  ratio %.2f\n", deep_rate.median() / empty_rate.median());
  std::printf("job by id: empty p50 %.0f p90 %.0f p99 %.0f us  full p50 %.0f p90 %.0f p99 %.0f us  ratio of p99 %.2f\n",
              percentile(empty_get, 0.5), percentile(empty_get, 0.9), percentile(empty_get, 0.99), percentile(deep_get, 0.5),
              percentile(deep_get, 0.9), percentile(deep_get, 0.99), percentile(deep_get, 0.99) / percentile(empty_get, 0.99));

  boost::asio::io_context context(1);
  boost::asio::co_spawn(
      context,
      [&]() -> async::Task<> {
        const auto start = Clock::now();
        std::optional<JobId> after;
        std::size_t loaded = 0;
        while (loaded < 100'000) {
          auto page = co_await deep->active_jobs(after, 5000);
          if (!page || page->empty()) break;
          loaded += page->size();
          after = page->back().id;
        }
        std::printf("%zu active jobs loaded in %.2f s\n", loaded, seconds_since(start));
        co_return Result<void>{};
      }(),
      [](const std::exception_ptr&, const Result<void>&) {});
  context.run();
  const auto closing = Clock::now();
  static_cast<void>(deep->close());
  deep.reset();
  std::printf("closed in %.2f s, ", seconds_since(closing));
  const auto opening = Clock::now();
  deep = open_store(full);
  std::printf("opened again in %.2f s\n", seconds_since(opening));
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path dir = std::filesystem::temp_directory_path() / ("hansa-store-bench-" + std::to_string(::getpid()));
  double seconds = 2;
  int rounds = 5;
  std::size_t stored = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--dir")
      dir = argv[i + 1];
    else if (name == "--seconds")
      seconds = std::atof(argv[i + 1]);
    else if (name == "--rounds")
      rounds = std::max(1, std::atoi(argv[i + 1]));
    else if (name == "--depth")
      stored = static_cast<std::size_t>(std::atoll(argv[i + 1]));
    else
      return std::fprintf(stderr, "unknown option %s\n", argv[i]), 2;
  }
  clear(dir);
  std::printf("SQLite %s, in %s\n", sqlite3_libversion(), dir.c_str());
  if (stored == 0)
    intake(dir, seconds, rounds);
  else
    depth(dir, stored, seconds, rounds);
  std::filesystem::remove_all(dir);
  return 0;
}
