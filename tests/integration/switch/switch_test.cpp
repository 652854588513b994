// SPDX-License-Identifier: Apache-2.0
// The real hansa-switch as root, real accounts, real programs.

#include "broker/core/digest.hpp"
#include "tests/integration/switch/switch_fixture.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace hansa;
using namespace hansa::tests;
using Catch::Contains;

#define NEEDS_ROOT()                                  \
  if (const auto why = why_skipped(); !why.empty()) { \
    WARN("skipped: " << why);                         \
    return;                                           \
  }

namespace {

std::string groups_of(const Account& account) {
  std::vector<gid_t> groups(256);
  int count = 256;
  ::getgrouplist(account.name.c_str(), account.gid, groups.data(), &count);
  std::string text;
  for (int i = 0; i < count; ++i) text += " " + std::to_string(groups[static_cast<std::size_t>(i)]);
  return text;
}

Json with(Json request, const char* field, Json value) {
  request[field] = std::move(value);
  return request;
}

Json arguments(const SwitchFixture& fixture, const std::vector<std::string>& list) {
  return with(fixture.request(), "arguments", list);
}

/// The process that the probe wrote down in alice's home.
pid_t probe_pid(const SwitchFixture& fixture) {
  const auto file = fixture.pid_file();
  REQUIRE(eventually([&] { return read_whole(file).find('\n') != std::string::npos; }));
  const auto pid = static_cast<pid_t>(std::stol(read_whole(file)));
  std::filesystem::remove(file);
  return pid;
}

/// Gone, or dead and only waiting to be reaped by init.
bool is_dead(pid_t pid) {
  const auto stat = read_whole("/proc/" + std::to_string(pid) + "/stat");
  return stat.empty() || stat.find(") Z ") != std::string::npos;
}

bool takes_connections(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return connected;
}

/// Long enough for a busy machine, and nothing against the 600 s of the programs that must not be waited for.
constexpr std::chrono::seconds kSoon{60};

std::chrono::milliseconds time_of(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
}

}  // namespace

TEST_CASE("a program runs as the account and as nothing else") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start({"--log", "stderr"}, [] {
    const gid_t of_the_daemon[] = {4, 20};  // none of which may show
    if (::setgroups(2, of_the_daemon) != 0) ::_exit(125);
    ::umask(0);
  });
  const auto reply = fixture.ask(fixture.request());
  INFO(reply.out << reply.err << reply.end.dump());
  REQUIRE(reply.exit_status() == 0);
  const auto uid = std::to_string(fixture.alice.uid);
  const auto gid = std::to_string(fixture.alice.gid);
  CHECK_THAT(reply.out, Contains("uid " + uid + " " + uid + "\n"));
  CHECK_THAT(reply.out, Contains("gid " + gid + " " + gid + "\n"));
  CHECK_THAT(reply.out, Contains("Uid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid + "\n"));
  CHECK_THAT(reply.out, Contains("Gid:\t" + gid + "\t" + gid + "\t" + gid + "\t" + gid + "\n"));
  CHECK_THAT(reply.out, Contains("groups" + groups_of(fixture.alice) + "\n"));
  CHECK_THAT(reply.out, Contains("cwd " + std::filesystem::canonical(fixture.alice.home).string() + "\n"));
  CHECK_THAT(reply.out, Contains("umask 0077\n"));
  CHECK_THAT(reply.out, Contains("core 0\n"));
  CHECK_THAT(reply.out, Contains("NoNewPrivs:\t1\n"));
  CHECK_THAT(reply.out, Contains("leader yes\n"));
  CHECK(reply.err.empty());

  // Without the probe's shell, which sets its own signals.
  auto bare = arguments(fixture, {"-E", "^(Cap(Prm|Eff|Inh|Amb)|Sig(Blk|Ign))", "/proc/self/status"});
  bare["program"] = "/usr/bin/grep";
  const auto status = fixture.ask(bare).out;
  CHECK(std::ranges::count(status, '\n') == 6);
  for (const auto* none : {"CapPrm", "CapEff", "CapInh", "CapAmb", "SigBlk", "SigIgn"}) {
    CHECK_THAT(status, Contains(std::string(none) + ":\t0000000000000000\n"));
  }
}

TEST_CASE("an account's supplementary groups are its own, all of them") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  const auto member = real_account("hansa-probe");
  REQUIRE(std::system("groupadd --force hansa-probes && usermod --append --groups hansa-probes hansa-probe") == 0);
  const auto* group = ::getgrnam("hansa-probes");
  REQUIRE(group != nullptr);
  fixture.start();
  const auto reply = fixture.ask(with(fixture.request(), "account", "hansa-probe"));
  CHECK_THAT(reply.out, Contains("groups" + groups_of(member) + "\n"));
  CHECK_THAT(groups_of(member), Contains(" " + std::to_string(group->gr_gid)));
  fixture.configure("denied_groups = [\"hansa-probes\"]\n");
  CHECK(fixture.ask(with(fixture.request(), "account", "hansa-probe")).code() == "ACCOUNT_DENIED");
}

