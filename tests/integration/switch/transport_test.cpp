// SPDX-License-Identifier: Apache-2.0
// SwitchTransport and FilesAt through the real hansa-switch, called by an account that is neither root nor alice.

#include "broker/async/real_scheduler.hpp"
#include "broker/core/digest.hpp"
#include "connectors/transport/direct_transport.hpp"
#include "connectors/transport/file_access.hpp"
#include "connectors/transport/switch_transport.hpp"
#include "tests/integration/switch/switch_fixture.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

using namespace hansa;
using namespace hansa::tests;
using namespace hansa::connectors::transport;
using namespace std::chrono_literals;
using Catch::Contains;
namespace fs = std::filesystem;

#define NEEDS_ROOT()                                  \
  if (const auto why = why_skipped(); !why.empty()) { \
    WARN("skipped: " << why);                         \
    return;                                           \
  }

namespace {

struct Site {
  SwitchFixture fixture;
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  SwitchTransport transport{scheduler, fixture.socket()};

  Site() { fixture.start(); }
  ~Site() { static_cast<void>(::seteuid(0)); }

  async::Deadline soon(Milliseconds time = 20s) { return async::Deadline::in(scheduler, time); }
  Command probe(std::vector<std::string> arguments) {
    return {.program = fixture.path("probe"),
            .arguments = std::move(arguments),
            .account = LocalAccount("alice"),
            .person = Principal("local:alice"),
            .tag = "hansa-1-1"};
  }
  /// As the caller's account: the effective uid at connect() is what the switch sees.
  template <typename T>
  T as_caller(boost::asio::awaitable<T> work) {
    REQUIRE(::seteuid(fixture.caller.uid) == 0);
    auto result = async::run(io, std::move(work));
    REQUIRE(::seteuid(0) == 0);
    return result;
  }
  /// What must work, or the test ends with what went wrong.
  template <typename T>
  void must(boost::asio::awaitable<Result<T>> work) {
    const auto done = as_caller(std::move(work));
    if (!done) FAIL(done.error().code << ": " << done.error().message << " (" << done.error().detail << ")");
  }
  Result<CommandResult> run(Command command, Milliseconds time = 20s) {
    return as_caller(transport.run(std::move(command), soon(time)));
  }
};

}  // namespace

TEST_CASE("through the switch a command runs as its account") {
  NEEDS_ROOT();
  Site site;
  const auto result = site.run(site.probe({})).value();
  CHECK(result.exit_status == 0);
  CHECK_THAT(result.out, Contains("uid " + std::to_string(site.fixture.alice.uid)) && Contains("cwd " + site.fixture.alice.home));
  CHECK(site.run(site.probe({"exit", "3"})).value().exit_status == 3);
  CHECK(site.run(site.probe({"kill", "KILL"})).value().signal == SIGKILL);
  CHECK(site.run(site.probe({"args", "$(id)", "-x", "ä\n"})).value().out == "[$(id)][-x][ä\n]");

  auto zoned = site.probe({"env"});
  zoned.environment = {{"TZ", "UTC"}};
  CHECK_THAT(site.run(zoned).value().out, Contains("TZ=UTC\n"));

  auto big = site.probe({"sum"});
  big.input.assign(8 << 20, '\xff');
  CHECK(site.run(big).value().out == sha256_hex(big.input) + "  -\n");

  auto flood = site.probe({"flood", "500000"});
  flood.output_limit = 1000;
  const auto cut = site.run(flood).value();
  CHECK(cut.out == std::string(1000, 'x'));
  CHECK(cut.out_truncated);
  CHECK(cut.err == "done\n");
  CHECK_THAT(site.fixture.log(), Contains("person=\"local:alice\" account=\"alice\"") && Contains("tag=\"hansa-1-1\""));
}

