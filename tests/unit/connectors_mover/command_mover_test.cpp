// SPDX-License-Identifier: Apache-2.0
// What the broker makes of hansa-move-run's answers.
#include "connectors/mover/command_mover.hpp"

#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/connectors_mover/an_order.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::connectors;
using namespace hansa::connectors::mover;

namespace {

class ScriptedTransport final : public transport::Transport {
 public:
  Result<transport::CommandResult> answer;
  std::vector<transport::Command> asked;

  async::Task<transport::CommandResult> run(transport::Command command, async::Deadline) override {
    asked.push_back(std::move(command));
    co_return answer;
  }
};

const std::string kStatus =
    R"({"transfers":[{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","moved_by":"01ARZ3NDEKTSV4RRFFQ69G5FAV","phase":"copying","bytes":5,"files":1,)"
    R"("sent":0,"verified":0,"per_second":7}]})";

struct Bench {
  boost::asio::io_context io;
  ScriptedTransport transport;
  CommandMover mover{transport,
                     {.program = "/usr/sbin/hansa-move-run",
                      .spool = "/var/lib/hansa/mover",
                      .tool = Tool::rclone,
                      .tool_program = "/usr/bin/rclone",
                      .roots = {{{SiteId("alpha"), domain::RootName("data")}, a_folder()},
                                {{SiteId("beta"), domain::RootName("data")}, a_server()}}}};

  void answers(std::string out, std::optional<int> status = 0) {
    transport.answer = transport::CommandResult{.out = std::move(out), .exit_status = status};
  }
  auto start() {
    return async::run(io, mover.start(an_order(Tool::rclone, a_folder(), a_server()).transfer, async::Deadline::never()));
  }
};

}  // namespace

TEST_CASE("a transfer is started by one command whose input is its order") {
  Bench bench;
  bench.answers(kStatus);
  const auto started = bench.start();
  REQUIRE(started);
  CHECK(started->phase == domain::TransferPhase::copying);
  CHECK(started->progress.per_second == domain::Bytes{7});
  REQUIRE(bench.transport.asked.size() == 1);
  const auto& command = bench.transport.asked.front();
  CHECK(command.program == "/usr/sbin/hansa-move-run");
  CHECK(command.arguments == std::vector<std::string>{"/var/lib/hansa/mover"});
  const auto question = parse_json(command.input).value();
  CHECK(question["do"] == "start");
  CHECK(order_from_json(canonical_json(question["order"])).value().to == a_server());
}

TEST_CASE("many transfers are asked for in one command") {
  Bench bench;
  auto two = Json::parse(kStatus);
  two["transfers"].push_back(two["transfers"][0]);
  bench.answers(two.dump());
  const auto id = *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
  CHECK(async::run(bench.io, bench.mover.status({id, id}, async::Deadline::never())).value().size() == 2);
  CHECK(bench.transport.asked.size() == 1);
  CHECK(!async::run(bench.io, bench.mover.status({id}, async::Deadline::never())));  // more than was asked
}

TEST_CASE("an error of the mover is an error of the call") {
  Bench bench;
  bench.answers(R"({"error":{"kind":"unavailable","code":"DESTINATION_BUSY","message":"m","detail":"d"}})", 1);
  const auto error = bench.start().error();
  CHECK(error.kind == ErrorKind::unavailable);
  CHECK(error.code == "DESTINATION_BUSY");
  CHECK(error.retryable);
  CHECK(error.message == "m");
}

TEST_CASE("what is no answer is taken for none") {
  Bench bench;
  const auto* text = GENERATE("", "x", "{}", "[]", R"({"transfers":[]})", R"({"transfers":[{}]})", R"({"transfers":7})",
                              R"({"error":7})", R"({"error":{}})");
  CAPTURE(text);
  bench.answers(text);
  CHECK(bench.start().error().kind == ErrorKind::internal);
  bench.answers(kStatus, std::nullopt);  // its end is not known
  CHECK(!bench.start());
}

TEST_CASE("a command that was cut, or never ran") {
  Bench bench;
  bench.transport.answer = transport::CommandResult{.out = kStatus, .timed_out = true};
  CHECK(bench.start().error().kind == ErrorKind::deadline_exceeded);
  bench.transport.answer = transport::CommandResult{.out = kStatus, .cancelled = true};
  CHECK(bench.start().error().kind == ErrorKind::cancelled);
  bench.transport.answer = fail(ErrorKind::not_found, "PROGRAM_NOT_FOUND", "no program");
  CHECK(bench.start().error().code == "PROGRAM_NOT_FOUND");
}