TEST_CASE("its environment, arguments, descriptors and working folder are what was asked, no more") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.configure("environment = [\"TZ\", \"SLURM_CONF\"]\n");
  ::setenv("LEAKED", "1", 1);
  fixture.start();

  auto request = arguments(fixture, {"env"});
  request["environment"] = {{"TZ", "UTC"}, {"SLURM_CONF", "/etc/x=y"}};
  auto lines = fixture.ask(request).out;
  std::erase_if(lines, [](char c) { return c == '\r'; });
  for (const auto* noise : {"_=/usr/bin/env\n", "PWD="}) {  // the probe's own shell sets these
    if (const auto at = lines.find(noise); at != std::string::npos) lines.erase(at, lines.find('\n', at) - at + 1);
  }
  std::vector<std::string> sorted;
  for (std::stringstream stream(lines); std::getline(stream, lines);) sorted.push_back(lines);
  std::ranges::sort(sorted);
  CHECK(sorted == std::vector<std::string>{"HOME=" + fixture.alice.home, "LOGNAME=alice", "PATH=/usr/local/bin:/usr/bin:/bin",
                                           "SHELL=" + fixture.alice.shell, "SLURM_CONF=/etc/x=y", "TZ=UTC", "USER=alice"});

  CHECK(fixture.ask(arguments(fixture, {"args", "a b", "$(id)", "", "-x", "ä\n'\""})).out == "[a b][$(id)][][-x][ä\n'\"]");
  CHECK(fixture.ask(arguments(fixture, {"fds"})).out == "0\n1\n2\n3\n");  // 3 is ls's own

  const auto beneath = fixture.alice.home + "/switch-test/deep";
  std::filesystem::create_directories(beneath);
  CHECK_THAT(fixture.ask(with(fixture.request(), "working_directory", "switch-test/deep")).out,
             Contains("cwd " + std::filesystem::canonical(beneath).string() + "\n"));
  const auto missing = fixture.ask(with(fixture.request(), "working_directory", "switch-test/none"));
  CHECK(missing.code() == "START_FAILED");
  CHECK(!missing.started());
  CHECK_THAT(missing.message(), Contains("switch-test/none cannot be entered"));
  ::chmod(beneath.c_str(), 0700);  // root's: alice may not enter it, though the switch could
  CHECK(fixture.ask(with(fixture.request(), "working_directory", "switch-test/deep")).code() == "START_FAILED");
  std::filesystem::remove_all(fixture.alice.home + "/switch-test");
}

