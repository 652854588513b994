// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/ssh.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors::remote;

namespace {

const SshOptions kOptions{.host = "login.alpha.example",
                          .user = "hansa",
                          .port = 2222,
                          .known_hosts = "/etc/hansa/known",
                          .identity = "/etc/hansa/key"};

Error explained(int status, const std::string& words, const std::string& code = "CONNECTION_ENDED") {
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  return async::run(
      io, explain_ssh(&scheduler, kOptions, {.exit_status = status, .signal = {}}, words, {.code = code, .message = "it ended"}));
}

}  // namespace

TEST_CASE("ssh is started with nothing of anybody's configuration, forwards nothing and asks nobody") {
  const auto argv = ssh_command(kOptions);
  const std::vector<std::string> end{"-i", "/etc/hansa/key",      "-p",          "2222",   "-l", "hansa",
                                     "--", "login.alpha.example", "hansa-agent", "--stdio"};
  REQUIRE(argv.size() > end.size());
  CHECK(std::equal(end.begin(), end.end(), argv.end() - static_cast<std::ptrdiff_t>(end.size())));
  CHECK(std::vector<std::string>(argv.begin(), argv.begin() + 4) ==
        std::vector<std::string>{"/usr/bin/ssh", "-F", "/dev/null", "-T"});
  for (const auto* setting :
       {"BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=/etc/hansa/known", "GlobalKnownHostsFile=/dev/null",
        "ForwardAgent=no", "ClearAllForwardings=yes", "PermitLocalCommand=no", "IdentitiesOnly=yes", "IdentityAgent=none",
        "UpdateHostKeys=no", "ServerAliveInterval=15"}) {
    const auto at = std::ranges::find(argv, setting);
    CAPTURE(setting);
    REQUIRE(at != argv.end());
    CHECK(*(at - 1) == "-o");
  }
}

TEST_CASE("each of ssh's failures has a code and a remedy") {
  const auto [words, code, remedy] = GENERATE(table<std::string, std::string, std::string>({
      {"@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n...\nHost key verification failed.\r\n", "SSH_HOST_KEY",
       "is not the pinned one"},
      {"No ED25519 host key is known for [127.0.0.1]:22 and you have requested strict checking.\r\nHost key verification "
       "failed.\r\n",
       "SSH_HOST_KEY", "known_hosts"},
      {"ssh: connect to host x port 22: Connection refused\r\n", "SSH_REFUSED", "sshd is down"},
      {"ssh: Could not resolve hostname x: Name or service not known\r\n", "SSH_UNREACHABLE", "remote.ssh.host"},
      {"ssh: connect to host x port 22: Connection timed out\r\n", "SSH_UNREACHABLE", "firewall"},
      {"ssh: connect to host x port 22: No route to host\r\n", "SSH_UNREACHABLE", "network"},
      {"Timeout, server x not responding.\r\n", "SSH_LOST", "cut"},
      {"hansa@x: Permission denied (publickey).\r\n", "SSH_DENIED", "authorized_keys"},
      {"Load key \"/etc/hansa/key\": bad permissions\r\n", "SSH_IDENTITY", "account alone"},
      {"kex_exchange_identification: read: Connection reset by peer\r\n", "SSH_LOST", "reset"},
      {"Connection closed by 127.0.0.1 port 22\r\n", "SSH_CLOSED", "MaxStartups"},
      {"something that no version ever said\r\n", "AGENT_ENDED", "something that no version ever said"},
  }));
  const auto error = explained(255, words);
  CAPTURE(words, error.message);
  CHECK(error.code == code);
  CHECK(error.kind == ErrorKind::unavailable);
  CHECK_THAT(error.message, Catch::Contains(remedy) && Catch::Contains("hansa@login.alpha.example:2222"));
}

TEST_CASE("what is not ssh's own failure is the far program's") {
  CHECK(explained(127, "bash: line 1: hansa-agent: command not found\n").code == "AGENT_MISSING");
  const auto configuration = explained(
      78, "hansa-agent: the configuration cannot be used:\n/etc/hansa/agent.toml has an error\n  line 3: Connection refused\n");
  CHECK(configuration.code == "AGENT_ENDED");
  CHECK_THAT(configuration.message, Catch::Contains("status 78") && Catch::Contains("line 3"));
  CHECK(explained(0, "Connection refused", "NOT_THE_PROTOCOL").code == "NOT_THE_PROTOCOL");  // what the protocol found says more
}
