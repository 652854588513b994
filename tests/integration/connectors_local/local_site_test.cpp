// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/connectors_local/local_site.hpp"

#include "connectors/local/process_table.hpp"
#include "connectors/local/supervise.hpp"
#include "connectors/transport/wrapper.hpp"

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

using namespace hansa;
using namespace hansa::test;
using namespace std::chrono_literals;
namespace local = hansa::connectors::local;
using domain::CancelOutcome;
using domain::Outcome;
using ports::Phase;

namespace {

struct Ids {
  JobId next() { return source.next(); }
  async::RealScheduler clock;
  async::SystemRandom random;
  UlidSource source{clock, random};
};

ports::SiteJob submit(LocalSite& site, const ports::SubmitRequest& request) {
  const auto receipt = site.ask(site.connector().submit(request, site.soon()));
  INFO((receipt ? "" : receipt.error().message));
  REQUIRE(receipt);
  return {.id = receipt->site_job_id, .tag = request.tag, .account = {}, .person = request.person};
}

ports::JobStatus status(LocalSite& site, const ports::SiteJob& job) {
  const auto answer = site.ask(site.connector().status({job}, site.soon()));
  REQUIRE(answer);
  return answer->front();
}

ports::JobStatus ended(LocalSite& site, const ports::SiteJob& job) {
  REQUIRE(site.wait_for([&] { return status(site, job).phase == Phase::ended; }));
  return status(site, job);
}

std::string output(LocalSite& site, const ports::SiteJob& job) {
  const auto chunk = site.ask(site.connector().read_output(job, ports::Stream::out, 0, 1U << 20U, site.soon()));
  INFO((chunk ? "" : chunk.error().message));
  REQUIRE(chunk);
  return chunk->bytes;
}

/// What the script echoed, once it has: process ids.
std::vector<pid_t> printed_pids(LocalSite& site, const ports::SiteJob& job, std::size_t how_many) {
  std::vector<pid_t> pids;
  REQUIRE(site.wait_for([&] {
    pids.clear();
    std::istringstream words(output(site, job));
    for (pid_t pid = 0; words >> pid;) pids.push_back(pid);
    return pids.size() == how_many;
  }));
  return pids;
}

bool alive(pid_t pid) {
  const auto entry = local::process_entry(pid);
  return entry && entry->state != 'Z';
}

local::StartRecord start_of(const std::string& folder, const ports::SiteJob& job) {
  std::ifstream file(folder + "/spool/jobs/" + job.id.str() + "/started.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto start = local::start_record(text);
  REQUIRE(start);
  return *start;
}

int exit_code_of(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  auto copy = command;
  for (auto& word : copy) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execv(arguments[0], arguments.data());
    ::_exit(126);
  }
  int result = 0;
  ::waitpid(child, &result, 0);
  return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

}  // namespace

TEST_CASE("local: jobs outlive the connector, and the next one tells their end and usage") {
  const TemporaryFolder folder;
  Ids ids;
  ports::SiteJob running;
  ports::SiteJob waiting;
  {
    LocalSite site(options_in(folder.path()));
    auto first = request_for(ids.next(), "sleep 2; echo done; exit 7");
    first.spec.resources.cpus_per_task = 4;
    running = submit(site, first);
    waiting = submit(site, request_for(ids.next(), "echo late"));
    REQUIRE(site.wait_for([&] { return status(site, running).phase == Phase::running; }));
  }
  LocalSite site(options_in(folder.path()));
  CHECK(status(site, running).phase == Phase::running);
  const auto end = ended(site, running);
  CHECK(end.exit_code == 7);
  CHECK(end.outcome == Outcome::failed);
  CHECK(*end.ended_at - *end.started_at >= 2s);
  CHECK(ended(site, waiting).outcome == Outcome::succeeded);
  CHECK(output(site, waiting) == "late\n");

  const auto usage = site.ask(site.connector().usage({}, site.soon()));
  REQUIRE(usage);
  REQUIRE(usage->records.size() == 2);
  CHECK(usage->records[0].site_job_id == running.id);
  CHECK(usage->records[0].core_seconds.value == usage->records[0].elapsed.count() * 4);
  CHECK(usage->records[0].elapsed == std::chrono::floor<Seconds>(*end.ended_at - *end.started_at));
  CHECK(usage->records[0].cluster == "here");
}

TEST_CASE("local: where each account has a spool of its own, its records say which, and its jobs are found as the site's") {
  const TemporaryFolder folder;
  Ids ids;
  auto options = options_in(folder.path());
  options.accounting = "here/alice";
  LocalSite site(options);
  const auto job = submit(site, request_for(ids.next(), "exit 0"));
  (void)ended(site, job);
  const auto usage = site.ask(site.connector().usage({}, site.soon()));
  REQUIRE(usage);
  REQUIRE(usage->records.size() == 1);
  CHECK(usage->records[0].cluster == "here/alice");
  const auto found = site.ask(site.connector().find({job}, site.soon()));
  REQUIRE(found);
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings[0].cluster == site.ask(site.connector().snapshot(site.soon()))->cluster);
}