TEST_CASE("what the site does not allow is refused, and never started", "[T07]") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.write_file("writable", "#!/bin/sh\necho ran\n", 0755);
  fixture.write_file(
      "switch.toml",
      "callers = [\"hansa-dev\"]\nprograms = [\"" + fixture.path("probe") + "\", \"" + fixture.path("writable") + "\"]\n", 0644);
  fixture.start();
  REQUIRE(fixture.ask(with(fixture.request(), "arguments", {"exit", "0"})).exit_status() == 0);
  std::filesystem::resize_file(fixture.path("log"), 0);
  ::chmod(fixture.path("writable").c_str(), 0777);  // now that the configuration was found good

  struct Case {
    const char* field;
    Json value;
    const char* code;
    const char* says;
  };
  const Case cases[] = {
      {"account", "root", "ACCOUNT_DENIED", "below the least uid"},
      {"account", "daemon", "ACCOUNT_DENIED", "below the least uid"},
      {"account", "nobody", "ACCOUNT_DENIED", "nobody's account"},
      {"account", "no-such-account", "ACCOUNT_DENIED", "no account"},
      {"account", "0", "ACCOUNT_DENIED", "no account"},
      {"account", "1000", "ACCOUNT_DENIED", "no account"},
      {"program", "/usr/bin/id", "PROGRAM_DENIED", "none of the programs"},
      {"program", "/bin/sh", "PROGRAM_DENIED", "none of the programs"},
      {"program", fixture.path("writable"), "PROGRAM_DENIED", "writable by its group or by others"},
      {"environment", {{"LD_PRELOAD", "/tmp/x.so"}}, "ENVIRONMENT_DENIED", "LD_PRELOAD"},
      {"environment", {{"PATH", "/tmp"}}, "ENVIRONMENT_DENIED", "PATH"},
      {"working_directory", "/etc", "REQUEST_MALFORMED", "beneath the account's home"},
      {"working_directory", "../bob", "REQUEST_MALFORMED", "beneath the account's home"},
      {"arguments", {std::string("a\0b", 3)}, "REQUEST_MALFORMED", "NUL"},
      {"shell", true, "REQUEST_MALFORMED", "unknown field"},
  };
  for (const auto& c : cases) {
    const auto reply = fixture.ask(with(fixture.request(), c.field, c.value));
    INFO(c.field << " = " << c.value.dump() << ": " << reply.end.dump());
    CHECK(reply.code() == c.code);
    CHECK(!reply.started());
    CHECK(reply.out.empty());
    CHECK_THAT(reply.message(), Contains(c.says));
  }
  CHECK_THAT(fixture.log(), Contains("refused caller=\"hansa-dev\" person=\"local:alice\" account=\"root\""));
  CHECK_THAT(fixture.log(), !Contains(": started "));
}

TEST_CASE("denied groups and the list of accounts are the site's word, from the next request on", "[T07]") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);

  const auto* group = ::getgrgid(fixture.alice.gid);
  REQUIRE(group != nullptr);
  fixture.configure("denied_groups = [\"" + std::string(group->gr_name) + "\"]\n");
  CHECK(fixture.ask(fixture.request()).code() == "ACCOUNT_DENIED");

  fixture.configure("accounts = [\"bob\"]\n");
  CHECK(fixture.ask(fixture.request()).code() == "ACCOUNT_DENIED");
  CHECK(fixture.ask(with(fixture.request(), "account", "bob")).exit_status() == 0);

  fixture.configure("minimum_uid = " + std::to_string(std::max(fixture.alice.uid, fixture.bob.uid) + 1) + "\n");
  CHECK(fixture.ask(fixture.request()).code() == "ACCOUNT_DENIED");

  fixture.configure("minimum_uid = 1\n");  // not valid: everything is refused
  const auto reply = fixture.ask(fixture.request());
  CHECK(reply.code() == "SWITCH_CONFIGURATION");
  CHECK_THAT(reply.end.dump(), Contains(R"("kind":"unavailable")"));
  CHECK_THAT(fixture.log(), Contains("minimum_uid: must be an integer from 1000"));

  fixture.configure("");
  ::chmod(fixture.configuration().c_str(), 0666);
  CHECK(fixture.ask(fixture.request()).code() == "SWITCH_CONFIGURATION");
  ::chmod(fixture.configuration().c_str(), 0644);
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);
}

TEST_CASE("while there is an off file nothing is started and its first line is told") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  const auto off = std::filesystem::path(fixture.configuration()).replace_extension(".off");
  const auto switch_off = [&](const std::string& text) { std::ofstream(off, std::ios::binary) << text; };
  switch_off("");
  fixture.start();  // it starts all the same: to be there when it is switched on
  CHECK(fixture.ask(fixture.request()).code() == "SWITCHED_OFF");
  std::filesystem::remove(off);
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);

  switch_off("incident 4711, ring 2222\nsecond line");
  const auto reply = fixture.ask(fixture.request());
  CHECK(reply.code() == "SWITCHED_OFF");
  CHECK_FALSE(reply.started());
  CHECK_THAT(reply.end.dump(), Contains(R"("kind":"unavailable")"));
  CHECK_THAT(reply.message(), Contains(": incident 4711, ring 2222 (" + off.string() + ")"));
  CHECK_THAT(reply.message(), !Contains("second line"));
  CHECK_THAT(fixture.log(), Contains("incident 4711"));

  switch_off("bad \xff\x1b[31m bytes" + std::string(5'000, 'x'));
  CHECK_THAT(fixture.ask(fixture.request()).message(), Contains("bad ??[31m bytes"));
  std::filesystem::remove(off);
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);
}

