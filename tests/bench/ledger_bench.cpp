// SPDX-License-Identifier: Apache-2.0
// How fast the ledger books what sites tell, durably, against a bare SQLite loop that inserts the same runs into a plain table
// with the same look-ups by end and by job, in transactions of the same size, by turns; how long a whole check of an export
// takes; how long a proof, and a usage report: by project, which the sums of days answer, and by state, for which all records are
// read.
//
//   ledger_bench [--dir DIR] [--records N] [--rounds N]

#include "broker/domain/transition.hpp"
#include "broker/ledger/export_check.hpp"
#include "broker/ledger/report_writer.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/migrations.hpp"
#include "broker/store/sqlite_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <sqlite3.h>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>

namespace {

using namespace hansa;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPage = 1'000;  // records of one answer of a site, each of another job

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "%s %s\n", error.message.c_str(), error.detail.c_str());
  std::exit(1);
}

template <typename T>
T value_of(Result<T> result) {
  if (!result) give_up(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void clear(const std::filesystem::path& dir) {
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  std::filesystem::permissions(dir, std::filesystem::perms::owner_all);
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
  options.countries = {{SiteId("alpha"), "FI"}};
  options.checkpoint_pages = 12'000;
  auto opened = value_of(store::SqliteStore::open(options));
  value_of(opened->begin_epoch());
  return opened;
}

SiteJobId site_job_id(std::size_t number) { return SiteJobId(std::to_string(4'711 + number)); }

/// A job that is bound at the site: whose runs are booked.
domain::Job bound_job(store::SqliteStore& store, std::size_t number) {
  domain::JobSpec spec;
  spec.project = ProjectId("ai-lab");
  const Ulid id({1, 2, 3, static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)});
  auto job = domain::new_job(id, 1, from_unix_seconds(1'780'000'000),
                             {.owner = Principal("local:alice"), .broker_id = "bench", .spec = spec});
  ports::JobChange change;
  const auto at = from_unix_seconds(1'780'000'001);
  wait(store.accept_jobs({{.job = job, .payload = {.script = "#!/bin/sh\n", .arguments = {}, .environment = {}}, .decided = {}}},
                         {}));
  change.events.push_back({.at = at,
                           .body = domain::AttemptIntended{.attempt = 1,
                                                           .site = SiteId("alpha"),
                                                           .queue = QueueName("gpu"),
                                                           .account = LocalAccount("alice"),
                                                           .scheduler_account = "proj1"}});
  change.events.push_back({.at = at, .body = domain::AttemptBound{.attempt = 1, .site_job_id = site_job_id(number)}});
  for (const auto& event : change.events) value_of(domain::apply(job, event));
  change.job = job;
  wait(store.record(std::move(change)));
  return job;
}

using Jobs = std::vector<domain::Job>;

std::vector<domain::UsageRecord> page(const Jobs& jobs, std::int64_t first) {
  std::vector<domain::UsageRecord> records;
  for (std::size_t i = 0; i < kPage; ++i) {
    const auto number = first + static_cast<std::int64_t>(i);
    domain::UsageRecord run;
    run.site = SiteId("alpha");
    run.cluster = "alpha";
    run.site_job_id = site_job_id(i);
    run.tag = domain::make_tag(jobs[i].id, 1);
    run.account = LocalAccount("alice");
    run.scheduler_account = "proj1";
    run.queue = QueueName("gpu");
    run.submitted_at = from_unix_seconds(1'780'000'000);
    run.started_at = from_unix_seconds(1'780'000'000 + number);
    run.ended_at = from_unix_seconds(1'780'000'100 + number);
    run.site_state = "COMPLETED";
    run.exit_code = 0;
    run.elapsed = Seconds{100};
    run.nodes = 2;
    run.cores = 128;
    run.gpus = 8;
    run.core_seconds = {12'800};
    run.gpu_seconds = {800};
    run.node_seconds = {200};
    run.source_line = run.site_job_id.str() + "|hansa-01JDA0XJ2GQ4M8T6V9ZK3N5R7W-1|alice|proj1|gpu|COMPLETED|0:0|1780000000|" +
                      std::to_string(number) + "|1780000100|100|128|12800|2|billing=128,cpu=128,gres/gpu=8,mem=512000M,node=2";
    records.push_back(std::move(run));
  }
  return records;
}

/// Of all threads: what a busy machine does not lengthen.
double processor_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}
double processor_spent = 0;

double booked_a_second(store::SqliteStore& store, const Jobs& jobs, std::int64_t first, std::int64_t count) {
  double spent = 0;
  for (std::int64_t at = first; at < first + count; at += static_cast<std::int64_t>(kPage)) {
    auto records = page(jobs, at);
    const auto start = Clock::now();
    processor_spent -= processor_seconds();
    if (wait(store.book_usage(SiteId("alpha"), std::move(records), {"c"}, from_unix_seconds(1'790'000'000))) != kPage)
      std::exit(1);
    spent += seconds_since(start);
    processor_spent += processor_seconds();
  }
  return static_cast<double>(count) / spent;
}

/// The table that usage was kept in before there was a ledger.
double bare_sqlite(const std::filesystem::path& dir, const Jobs& jobs, std::int64_t count) {
  clear(dir);
  store::Connection db({.path = (dir / "bare.db").string(), .vfs = "", .busy_timeout = Milliseconds{1000}, .cache_kib = 32768},
                       store::Connection::Mode::read_write);
  value_of(db.apply_settings(store::Connection::Mode::read_write));
  value_of(store::migrate(db, store::migrations().first(1), UtcTime{}));
  sqlite3_wal_autocheckpoint(db.handle(), 12'000);
  db.run_script("PRAGMA foreign_keys=OFF");
  static constexpr char kInsert[] =
      "INSERT INTO usage_records VALUES(NULL, 1, 1, 'local:alice', 'ai-lab', 'alpha', 'FI', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
      "0, ?10, ?11, "
      "?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING";
  double spent = 0;
  for (std::int64_t at = 0; at < count; at += static_cast<std::int64_t>(kPage)) {
    const auto records = page(jobs, at);
    const auto start = Clock::now();
    db.run_script("BEGIN IMMEDIATE");
    for (const auto& run : records) {
      db.execute(kInsert, run.cluster, run.site_job_id, to_unix_seconds(run.submitted_at), to_unix_seconds(*run.started_at),
                 to_unix_seconds(run.ended_at), run.account, run.scheduler_account, run.queue, run.site_state,
                 run.elapsed.count(), run.nodes, run.cores, run.gpus, run.core_seconds, run.gpu_seconds, run.node_seconds,
                 run.source_line);
    }
    db.run_script("COMMIT");
    spent += seconds_since(start);
  }
  return static_cast<double>(count) / spent;
}

struct Spread {
  std::vector<double> values;
  double median() { return std::ranges::sort(values), values[values.size() / 2]; }
  void print(const char* what, int digits = 0) {
    const auto middle = median();
    std::printf("%s %.*f [%.*f-%.*f]", what, digits, middle, digits, values.front(), digits, values.back());
  }
};

void result(const char* name, double value, double target, bool at_least) {
  std::printf("RESULT %s: %.3f (%s %.3f) %s\n", name, value, at_least ? "at least" : "under", target,
              (at_least ? value >= target : value < target) ? "met" : "MISSED");
}

void proofs(store::SqliteStore& store, std::int64_t size, Spread& took) {
  std::mt19937_64 random(7);
  const auto root = wait(store.ledger_root(size));
  for (int i = 0; i < 1'000; ++i) {
    const auto seq = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(size));
    const auto start = Clock::now();
    const auto proof = wait(store.prove_record(seq, size));
    took.values.push_back(seconds_since(start) * 1e3);
    if (!ledger::is_included(proof.path, seq, size, ledger::leaf_hash(proof.record.text), root)) std::exit(1);
  }
}

/// KiB, of a line of /proc/self/status.
std::int64_t memory(std::string_view what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what)) return std::atoll(line.c_str() + what.size() + 1);
  }
  return 0;
}

/// Seconds; `most` is how much more memory it took, in MiB.
double usage_report(store::SqliteStore& store, ports::Dimension by, std::int64_t size, double& most) {
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
  const auto before = memory("VmRSS:");
  const auto start = Clock::now();
  Wide runs = 0;
  const auto* kind = ledger::find_report("usage");
  std::string text;
  const auto writer = ledger::make_writer("csv", [&](std::string_view bytes) { return text += bytes, Result<void>{}; });
  const ports::ReportQuery query{.by = {by}, .from = {}, .to = {}, .owner = {}, .asked_by = {}, .size = size};
  value_of(writer->begin({.kind = kind, .query = query, .columns = ledger::columns_of(*kind, query.by)}));
  wait(store.report_rows("usage", query, [&](std::span<const ports::Cell> cells) {
    runs += std::get<Wide>(cells[1]);
    return writer->row(cells);
  }));
  value_of(writer->end());
  const auto took = seconds_since(start);
  if (runs != size && runs != size - 1) std::exit(1);  // the key's record is none of a run
  most = std::max(most, static_cast<double>(memory("VmHWM:") - before) / 1024);
  return took;
}

/// Writes an export, as `hansa ledger export` does.
void write_export(store::SqliteStore& store, const std::filesystem::path& file) {
  const ledger::Signer signer{.name = "hansa/bench", .seed = Secret(std::string(32, 'k'))};
  wait(store.append_record({.kind = "key", .at = {}, .fields = {{"key", signer.verifier().text()}}, .after_key = ""}));
  const auto head = wait(store.ledger_head());
  ledger::Note note{.text = ledger::Checkpoint{"hansa/bench", head.size, head.root}.text(), .signatures = {}};
  note.signatures.push_back(ledger::sign_note(signer, note.text));
  std::ofstream out(file, std::ios::binary);
  out << ledger::export_header(note, {}, false) << '\n';
  for (std::int64_t from = 0; from < head.size;) {
    for (const auto& record : wait(store.ledger_records(from, 10'000, false))) {
      out << record.text << '\n';
      ++from;
    }
  }
}

double check_export(const std::filesystem::path& file, double& processor) {
  std::ifstream in(file, std::ios::binary);
  std::string piece(std::size_t{1} << 20, '\0');
  const auto start = Clock::now();
  processor -= processor_seconds();
  ledger::ExportCheck check({});
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0)
    value_of(check.take(std::string_view(piece).substr(0, static_cast<std::size_t>(in.gcount()))));
  value_of(check.finish());
  processor += processor_seconds();
  return seconds_since(start);
}

}  // namespace

int main(int count, char** arguments) {
  std::filesystem::path dir = "/tmp/hansa-ledger-bench";
  const bool quick = std::getenv("HANSA_BENCH_QUICK") != nullptr;
  std::int64_t records = quick ? 20'000 : 1'000'000;
  int rounds = quick ? 1 : 5;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view option = arguments[i];
    if (option == "--dir") dir = arguments[i + 1];
    if (option == "--records") records = std::atoll(arguments[i + 1]);
    if (option == "--rounds") rounds = std::atoi(arguments[i + 1]);
  }
  const auto turn = quick ? std::int64_t{10'000} : std::int64_t{50'000};
  const auto ledger_dir = dir / "ledger";
  clear(dir);
  clear(ledger_dir);
  auto store = open_store(ledger_dir);
  Jobs jobs;
  for (std::size_t i = 0; i < kPage; ++i) jobs.push_back(bound_job(*store, i));
  Spread ours, bare;
  std::int64_t booked = 0;
  for (int round = 0; round < rounds; ++round, booked += turn) {
    ours.values.push_back(booked_a_second(*store, jobs, booked, turn));
    bare.values.push_back(bare_sqlite(dir / "bare", jobs, turn));
  }
  std::printf("records/s, durable, %zu a transaction; median [range] of %d rounds of %lld\n", kPage, rounds,
              static_cast<long long>(turn));
  ours.print("  ledger");
  bare.print("   a plain table");
  std::printf("   ratio %.2f\n", ours.median() / bare.median());
  std::printf("  processor time for a record, all threads: %.1f microseconds\n", processor_spent / static_cast<double>(booked) * 1e6);
  if (booked < records) booked_a_second(*store, jobs, booked, records - booked);
  Spread took;
  proofs(*store, records, took);
  std::printf("inclusion proof in %lld records, ms, 1,000 at random:", static_cast<long long>(records));
  took.print("", 3);
  std::printf("\n");
  const auto file = dir / "export.txt";
  write_export(*store, file);
  Spread checks;
  double processor = 0;
  for (int round = 0; round < std::min(rounds, 3); ++round) checks.values.push_back(check_export(file, processor));
  std::printf("check of an export of %lld records (%ju MiB), s:", static_cast<long long>(records),
              std::filesystem::file_size(file) >> 20U);
  checks.print("", 2);
  std::printf("   processor time: %.2f\n", processor / static_cast<double>(checks.values.size()));
  result("booked a second", ours.median(), 20'000, true);
  result("check of the export, s", checks.median(), 20, false);
  result("inclusion proof, ms", took.median(), 1, false);
  const auto size = wait(store->ledger_head()).size;
  Spread of_days, of_records;
  double most = 0;
  for (int round = 0; round < rounds; ++round) {
    of_days.values.push_back(usage_report(*store, ports::Dimension::project, size, most));
    of_records.values.push_back(usage_report(*store, ports::Dimension::state, size, most));
  }
  std::printf("usage report over %lld records, s:", static_cast<long long>(records));
  of_days.print(" by project", 4);
  of_records.print(", by state", 2);
  std::printf("; at most %.1f MiB more\n", most);
  result("usage report by project, s", of_days.median(), 0.37, false);
  result("its memory, MiB", most, 64, false);
  value_of(store->close());
  std::filesystem::remove_all(dir);
  return 0;
}
