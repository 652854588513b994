// SPDX-License-Identifier: Apache-2.0
#include "store_history.hpp"

#include "tests/contract/store/store_contract.hpp"

#include "wait.hpp"
#include <catch2/catch.hpp>
#include <sqlite3.h>

#include <algorithm>

namespace hansa::store {
namespace {

const SiteId kSite("alpha");

/// Whatever failed, its message says what to do.
void require_helpful(const Error& error) {
  const std::pair<std::string_view, std::string_view> advice[] = {
      {"STORAGE_FULL", "when its operator has made room"},
      {"STORE_IO", "start hansad again"},
      {"STORE_FAILED", "until it is started again"},
      {"STORE_NOT_WRITABLE", "check the owner and mode"},
      {"STORE_CORRUPT", "if the kernel's log shows no failing disk"},  // the check at start cannot tell
  };
  INFO(error.code << ": " << error.message << " (" << error.detail << ")");
  const auto known = std::ranges::find(advice, error.code, &std::pair<std::string_view, std::string_view>::first);
  REQUIRE(known != std::end(advice));
  REQUIRE(error.message.find(known->second) != std::string::npos);
  REQUIRE(error.retryable == (error.code == "STORAGE_FULL"));
}

}  // namespace

Tally& Tally::operator+=(const Tally& other) {
  acknowledged += other.acknowledged;
  refused += other.refused;
  in_doubt += other.in_doubt;
  not_opened += other.not_opened;
  ended += other.ended;
  reads_failed += other.reads_failed;
  close_failed += other.close_failed;
  restarts += other.restarts;
  return *this;
}

template <typename T>
void History::Fact<T>::learn(Answer answer, T value) {
  if (answer == Answer::yes) kept = std::move(value), doubtful.reset();
  if (answer == Answer::unknown) doubtful = std::move(value);
}

/// What was once seen after a start stays.
template <typename T>
void History::Fact<T>::settle(const std::optional<T>& actual) {
  REQUIRE((actual == kept || (doubtful && actual == doubtful)));
  kept = actual;
  doubtful.reset();
}

History::History(disk::FaultyDisk& disk, std::filesystem::path folder) : disk_(disk), folder_(std::move(folder)) {}
History::~History() = default;

History::Answer History::answer_of(const Error* error) {
  if (error == nullptr) return ++tally_.acknowledged, Answer::yes;
  require_helpful(*error);
  if (error->kind == ErrorKind::unknown_outcome) {
    REQUIRE(fatal_);
    return ++tally_.in_doubt, Answer::unknown;
  }
  return ++tally_.refused, Answer::no;
}

template <typename T>
std::optional<Result<T>> History::ask(const std::function<async::Task<T>()>& question) {
  auto answer = wait(question());
  if (!answer && answer.error().kind == ErrorKind::internal) {
    require_helpful(answer.error());
    ++tally_.reads_failed;
    if (disk_.dark()) return std::nullopt;
    disk_.mend();
    answer = wait(question());
    REQUIRE((answer || answer.error().kind == ErrorKind::not_found));
  }
  return answer;
}

bool History::open() {
  Options options;
  options.state_dir = folder_;
  options.broker_id = "broker-1";
  options.vfs = disk_.vfs();
  options.checkpoint_pages = 24;  // several check points in a short life
  options.on_fatal = [this](const Error&) { fatal_ = true; };
  fatal_ = false;
  auto opened = SqliteStore::open(std::move(options));
  if (!opened) {
    REQUIRE(opened.error().message.find((folder_ / "hansa.db").string()) == 0);
    require_helpful(opened.error());
    ++tally_.not_opened;
    return false;
  }
  store_ = std::move(*opened);
  second_syncs_ = disk_.syncs_after_failure();  // of an opening that failed: nothing was acknowledged by it
  const auto epoch = store_->begin_epoch();
  if (answer_of(epoch) == Answer::yes) {
    REQUIRE(*epoch > epoch_);
    epoch_ = *epoch;
    if (settled()) return true;
  }
  end_life();  // hansad does not go on without it
  return false;
}

/// Waits until the writer has nothing to do: no check point runs beside what comes next. False: the store has failed.
bool History::settled() {
  const auto nothing = wait(store_->revoke_token("no such token", {}));
  if (nothing.error().kind == ErrorKind::not_found) return true;
  require_helpful(nothing.error());
  return false;
}

/// False: the power is cut.
bool History::start() {
  if (store_) return true;
  ++tally_.restarts;
  if (!open()) {
    if (disk_.dark()) return false;
    disk_.mend();
    REQUIRE(open());
  }
  look();
  return !disk_.dark();
}

void History::end_life() {
  if (fatal_) ++tally_.ended;
  store_.reset();
  REQUIRE(disk_.syncs_after_failure() == second_syncs_);  // a failed sync is never tried again
}

void History::look() {
  std::size_t present = 0;
  for (auto& [name, fact] : jobs_) {
    const auto id = (fact.doubtful ? fact.doubtful : fact.kept)->id;
    const auto found = ask<domain::Job>([&] { return store_->job(id); });
    if (!found) return;
    INFO("job " << name);
    fact.settle(*found ? std::optional(**found) : std::nullopt);
    present += fact.kept ? 1 : 0;
  }
  // A request is there whole or not at all. Refused jobs are in no fact: the list below must be without them.
  std::erase_if(jobs_, [](const auto& entry) { return !entry.second.kept; });
  std::erase_if(requests_, [&](const Request& request) {
    const auto there = std::ranges::count_if(request.ids, [&](JobId id) {
      return std::ranges::any_of(jobs_, [&](const auto& entry) { return entry.second.kept->id == id; });
    });
    REQUIRE((there == 0 || there == std::ssize(request.ids)));
    return there == 0;
  });
  check_projection(present);
  if (disk_.dark()) return;

  const auto cursor = ask<ports::UsageCursor>([&] { return store_->usage_cursor(kSite); });
  if (!cursor) return;
  cursor_.settle((*cursor)->text.empty() ? std::nullopt : std::optional((*cursor)->text));
  const auto report = ask<std::vector<ports::UsageRow>>([&] { return store_->usage_report({}); });
  if (!report) return;
  REQUIRE((*report)->front().runs == (cursor_.kept ? 1 : 0));  // it moves with the booking, and books once
  if (cursor_.kept) {
    const auto booked = ask<std::vector<domain::UsageRecord>>([&] { return store_->usage_of(jobs_.at("A0").kept->id); });
    if (!booked) return;
    REQUIRE(**booked == std::vector{usage_.value()});
  }
  const auto tokens = ask<std::vector<ports::ApiToken>>([&] { return store_->tokens(); });
  if (!tokens) return;
  token_.settle((*tokens)->empty() ? std::nullopt
                                   : std::optional((*tokens)->front().note + ((*tokens)->front().revoked_at ? ", revoked" : "")));
  const auto sites = ask<std::vector<domain::SiteState>>([&] { return store_->site_states(); });
  if (!sites) return;
  site_.settle((*sites)->empty() ? std::nullopt : std::optional((*sites)->front().drain_reason));
}

void History::check_projection(std::size_t present) {
  const auto all = ask<std::vector<domain::Job>>([&] { return store_->jobs({.limit = 1000}); });
  if (!all) return;
  REQUIRE((*all)->size() == present);
  for (const auto& job : **all) {
    const auto events = ask<std::vector<ports::StoredEvent>>([&] { return store_->events(job.id); });
    const auto payload = events ? ask<domain::JobPayload>([&] { return store_->payload(job.id); }) : std::nullopt;
    if (!payload) return;
    std::vector<domain::JobEvent> history;
    for (const auto& event : **events) history.push_back(event.event);
    REQUIRE(domain::replay(job.id, job.epoch, history).value() == job);
    REQUIRE(**payload == payloads_.at(job.id));
  }
}

void History::check_keys() {
  for (const auto& request : requests_) repeat(request.key);
}

void History::check_integrity() const {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open_v2((folder_ / "hansa.db").c_str(), &db, SQLITE_OPEN_READWRITE, disk_.vfs().c_str()) == SQLITE_OK);
  std::string found;
  const auto add = [](void* text, int, char** columns, char**) {
    static_cast<std::string*>(text)->append(columns[0]).append("\n");
    return 0;
  };
  CHECK(sqlite3_exec(db, "PRAGMA integrity_check; PRAGMA foreign_key_check", add, &found, nullptr) == SQLITE_OK);
  sqlite3_close(db);
  REQUIRE(found == "ok\n");
}