TEST_CASE("a foreign peer is refused before it has said a word", "[T07]") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  for (const uid_t uid : {fixture.bob.uid, uid_t{0}, uid_t{65534}}) {
    const int fd = fixture.connect_as(uid);
    const auto reply = read_reply(fd);
    ::close(fd);
    INFO(uid);
    CHECK(reply.code() == "CALLER_DENIED");
    CHECK_THAT(fixture.log(), Contains("refused caller=\"uid " + std::to_string(uid) + "\""));
  }
}

TEST_CASE("over-long, truncated and slow requests end in bounded time") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.configure("request_time_s = 1\n");
  fixture.start();
  const auto ask_bytes = [&](const std::string& bytes, bool close_after) {
    const int fd = fixture.connect_as(fixture.caller.uid);
    send_bytes(fd, bytes);
    if (close_after) ::shutdown(fd, SHUT_WR);
    auto reply = read_reply(fd);
    ::close(fd);
    return reply;
  };
  const auto good = framed(fixture.request().dump(), "input");
  CHECK(ask_bytes(std::string("\xff\xff\xff\xff", 4), false).code() == "REQUEST_TOO_LARGE");
  CHECK(ask_bytes(std::string("\x00\x01\x00\x01", 4), false).code() == "REQUEST_TOO_LARGE");  // 65,537
  CHECK(ask_bytes(std::string(4, '\0'), false).code() == "REQUEST_MALFORMED");
  CHECK(ask_bytes(std::string("\x00\x00\x00\x02{]", 6), false).code() == "REQUEST_MALFORMED");
  CHECK(ask_bytes(good.substr(0, 2), true).code() == "REQUEST_TRUNCATED");
  CHECK(ask_bytes(good.substr(0, 40), true).code() == "REQUEST_TRUNCATED");
  CHECK(ask_bytes(good.substr(0, good.size() - 1), true).code() == "REQUEST_TRUNCATED");
  CHECK(ask_bytes(framed(fixture.request().dump(), "").substr(0, fixture.request().dump().size() + 4) +
                      std::string("\x00\x80\x00\x01", 4),
                  false)
            .code() == "REQUEST_TOO_LARGE");  // input of 8 MiB and a byte

  CHECK(ask_bytes("", false).code() == "REQUEST_TOO_SLOW");
  // A byte now and then does not win time: the answer comes long before the request's end.
  const int fd = fixture.connect_as(fixture.caller.uid);
  std::size_t sent = 0;
  for (pollfd answered{fd, POLLIN, 0}; sent < good.size() && ::poll(&answered, 1, 100) == 0; ++sent)
    send_bytes(fd, good.substr(sent, 1));
  CHECK(sent < good.size());
  CHECK(read_reply(fd).code() == "REQUEST_TOO_SLOW");
  ::close(fd);
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);
}

TEST_CASE("exit status, signal and output come back as they were") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  CHECK(fixture.ask(arguments(fixture, {"exit", "3"})).exit_status() == 3);
  CHECK(fixture.ask(arguments(fixture, {"kill", "KILL"})).signal() == SIGKILL);

  auto request = arguments(fixture, {"flood", "3000000"});
  request["output_limit"] = 4'000'000;
  auto reply = fixture.ask(request);
  CHECK(reply.out == std::string(3'000'000, 'x'));
  CHECK(reply.err == "done\n");
  CHECK_FALSE(reply.end.value("out_truncated", true));

  request["output_limit"] = 100'000;
  reply = fixture.ask(request);
  CHECK(reply.out == std::string(100'000, 'x'));
  CHECK(reply.err == "done\n");  // it ran to its end
  CHECK(reply.end.value("out_truncated", false));
  CHECK_FALSE(reply.end.value("err_truncated", true));
}

TEST_CASE("eight MiB of input arrive byte for byte; none is an empty file") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  std::string input(8 * 1024 * 1024, '\0');
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<char>(i * 2654435761U >> 13U);
  CHECK(fixture.ask(arguments(fixture, {"sum"}), input).out == sha256_hex(input) + "  -\n");
  CHECK(fixture.ask(arguments(fixture, {"count"})).out == "0\n");
}