TEST_CASE("local: a broker that is killed loses nothing") {
  const TemporaryFolder folder;
  Ids ids;
  const auto a = ids.next();
  const auto b = ids.next();
  std::array<int, 2> out{};
  REQUIRE(::pipe(out.data()) == 0);
  const pid_t broker = ::fork();
  if (broker == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    ::execl(HANSA_LOCAL_SITE_HOST, "local_site_host", folder.path().c_str(), a.str().c_str(), "sleep 2; echo a; exit 3",
            b.str().c_str(), "echo b", nullptr);
    ::_exit(126);
  }
  ::close(out[1]);
  std::string receipts;
  for (char byte = 0; receipts != "1\n2\n" && ::read(out[0], &byte, 1) == 1;) receipts += byte;
  REQUIRE(receipts == "1\n2\n");
  for (int i = 0; i < 500 && !std::filesystem::exists(folder.path() + "/spool/jobs/1/started.json"); ++i) ::usleep(10'000);
  REQUIRE(::kill(broker, SIGKILL) == 0);
  ::waitpid(broker, nullptr, 0);
  ::close(out[0]);

  LocalSite site(options_in(folder.path()));
  const ports::SiteJob first{.id = SiteJobId("1"), .tag = domain::make_tag(a, 1), .account = {}, .person = {}};
  const ports::SiteJob second{.id = SiteJobId("2"), .tag = domain::make_tag(b, 1), .account = {}, .person = {}};
  CHECK(status(site, first).phase == Phase::running);
  CHECK(status(site, second).phase == Phase::queued);  // nobody started it meanwhile
  CHECK(ended(site, first).exit_code == 3);
  CHECK(ended(site, second).outcome == Outcome::succeeded);
  CHECK(output(site, first) == "a\n");
  CHECK(output(site, second) == "b\n");
  const auto found = site.ask(site.connector().find({first}, site.soon()));
  REQUIRE(found);
  CHECK(found->sightings.size() == 1);
}

TEST_CASE("local: a job that ends while no broker runs has the right end and usage") {
  const TemporaryFolder folder;
  Ids ids;
  ports::SiteJob job;
  {
    LocalSite site(options_in(folder.path()));
    job = submit(site, request_for(ids.next(), "sleep 1; exit 5"));
    REQUIRE(site.wait_for([&] { return status(site, job).phase == Phase::running; }));
  }
  while (!std::filesystem::exists(folder.path() + "/spool/jobs/" + job.id.str() + "/result.json")) ::usleep(10'000);
  ::sleep(2);
  LocalSite site(options_in(folder.path()));
  const auto opened_at = site.scheduler().now_utc();
  const auto end = ended(site, job);
  CHECK(end.exit_code == 5);
  CHECK(*end.ended_at <= opened_at - 2s);  // when it ended, not when somebody looked
}

TEST_CASE("local: a killed supervisor is a failed job, and its processes go") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  // One child in the script's session, one in a session of its own; neither dies with the script.
  const auto job =
      submit(site, request_for(ids.next(), "sleep 300 & echo $!\nsetsid bash -c 'echo $$; exec sleep 300' & sleep 300"));
  const auto pids = printed_pids(site, job, 2);
  REQUIRE(site.wait_for([&] { return status(site, job).phase == Phase::running; }));
  REQUIRE(::kill(start_of(folder.path(), job).supervisor, SIGKILL) == 0);
  const auto end = ended(site, job);
  CHECK(end.outcome == Outcome::failed);
  CHECK(end.reason.code == "SUPERVISOR_LOST");
  CHECK(end.reason.message.find("were killed") != std::string::npos);
  for (const auto pid : pids) CHECK_FALSE(alive(pid));
}

TEST_CASE("local: the wall-time limit ends what ignores SIGTERM and what has left the session") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  const auto job = submit(site, request_for(ids.next(),
                                            "trap '' TERM\necho $$\n"
                                            "setsid bash -c 'trap \"\" TERM; echo $$; while :; do sleep 0.2; done' &\n"
                                            "while :; do sleep 0.2; done",
                                            Seconds{1}));
  const auto pids = printed_pids(site, job, 2);
  const auto end = ended(site, job);
  CHECK(end.outcome == Outcome::timed_out);
  CHECK(end.reason.code == "TIMEOUT");
  for (const auto pid : pids) CHECK_FALSE(alive(pid));
  CHECK(*end.ended_at - *end.started_at >= 5s);  // the grace is used: SIGKILL came after it
}

