// SPDX-License-Identifier: Apache-2.0
// How the tools are called, and how what runs is ended.
#include "connectors/mover/tool.hpp"

#include "tests/unit/connectors_mover/an_order.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

using namespace hansa;
using namespace hansa::connectors::mover;

namespace {

using Arguments = std::vector<std::string>;

/// What follows "--": nothing before it is of anybody's choosing.
Arguments operands(const ToolCall& call) { return {std::ranges::find(call.argv, "--") + 1, call.argv.end()}; }

std::string setting(const ToolCall& call, std::string_view name) {
  const auto at = std::ranges::find_if(call.environment, [&](const auto& entry) { return entry.first == name; });
  return at == call.environment.end() ? "(none)" : at->second;
}

/// Each look is a second later.
class QuickClock final : public Clock {
 public:
  UtcTime now_utc() const override { return {}; }
  MonotonicTime now_monotonic() const override { return {now_ += Milliseconds{1000}}; }

 private:
  mutable Milliseconds now_{0};
};

ToolCall sh(std::string script) {
  return {.argv = {"/bin/sh", "-c", std::move(script)}, .environment = {{"PATH", "/usr/bin:/bin"}}};
}

const auto kGoOn = [] { return true; };

}  // namespace

TEST_CASE("rclone gets local ends as descriptors, remote ones from its environment", "[T22]") {
  const auto call = call_of(an_order(Tool::rclone, a_folder(), a_server()), ".hansa/k.copy/h", "/dev/null");
  CHECK(operands(call) == Arguments{"/proc/self/fd/3", "TO:/scratch/hansa/.hansa/k.copy/h"});
  CHECK(setting(call, "RCLONE_CONFIG_TO_HOST") == "mover.example.org");
  CHECK(setting(call, "RCLONE_CONFIG_TO_PORT") == "2222");
  CHECK(setting(call, "RCLONE_CONFIG_TO_KNOWN_HOSTS_FILE") == "/etc/hansa/known_hosts");
  CHECK(setting(call, "RCLONE_CONFIG_TO_SHELL_TYPE") == "none");
  CHECK(setting(call, "RCLONE_CONFIG_TO_SKIP_LINKS") == "true");
  CHECK(setting(call, "RCLONE_CONFIG_FROM_HOST") == "(none)");
  CHECK(std::ranges::search(call.argv, Arguments{"--config", ""}).size() == 2);
  CHECK(std::ranges::search(call.argv, Arguments{"--bwlimit", "2048B"}).size() == 2);

  const auto both = call_of(an_order(Tool::rclone, a_server(), a_server()), "copy", "/dev/null");
  CHECK(operands(both) == Arguments{"FROM:/scratch/hansa/lab/set", "TO:/scratch/hansa/copy"});
}

TEST_CASE("rclone gets what opens a remote of its own from its own file, whatever it is") {
  const RemoteRoot store{.remote = "store", .configuration = "/etc/hansa/rclone.conf", .folder = "/bucket/projects"};
  const auto call = call_of(an_order(Tool::rclone, store, a_server()), "copy", "/dev/null");
  CHECK(operands(call) == Arguments{"store:bucket/projects/lab/set", "TO:/scratch/hansa/copy"});
  CHECK(std::ranges::search(call.argv, Arguments{"--config", "/etc/hansa/rclone.conf"}).size() == 2);
  CHECK(setting(call, "RCLONE_CONFIG_TO_HOST") == "mover.example.org");
  CHECK(setting(call, "RCLONE_CONFIG_FROM_TYPE") == "(none)");
  CHECK(remote_path({.remote = "dav", .configuration = "", .folder = "/"}, "set") == "dav:set");
}