TEST_CASE("when the caller goes, the program and its descendants go") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  for (const auto* kind : {"sleep", "tree", "stubborn"}) {
    INFO(kind);
    const int fd = fixture.connect_as(fixture.caller.uid);
    send_bytes(fd, framed(arguments(fixture, {kind, "600"}).dump(), ""));
    const auto pid = probe_pid(fixture);
    CHECK_FALSE(is_dead(pid));
    ::close(fd);
    CHECK(eventually([&] { return is_dead(pid); }));
  }
  CHECK(
      eventually([&] { return fixture.log().find("signal 9: its caller went away") != std::string::npos; }));  // the stubborn one
  CHECK_THAT(fixture.log(), Contains("signal 15: its caller went away"));
}

TEST_CASE("what a program leaves behind in its group ends with it") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  Reply reply;
  CHECK(time_of([&] { reply = fixture.ask(arguments(fixture, {"leave"})); }) < kSoon);
  CHECK(reply.exit_status() == 0);
  const auto pid = probe_pid(fixture);
  CHECK(eventually([&] { return is_dead(pid); }));
}

TEST_CASE("what has left the group and writes for ever does not keep the switch") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  Reply reply;
  auto request = arguments(fixture, {"escape"});
  request["output_limit"] = 1000;
  CHECK(time_of([&] { reply = fixture.ask(request); }) < kSoon);
  CHECK(reply.exit_status() == 0);
  CHECK(reply.out.size() == 1000);
  const auto pid = probe_pid(fixture);
  CHECK(eventually([&] { return is_dead(pid); }));  // nobody reads it any more
}

TEST_CASE("the time limit holds, also for one whose switch is gone") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  Reply reply;
  CHECK(time_of([&] { reply = fixture.ask(with(arguments(fixture, {"sleep", "600"}), "limit_s", 1)); }) < kSoon);
  CHECK(reply.signal() == SIGALRM);
  std::filesystem::remove(fixture.pid_file());
  // Its descendants have no alarm: they go with it.
  CHECK(time_of([&] { reply = fixture.ask(with(arguments(fixture, {"tree"}), "limit_s", 1)); }) < kSoon);
  const auto left = probe_pid(fixture);
  CHECK(eventually([&] { return is_dead(left); }));
  // One that ignores its alarm is ended by the switch, two seconds later.
  CHECK(time_of([&] { reply = fixture.ask(with(arguments(fixture, {"timeless", "600"}), "limit_s", 1)); }) < kSoon);
  CHECK(reply.signal() == SIGTERM);
  CHECK_THAT(fixture.log(), Contains("signal 15: its time limit passed"));

  // Killed like this the switch can end nothing itself.
  const int fd = fixture.connect_as(fixture.caller.uid);
  send_bytes(fd, framed(arguments(fixture, {"sleep", "600"}).dump(), ""));
  const auto pid = probe_pid(fixture);
  const auto stat = read_whole("/proc/" + std::to_string(pid) + "/stat");
  const auto supervisor = static_cast<pid_t>(std::stol(stat.substr(stat.rfind(") ") + 4)));
  REQUIRE(supervisor != fixture.pid());
  ::kill(supervisor, SIGKILL);
  CHECK(eventually([&] { return is_dead(pid); }));
  CHECK(read_reply(fd).end.is_null());
  ::close(fd);
}

TEST_CASE("fifty requests at one time are all served, a few at a time") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.configure("max_concurrent = 8\n");
  fixture.start();
  std::vector<int> sockets;
  for (int i = 0; i < 50; ++i) {
    sockets.push_back(fixture.connect_as(fixture.caller.uid));
    auto request = arguments(fixture, {"args", std::to_string(i)});
    request["account"] = i % 2 == 0 ? "alice" : "bob";
    send_bytes(sockets.back(), framed(request.dump(), ""));
  }
  for (int i = 0; i < 50; ++i) {
    const auto reply = read_reply(sockets[static_cast<std::size_t>(i)]);
    CHECK(reply.exit_status() == 0);
    CHECK(reply.out == "[" + std::to_string(i) + "]");
    ::close(sockets[static_cast<std::size_t>(i)]);
  }

  // At the limit nobody is served until somebody has ended.
  sockets.clear();
  for (int i = 0; i < 8; ++i) {
    sockets.push_back(fixture.connect_as(fixture.caller.uid));
    send_bytes(sockets.back(), framed(arguments(fixture, {"sleep", "600"}).dump(), ""));
  }
  const int ninth = fixture.connect_as(fixture.caller.uid);
  send_bytes(ninth, framed(arguments(fixture, {"exit", "0"}).dump(), ""));
  pollfd answered{ninth, POLLIN, 0};
  CHECK(::poll(&answered, 1, 300) == 0);
  for (const int fd : sockets) ::close(fd);
  CHECK(read_reply(ninth).exit_status() == 0);
  ::close(ninth);
}

