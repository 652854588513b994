// SPDX-License-Identifier: Apache-2.0
// OpenSSH's client and a real sshd on their good day and their bad ones. What answers behind the sshd is its forced command.
#include "broker/async/real_scheduler.hpp"
#include "connectors/remote/child_carrier.hpp"
#include "connectors/remote/remote_connector.hpp"
#include "connectors/remote/ssh.hpp"
#include "tests/testbed/ssh_server.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

using namespace hansa;
using namespace hansa::connectors::remote;
using async::Task;
using testbed::run_program;
using testbed::SshServer;

namespace {

/// Behind the sshd: a site's end that knows how to cancel, and to die when asked to submit.
constexpr const char* kGoodEnd = R"(#!/usr/bin/env python3
import json, os, sys
def say(i, r): print(json.dumps({"jsonrpc": "2.0", "id": i, "result": r}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m["method"] == "initialize": say(m["id"], {"version": 1, "name": "behind ssh: " + os.environ.get("SSH_ORIGINAL_COMMAND", "")})
    elif m["method"] == "submit": os._exit(1)
    else: say(m["id"], {"outcome": "stopped"})
)";

class Day {
 public:
  /// `behind` is a script; without it sshd does as it is asked.
  explicit Day(const std::string& behind, const std::string& settings = "") {
    std::signal(SIGPIPE, SIG_IGN);
    std::ofstream(file("behind")) << behind;
    ::chmod(file("behind").c_str(), 0755);
    const auto forced = behind.empty() ? std::string("SetEnv PATH=/nonexistent\n") : "ForceCommand " + file("behind") + "\n";
    server.emplace(file("sshd"), "", "TrustedUserCAKeys {folder}/ca.pub\n" + forced + settings);
    run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", server->file("ca")});
    options = {.host = "127.0.0.1",
               .user = server->account(),
               .port = server->port(),
               .known_hosts = server->known_hosts(),
               .identity = server->file("login_key")};
  }
  ~Day() { disconnect(); }
  Day(const Day&) = delete;
  Day& operator=(const Day&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  /// A key that only a certificate opens the door for.
  std::string signed_key(const std::string& validity, const std::string& principal) {
    const auto key = file("signed_key_" + std::to_string(++keys_));
    run_program({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key});
    run_program(
        {"/usr/bin/ssh-keygen", "-q", "-s", server->file("ca"), "-I", "test", "-n", principal, "-V", validity, key + ".pub"});
    return key;
  }

  RemoteConnector& connect() {
    disconnect();
    auto explain = [this](async::ChildEnd end, std::string words, Error why) {
      return explain_ssh(&scheduler, options, end, std::move(words), std::move(why));
    };
    connector_.emplace(
        context_.get_executor(), scheduler, random_, log_,
        std::make_unique<ChildCarrier>(scheduler, log_, SiteId("far"), ssh_command(options), std::move(explain)),
        LinkOptions{.site = SiteId("far"), .name = "test", .pauses = {.first = Milliseconds{50}, .longest = Milliseconds{400}}});
    return *connector_;
  }
  void disconnect() {
    if (connector_) (void)ask(connector_->close());
    connector_.reset();
  }
  template <class T>
  Result<T> ask(Task<T> question) {
    std::optional<Result<T>> answer;
    auto keep = [](Task<T> asked, std::optional<Result<T>>& out) -> boost::asio::awaitable<void> {
      out.emplace(co_await async::without_exceptions(std::move(asked)));
    };
    boost::asio::co_spawn(context_, keep(std::move(question), answer), [](const std::exception_ptr&) {});
    context_.restart();
    while (!answer) context_.run_one();
    return std::move(*answer);
  }
  Result<domain::CancelOutcome> cancel() {
    return ask(connector_->cancel({}, ports::CancelWhen::always, async::Deadline::in(scheduler, Seconds{30})));
  }
  /// Its first connection does not come about: why.
  Error failure() {
    connect();
    const auto answer = cancel();
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().kind == ErrorKind::unavailable);
    const auto receipt = submit();
    REQUIRE_FALSE(receipt.has_value());
    CHECK(ports::surely_not_sent(receipt.error()));
    return answer.error();
  }
  Result<ports::SubmitReceipt> submit() {
    ports::SubmitRequest request;
    request.job = *Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z3");
    request.tag = domain::make_tag(request.job, 1);
    request.person = Principal("local:alice");
    request.payload.script = "#!/bin/sh\n";
    return ask(connector_->submit(request, async::Deadline::in(scheduler, Seconds{30})));
  }
  bool works_again() {
    for (int i = 0; i < 200; ++i) {
      if (cancel() == domain::CancelOutcome::stopped) return true;
      (void)ask([](async::Scheduler* clock) -> Task<> {
        co_await clock->sleep_until(clock->now_monotonic() + Milliseconds{50});
        co_return Result<void>{};
      }(&scheduler));
    }
    return false;
  }

 private:
  test::TemporaryFolder folder_;
  boost::asio::io_context context_{1};
  async::SystemRandom random_;
  test::SilentLog log_;
  int keys_ = 0;
  std::optional<RemoteConnector> connector_;

 public:
  async::RealScheduler scheduler;
  std::optional<SshServer> server;
  SshOptions options;
};

}  // namespace

TEST_CASE("a key of authorized_keys, and one that a CA has signed for, come in; what is started is the forced command") {
  Day day(kGoodEnd, "PrintMotd yes\nBanner /etc/issue\n");
  const bool by_certificate = GENERATE(false, true);
  if (by_certificate) {
    std::ofstream(day.server->file("authorized_keys")) << "";
    day.options.identity = day.signed_key("+1h", day.server->account());
  }
  day.connect();
  CHECK(day.cancel() == domain::CancelOutcome::stopped);
  for (int i = 0; i < 20; ++i) CHECK(day.cancel() == domain::CancelOutcome::stopped);
  const auto log = testbed::text_of(day.server->file("log"));
  CHECK(log.find("Accepted publickey") == log.rfind("Accepted publickey"));  // one connection for all of them
}

TEST_CASE("a door that stays shut says why, and what to do", "[T23]") {
  Day day(kGoodEnd);
  SECTION("the host key has changed") {
    day.options.known_hosts = day.server->known_hosts("other_key.pub");
    CHECK(day.failure().code == "SSH_HOST_KEY");
  }
  SECTION("no host key is pinned") {
    day.options.known_hosts = "/dev/null";
    CHECK(day.failure().code == "SSH_HOST_KEY");
  }
  SECTION("the key is not let in") {
    day.options.identity = day.server->file("other_key");
    CHECK(day.failure().code == "SSH_DENIED");
  }
  SECTION("the certificate has ended") {
    std::ofstream(day.server->file("authorized_keys")) << "";
    day.options.identity = day.signed_key("20200101:20200102", day.server->account());
    const auto error = day.failure();
    CHECK(error.code == "SSH_CERTIFICATE");
    CHECK_THAT(error.message, Catch::Contains("ended at 2020-01-0"));
  }
  SECTION("the certificate is somebody else's") {
    day.options.identity = day.signed_key("+1h", "somebody-else");
    CHECK(day.failure().code == "SSH_DENIED");
  }
  SECTION("others can read the key") {
    ::chmod(day.options.identity.c_str(), 0644);
    CHECK(day.failure().code == "SSH_IDENTITY");
  }
  SECTION("nothing listens") {
    day.server->stop();
    CHECK(day.failure().code == "SSH_REFUSED");
  }
  SECTION("there is no such host") {
    day.options.host = "no-such-host.invalid";
    CHECK(day.failure().code == "SSH_UNREACHABLE");
  }
}

TEST_CASE("an account without an agent says so") {
  Day day("");
  CHECK(day.failure().code == "AGENT_MISSING");
}

TEST_CASE("whatever comes through the door that is not the protocol is told as that") {
  const auto [behind, code, part] = GENERATE(table<std::string, std::string, std::string>({
      {"echo 'Last login: Mon Nov 23 10:00:00 2026'; cat >/dev/null", "NOT_THE_PROTOCOL", "Last login"},
      {"printf '\\e[32mgreen\\e[0m\\n'; cat >/dev/null", "NOT_THE_PROTOCOL", "?[32mgreen"},
      {"printf '{\"jsonrpc\":'", "AGENT_ENDED", "status 0"},
      {"head -c 100000000 /dev/zero | tr '\\0' x; cat >/dev/null", "LINE_TOO_LONG", "8 MiB"},
      {"head -c 10000 /dev/urandom; echo; cat >/dev/null", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {"read -r line; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"version\":2,\"name\":\"newer\"}}'; cat >/dev/null",
       "PROTOCOL_VERSION", "version 2"},
      {"echo 'quota exceeded' >&2; exit 1", "AGENT_ENDED", "quota exceeded"},
  }));
  Day day("#!/bin/bash\n" + behind + "\n");
  const auto error = day.failure();
  CAPTURE(behind, error.message);
  CHECK(error.code == code);
  CHECK_THAT(error.message, Catch::Contains(part));
}

TEST_CASE("what a broken connection interrupts is unknown, and the next one works") {
  Day day(kGoodEnd);
  day.connect();
  CHECK(day.cancel() == domain::CancelOutcome::stopped);
  const auto receipt = day.submit();  // the far end dies of it
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().kind == ErrorKind::unknown_outcome);
  CHECK(day.works_again());
  day.server->stop();  // with its sessions or without: no new one
  day.server->start();
  CHECK(day.works_again());
}