TEST_CASE("a plug-in is told of both ends in one line of JSON, and of nothing by its arguments") {
  const auto call = call_of(an_order(Tool::plugin, a_folder(), a_server()), ".hansa/k.copy/h", "/dev/null");
  CHECK(call.argv == Arguments{"/usr/bin/rsync"});
  REQUIRE(call.input.ends_with('\n'));
  CHECK(Json::parse(call.input) == Json{{"version", 1},
                                        {"from", {{"folder", "/proc/self/fd/3"}}},
                                        {"to",
                                         {{"folder", "/scratch/hansa/.hansa/k.copy/h"},
                                          {"host", "mover.example.org"},
                                          {"port", 2222},
                                          {"user", "hansa"},
                                          {"key_file", "/etc/hansa/mover_key"},
                                          {"known_hosts", "/etc/hansa/known_hosts"}}},
                                        {"files", 1},
                                        {"bytes", 3},
                                        {"most_bytes_per_second", 2048}});
  ToolOutput output(Tool::plugin);
  output.take_out("starts\n{\"bytes\":10,\"files\":1}\n{\"bytes\":5}\n{\"bytes\":-1,\"files\":\"9\"}\n[1]\n{\"bytes\":20");
  CHECK(output.bytes() == 10);
  CHECK(output.files() == 1);
  output.take_out(",\"files\":2}\n");
  output.take_err("it is odd\n");
  CHECK(output.bytes() == 20);
  CHECK(output.files() == 2);
  CHECK(output.complaints() == "it is odd");
  CHECK(keeps_name(Tool::plugin, "\xff\n"));
}

TEST_CASE("rsync gets local ends as descriptors, remote ones by its private ssh_config") {
  const auto push = call_of(an_order(Tool::rsync, a_folder(), a_server()), ".hansa/k.copy/h", "/spool/ssh_config");
  CHECK(operands(push) == Arguments{"/proc/self/fd/3/", "replica:/scratch/hansa/.hansa/k.copy/h/"});
  CHECK(std::ranges::count(push.argv, "--rsh=/usr/bin/ssh -F /spool/ssh_config") == 1);
  CHECK(std::ranges::count(push.argv, "--bwlimit=2") == 1);
  const auto pull = call_of(an_order(Tool::rsync, a_server(), a_folder()), ".hansa/k.copy/h", "/spool/ssh_config");
  CHECK(operands(pull) == Arguments{"replica:/scratch/hansa/lab/set/", "/proc/self/fd/4/"});
  // Links are not copied, and nothing at the other side is read by a shell.
  for (const auto* never : {"-a", "--archive", "-l", "--links", "-L", "--copy-links", "--delete"})
    CHECK(std::ranges::count(pull.argv, never) == 0);
  CHECK(std::ranges::count(pull.argv, "--protect-args") == 1);
}

TEST_CASE("ssh is told of one host, one key, and no other", "[T23]") {
  const auto text = ssh_config_of(std::get<SftpRoot>(a_server()));
  for (const auto* line :
       {"Host replica\n", "HostName mover.example.org\n", "Port 2222\n", "User hansa\n", "IdentityFile /etc/hansa/mover_key\n",
        "IdentitiesOnly yes\n", "UserKnownHostsFile /etc/hansa/known_hosts\n", "GlobalKnownHostsFile /dev/null\n",
        "StrictHostKeyChecking yes\n", "BatchMode yes\n"}) {
    INFO(line);
    CHECK(text.contains(line));
  }
}

TEST_CASE("a tool's end is told as it was") {
  ToolOutput output(Tool::rsync);
  const QuickClock clock;
  CHECK(run_tool(sh("exit 23"), {}, output, clock, kGoOn).value().exit_status == 23);
  CHECK(run_tool(sh("kill -9 $$"), {}, output, clock, kGoOn).value().signal == 9);
  const auto absent = run_tool({.argv = {"/no/such/tool"}, .environment = {}}, {}, output, clock, kGoOn);
  CHECK(absent.value().exit_status == 127);
  CHECK(output.complaints().contains("cannot be executed"));
}

TEST_CASE("a tool sees its descriptors and no other") {
  ToolOutput output(Tool::rsync);
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const auto end =
      run_tool(sh("ls /proc/self/fd | tr '\\n' ' ' >&2; echo >&2; env | cut -d= -f1 | sort | tr '\\n' ' ' >&2; echo >&2"),
               {.source = ends[0], .destination = -1, .lock = ends[1]}, output, QuickClock(), kGoOn);
  CHECK(end.value().exit_status == 0);
  // ls has 4 for the folder it lists: 0 to 3 and 5 are what it was given.
  CHECK(output.complaints() == "0 1 2 3 4 5 \nPATH PWD ");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a tool that must end does, and so does what it started") {
  ToolOutput output(Tool::rsync);
  const auto end = run_tool(sh("trap '' TERM; sleep 1000 & echo started >&2; while :; do wait; done"), {}, output, QuickClock(),
                            [&] { return output.complaints().empty(); });
  CHECK(end.value().stopped);
  CHECK(end.value().signal == SIGKILL);
}