TEST_CASE("stopped, it ends what runs, and says so") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  const int fd = fixture.connect_as(fixture.caller.uid);
  send_bytes(fd, framed(arguments(fixture, {"sleep", "600"}).dump(), ""));
  const auto pid = probe_pid(fixture);
  ::kill(fixture.pid(), SIGTERM);  // told to stop, it takes no more and waits for what runs; told again by stop(), it does not
  CHECK(eventually([&] { return !takes_connections(fixture.socket()); }));
  CHECK_FALSE(is_dead(pid));
  CHECK(time_of([&] { CHECK(fixture.stop() == 0); }) < std::chrono::seconds(9));
  CHECK(is_dead(pid));
  CHECK(read_reply(fd).signal() == SIGTERM);
  ::close(fd);
  CHECK_FALSE(std::filesystem::exists(fixture.socket()));
}

TEST_CASE("the capabilities that its systemd unit leaves it are enough") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start({"--log", "stderr"}, [] {
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
      const bool kept = capability == CAP_SETUID || capability == CAP_SETGID || capability == CAP_KILL;
      if (!kept && ::prctl(PR_CAPBSET_DROP, capability) != 0) ::_exit(125);
    }
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  });
  CHECK(fixture.ask(arguments(fixture, {"exit", "3"})).exit_status() == 3);
  const int fd = fixture.connect_as(fixture.caller.uid);
  send_bytes(fd, framed(arguments(fixture, {"sleep", "600"}).dump(), ""));
  const auto pid = probe_pid(fixture);
  ::close(fd);
  CHECK(eventually([&] { return is_dead(pid); }));
}

TEST_CASE("a stale socket is replaced, a live one and another file are not") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  const auto again = std::string(HANSA_SWITCH_PROGRAM) + " --listen " + fixture.socket() + " --config " +
                     fixture.configuration() + " 2>" + fixture.path("second");
  CHECK(WEXITSTATUS(std::system(again.c_str())) == 75);
  CHECK_THAT(read_whole(fixture.path("second")), Contains("another hansa-switch listens there"));
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);

  ::kill(fixture.pid(), SIGKILL);
  fixture.stop();
  REQUIRE(std::filesystem::exists(fixture.socket()));
  fixture.start();
  CHECK(eventually([&] { return takes_connections(fixture.socket()); }));
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);
  fixture.stop();

  std::ofstream(fixture.socket()) << "a file";
  CHECK(WEXITSTATUS(std::system(again.c_str())) == 69);
  CHECK(read_whole(fixture.socket()) == "a file");
}

TEST_CASE("the log names the person, the account, the program, the tag, the process and the outcome; and no secrets", "[T22]") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  fixture.start();
  auto request = arguments(fixture, {"exit", "3", "argument-secret"});
  request["environment"] = {{"TZ", "variable-secret"}};
  request["person"] = "local:eve\nended caller=\"forged\"";
  CHECK(fixture.ask(request, "input-secret").exit_status() == 3);
  CHECK(eventually([&] { return fixture.log().find("ended") != std::string::npos; }));
  const auto log = fixture.log();
  INFO(log);
  const auto who = "caller=\"hansa-dev\" person=\"local:eve\\x0aended caller=\\x22forged\\x22\" account=\"alice\" program=\"" +
                   fixture.path("probe") + "\" tag=\"hansa-1-1\" pid=";
  CHECK_THAT(log, Contains(": started " + who));
  CHECK_THAT(log, Contains(": ended " + who));
  CHECK_THAT(log, Contains(" outcome=\"exit 3\"\n"));
  CHECK(std::ranges::count(log, '\n') == 2);
  CHECK_THAT(log, !Contains("secret"));
}

