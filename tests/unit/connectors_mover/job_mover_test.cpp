// SPDX-License-Identifier: Apache-2.0
// What a mover by jobs asks of a site, call by call, and what it makes of answers that real sites seldom give.
#include "connectors/mover/job_mover.hpp"

#include "broker/core/canonical_json.hpp"
#include "connectors/mover/supervise.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/connectors_mover/an_order.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace hansa;
using namespace hansa::connectors::mover;
using domain::TransferEnd;
using domain::TransferPhase;

namespace {

namespace fs = std::filesystem;

class NoWords final : public ports::Log {
 public:
  void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
};

/// Answers as it is told, and remembers what it was asked.
class ScriptedSite final : public ports::SiteConnector {
 public:
  Result<ports::SubmitReceipt> receipt = ports::SubmitReceipt{SiteJobId("7")};
  std::vector<ports::Sighting> sightings;
  ports::JobStatus word{.id = SiteJobId("7"), .phase = ports::Phase::queued};
  std::string file;  // of the job's folder
  Result<ports::SealOutcome> seal_outcome = ports::SealOutcome{.sealed = true, .holder = {}};
  Result<domain::CancelOutcome> cancel_outcome = domain::CancelOutcome::never_started;
  std::function<void()> on_submit = [] {};

  std::vector<ports::SubmitRequest> submitted;
  std::vector<std::string> sealed;     // tags
  std::vector<std::string> cancelled;  // site job ids
  int questions = 0;                   // to its scheduler

  async::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, async::Deadline) override {
    on_submit();
    submitted.push_back(std::move(request));
    co_return receipt;
  }
  async::Task<ports::FindResult> find(std::vector<ports::SiteJob>, async::Deadline) override {
    ++questions;
    co_return ports::FindResult{.sightings = sightings, .queue_seen = true, .history_seen = true};
  }
  async::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, async::Deadline) override {
    ++questions;
    std::vector<ports::JobStatus> all(jobs.size(), word);
    for (std::size_t i = 0; i < jobs.size(); ++i) all[i].id = jobs[i].id;
    co_return all;
  }
  async::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen, async::Deadline) override {
    cancelled.push_back(job.id.str());
    co_return cancel_outcome;
  }
  async::Task<ports::SealOutcome> seal(ports::Fence fence, async::Deadline) override {
    sealed.push_back(fence.tag.str());
    co_return seal_outcome;
  }
  async::Task<ports::FileChunk> read_file(ports::SiteJob, std::string path, std::uint64_t, std::size_t,
                                          async::Deadline) override {
    CHECK(path == kJobStatus);
    if (file == "changed") co_return fail(ErrorKind::conflict, "FILE_CHANGED", "while it was looked at");
    if (file.empty()) co_return ports::FileChunk{};
    co_return ports::FileChunk{.bytes = file, .facts = {.state = ports::FileState::file, .size = file.size(), .version = "1"}};
  }
  async::Task<ports::OutputChunk> read_output(ports::SiteJob, ports::Stream, std::uint64_t, std::size_t,
                                              async::Deadline) override {
    co_return ports::OutputChunk{.bytes = "its last words", .next_offset = 14};
  }
  async::Task<domain::SiteSnapshot> snapshot(async::Deadline) override { co_return domain::SiteSnapshot{}; }
  async::Task<ports::UsagePage> usage(ports::UsageCursor, async::Deadline) override { co_return ports::UsagePage{}; }
  async::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob, std::vector<std::string>, async::Deadline) override {
    co_return std::vector<ports::FileFacts>{};
  }
};

struct QueueBench {
  QueueBench() {
    std::string pattern = fs::temp_directory_path() / "hansa-job-mover-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    restart();
  }
  ~QueueBench() {
    mover.reset();
    fs::remove_all(folder);
  }
  QueueBench(const QueueBench&) = delete;
  QueueBench& operator=(const QueueBench&) = delete;