TEST_CASE("local: what a script leaves behind does not stay, and its own end counts") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  const auto job = submit(site, request_for(ids.next(), "setsid sleep 300 >/dev/null 2>&1 & sleep 300 & echo $!; exit 4"));
  const auto pids = printed_pids(site, job, 1);
  const auto end = ended(site, job);
  CHECK(end.exit_code == 4);
  CHECK(end.outcome == Outcome::failed);
  for (const auto pid : pids) CHECK_FALSE(alive(pid));
}

TEST_CASE("local: a cancelled job is told so, and may clean up") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  const auto job =
      submit(site, request_for(ids.next(), "trap 'echo cleaned; exit 0' TERM\necho ready\nwhile :; do sleep 0.1; done"));
  REQUIRE(site.wait_for([&] { return output(site, job) == "ready\n"; }));
  CHECK(site.ask(site.connector().cancel(job, ports::CancelWhen::always, site.soon())) == CancelOutcome::stopped);
  CHECK(output(site, job) == "ready\ncleaned\n");
  CHECK(status(site, job).outcome == Outcome::cancelled);
}

TEST_CASE("local: a SIGTERM from elsewhere is not taken for a cancellation") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  const auto job = submit(site, request_for(ids.next(), "echo ready; sleep 300"));
  REQUIRE(site.wait_for([&] { return output(site, job) == "ready\n" && status(site, job).phase == Phase::running; }));
  REQUIRE(::kill(start_of(folder.path(), job).supervisor, SIGTERM) == 0);
  const auto end = ended(site, job);
  CHECK(end.outcome == Outcome::failed);
  CHECK(end.reason.code == "SITE_SHUTDOWN");
}

TEST_CASE("local: two brokers do not share a spool") {
  const TemporaryFolder folder;
  LocalSite site(options_in(folder.path()));
  SilentLog log;
  async::RealScheduler scheduler;
  boost::asio::io_context context;
  const auto second = local::LocalConnector::open(scheduler, context.get_executor(), options_in(folder.path()), log);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == "SPOOL_IN_USE");
}

TEST_CASE("local: a supervisor that comes too late runs nothing") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  auto blocker = request_for(ids.next(), "sleep 300");
  blocker.spec.resources.cpus_per_task = 4;
  const auto first = submit(site, blocker);
  const auto job = submit(site, request_for(ids.next(), "echo must not run"));
  CHECK(site.ask(site.connector().cancel(job, ports::CancelWhen::always, site.soon())) == CancelOutcome::never_started);
  const auto spooled = folder.path() + "/spool/jobs/";
  CHECK(exit_code_of({HANSA_LOCAL_RUN, spooled + job.id.str()}) == local::kStartedBefore);
  CHECK(exit_code_of({HANSA_LOCAL_RUN, spooled + first.id.str()}) == local::kStartedBefore);
  CHECK(output(site, job).empty());
  CHECK(site.ask(site.connector().cancel(first, ports::CancelWhen::always, site.soon())) == CancelOutcome::stopped);
}

TEST_CASE("local: a job that was sent on its way by a killed broker runs once") {
  const TemporaryFolder folder;
  Ids ids;
  ports::SiteJob blocker;
  ports::SiteJob job;
  auto options = options_in(folder.path());
  {
    LocalSite site(options);
    auto whole = request_for(ids.next(), "sleep 300");
    whole.spec.resources.cpus_per_task = options.cores;
    blocker = submit(site, whole);
    job = submit(site, request_for(ids.next(), "echo once; sleep 1"));
    REQUIRE(site.wait_for([&] { return status(site, blocker).phase == Phase::running; }));
  }
  options.cores *= 2;  // now there is room for both
  // The old broker's launcher, running while the new one opens and starts the job as well.
  const pid_t late = ::fork();
  if (late == 0) {
    ::execl(HANSA_LOCAL_RUN, HANSA_LOCAL_RUN, (folder.path() + "/spool/jobs/" + job.id.str()).c_str(), nullptr);
    ::_exit(126);
  }
  LocalSite site(options);
  CHECK(ended(site, job).outcome == Outcome::succeeded);
  ::waitpid(late, nullptr, 0);
  CHECK(output(site, job) == "once\n");
  CHECK(site.ask(site.connector().cancel(blocker, ports::CancelWhen::always, site.soon())) == CancelOutcome::stopped);
}

