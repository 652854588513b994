// SPDX-License-Identifier: Apache-2.0
// How fast the ledger books what a site tells, durably: a run of each job that fill_store has made, in the order of their ends,
// in pages of 1,000, as hansad books them. By turns with the same where each run is charged to its project's allocation, and with
// a bare SQLite loop that inserts the same runs into a plain table with the same look-ups by end and by job, in transactions of
// the same size. Then how long a proof takes. What was booked stays.
//
//   book_ledger --dir STATE_DIR --charged STATE_DIR --bare DIR --rounds N --turn N [--charged-turn N]
//
// Prints one JSON object. The runs are made up by number; the script `ledger` tells Slurm's accounting the same.

#include "broker/domain/transition.hpp"
#include "broker/ledger/merkle.hpp"
#include "broker/store/connection.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/sqlite_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

namespace {

using namespace hansa;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPage = 1'000;  // records of one answer of a site
constexpr std::int64_t kBegin = 1'790'812'800;  // 2026-10-01
constexpr std::int64_t kStartsWithin = 2'600'000;  // and all end before the month does
const SiteId kSite("model");

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "book_ledger: %s %s\n", error.message.c_str(), error.detail.c_str());
  std::exit(1);
}

template <typename T>
T value_of(Result<T> result) {
  if (!result) give_up(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

template <typename T>
T wait(async::Task<T> task) {
  boost::asio::io_context context(1);
  std::optional<Result<T>> outcome;
  boost::asio::co_spawn(context, std::move(task),
                        [&](const std::exception_ptr&, Result<T> result) { outcome = std::move(result); });
  context.run();
  return value_of(std::move(*outcome));
}

std::unique_ptr<store::SqliteStore> open_store(const std::filesystem::path& dir) {
  store::Options options;
  options.state_dir = dir;
  options.broker_id = "bench";
  options.countries = {{kSite, "FI"}};
  options.accounting[kSite].centre = "csc";
  for (int i = 0; i < 10; ++i) {
    options.projects[ProjectId("p" + std::to_string(i))] = {.home = i % 2 == 0 ? "csc" : "bsc",
                                                            .home_country = i % 2 == 0 ? "FI" : "ES",
                                                            .funding_body = "EuroHPC JU",
                                                            .call = "R01",
                                                            .labels = {}};
  }
  options.checkpoint_pages = 12'000;  // as hansad has it
  auto opened = value_of(store::SqliteStore::open(options));
  value_of(opened->begin_epoch());
  return opened;
}

/// The runs of a store's jobs, in the order in which they end. Their numbers are those of fill_store.
class Runs {
 public:
  explicit Runs(const std::filesystem::path& dir) {
    store::Connection db({.path = (dir / "hansa.db").string(), .vfs = "", .busy_timeout = Milliseconds{1000}},
                         store::Connection::Mode::read_only);
    auto row = db.query("SELECT j.id, j.project, a.site_job_id FROM jobs j JOIN attempts a ON a.job = j.row");
    while (row.next()) {
      const auto number = std::atoll(row.string(2).c_str()) - 1;
      jobs_.push_back({.number = number, .id = row.job_id(0), .project = row.string(1)});
    }
    std::ranges::sort(jobs_, {}, [this](const Job& job) { return std::pair(end_of(job.number), job.number); });
  }

  [[nodiscard]] std::size_t count() const { return jobs_.size(); }

  [[nodiscard]] std::vector<domain::UsageRecord> page(std::size_t first) const {
    std::vector<domain::UsageRecord> records;
    for (auto i = first; i < std::min(first + kPage, jobs_.size()); ++i) {
      const auto& [number, id, project] = jobs_[i];
      domain::UsageRecord run;
      run.site = kSite;
      run.cluster = "bench";
      run.site_job_id = SiteJobId(std::to_string(number + 1));
      run.tag = domain::make_tag(id, 1);
      run.account = LocalAccount("alice");
      run.scheduler_account = project;
      run.queue = QueueName("batch");
      run.submitted_at = from_unix_seconds(start_of(number) - 40);
      run.started_at = from_unix_seconds(start_of(number));
      run.ended_at = from_unix_seconds(end_of(number));
      run.site_state = "COMPLETED";
      run.exit_code = 0;
      run.elapsed = Seconds{elapsed_of(number)};
      run.nodes = 1;
      run.cores = static_cast<std::int32_t>(1 + number * 31 % 64);
      run.core_seconds = {elapsed_of(number) * run.cores};
      run.node_seconds = {elapsed_of(number)};
      run.source_line = run.site_job_id.str() + "|" + run.tag.str() + "|alice|" + project + "|batch|COMPLETED|0:0|" +
                        std::to_string(start_of(number) - 40) + "|" + std::to_string(start_of(number)) + "|" +
                        std::to_string(end_of(number)) + "|" + std::to_string(elapsed_of(number)) + "|" +
                        std::to_string(run.cores) + "|1|billing=1,cpu=" + std::to_string(run.cores) + ",mem=512000M,node=1";
      records.push_back(std::move(run));
    }
    return records;
  }

 private:
  struct Job {
    std::int64_t number;
    JobId id;
    std::string project;
  };
  [[nodiscard]] std::int64_t start_of(std::int64_t number) const {
    return kBegin + 600 + number * kStartsWithin / static_cast<std::int64_t>(jobs_.size());
  }
  static std::int64_t elapsed_of(std::int64_t number) { return 60 + number * 7919 % 7200; }
  [[nodiscard]] std::int64_t end_of(std::int64_t number) const { return start_of(number) + elapsed_of(number); }

  std::vector<Job> jobs_;
};

/// Of all threads: what a busy machine does not lengthen.
double processor_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

struct Rates {
  std::vector<double> a_second;
  double processor = 0, records = 0;

  /// `book` is given each page, which it did not have to make.
  template <typename Book>
  void measure(const Runs& runs, std::size_t first, std::size_t count, Book book) {
    double spent = 0;
    for (auto at = first; at < first + count; at += kPage) {
      auto page = runs.page(at);
      const auto begun = Clock::now();
      const auto before = processor_seconds();
      book(std::move(page));
      processor += processor_seconds() - before;
      spent += seconds_since(begun);
    }
    a_second.push_back(static_cast<double>(count) / spent);
    records += static_cast<double>(count);
  }
  [[nodiscard]] nlohmann::json json() const {
    return {{"per_second", a_second}, {"processor_us", records == 0 ? 0 : processor / records * 1e6}};
  }
};

auto into(store::SqliteStore& store) {
  return [&store](std::vector<domain::UsageRecord> records) {
    const auto count = records.size();
    if (wait(store.book_usage(kSite, std::move(records), {"c"}, from_unix_seconds(1'796'000'000))) != count)
      give_up(fail(ErrorKind::internal, "NOT_BOOKED", "a page was not booked whole").error());
  };
}

/// The table that usage was kept in before there was a ledger.
class PlainTable {
 public:
  explicit PlainTable(const std::filesystem::path& dir)
      : db_({.path = (dir / "bare.db").string(), .vfs = "", .busy_timeout = Milliseconds{1000}, .cache_kib = 32768},
            store::Connection::Mode::read_write) {
    value_of(db_.apply_settings(store::Connection::Mode::read_write));
    value_of(store::migrate(db_, store::migrations().first(1), UtcTime{}));
    sqlite3_wal_autocheckpoint(db_.handle(), 12'000);
    db_.run_script("PRAGMA foreign_keys=OFF");
  }
  void operator()(const std::vector<domain::UsageRecord>& records) {
    static constexpr char kInsert[] =
        "INSERT INTO usage_records VALUES(NULL, 1, 1, 'local:alice', 'ai-lab', 'alpha', 'FI', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
        "?9, 0, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING";
    db_.run_script("BEGIN IMMEDIATE");
    for (const auto& run : records) {
      db_.execute(kInsert, run.cluster, run.site_job_id, to_unix_seconds(run.submitted_at), to_unix_seconds(*run.started_at),
                  to_unix_seconds(run.ended_at), run.account, run.scheduler_account, run.queue, run.site_state,
                  run.elapsed.count(), run.nodes, run.cores, run.gpus, run.core_seconds, run.gpu_seconds, run.node_seconds,
                  run.source_line);
    }
    db_.run_script("COMMIT");
  }

 private:
  store::Connection db_;
};

/// Milliseconds, of records at random; each is checked.
std::vector<double> proofs(store::SqliteStore& store) {
  std::mt19937_64 random(7);
  const auto head = wait(store.ledger_head());
  std::vector<double> took;
  for (int i = 0; i < 1'000; ++i) {
    const auto seq = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(head.size));
    const auto begun = Clock::now();
    const auto proof = wait(store.prove_record(seq, head.size));
    took.push_back(seconds_since(begun) * 1e3);
    if (!ledger::is_included(proof.path, seq, head.size, ledger::leaf_hash(proof.record.text), head.root))
      give_up(fail(ErrorKind::internal, "NOT_INCLUDED", "a proof does not hold").error());
  }
  std::ranges::sort(took);
  return took;
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path dir, charged_dir, bare_dir;
  std::size_t rounds = 5, turn = 50'000, charged_turn = 20'000;
  CLI::App command("Books a run of each job.");
  command.add_option("--dir", dir)->required();
  command.add_option("--charged", charged_dir)->required();
  command.add_option("--bare", bare_dir)->required();
  command.add_option("--rounds", rounds);
  command.add_option("--turn", turn);
  command.add_option("--charged-turn", charged_turn);
  CLI11_PARSE(command, argc, argv);

  const Runs runs(dir), charged_runs(charged_dir);
  auto store = open_store(dir), charged_store = open_store(charged_dir);
  PlainTable table(bare_dir);
  Rates ours, charged, bare, rest;
  for (std::size_t round = 0; round < rounds; ++round) {
    ours.measure(runs, round * turn, turn, into(*store));
    charged.measure(charged_runs, round * charged_turn, charged_turn, into(*charged_store));
    bare.measure(runs, round * turn, turn, std::ref(table));
  }
  for (auto at = rounds * turn; at < runs.count(); at += turn)
    rest.measure(runs, at, std::min(turn, runs.count() - at), into(*store));
  const auto took = proofs(*store);
  const nlohmann::json told{
      {"records", runs.count()},
      {"ledger", ours.json()},
      {"charged", charged.json()},
      {"plain", bare.json()},
      {"rest", rest.json()},
      {"proof_ms",
       {{"p50", took[took.size() / 2]}, {"p99", took[took.size() * 99 / 100]}, {"least", took.front()}, {"most", took.back()}}}};
  std::printf("%s\n", told.dump().c_str());
  value_of(charged_store->close());
  value_of(store->close());
  return 0;
}