  void restart(SiteId at = SiteId("beta")) {
    mover =
        std::make_unique<JobMover>(site, scheduler, log,
                                   JobMoverOptions{.mover = {.program = "/opt/hansa-move-run",
                                                             .spool = "../../mover",
                                                             .tool = Tool::rsync,
                                                             .tool_program = "/usr/bin/rsync",
                                                             .roots = {{{SiteId("alpha"), domain::RootName("data")}, a_server()},
                                                                       {{SiteId("beta"), domain::RootName("data")}, a_folder()}},
                                                             .person = Principal("broker:mover")},
                                                   .site = std::move(at),
                                                   .queue = QueueName("transfer"),
                                                   .account = LocalAccount("data"),
                                                   .scheduler_account = "ops",
                                                   .time_limit = Seconds{7200},
                                                   .notes = folder / "notes"});
  }
  template <class T>
  Result<T> ask(async::Task<T> question) {
    auto guard = boost::asio::make_work_guard(io);  // files answer from another thread
    std::optional<Result<T>> answer;
    auto keep = [](async::Task<T> asked, std::optional<Result<T>>& out) -> boost::asio::awaitable<void> {
      out.emplace(co_await async::without_exceptions(std::move(asked)));
    };
    boost::asio::co_spawn(io, keep(std::move(question), answer), [](const std::exception_ptr&) {});
    io.restart();
    while (!answer) io.run_one();
    return std::move(*answer);
  }
  [[nodiscard]] async::Deadline soon() const { return async::Deadline::in(scheduler, Seconds{30}); }

  Result<domain::TransferStatus> try_start() { return ask(mover->start(transfer, soon())); }
  domain::TransferStatus start() {
    auto started = try_start();
    INFO((started ? "" : started.error().code + ": " + started.error().message));
    REQUIRE(started);
    return *started;
  }
  Result<std::vector<domain::TransferStatus>> try_status() { return ask(mover->status({transfer.id}, soon())); }
  domain::TransferStatus status() {
    auto told = try_status();
    INFO((told ? "" : told.error().code + ": " + told.error().message));
    REQUIRE(told);
    return told->at(0);
  }
  void later(Seconds by) { scheduler.advance(std::chrono::duration_cast<Milliseconds>(by)); }
  [[nodiscard]] std::string tag(int number) const { return domain::make_tag(transfer.id, number).str(); }
  ports::Sighting sighting(const char* id, Seconds after = Seconds{0}) {
    return {.tag = Tag(tag(1)),
            .cluster = "c",
            .account = LocalAccount("data"),
            .submitted_at = scheduler.now_utc() + after,
            .status = {.id = SiteJobId(id), .phase = ports::Phase::queued}};
  }
  void tells(TransferPhase phase, std::int64_t bytes, std::optional<domain::TransferOutcome> outcome = {}) {
    site.file = canonical_json(domain::to_json(domain::TransferStatus{.id = transfer.id,
                                                                      .moved_by = transfer.id,
                                                                      .phase = phase,
                                                                      .progress = {.bytes = {bytes}},
                                                                      .outcome = std::move(outcome)}));
  }
  void site_says(ports::Phase phase) {
    site.word.phase = phase;
    later(Seconds{40});  // what it said before counts no more
  }
  void job_ends(const char* state) {
    site_says(ports::Phase::ended);
    site.word.site_state = state;
  }

  fs::path folder;
  boost::asio::io_context io;
  async::ManualScheduler scheduler{io};
  NoWords log;
  ScriptedSite site;
  domain::Transfer transfer = an_order(Tool::rsync, a_server(), a_folder()).transfer;
  std::unique_ptr<JobMover> mover;
};

const auto kSilence = fail(ErrorKind::unknown_outcome, "SITE_SILENT", "cut");

}  // namespace

TEST_CASE("a job's number is on disk before the job leaves, and its order is in its arguments") {
  QueueBench bench;
  std::string noted;
  bench.site.on_submit = [&] {
    std::ifstream file(bench.folder / "notes" / (bench.transfer.id.str() + ".json"));
    noted.assign(std::istreambuf_iterator<char>(file), {});
  };
  CHECK(bench.start().phase == TransferPhase::queued);
  const auto note = job_note_from_json(noted);
  REQUIRE(note);
  CHECK(note->jobs == 1);
  CHECK(note->live);
  CHECK(note->site_job.empty());
  CHECK(note->order.transfer == bench.transfer);
  CHECK(*job_note_from_json(canonical_json(to_json(*note))) == *note);

  REQUIRE(bench.site.submitted.size() == 1);
  const auto& request = bench.site.submitted[0];
  CHECK(request.tag.str() == bench.tag(1));
  CHECK(request.account.str() == "data");
  CHECK(request.scheduler_account == "ops");
  CHECK(request.queue.str() == "transfer");
  CHECK(request.spec.time_limit == Seconds{7200});
  CHECK_FALSE(request.spec.requeue);
  REQUIRE(request.payload.arguments.size() == 5);
  CHECK(request.payload.arguments[0] == "/opt/hansa-move-run");
  CHECK(request.payload.arguments[2] == "move");
  const auto order = order_from_json(request.payload.arguments[4]);
  REQUIRE(order);
  CHECK(order->from == a_server());
  CHECK(order->to == a_folder());

  bench.start();  // it waits: there is no second one
  CHECK(bench.site.submitted.size() == 1);
}

