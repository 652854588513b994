// SPDX-License-Identifier: Apache-2.0
#include "broker/async/child.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace hansa;
using namespace hansa::async;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr Milliseconds kUnderWay{1'000};  // by then a shell has begun, on a machine that does much else

struct Bench {
  asio::io_context io;
  RealScheduler scheduler;

  Result<ChildResult> run(ChildSpec spec, Milliseconds time = 20s) {
    return async::run(io, run_child(scheduler, Deadline::in(scheduler, time), std::move(spec)));
  }
  Result<ChildResult> shell(std::string script, Milliseconds time = 20s) {
    return run({.argv = {"/bin/sh", "-c", std::move(script)}, .environment = {{"PATH", "/usr/bin:/bin"}}}, time);
  }
  MonotonicTime now() const { return scheduler.now_monotonic(); }
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

bool alive(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return false;
  const auto after_name = line.rfind(") ");
  return line.at(after_name + 2) != 'Z';  // a zombie of another parent is dead
}

/// A killed process is not gone at once.
bool dies(pid_t pid) {
  for (int i = 0; i < 2000 && alive(pid); ++i) ::usleep(1000);
  return !alive(pid);
}

struct TemporaryFolder {
  std::filesystem::path path = [] {
    std::string name = std::filesystem::temp_directory_path() / "hansa-child-XXXXXX";
    return std::filesystem::path(mkdtemp(name.data()));
  }();
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("a program's exit status, output and error output come back apart") {
  Bench bench;
  const auto result = bench.shell("echo out; echo err >&2; exit 3").value();
  CHECK(result.exit_status == 3);
  CHECK_FALSE(result.signal);
  CHECK_FALSE(result.succeeded());
  CHECK(result.out == "out\n");
  CHECK(result.err == "err\n");
  CHECK_FALSE(result.timed_out);
  CHECK(bench.shell("exit 0").value().succeeded());
}

TEST_CASE("a program that dies by a signal says which") {
  Bench bench;
  const auto result = bench.shell("kill -SEGV $$").value();
  CHECK(result.signal == SIGSEGV);
  CHECK_FALSE(result.exit_status);
}

TEST_CASE("arguments arrive byte for byte") {
  const std::vector<std::string> odd{"",
                                     "-n",
                                     "--",
                                     "a b",
                                     "'",
                                     "\"",
                                     "$(id)",
                                     "`id`",
                                     "\n",
                                     "a\nb\n",
                                     "\\",
                                     "*",
                                     "h\xc3\xa4nsa",
                                     "\xff\xfe\x01",
                                     "; rm -x",
                                     "$HOME",
                                     "\t",
                                     "%s",
                                     "!!",
                                     "\x7f",
                                     "-rf /x",
                                     "a=b&c",
                                     std::string(100000, 'x')};
  ChildSpec spec{.argv = {"/usr/bin/printf", "%s\\0"}};
  spec.argv.insert(spec.argv.end(), odd.begin(), odd.end());
  Bench bench;
  const auto result = bench.run(spec).value();
  std::string expected;
  for (const auto& text : odd) expected += text + '\0';
  CHECK(result.out == expected);
}

TEST_CASE("the environment is exactly the one given") {
  ::setenv("HANSA_TEST_LEAK", "1", 1);
  Bench bench;
  CHECK(bench.run({.argv = {"/usr/bin/env", "-0"}}).value().out.empty());
  const auto result = bench.run({.argv = {"/usr/bin/env", "-0"}, .environment = {{"A", "b=c \n$X"}, {"B", ""}}}).value();
  CHECK(result.out == std::string("A=b=c \n$X\0B=\0", 13));
}

TEST_CASE("standard input comes from memory, to its last byte") {
  Bench bench;
  std::string big(3'000'000, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 31 % 251);
  CHECK(bench.run({.argv = {"/bin/cat"}, .input = big}).value().out == big);
  CHECK(bench.run({.argv = {"/bin/cat"}}).value().out.empty());
  CHECK(bench.run({.argv = {"/bin/true"}, .input = big}).value().succeeded());  // unread input hurts nobody
}

TEST_CASE("output beyond the limit is dropped without stopping the program") {
  Bench bench;
  ChildSpec spec{.argv = {"/bin/sh", "-c", "head -c 1000000 /dev/zero; echo done >&2; exit 4"},
                 .environment = {{"PATH", "/usr/bin:/bin"}},
                 .output_limit = 1000};
  const auto result = bench.run(spec).value();
  CHECK(result.out.size() == 1000);
  CHECK(result.out_truncated);
  CHECK(result.err == "done\n");
  CHECK_FALSE(result.err_truncated);
  CHECK(result.exit_status == 4);
  spec.argv[2] = "head -c 1000 /dev/zero";
  const auto whole = bench.run(spec).value();
  CHECK(whole.out.size() == 1000);
  CHECK_FALSE(whole.out_truncated);
}

TEST_CASE("the program starts in its folder, in a group of its own, with default signals and no foreign descriptor") {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const int leak = ::open("/dev/null", O_RDONLY);  // not close-on-exec
  REQUIRE(::fcntl(leak, F_DUPFD, 150) == 150);
  Bench bench;
  ChildSpec spec{.argv = {"/bin/sh", "-c",
                          "pwd; ps -o pgid= -p $$ | tr -d ' '; echo $$; grep -E 'Sig(Blk|Ign)' /proc/self/status; ls "
                          "/proc/self/fd | tr '\\n' ' '"},
                 .environment = {{"PATH", "/usr/bin:/bin"}},
                 .working_directory = "/usr"};
  const auto result = bench.run(spec).value();
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  ::close(leak);
  ::close(150);
  std::istringstream lines(result.out);
  std::string folder, group, pid, blocked_mask, ignored_mask, descriptors;
  std::getline(lines, folder);
  std::getline(lines, group);
  std::getline(lines, pid);
  std::getline(lines, blocked_mask);
  std::getline(lines, ignored_mask);
  std::getline(lines, descriptors);
  CHECK(folder == "/usr");
  CHECK(group == pid);
  CHECK(group != std::to_string(::getpgrp()));
  CHECK(blocked_mask == "SigBlk:\t0000000000000000");
  CHECK(ignored_mask == "SigIgn:\t0000000000000000");
  CHECK(descriptors == "0 1 2 3 ");  // 3 is ls's own view of the folder
}

TEST_CASE("what cannot be started is an error that says why, and nothing has happened") {
  Bench bench;
  const TemporaryFolder folder;
  const auto file = [&](const char* name, const char* text, mode_t mode) {
    const auto path = folder.path / name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path.string();
  };
  const auto kind_of = [&](ChildSpec spec) {
    const auto result = bench.run(std::move(spec));
    REQUIRE_FALSE(result);
    CHECK_FALSE(result.error().message.empty());
    return result.error().kind;
  };
  CHECK(kind_of({.argv = {"/no/such/program"}}) == ErrorKind::not_found);
  CHECK(kind_of({.argv = {"/bin/true/x"}}) == ErrorKind::not_found);
  CHECK(kind_of({.argv = {file("bad-interpreter", "#!/no/such/interpreter\n", 0755)}}) == ErrorKind::not_found);
  CHECK(kind_of({.argv = {file("plain", "#!/bin/sh\n", 0644)}}) == ErrorKind::permission_denied);
  CHECK(kind_of({.argv = {folder.path.string()}}) == ErrorKind::permission_denied);
  CHECK(kind_of({.argv = {file("empty", "", 0755)}}) == ErrorKind::invalid_argument);
  CHECK(kind_of({.argv = {"/bin/true"}, .working_directory = "/no/such/folder"}) == ErrorKind::not_found);
  CHECK(kind_of({.argv = {"/bin/true", std::string(std::size_t{3} << 20, 'x')}}) == ErrorKind::too_large);
  CHECK(kind_of({.argv = {}}) == ErrorKind::invalid_argument);
  CHECK(kind_of({.argv = {"true"}}) == ErrorKind::invalid_argument);
  CHECK(kind_of({.argv = {"/bin/true", std::string("a\0b", 3)}}) == ErrorKind::invalid_argument);
  CHECK(kind_of({.argv = {"/bin/true"}, .environment = {{"A=B", "c"}}}) == ErrorKind::invalid_argument);
  CHECK(kind_of({.argv = {"/bin/true"}, .environment = {{"", "c"}}}) == ErrorKind::invalid_argument);
  CHECK(bench.run({.argv = {"/bin/true"}}, 0ms).error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("at its deadline a program is killed with all of its group, and what it wrote before is kept") {
  Bench bench;
  const auto result = bench.shell("echo before; sleep 600 & echo $!; sleep 600", kUnderWay).value();
  CHECK(result.timed_out);
  CHECK(result.signal == SIGTERM);
  REQUIRE(result.out.starts_with("before\n"));
  CHECK(dies(std::stoi(result.out.substr(7))));
}

TEST_CASE("a program that ignores SIGTERM gets SIGKILL after the grace") {
  Bench bench;
  const auto begin = bench.now();
  const auto result = bench.shell("trap '' TERM; while :; do sleep 600; done", kUnderWay).value();
  CHECK(result.timed_out);
  CHECK(result.signal == SIGKILL);
  CHECK(bench.now() - begin >= kTermGrace);
}

TEST_CASE("a program that answers SIGTERM by ending in order is still one that timed out") {
  Bench bench;
  const auto result = bench.shell("trap 'echo bye; exit 9' TERM; sleep 600 & wait", kUnderWay).value();
  CHECK(result.timed_out);
  CHECK(result.exit_status == 9);
  CHECK(result.out == "bye\n");
}

TEST_CASE("a grandchild that keeps the output open delays nothing, and is killed") {
  Bench bench;
  const auto begin = bench.now();
  const auto result = bench.shell("echo text; sleep 600 & echo $!; exit 5").value();
  CHECK(result.exit_status == 5);
  CHECK_FALSE(result.timed_out);
  CHECK(bench.now() - begin < kDrainGrace + 2s);
  REQUIRE(result.out.starts_with("text\n"));
  CHECK(dies(std::stoi(result.out.substr(5))));
}

TEST_CASE("a grandchild in a session of its own that keeps the output open delays nothing, and lives") {
  Bench bench;
  const auto begin = bench.now();
  const auto result = bench.shell("setsid sleep 600 & echo $!; sleep 0.05; exit 5").value();
  CHECK(result.exit_status == 5);
  CHECK(bench.now() - begin < kDrainGrace + 2s);
  const auto pid = std::stoi(result.out);
  CHECK(alive(pid));
  ::kill(pid, SIGKILL);
}

TEST_CASE("the child limits itself, without our help") {
  Bench bench;
  const auto result = bench.run({.argv = {"/bin/sleep", "600"}, .self_limit = Seconds{1}}).value();
  CHECK(result.signal == SIGALRM);
  CHECK_FALSE(result.timed_out);
}

TEST_CASE("a cancelled caller kills the child and gets its result") {
  Bench bench;
  const auto started = start(bench.io.get_executor(),
                             run_child(bench.scheduler, Deadline::in(bench.scheduler, 20s), {.argv = {"/bin/sleep", "600"}}));
  bench.io.poll();
  started.cancel();
  bench.io.run();
  REQUIRE(started.ended());
  REQUIRE(started.value());
  CHECK(started.value()->cancelled);
  CHECK_FALSE(started.value()->timed_out);
  CHECK(started.value()->signal == SIGTERM);
}

TEST_CASE("a child whose context goes away does not survive it") {
  const TemporaryFolder folder;
  const auto file = folder.path / "pid";
  {
    asio::io_context io;
    RealScheduler scheduler;
    const auto started = start(io.get_executor(), run_child(scheduler, Deadline::in(scheduler, 20s),
                                                            {.argv = {"/bin/sh", "-c",
                                                                      "echo $$ > " + file.string() + ".new; mv " + file.string() +
                                                                          ".new " + file.string() + "; exec sleep 600"},
                                                             .environment = {{"PATH", "/usr/bin:/bin"}}}));
    while (!std::filesystem::exists(file)) io.poll();
  }
  int pid = 0;
  std::ifstream(file) >> pid;
  REQUIRE(pid > 1);
  CHECK(dies(pid));
}

TEST_CASE("a thousand children leave no descriptor and no zombie") {
  Bench bench;
  REQUIRE(bench.run({.argv = {"/bin/true"}}));  // the context's own descriptors are open by now
  const auto before = open_descriptors();
  int succeeded = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<Started<Result<ChildResult>>> children;
    for (int i = 0; i < 50; ++i) {
      children.push_back(start(bench.io.get_executor(), run_child(bench.scheduler, Deadline::in(bench.scheduler, 60s),
                                                                  {.argv = {"/bin/echo", std::to_string(i)}})));
    }
    bench.io.restart();
    bench.io.run();
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (children[i].value() && children[i].value()->out == std::to_string(i) + "\n") ++succeeded;
    }
  }
  CHECK(succeeded == 1000);
  CHECK(open_descriptors() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}