void History::accept(const std::string& key, std::size_t count, std::size_t script_bytes) {
  std::vector<ports::NewJob> jobs;
  Request request{.key = key, .ids = {}};
  for (std::size_t i = 0; i < count; ++i) {
    jobs.push_back(contract::new_job({.epoch = epoch_}));
    jobs.back().payload.script += std::string(script_bytes, '#');
    request.ids.push_back(jobs.back().job.id);
    payloads_[jobs.back().job.id] = jobs.back().payload;
  }
  const auto accepted = wait(store_->accept_jobs(jobs, ports::Idempotency{.key = key, .request_hash = "hash of " + key}));
  const auto answer = answer_of(accepted);
  if (answer == Answer::no) return;
  if (answer == Answer::yes) REQUIRE((accepted->ids == request.ids && !accepted->repeated));
  requests_.push_back(request);
  for (std::size_t i = 0; i < count; ++i) jobs_[key + std::to_string(i)].learn(answer, jobs[i].job);
}

/// The same key again: the first answer, if there is one.
void History::repeat(const std::string& key) {
  const auto first = std::ranges::find(requests_, key, &Request::key);
  if (first == requests_.end()) return;
  const auto again = wait(store_->accept_jobs({contract::new_job({.epoch = epoch_})},
                                              ports::Idempotency{.key = key, .request_hash = "hash of " + key}));
  if (answer_of(again) == Answer::yes) REQUIRE((again->repeated && again->ids == first->ids));
}