TEST_CASE("progress comes from the job's file, and its last word is the end") {
  QueueBench bench;
  bench.start();
  CHECK(bench.status().phase == TransferPhase::queued);
  bench.site_says(ports::Phase::running);
  bench.tells(TransferPhase::copying, 2);
  CHECK(bench.status().progress.bytes == domain::Bytes{2});
  const auto asked = bench.site.questions;
  bench.tells(TransferPhase::verifying, 3);
  CHECK(bench.status().phase == TransferPhase::verifying);
  CHECK(bench.site.questions == asked);  // the file alone was looked at
  SECTION("what is not its own is not believed") {
    bench.site.file = "{\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAA\"}";
    CHECK(bench.status().phase == TransferPhase::verifying);
    bench.site.file = "\xff garbage";
    CHECK(bench.status().phase == TransferPhase::verifying);
    bench.site.file = "changed";  // by the job, while it was read
    CHECK(bench.status().phase == TransferPhase::verifying);
  }
  bench.tells(TransferPhase::ended, 3, domain::TransferOutcome{.end = TransferEnd::moved, .message = {}, .detail = {}, .at = {}});
  CHECK(bench.status().outcome->end == TransferEnd::moved);
  bench.restart();
  CHECK(bench.status().outcome->end == TransferEnd::moved);
  CHECK(bench.start().outcome->end == TransferEnd::moved);
  REQUIRE(bench.ask(bench.mover->forget({bench.transfer.id}, bench.soon())));
  CHECK(bench.status().phase == TransferPhase::not_seen);
  CHECK(bench.site.submitted.size() == 1);
}

TEST_CASE("a site's scheduler is asked for all jobs together, and seldom") {
  QueueBench bench;
  bench.start();
  for (int i = 0; i < 50; ++i) {
    bench.later(Seconds{2});
    bench.status();
  }
  CHECK(bench.site.questions <= 12);
}

TEST_CASE("without a receipt the job is looked for under its tag") {
  QueueBench bench;
  bench.site.receipt = kSilence;
  CHECK(bench.start().phase == TransferPhase::queued);
  SECTION("and adopted, by the next process as well") {
    bench.site.sightings = {bench.sighting("12")};
    if (GENERATE(false, true)) bench.restart();
    bench.later(Seconds{6});
    CHECK(bench.status().phase == TransferPhase::queued);
    bench.site_says(ports::Phase::running);
    bench.tells(TransferPhase::copying, 1);
    CHECK(bench.status().phase == TransferPhase::copying);
    CHECK(bench.site.sealed.empty());
  }
  SECTION("of several the first is kept, and the others go while they wait") {
    bench.site.sightings = {bench.sighting("13", Seconds{1}), bench.sighting("12")};
    bench.later(Seconds{6});
    bench.status();
    CHECK(bench.site.cancelled == std::vector<std::string>{"13"});
  }
  SECTION("what is another account's, or older than the intent, is not ours") {
    auto theirs = bench.sighting("12");
    theirs.account = LocalAccount("other");
    bench.site.sightings = {theirs, bench.sighting("13", Seconds{-600})};
    bench.later(Seconds{6});
    CHECK(bench.status().phase == TransferPhase::queued);
    CHECK(bench.site.sealed.empty());  // what was started for it may still be alive
    bench.site.word.phase = ports::Phase::running;
    bench.tells(TransferPhase::copying, 2);
    bench.later(Seconds{6});
    CHECK(bench.status().phase == TransferPhase::queued);
  }
  SECTION("not to be found, it is sealed once nothing can come any more, and the next one has the next number") {
    bench.later(Seconds{10});
    CHECK(bench.status().phase == TransferPhase::queued);
    CHECK(bench.site.sealed.empty());
    bench.later(Seconds{60});
    CHECK(bench.status().phase == TransferPhase::interrupted);
    CHECK(bench.site.sealed == std::vector<std::string>{bench.tag(1)});
    bench.site.receipt = ports::SubmitReceipt{SiteJobId("8")};
    bench.start();
    CHECK(bench.site.submitted.back().tag.str() == bench.tag(2));
  }
  SECTION("whoever holds the fence is the job") {
    bench.site.seal_outcome = ports::SealOutcome{.sealed = false, .holder = SiteJobId("99")};
    bench.later(Seconds{60});
    bench.status();
    bench.site_says(ports::Phase::running);
    bench.tells(TransferPhase::copying, 1);
    CHECK(bench.status().phase == TransferPhase::copying);
    CHECK(bench.site.submitted.size() == 1);
  }
}

