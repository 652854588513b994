// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/ssh.hpp"

#include "broker/async/child.hpp"
#include "broker/async/real_scheduler.hpp"
#include "tests/unit/async/manual_scheduler.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

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

TEST_CASE("ssh is started with nothing of anybody's configuration, forwards nothing and asks nobody", "[T09][T23]") {
  // All of it, in its order: what is added or lost here is for somebody to read twice.
  CHECK(ssh_command(kOptions) == std::vector<std::string>{"/usr/bin/ssh", "-F",
                                                          "/dev/null",    "-T",               //
                                                          "-o",           "BatchMode=yes",                                 //
                                                          "-o",           "StrictHostKeyChecking=yes",                     //
                                                          "-o",           "UserKnownHostsFile=/etc/hansa/known",           //
                                                          "-o",           "GlobalKnownHostsFile=/dev/null",                //
                                                          "-o",           "UpdateHostKeys=no",                             //
                                                          "-o",           "CheckHostIP=no",                                //
                                                          "-o",           "IdentitiesOnly=yes",                            //
                                                          "-o",           "IdentityAgent=none",                            //
                                                          "-o",           "PreferredAuthentications=publickey",            //
                                                          "-o",           "ForwardAgent=no",                               //
                                                          "-o",           "ForwardX11=no",                                 //
                                                          "-o",           "ClearAllForwardings=yes",                       //
                                                          "-o",           "PermitLocalCommand=no",                         //
                                                          "-o",           "ControlMaster=no",                              //
                                                          "-o",           "ControlPath=none",                              //
                                                          "-o",           "EscapeChar=none",                               //
                                                          "-o",           "RequestTTY=no",                                 //
                                                          "-o",           "ConnectTimeout=20",                             //
                                                          "-o",           "ConnectionAttempts=1",                          //
                                                          "-o",           "ServerAliveInterval=15",                        //
                                                          "-o",           "ServerAliveCountMax=4",                         //
                                                          "-i",           "/etc/hansa/key",
                                                          "-p",           "2222",
                                                          "-l",           "hansa",   //
                                                          "--",           "login.alpha.example",
                                                          "hansa-agent",  "--stdio"});
}

TEST_CASE("ssh itself takes every one of these settings to mean what they say", "[T23]") {
  auto argv = ssh_command(kOptions);
  argv.insert(argv.begin() + 1, "-G");  // says what it would do, and does nothing
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  const auto said = async::run(io, async::run_child(scheduler, async::Deadline::in(scheduler, Seconds{20}), {.argv = argv}));
  REQUIRE(said);
  CAPTURE(said->err);
  REQUIRE(said->succeeded());
  for (const auto* line :
       {"batchmode yes", "stricthostkeychecking true", "userknownhostsfile /etc/hansa/known", "forwardagent no", "forwardx11 no",
        "clearallforwardings yes", "permitlocalcommand no", "identityagent none", "identitiesonly yes", "updatehostkeys false",
        "controlmaster false", "requesttty false", "hostname login.alpha.example", "user hansa", "port 2222"}) {
    CAPTURE(line);
    CHECK(("\n" + said->out).contains("\n" + std::string(line) + "\n"));
  }
  CHECK_FALSE(("\n" + said->out).contains("\nproxycommand"));
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

TEST_CASE("of a person's certificate a closed door says something else than of a key") {
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  auto options = kOptions;
  options.by_certificate = true;
  const auto error = async::run(
      io, explain_ssh(&scheduler, options, {.exit_status = 255, .signal = {}}, "hansa@x: Permission denied (publickey).\r\n",
                      {.code = "CONNECTION_ENDED", .message = "it ended"}));
  CHECK(error.code == "SSH_DENIED");
  CHECK_THAT(error.message, Catch::Contains("TrustedUserCAKeys") && Catch::Contains("revoked"));
}

TEST_CASE("what is not ssh's own failure is the far program's") {
  CHECK(explained(127, "bash: line 1: hansa-agent: command not found\n").code == "AGENT_MISSING");
  const auto configuration = explained(
      78, "hansa-agent: the configuration cannot be used:\n/etc/hansa/agent.toml has an error\n  line 3: Connection refused\n");
  CHECK(configuration.code == "AGENT_ENDED");
  CHECK_THAT(configuration.message, Catch::Contains("status 78") && Catch::Contains("line 3"));
  CHECK(explained(0, "Connection refused", "NOT_THE_PROTOCOL").code == "NOT_THE_PROTOCOL");  // what the protocol found says more
}