TEST_CASE("what the switch refuses is an error with its reason, and nothing was started") {
  NEEDS_ROOT();
  Site site;
  auto root = site.probe({});
  root.account = LocalAccount("root");
  const auto refused = site.run(root);
  CHECK(refused.error().kind == ErrorKind::permission_denied);
  CHECK(refused.error().code == "ACCOUNT_DENIED");
  CHECK_THAT(refused.error().message, Contains("below the least uid"));
  auto shell = site.probe({});
  shell.program = "/bin/sh";
  CHECK(site.run(shell).error().code == "PROGRAM_DENIED");
  auto variable = site.probe({});
  variable.environment = {{"SLURM_CONF", "x"}};
  CHECK(site.run(variable).error().code == "ENVIRONMENT_DENIED");
  auto nowhere = site.probe({});
  nowhere.working_directory = "no/such/folder";
  CHECK(site.run(nowhere).error().code == "START_FAILED");

  const auto foreign = async::run(site.io, site.transport.run(site.probe({}), site.soon()));  // as root, which is no caller
  CHECK(foreign.error().code == "CALLER_DENIED");

  site.fixture.configure("minimum_uid = 0\n");
  CHECK(site.run(site.probe({})).error().kind == ErrorKind::unavailable);
  site.fixture.stop();
  const auto gone = site.run(site.probe({}));
  CHECK(gone.error().kind == ErrorKind::unavailable);
  CHECK_THAT(gone.error().message, Contains("systemctl start hansa-switch.socket"));
}

TEST_CASE("at its deadline or when cancelled a command is dead before its caller goes on") {
  NEEDS_ROOT();
  Site site;
  const auto file = site.fixture.pid_file();
  const auto dead = [&] {
    const auto stat = read_whole("/proc/" + std::to_string(std::stol(read_whole(file))) + "/stat");
    fs::remove(file);
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  };
  const auto late = site.run(site.probe({"sleep", "600"}), 300ms).value();
  CHECK(late.timed_out);
  CHECK(late.signal == SIGTERM);
  CHECK(dead());
  CHECK_THAT(site.fixture.log(), Contains("signal 15: its caller went away"));

  const auto polite = site.run(site.probe({"goodbye"}), 1000ms).value();  // what it says and does on its way out is told
  CHECK(polite.timed_out);
  CHECK(polite.exit_status == 7);
  CHECK(polite.out == "bye\n");
  CHECK(dead());

  auto deaf = site.probe({"stubborn"});
  deaf.self_limit = 60s;  // not the alarm, which comes a second past the deadline
  const auto stubborn = site.run(deaf, 300ms).value();
  CHECK(stubborn.timed_out);
  CHECK(stubborn.signal == SIGKILL);
  CHECK(dead());

  REQUIRE(::seteuid(site.fixture.caller.uid) == 0);
  const auto started = async::start(site.io.get_executor(), site.transport.run(site.probe({"sleep", "600"}), site.soon()));
  site.io.restart();
  site.io.run_for(300ms);
  started.cancel();
  site.io.restart();
  site.io.run();
  REQUIRE(::seteuid(0) == 0);
  REQUIRE(started.ended());
  CHECK(started.value().value().cancelled);
  CHECK(started.value().value().signal == SIGTERM);
  CHECK(dead());

  auto limited = site.probe({"sleep", "600"});
  limited.self_limit = 1s;
  const auto ended = site.run(limited);
  INFO((ended ? "" : ended.error().message));
  REQUIRE(ended);
  CHECK(ended->signal == SIGALRM);
  CHECK(dead());
}

TEST_CASE("what waits for its turn when its deadline comes is never started") {
  NEEDS_ROOT();
  Site site;
  site.fixture.configure("max_concurrent = 1\n");
  const int first = site.fixture.connect_as(site.fixture.caller.uid);  // takes the only turn, and says nothing
  CHECK(eventually([&] {
    return read_whole("/proc/" + std::to_string(site.fixture.pid()) + "/task/" + std::to_string(site.fixture.pid()) + "/children")
               .find_first_of("0123456789") != std::string::npos;
  }));
  auto touch = site.probe({"sleep", "0"});
  const auto file = site.fixture.pid_file();
  fs::remove(file);
  Result<CommandResult> result;
  std::thread release([&] {
    std::this_thread::sleep_for(500ms);
    ::close(first);
  });
  result = site.run(touch, 200ms);
  release.join();
  CHECK(result.error().kind == ErrorKind::deadline_exceeded);
  CHECK(eventually([&] { return site.fixture.log().find("CALLER_GONE") != std::string::npos; }));
  CHECK_FALSE(fs::exists(file));
  CHECK_THAT(site.fixture.log(), !Contains(": started "));
}