TEST_CASE("a site that refuses the job ends the transfer, once it can never start") {
  QueueBench bench;
  bench.site.receipt = fail(ErrorKind::unknown_outcome, "SITE_REFUSED", "the site refused the job: invalid partition");
  bench.start();
  const auto end = bench.status();
  REQUIRE(end.outcome);
  CHECK(end.outcome->end == TransferEnd::tool_failed);
  CHECK(end.outcome->message.contains("invalid partition"));
  CHECK(bench.site.sealed == std::vector<std::string>{bench.tag(1)});
}

TEST_CASE("what surely did not leave costs no number") {
  QueueBench bench;
  bench.site.receipt = fail(ErrorKind::unavailable, "SITE_DOWN", "away");
  CHECK(bench.try_start().error().code == "SITE_DOWN");
  CHECK(bench.status().phase == TransferPhase::not_seen);
  if (GENERATE(false, true)) {  // nor is anything of it left
    REQUIRE(bench.ask(bench.mover->forget({bench.transfer.id}, bench.soon())));
    CHECK(fs::is_empty(bench.folder / "notes"));
  }
  bench.site.receipt = ports::SubmitReceipt{SiteJobId("7")};
  bench.start();
  CHECK(bench.site.submitted.back().tag.str() == bench.tag(1));
}

TEST_CASE("a job that ends without a result is followed by another, as long as they come further") {
  QueueBench bench;
  std::int64_t came = 1;
  for (int number = 1; number <= 5; ++number) {
    bench.start();
    CHECK(bench.site.submitted.back().tag.str() == bench.tag(number));
    bench.tells(TransferPhase::copying, came++);
    bench.job_ends("NODE_FAIL");
    CHECK(bench.status().phase == TransferPhase::interrupted);
  }
  for (int number = 6; number <= 8; ++number) {
    bench.start();
    bench.job_ends("TIMEOUT");
    bench.status();
  }
  const auto end = bench.status();
  REQUIRE(end.outcome);
  CHECK(end.outcome->end == TransferEnd::tool_failed);
  CHECK(end.outcome->message.contains("TIMEOUT"));
  CHECK(end.outcome->detail == "its last words");
  CHECK(bench.site.submitted.size() == 8);
}

TEST_CASE("a job that says it is over has its result soon") {
  QueueBench bench;
  bench.start();
  bench.job_ends("COMPLETED");
  bench.site.word.outcome = domain::Outcome::succeeded;
  CHECK(bench.status().phase == TransferPhase::queued);
  bench.tells(TransferPhase::ended, 3, domain::TransferOutcome{.end = TransferEnd::moved, .message = {}, .detail = {}, .at = {}});
  CHECK(bench.status().outcome->end == TransferEnd::moved);
}

TEST_CASE("a duplicate gives way to whoever has its fence") {
  QueueBench bench;
  bench.start();
  bench.site.seal_outcome = ports::SealOutcome{.sealed = false, .holder = SiteJobId("99")};
  bench.site.word.reason = {"DUPLICATE", "its fence is held"};
  bench.job_ends("FAILED");
  CHECK(bench.status().phase == TransferPhase::queued);
  bench.site.word.reason = {};
  bench.site_says(ports::Phase::running);
  bench.tells(TransferPhase::copying, 2);
  CHECK(bench.status().phase == TransferPhase::copying);
  CHECK(bench.site.submitted.size() == 1);
}