TEST_CASE("local: output that became something else is not followed", "[T12]") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  const auto request = request_for(ids.next(), "exit 0");
  const auto job = submit(site, request);
  ended(site, job);
  const auto path = folder.path() + "/work/" + connectors::transport::output_path(request.tag, false);
  std::filesystem::remove(path);
  const auto read = [&] { return site.ask(site.connector().read_output(job, ports::Stream::out, 0, 100, site.soon())); };
  CHECK_FALSE(read()->exists);
  std::filesystem::create_symlink("/etc/passwd", path);
  CHECK_FALSE(read());
  std::filesystem::remove(path);
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_FALSE(read());
  std::filesystem::remove(path);
  std::filesystem::remove_all(folder.path() + "/work/output");
  std::filesystem::create_directory_symlink("/etc", folder.path() + "/work/output");
  CHECK_FALSE(read());
}

TEST_CASE("local: a job whose start fails is tried again") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  std::filesystem::rename(folder.path() + "/work/output", folder.path() + "/work/away");
  const auto job = submit(site, request_for(ids.next(), "echo here"));
  REQUIRE(site.wait_for([&] { return status(site, job).pending_reason == "LaunchFailed"; }));
  std::filesystem::rename(folder.path() + "/work/away", folder.path() + "/work/output");
  CHECK(ended(site, job).outcome == Outcome::succeeded);
  CHECK(output(site, job) == "here\n");
}

TEST_CASE("local: old jobs are removed, numbers go on rising") {
  const TemporaryFolder folder;
  Ids ids;
  auto options = options_in(folder.path());
  {
    LocalSite site(options);
    for (int i = 0; i < 3; ++i) ended(site, submit(site, request_for(ids.next(), "exit 0")));
  }
  options.keep = Seconds{1};
  ::sleep(2);
  LocalSite site(options);
  CHECK(site.wait_for([&] { return !std::filesystem::exists(folder.path() + "/spool/jobs/2"); }));
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/spool/jobs/1"));
  CHECK(std::filesystem::exists(folder.path() + "/spool/jobs/3"));
  CHECK(submit(site, request_for(ids.next(), "exit 0")).id.str() == "4");
}

TEST_CASE("local: a folder that makes no sense is left alone and harms nobody") {
  const TemporaryFolder folder;
  Ids ids;
  { const LocalSite site(options_in(folder.path())); }
  std::filesystem::create_directories(folder.path() + "/spool/jobs/7");
  std::ofstream(folder.path() + "/spool/jobs/7/job.json") << "{\"id\": 7, torn";
  std::filesystem::create_directories(folder.path() + "/spool/jobs/incoming");
  LocalSite site(options_in(folder.path()));
  const auto job = submit(site, request_for(ids.next(), "exit 0"));
  CHECK(job.id.str() == "8");
  CHECK(ended(site, job).outcome == Outcome::succeeded);
  CHECK(std::filesystem::exists(folder.path() + "/spool/jobs/7/job.json"));
}

TEST_CASE("local: what the machine cannot hold is refused, a second job waits for room") {
  const TemporaryFolder folder;
  Ids ids;
  LocalSite site(options_in(folder.path()));
  const auto refusal = [&](const std::function<void(ports::SubmitRequest&)>& change) {
    auto request = request_for(ids.next(), "exit 0");
    change(request);
    const auto receipt = site.ask(site.connector().submit(request, site.soon()));
    REQUIRE_FALSE(receipt);
    return receipt.error().code;
  };
  CHECK(refusal([](auto& r) { r.spec.resources.cpus_per_task = 5; }) == "SITE_REFUSED");
  CHECK(refusal([](auto& r) { r.spec.resources.memory_per_node = Mebibytes{4097}; }) == "SITE_REFUSED");
  CHECK(refusal([](auto& r) { r.spec.resources.gpus_per_node = 2; }) == "SITE_REFUSED");
  CHECK(refusal([](auto& r) {
          r.spec.resources.gpus_per_node = 1;
          r.spec.resources.gpu_model = "h100";
        }) == "SITE_REFUSED");
  CHECK(refusal([](auto& r) { r.spec.resources = {.nodes = 2, .tasks = 2}; }) == "SITE_REFUSED");
  CHECK(refusal([](auto& r) { r.payload.script = "no shebang"; }) == "PAYLOAD_NOT_DELIVERABLE");

  auto gpu = request_for(ids.next(), "sleep 1");
  gpu.spec.resources.gpus_per_node = 1;
  const auto first = submit(site, gpu);
  gpu.tag = domain::make_tag(ids.next(), 1);
  const auto second = submit(site, gpu);
  REQUIRE(site.wait_for([&] { return status(site, first).phase == Phase::running; }));
  CHECK(status(site, second).phase == Phase::queued);
  const auto end = ended(site, second);
  CHECK(*end.started_at >= *status(site, first).ended_at);
}