void History::record(const std::string& name, std::vector<domain::EventBody> events) {
  const auto known = jobs_.find(name);
  if (known == jobs_.end()) return;
  auto job = known->second.kept.value();
  job.epoch = epoch_;
  ports::JobChange change;
  try {
    change = contract::change(job, std::move(events));
  } catch (const std::logic_error&) { return; }  // an earlier step was refused
  const auto answer = answer_of(wait(store_->record(std::move(change))));
  known->second.learn(answer, job);
}

void History::book(const std::string& cursor) {
  const auto known = jobs_.find("A0");
  if (known == jobs_.end() || known->second.kept->attempts.empty()) return;
  const auto& attempt = known->second.kept->attempts.front();
  if (attempt.site_job_id.empty()) return;
  domain::UsageRecord usage;
  usage.site = kSite;
  usage.cluster = "cluster";
  usage.site_job_id = attempt.site_job_id;
  usage.tag = domain::make_tag(known->second.kept->id, 1);
  usage.account = attempt.account;
  usage.started_at = contract::at(20);
  usage.ended_at = contract::at(120);
  usage.elapsed = Seconds{100};
  usage.core_seconds = {3200};
  usage.source_line = "a|line|of|sacct";
  usage_ = usage;
  cursor_.learn(answer_of(wait(store_->book_usage(kSite, {usage}, {cursor}, contract::at(0)))), cursor);
}

void History::create_token() {
  const auto answer =
      answer_of(wait(store_->create_token({.id = "tok_1", .hash = "h", .principal = Principal("local:alice"), .note = "note"})));
  token_.learn(answer, "note");
}

void History::revoke_token() {
  if (!token_.kept) return;
  token_.learn(answer_of(wait(store_->revoke_token("tok_1", contract::at(5)))), *token_.kept + ", revoked");
}

void History::note_site(const std::string& reason) {
  const auto answer = answer_of(wait(store_->record_site_state({.id = kSite, .drained = true, .drain_reason = reason})));
  site_.learn(answer, reason);
}

void History::close() {
  if (const auto closed = store_->close(); !closed) {
    require_helpful(closed.error());
    ++tally_.close_failed;
  }
  end_life();
}

void History::play(AfterFailure after) {
  using namespace domain;
  const std::function<void()> steps[] = {
      [&] { create_token(); },
      [&] { note_site("maintenance"); },
      [&] { accept("A", 1, 100); },
      [&] { accept("B", 2, 3000); },
      [&] {
        record("A0", {AttemptIntended{.site = kSite, .queue = QueueName("q"), .account = LocalAccount("alice")},
                      AttemptBound{.site_job_id = SiteJobId("4711")}});
      },
      [&] { record("A0", {RunStarted{.started_at = contract::at(20)}}); },
      [&] { record("A0", {AttemptEnded{.outcome = Outcome::succeeded, .ended_at = contract::at(120), .exit_code = 0}}); },
      [&] { book("page-1"); },
      [&] { book("page-2"); },
      [&] { record("B0", {Waiting{.reason = {"QUEUE", "in line"}}}); },
      [&] { record("B0", {CancelRequested{.by = Principal("local:bob")}, Ended{}}); },
      [&] { accept("D", 1, 12'000); },
      [&] { close(); },
      [&] { repeat("A"); },
      [&] { record("B1", {AttemptIntended{.site = kSite, .queue = QueueName("q"), .account = LocalAccount("alice")}}); },
      [&] { revoke_token(); },
      [&] { note_site("over"); },
      [&] { accept("E", 1, 100); },
      [&] { close(); },
  };
  for (const auto& step : steps) {
    if (!start()) break;
    step();
    if (store_ && !settled() && !disk_.dark()) {
      end_life();
      disk_.mend();
    }
    if (disk_.dark() || (after == AfterFailure::stop && tally_.ended + tally_.close_failed > 0)) break;
  }
  if (store_) end_life();
}

void History::verify() {
  if (disk_.dark()) disk_.restore_power();
  disk_.mend();
  REQUIRE(start());
  accept("last", 1, 100);
  REQUIRE(settled());
  disk_.cut_power_now(disk::Loss::all);
  end_life();
  disk_.restore_power();
  REQUIRE(start());
  REQUIRE(jobs_.contains("last0"));
  check_keys();
  end_life();
  check_integrity();
}

}  // namespace hansa::store