TEST_CASE("the log goes to syslog as authpriv") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  // A /dev of the daemon's own, with nothing in it but null and this socket.
  const auto dev = fixture.path("dev");
  std::filesystem::create_directory(dev);
  std::ofstream(dev + "/null") << "";
  const int syslog = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (dev + "/log").copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(syslog, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  // The right to make a mount namespace is not everywhere root's (containers): try it out first.
  const pid_t trial = ::fork();
  if (trial == 0)
    ::_exit(::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : 1);
  int status = 0;
  ::waitpid(trial, &status, 0);
  if (status != 0) {
    WARN("skipped: this root may not make a mount namespace for a /dev/log of its own");
    ::close(syslog);
    return;
  }
  fixture.start({"--log", "syslog"}, [&] {
    const bool mounted = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         ::mount("/dev/null", (dev + "/null").c_str(), nullptr, MS_BIND, nullptr) == 0 &&
                         ::mount(dev.c_str(), "/dev", nullptr, MS_BIND | MS_REC, nullptr) == 0;
    if (!mounted) ::_exit(126);
  });
  REQUIRE(fixture.ask(fixture.request()).exit_status() == 0);

  std::string lines;
  for (int i = 0; i < 2; ++i) {
    pollfd ready{syslog, POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 5000) == 1);
    std::string line(4096, '\0');
    line.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::recv(syslog, line.data(), line.size(), 0))));
    lines += line + "\n";
  }
  ::close(syslog);
  INFO(lines);
  CHECK_THAT(lines, Catch::StartsWith("<86>"));  // LOG_AUTHPRIV (10 << 3) | LOG_INFO (6)
  CHECK_THAT(lines, Contains("hansa-switch["));
  CHECK_THAT(lines, Contains("]: started caller=\"hansa-dev\" person=\"local:alice\" account=\"alice\" program=\"" +
                             fixture.path("probe") + "\" tag=\"hansa-1-1\" pid="));
  CHECK_THAT(lines, Contains(" outcome=\"exit 0\""));
  if (std::getenv("HANSA_SHOW_SYSLOG") != nullptr) WARN(lines);
}

namespace {

struct Ran {
  int status;
  std::string out;
  std::string err;
};

/// The program with `input` on its standard input, closed after it.
Ran run(const SwitchFixture& fixture, std::vector<std::string> arguments, const std::string& input, uid_t uid) {
  const auto in = fixture.path("run.in");
  const auto out = fixture.path("run.out");
  const auto err = fixture.path("run.err");
  std::ofstream(in, std::ios::binary) << input;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(::open(in.c_str(), O_RDONLY), 0);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), 2);
    if (uid != 0 && (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0))
      ::_exit(125);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_whole(out), read_whole(err)};
}

Reply parse_frames(const SwitchFixture& fixture, const std::string& bytes) {
  const auto file = fixture.path("frames");
  std::ofstream(file, std::ios::binary) << bytes;
  const int fd = ::open(file.c_str(), O_RDONLY);
  auto reply = read_reply(fd);
  ::close(fd);
  return reply;
}

}  // namespace