TEST_CASE("folders, fences and output are the account's, and only what it may touch", "[T12]") {
  NEEDS_ROOT();
  Site site;
  FilesAt alice(site.transport, LocalAccount("alice"), Principal("local:alice"), "hansa-1-1");
  FilesAt bob(site.transport, LocalAccount("bob"), Principal("local:bob"), "hansa-2-1");
  const auto work = site.fixture.alice.home + "/.hansa-switch-test";
  fs::remove_all(work);

  site.must(alice.make_directories({".hansa-switch-test", ".hansa-switch-test/fence"}, site.soon()));
  for (const auto& made : {work, work + "/fence"}) {
    struct stat folder{};
    REQUIRE(::stat(made.c_str(), &folder) == 0);
    CHECK(folder.st_uid == site.fixture.alice.uid);
    CHECK(folder.st_gid == site.fixture.alice.gid);
    CHECK((folder.st_mode & 07777) == 0700);
  }

  CHECK(site.as_caller(alice.make_link("job:17:0", ".hansa-switch-test/fence/t.0", site.soon())).value().created);
  const auto sealed = site.as_caller(alice.make_link("sealed", work + "/fence/t.0", site.soon())).value();
  CHECK_FALSE(sealed.created);
  CHECK(sealed.target == "job:17:0");

  // Bob has no business there, and the switch gives him none.
  CHECK(site.as_caller(bob.make_link("sealed", work + "/fence/t.1", site.soon())).error().kind == ErrorKind::permission_denied);
  CHECK(site.as_caller(bob.read_range(work + "/out", 0, 10, site.soon())).error().kind == ErrorKind::permission_denied);

  std::ofstream(work + "/out") << "0123456789";
  REQUIRE(::chown((work + "/out").c_str(), site.fixture.alice.uid, site.fixture.alice.gid) == 0);
  CHECK(site.as_caller(alice.read_range(".hansa-switch-test/out", 3, 4, site.soon())).value() == "3456");
  fs::create_symlink("/etc/passwd", work + "/passwd");
  CHECK_FALSE(site.as_caller(alice.read_range(".hansa-switch-test/passwd", 0, 10, site.soon())));
  fs::remove_all(work);
}

TEST_CASE("of twenty who take one fence at one time, one gets it and all know who") {
  NEEDS_ROOT();
  Site site;
  FilesAt alice(site.transport, LocalAccount("alice"), Principal("local:alice"), "hansa-1-1");
  site.must(alice.make_directories({".hansa-switch-test"}, site.soon()));
  REQUIRE(::seteuid(site.fixture.caller.uid) == 0);
  std::vector<async::Started<Result<LinkOutcome>>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(
        async::start(site.io.get_executor(), alice.make_link("job:" + std::to_string(i), ".hansa-switch-test/f", site.soon())));
  }
  site.io.restart();
  site.io.run();
  REQUIRE(::seteuid(0) == 0);
  int created = 0;
  for (const auto& one : all) {
    REQUIRE(one.value());
    created += one.value()->created ? 1 : 0;
    CHECK(one.value()->target == fs::read_symlink(site.fixture.alice.home + "/.hansa-switch-test/f"));
  }
  CHECK(created == 1);
  fs::remove_all(site.fixture.alice.home + "/.hansa-switch-test");
}

// Not run by default: transport_integration_test "[cost]" prints what a command costs.
TEST_CASE("the cost of a command", "[.][cost]") {
  NEEDS_ROOT();
  Site site;
  DirectTransport direct(site.scheduler);
  const auto measure = [&](Transport& transport, LocalAccount account, int rounds) {
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) {
      const Command command{.program = "/usr/bin/true", .account = account, .person = Principal("local:alice")};
      const auto begin = std::chrono::steady_clock::now();
      REQUIRE(async::run(site.io, transport.run(command, site.soon())).value().succeeded());
      times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::ranges::sort(times);
    return std::to_string(times[times.size() / 2]) + " ms median, " + std::to_string(times.front()) + " to " +
           std::to_string(times.back());
  };
  const auto through_direct = measure(direct, LocalAccount(), 300);
  REQUIRE(::seteuid(site.fixture.caller.uid) == 0);
  const auto through_switch = measure(site.transport, LocalAccount("alice"), 300);
  REQUIRE(::seteuid(0) == 0);
  WARN("/usr/bin/true, direct: " << through_direct << "; through the switch: " << through_switch);
}