TEST_CASE("a job that the site has forgotten") {
  QueueBench bench;
  bench.start();
  bench.site_says(ports::Phase::not_seen);
  CHECK(bench.status().phase == TransferPhase::queued);  // it proves nothing
  CHECK(bench.site.sealed.empty());
  SECTION("and that never started is sealed") {
    bench.later(Seconds{200});
    CHECK(bench.status().phase == TransferPhase::interrupted);
    CHECK(bench.site.sealed == std::vector<std::string>{bench.tag(1)});
  }
  SECTION("and whose fence is out of reach: it may still start, and nothing else does") {
    bench.site.seal_outcome = fail(ErrorKind::unavailable, "SITE_DOWN", "away");
    bench.later(Seconds{90'000});
    CHECK(bench.try_status().error().code == "SITE_DOWN");
    CHECK(bench.try_start().error().code == "SITE_DOWN");
    CHECK(bench.site.submitted.size() == 1);
  }
  SECTION("and that has started: nothing else begins before its time is over") {
    bench.site.seal_outcome = ports::SealOutcome{.sealed = false, .holder = SiteJobId("7")};
    bench.later(Seconds{200});
    CHECK(bench.try_status().error().code == "SITE_FORGOT");
    CHECK(bench.try_start().error().code == "SITE_FORGOT");
    CHECK(bench.site.submitted.size() == 1);
    bench.later(Seconds{9000});
    CHECK(bench.status().phase == TransferPhase::interrupted);
  }
}

TEST_CASE("cancelled") {
  QueueBench bench;
  SECTION("what nobody knows is not found") {
    CHECK(bench.ask(bench.mover->cancel(bench.transfer.id, bench.soon())).error().code == "TRANSFER_NOT_FOUND");
  }
  SECTION("while it waits, its fence is sealed and that is all") {
    bench.start();
    REQUIRE(bench.ask(bench.mover->cancel(bench.transfer.id, bench.soon())));
    CHECK(bench.status().outcome->end == TransferEnd::cancelled);
    CHECK(bench.site.cancelled == std::vector<std::string>{"7"});
    CHECK(bench.site.sealed == std::vector<std::string>{bench.tag(1)});
    CHECK(bench.site.submitted.size() == 1);
  }
  SECTION("without a receipt it is sealed at once") {
    bench.site.receipt = kSilence;
    bench.start();
    REQUIRE(bench.ask(bench.mover->cancel(bench.transfer.id, bench.soon())));
    CHECK(bench.status().outcome->end == TransferEnd::cancelled);
    CHECK(bench.site.sealed == std::vector<std::string>{bench.tag(1)});
  }
  SECTION("while it copies, another job takes away what is there, also after a restart") {
    bench.start();
    bench.site_says(ports::Phase::running);
    bench.tells(TransferPhase::copying, 2);
    bench.status();
    bench.site.cancel_outcome = domain::CancelOutcome::stopped;
    bench.job_ends("CANCELLED");
    bench.site.receipt = ports::SubmitReceipt{SiteJobId("8")};
    REQUIRE(bench.ask(bench.mover->cancel(bench.transfer.id, bench.soon())));
    bench.restart();
    REQUIRE(bench.site.submitted.size() == 2);
    CHECK(bench.site.submitted[1].payload.arguments[2] == "discard");
    bench.site.file.clear();
    bench.site_says(ports::Phase::running);
    CHECK(bench.status().phase != TransferPhase::ended);
    bench.tells(TransferPhase::ended, 0,
                domain::TransferOutcome{.end = TransferEnd::cancelled, .message = "cancelled", .detail = {}, .at = {}});
    CHECK(bench.status().outcome->end == TransferEnd::cancelled);
    CHECK(bench.site.submitted.size() == 2);
  }
  SECTION("too late, it has moved") {
    bench.start();
    bench.site_says(ports::Phase::running);
    bench.tells(TransferPhase::ended, 3,
                domain::TransferOutcome{.end = TransferEnd::moved, .message = {}, .detail = {}, .at = {}});
    REQUIRE(bench.ask(bench.mover->cancel(bench.transfer.id, bench.soon())));
    CHECK(bench.status().outcome->end == TransferEnd::moved);
    CHECK(bench.site.submitted.size() == 1);
  }
}

TEST_CASE("a job that is elsewhere is not taken for one that is gone") {
  QueueBench bench;
  bench.start();
  bench.restart(SiteId("alpha"));
  CHECK(bench.try_status().error().code == "TRANSFER_JOB_ELSEWHERE");
  CHECK(bench.try_start().error().code == "TRANSFER_JOB_ELSEWHERE");
  CHECK(bench.site.submitted.size() == 1);
}

TEST_CASE("an id is one transfer's") {
  QueueBench bench;
  bench.start();
  bench.transfer.to.path = "other";
  CHECK(bench.try_start().error().code == "TRANSFER_ID_REUSED");
}

TEST_CASE("a note that cannot be read is told, and nothing is submitted on it") {
  QueueBench bench;
  bench.start();
  bench.restart();
  std::ofstream(bench.folder / "notes" / (bench.transfer.id.str() + ".json"))
      << GENERATE("", "{}", "[1]", "{\"jobs\":1}", "\xff");
  CHECK(bench.try_status().error().code == "MOVER_NOTE");
  CHECK(bench.try_start().error().code == "MOVER_NOTE");
  CHECK(bench.site.submitted.size() == 1);
}