TEST_CASE("setuid on a login node: one request, the real uid is the caller, and the configuration is the site's") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  const auto setuid_program = fixture.path("hansa-switch");
  std::filesystem::copy_file(HANSA_SWITCH_PROGRAM, setuid_program);
  REQUIRE(::chmod(setuid_program.c_str(), 04755) == 0);
  const auto request = framed(arguments(fixture, {"env"}).dump(), "");

  // Nothing that the caller says may replace /etc/hansa/switch.toml, the log, or the mode.
  for (const auto& forbidden :
       {std::vector<std::string>{"--config", fixture.configuration()}, {"--log", "stderr"}, {"--listen", fixture.socket()}}) {
    auto arguments = std::vector<std::string>{setuid_program, "--stdio"};
    arguments.insert(arguments.end(), forbidden.begin(), forbidden.end());
    const auto ran = run(fixture, arguments, request, fixture.caller.uid);
    CHECK(ran.status == 64);
    CHECK_THAT(ran.err, Contains("root's to give"));
  }
  // --check by a setuid program reads only what its caller can read, and the configuration is absent or somebody's here.
  CHECK(run(fixture, {setuid_program, "--help"}, "", fixture.caller.uid).status == 0);

  // A private /etc/hansa, so that the machine's own is left alone.
  const auto etc = fixture.path("etc-hansa");
  std::filesystem::create_directory(etc);
  ::chmod(etc.c_str(), 0755);
  std::filesystem::copy_file(fixture.configuration(), etc + "/switch.toml");
  const bool had_etc = std::filesystem::exists("/etc/hansa");
  if (!had_etc) {
    std::filesystem::create_directory("/etc/hansa");
    ::chmod("/etc/hansa", 0755);
  }
  const auto in_private_etc = [&](uid_t uid, const std::string& bytes) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount(etc.c_str(), "/etc/hansa", nullptr, MS_BIND, nullptr) != 0) {
        ::_exit(126);
      }
      const auto ran = run(fixture, {setuid_program, "--stdio"}, bytes, uid);
      ::_exit(ran.status);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return Ran{WEXITSTATUS(status), read_whole(fixture.path("run.out")), read_whole(fixture.path("run.err"))};
  };
  const auto served = in_private_etc(fixture.caller.uid, request);
  if (served.status == 126) {
    WARN("skipped in part: this root may not make a mount namespace for an /etc/hansa of its own");
  } else {
    const auto reply = parse_frames(fixture, served.out);
    INFO(served.err << reply.end.dump());
    CHECK(served.status == 0);
    CHECK(reply.exit_status() == 0);
    CHECK_THAT(reply.out, Contains("LOGNAME=alice\n"));
    const auto identity = parse_frames(fixture, in_private_etc(fixture.caller.uid, framed(fixture.request().dump(), "")).out);
    const auto uid = std::to_string(fixture.alice.uid);
    CHECK_THAT(identity.out, Contains("Uid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid + "\n"));
    CHECK_THAT(identity.out, Contains("groups" + groups_of(fixture.alice) + "\n"));
    CHECK(parse_frames(fixture, in_private_etc(fixture.bob.uid, request).out).code() == "CALLER_DENIED");
    CHECK(parse_frames(fixture, in_private_etc(fixture.caller.uid, request.substr(0, 30)).out).code() == "REQUEST_TRUNCATED");
  }
  if (!had_etc) std::filesystem::remove("/etc/hansa");
}

TEST_CASE("the command line says what is wrong") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  const std::string program = HANSA_SWITCH_PROGRAM;
  const auto good = fixture.configuration();
  CHECK(run(fixture, {program, "--check", "--config", good}, "", 0).status == 0);
  CHECK_THAT(run(fixture, {program, "--check", "--config", good}, "", 0).out, Contains("is valid"));
  CHECK(run(fixture, {program, "--help"}, "", 0).status == 0);
  CHECK_THAT(run(fixture, {program, "--version"}, "", 0).out, Catch::StartsWith("hansa-switch "));
  CHECK(run(fixture, {program}, "", 0).status == 64);
  CHECK(run(fixture, {program, "--listen"}, "", 0).status == 64);
  CHECK(run(fixture, {program, "--bogus"}, "", 0).status == 64);
  CHECK(run(fixture, {program, "--check", "--stdio"}, "", 0).status == 64);
  CHECK(run(fixture, {program, "--listen", "relative", "--config", good}, "", 0).status == 69);

  fixture.configure("minimum_uid = 5\nmax_concurrent = 0\n");
  const auto bad = run(fixture, {program, "--listen", fixture.socket(), "--config", good}, "", 0);
  CHECK(bad.status == 78);
  CHECK_THAT(bad.err, Contains(good + ":3 minimum_uid: ") && Contains(good + ":4 max_concurrent: "));
}

TEST_CASE("systemd's socket is taken over") {
  NEEDS_ROOT();
  SwitchFixture fixture;
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  fixture.socket().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 5) == 0);
  ::chmod(fixture.socket().c_str(), 0666);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(::open(fixture.path("log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
    ::dup2(listener, 3);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    ::execl(HANSA_SWITCH_PROGRAM, "hansa-switch", "--config", fixture.configuration().c_str(), "--log", "stderr", nullptr);
    ::_exit(127);
  }
  ::close(listener);
  CHECK(fixture.ask(fixture.request()).exit_status() == 0);
  ::kill(pid, SIGTERM);
  int status = 0;
  ::waitpid(pid, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(std::filesystem::exists(fixture.socket()));  // it is systemd's
}
