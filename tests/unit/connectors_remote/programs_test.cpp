// SPDX-License-Identifier: Apache-2.0
// Programs that do not do what a plug-in should. Whatever they do: a code, a message with a remedy, and never a receipt.
#include "broker/async/all_of.hpp"
#include "broker/async/real_scheduler.hpp"
#include "connectors/remote/child_carrier.hpp"
#include "connectors/remote/remote_connector.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <csignal>
#include <optional>

using namespace hansa;
using namespace hansa::connectors::remote;
using async::Task;

namespace {

class Site {
 public:
  explicit Site(std::vector<std::string> argv, Milliseconds greet_within = Milliseconds{20'000}) {
    std::signal(SIGPIPE, SIG_IGN);
    auto explain = [program = argv.front()](async::ChildEnd end, std::string words, Error why) {
      return explain_program(program, end, std::move(words), std::move(why));
    };
    connector.emplace(
        context_.get_executor(), scheduler, random_, log_,
        std::make_unique<ChildCarrier>(scheduler, log_, SiteId("odd"), std::move(argv), std::move(explain)),
        LinkOptions{.site = SiteId("odd"), .name = "test", .greet_within = greet_within, .pauses = {.first = Milliseconds{10}}});
  }
  ~Site() { (void)ask(connector->close()); }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

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
  async::Deadline soon(Milliseconds in = Milliseconds{20'000}) { return async::Deadline::in(scheduler, in); }
  Result<ports::SubmitReceipt> submit(Milliseconds within = Milliseconds{20'000}, domain::TaskArray array = {}) {
    ports::SubmitRequest request;
    request.spec.array = std::move(array);
    request.job = *Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z3");
    request.tag = domain::make_tag(request.job, 1);
    request.person = Principal("local:alice");
    request.payload.script = "#!/bin/sh\n";
    return ask(connector->submit(request, soon(within)));
  }

 private:
  boost::asio::io_context context_{1};
  async::SystemRandom random_;
  test::SilentLog log_;

 public:
  async::RealScheduler scheduler;
  std::optional<RemoteConnector> connector;
};

std::vector<std::string> shell(const std::string& script) { return {"/bin/bash", "-c", script}; }

/// A plug-in in Python that greets, and then does `then` with each further message `m`.
std::vector<std::string> plug_in(const std::string& then, const std::string& hello = R"({"version": 1, "name": "odd"})") {
  return {"/usr/bin/python3", "-c",
          "import json, sys, os, time\n"
          "def say(i, r): print(json.dumps({'jsonrpc': '2.0', 'id': i, 'result': r}), flush=True)\n"
          "for line in sys.stdin:\n"
          "    m = json.loads(line)\n"
          "    if m['method'] == 'initialize': say(m['id'], json.loads('''" +
              hello + "'''))\n    else: " + then + "\n"};
}

}  // namespace

TEST_CASE("a program that does not greet is told by code and remedy, and nothing is sent to it") {
  const auto [argv, code, part] = GENERATE(table<std::vector<std::string>, std::string, std::string>({
      {shell("echo 'Welcome to Alpha!'; cat >/dev/null"), "NOT_THE_PROTOCOL", "Welcome to Alpha!"},
      {shell("printf '\\e[1;31mRED\\e[0m\\n'; cat >/dev/null"), "NOT_THE_PROTOCOL", "?[1;31mRED"},
      {shell("printf '{\"jsonrpc\": \"2.0\", \"id\": 1, \"res'; exit 4"), "AGENT_ENDED", "status 4"},
      {shell("head -c 100000000 /dev/zero | tr '\\0' x; cat >/dev/null"), "LINE_TOO_LONG", "8 MiB"},
      {shell("head -c 100000 /dev/zero; echo; cat >/dev/null"), "NOT_THE_PROTOCOL", "????"},
      {shell("echo 'We trust you have received the usual lecture from the local System Administrator.' >&2; exit 1"),
       "AGENT_ENDED", "usual lecture"},
      {shell("kill -9 $$"), "AGENT_ENDED", "signal 9"},
      {shell("exit 0"), "AGENT_ENDED", "said nothing"},
      {{"/no/such/plug-in"}, "PROGRAM_NOT_FOUND", "/no/such/plug-in"},
      {{"/etc/passwd"}, "PROGRAM_NOT_EXECUTABLE", "/etc/passwd"},
      {plug_in("pass", R"({"version": 2, "name": "newer"})"), "PROTOCOL_VERSION", "version 2"},
      {plug_in("pass", R"({"version": "1"})"), "BAD_MESSAGE", "version"},
      {plug_in("pass", R"([])"), "BAD_MESSAGE", "initialize"},
      {plug_in("pass", R"({"version": 1, "name": "x", "site": "beta"})"), "WRONG_SITE", "\"beta\""},
      {shell("read -r line; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32007,\"message\":\"speaks 7 "
             "only\",\"data\":{\"kind\":"
             "\"unavailable\",\"code\":\"PROTOCOL_VERSION\"}}}'; cat >/dev/null"),
       "PROTOCOL_VERSION", "speaks 7 only"},
  }));
  Site site(argv);
  const auto snapshot = site.ask(site.connector->snapshot(site.soon()));
  CAPTURE(argv.back().substr(0, 300));
  REQUIRE_FALSE(snapshot.has_value());
  CAPTURE(snapshot.error().message, snapshot.error().detail);
  CHECK(snapshot.error().kind == ErrorKind::unavailable);
  CHECK(snapshot.error().code == code);
  CHECK_THAT(snapshot.error().message, Catch::Contains(part));
  CHECK(snapshot.error().message.size() < 1'000);
  const auto receipt = site.submit();
  REQUIRE_FALSE(receipt.has_value());
  CHECK(ports::surely_not_sent(receipt.error()));
}

TEST_CASE("a program that says nothing is not waited for for ever") {
  Site site(shell("exec sleep 1000"), Milliseconds{300});
  const auto snapshot = site.ask(site.connector->snapshot(site.soon()));
  REQUIRE_FALSE(snapshot.has_value());
  CHECK(snapshot.error().code == "AGENT_SILENT");
}

TEST_CASE("of a submission that is not answered as it should be nobody knows") {
  const auto then = GENERATE(as<std::string>{}, "os._exit(3)", "os.kill(os.getpid(), 9)", "say(m['id'], {})",
                             "say(m['id'], {'site_job_id': ''})", "say(m['id'], {'site_job_id': 7})", "say(m['id'], [])",
                             "print('segmentation fault', flush=True)",
                             "print('{\"jsonrpc\": \"2.0\", \"id\":', end='', flush=True) or os._exit(0)",
                             "print('x' * 20_000_000, flush=True)", "say(m['id'] + 1, {'site_job_id': '1'})", "time.sleep(100)",
                             "print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'error': {'code': 1}}), flush=True)");
  Site site(plug_in(then));
  const auto receipt = site.submit(Milliseconds{3'000});
  CAPTURE(then);
  REQUIRE_FALSE(receipt.has_value());
  CAPTURE(receipt.error().code, receipt.error().message);
  CHECK_FALSE(ports::surely_not_sent(receipt.error()));
  CHECK((receipt.error().kind == ErrorKind::unknown_outcome || receipt.error().kind == ErrorKind::internal));
}

TEST_CASE("an array is refused before it is sent: the protocol carries none") {
  Site site(plug_in("say(m['id'], {'site_job_id': '1'})"));
  CHECK(site.submit().has_value());
  const auto receipt = site.submit(Milliseconds{20'000}, {.tasks = {0, 1}, .at_most = 0});
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().code == "NO_SUCH_ARRAY");
  CHECK(ports::surely_not_sent(receipt.error()));
}

TEST_CASE("what the program refuses was not done, by its word") {
  Site site(
      plug_in("print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'error': {'code': -32002, 'message': 'no entry', 'data': "
              "{'kind': 'permission_denied', 'code': "
              "'NO_ACCOUNT'}}}), flush=True)"));
  const auto receipt = site.submit();
  CHECK(receipt.error().kind == ErrorKind::permission_denied);
  CHECK(ports::surely_not_sent(receipt.error()));
  const auto answer = site.ask(site.connector->cancel({}, ports::CancelWhen::always, site.soon()));
  CHECK(answer.error().code == "NO_ACCOUNT");
}

TEST_CASE("what only the broker can say no site says for it") {
  const auto [said, kind, code, not_sent] = GENERATE(table<std::string, std::string, std::string, bool>({
      {"RULES_DENY", "permission_denied", "SITE_ERROR", true},
      {"NO_RULES", "permission_denied", "SITE_ERROR", true},
      {"CREDENTIAL_MISSING", "unavailable", "SITE_ERROR", true},
      {"SITE_DRAINED", "unavailable", "SITE_ERROR", true},
      {"SITE_BUDGET", "deadline_exceeded", "SITE_ERROR", false},
      {"SITE_RULES_DENY", "permission_denied", "SITE_RULES_DENY", true},
  }));
  Site site(
      plug_in("print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'error': {'code': -32000, 'message': 'no', 'data': {'kind': '" +
              kind + "', 'code': '" + said + "'}}}), flush=True)"));
  const auto receipt = site.submit();
  CAPTURE(said);
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().code == code);
  CHECK(to_string(receipt.error().kind) == kind);
  CHECK(ports::surely_not_sent(receipt.error()) == not_sent);
  CHECK(site.ask(site.connector->snapshot(site.soon())).error().code == code);
}

TEST_CASE("a connection that broke is made anew") {
  test::TemporaryFolder folder;
  Site site(plug_in("say(m['id'], {'outcome': 'stopped'}) if os.path.exists('" + folder.path() + "/once') else (open('" +
                    folder.path() + "/once', 'w'), os._exit(1))"));
  const auto first = site.ask(site.connector->cancel({}, ports::CancelWhen::always, site.soon()));
  CHECK(first.error().kind == ErrorKind::unavailable);
  Result<domain::CancelOutcome> again = fail(ErrorKind::internal, "", "");
  for (int i = 0; i < 100 && !again; ++i) {
    (void)site.ask([](async::Scheduler* scheduler) -> Task<> {
      co_await scheduler->sleep_until(scheduler->now_monotonic() + Milliseconds{50});
      co_return Result<void>{};
    }(&site.scheduler));
    again = site.ask(site.connector->cancel({}, ports::CancelWhen::always, site.soon()));
  }
  CHECK(again == domain::CancelOutcome::stopped);
}

TEST_CASE("many requests are under way at once, and their answers may come in any order") {
  // Answers the second before the first.
  Site site(
      plug_in("held = globals().setdefault('held', []); held.append(m); [say(h['id'], {'outcome': 'stopped' if "
              "h['params']['job']['tag'] == 'a' else "
              "'already_ended'}) for h in reversed(held)] if len(held) == 2 else None"));
  const auto both = site.ask([](RemoteConnector* connector, async::Deadline until) -> Task<std::pair<bool, bool>> {
    auto first = connector->cancel({.tag = Tag("a")}, ports::CancelWhen::always, until);
    auto second = connector->cancel({.tag = Tag("b")}, ports::CancelWhen::always, until);
    std::vector<Task<domain::CancelOutcome>> tasks;
    tasks.push_back(std::move(first));
    tasks.push_back(std::move(second));
    const auto ends = co_await async::all_of(std::move(tasks));
    co_return std::pair(ends[0] == domain::CancelOutcome::stopped, ends[1] == domain::CancelOutcome::already_ended);
  }(&*site.connector, site.soon()));
  REQUIRE(both.has_value());
  CHECK(both->first);
  CHECK(both->second);
}
