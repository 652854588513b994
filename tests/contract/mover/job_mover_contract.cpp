// SPDX-License-Identifier: Apache-2.0
// What only jobs do: they wait in a queue, are killed there, lost, and found again under their tags.
#include "tests/contract/mover/mover_bench.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

namespace hansa::contract {
namespace {

using domain::Bytes;
using domain::TransferEnd;
using domain::TransferPhase;

ports::SiteJob job_of(const domain::Transfer& transfer, std::int32_t number) {
  return {.id = {},
          .tag = domain::make_tag(transfer.id, number),
          .account = {},
          .person = Principal("broker:test"),
          .intended_at = {}};
}

/// The site's jobs under that tag.
std::vector<ports::Sighting> jobs_at_site(MoverBench& bench, const domain::Transfer& transfer, std::int32_t number) {
  auto found = bench.ask(bench.site().connector().find({job_of(transfer, number)}, bench.soon()));
  REQUIRE(found);
  return found->sightings;
}

void cancel_at_site(MoverBench& bench, const domain::Transfer& transfer, std::int32_t number) {
  auto job = job_of(transfer, number);
  job.id = jobs_at_site(bench, transfer, number).at(0).status.id;
  REQUIRE(bench.ask(bench.site().connector().cancel(job, ports::CancelWhen::always, bench.soon())));
}

}  // namespace

TEST_CASE("a job that the site ends is followed by one that goes on where it was") {
  MoverBench bench(Ends::folders);
  const auto content = bench.make("set", {{"rest", random_bytes(kSlowSize)}});
  const auto transfer = bench.transfer("set", content);
  bench.options().most_per_second = kSlowly;
  bench.start(transfer);
  bench.follow(transfer.id, [](const auto& status) { return status.progress.bytes > kSlowly; });
  cancel_at_site(bench, transfer, 1);
  for (int wait = 0; bench.status(transfer.id).phase != TransferPhase::interrupted; ++wait) {
    REQUIRE(wait < 2000);
    bench.site().let_pass(Milliseconds{20});
  }
  CHECK_FALSE(fs::exists(bench.to() / "set"));
  bench.options().most_per_second = {0};
  bench.start(transfer);
  const auto end = bench.follow(transfer.id);
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(end.progress.sent < content.size);
  CHECK(bench.has_nothing_but({"set"}));
  CHECK(jobs_at_site(bench, transfer, 1).size() == 1);
  CHECK(jobs_at_site(bench, transfer, 2).size() == 1);
  CHECK(jobs_at_site(bench, transfer, 3).empty());
}

TEST_CASE("a job whose receipt was lost is adopted, and there is no second one") {
  MoverBench bench(Ends::folders);
  const auto transfer = bench.transfer("set", bench.make("set", {{"a", "1"}}));
  bench.shut_gate();
  bench.start(transfer);
  // As a broker leaves it that was killed between sbatch's answer and its note.
  const auto note = bench.options().spool + "-notes/" + transfer.id.str() + ".json";
  std::string text((std::istreambuf_iterator<char>(std::ifstream(note).rdbuf())), {});
  const auto receipt = text.find("\"site_job\":\"1\"");
  REQUIRE(receipt != std::string::npos);
  std::ofstream(note) << text.replace(receipt, std::string("\"site_job\":\"1\"").size(), "\"site_job\":\"\"");
  bench.open_gate();
  const auto end = bench.follow(transfer.id);
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(jobs_at_site(bench, transfer, 1).size() == 1);
  CHECK(jobs_at_site(bench, transfer, 2).empty());
}

TEST_CASE("jobs that cannot do anything end the transfer, with their words in the log") {
  MoverBench bench(Ends::folders);
  const auto transfer = bench.transfer("set", bench.make("set", {{"a", "1"}}));
  bench.options().program = "/no/such/hansa-move-run";
  bench.start(transfer);
  for (int wait = 0; bench.status(transfer.id).phase != TransferPhase::ended; ++wait) {
    REQUIRE(wait < 2000);
    bench.site().let_pass(Milliseconds{20});
    if (bench.status(transfer.id).phase == TransferPhase::interrupted) bench.start(transfer);
  }
  const auto end = bench.status(transfer.id);
  CHECK(end.outcome->end == TransferEnd::tool_failed);
  CHECK(end.outcome->message.contains("127"));
  CHECK(end.outcome->detail.contains("/no/such/hansa-move-run"));
  CHECK(jobs_at_site(bench, transfer, 3).size() == 1);
  CHECK(jobs_at_site(bench, transfer, 4).empty());
}

TEST_CASE("a job that was killed before it could say that it had moved finds its work done") {
  MoverBench bench(Ends::folders);
  const auto content = bench.make("set", {{"a", "1"}});
  const auto first = bench.transfer("set", content);
  REQUIRE(bench.move(first).outcome->end == TransferEnd::moved);
  const auto second = bench.transfer("set", content);
  const auto end = bench.move(second);
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(end.progress.sent == Bytes{0});
  CHECK(bench.has_nothing_but({"set"}));
}

TEST_CASE("two jobs to one destination move its bytes once") {
  MoverBench bench(Ends::folders);
  const auto content = bench.make("set", {{"a", random_bytes(kMiB)}});
  bench.shut_gate();
  const auto first = bench.transfer("set", content);
  const auto second = bench.transfer("set", content);
  bench.start(first);
  bench.follow(first.id, [](const auto& status) { return status.phase == TransferPhase::copying; });
  bench.start(second);
  bench.follow(second.id, [&](const auto& status) { return status.moved_by == first.id; });
  bench.open_gate();
  const auto end = bench.follow(first.id);
  CHECK(end.outcome->end == TransferEnd::moved);
  for (int wait = 0; bench.status(second.id).phase != TransferPhase::ended; ++wait) {
    REQUIRE(wait < 2000);
    bench.site().let_pass(Milliseconds{20});
  }
  const auto other = bench.status(second.id);
  CHECK(other.outcome->end == TransferEnd::moved);
  CHECK((other.moved_by == first.id || other.progress.sent == Bytes{0}));
  CHECK(bench.has_nothing_but({"set"}));
}

TEST_CASE("cancelled while it waits in the queue, it never starts") {
  MoverBench bench(Ends::folders);
  // As many as the site has cores stand before it.
  for (int i = 0; i < 4; ++i) {
    auto blocker = test::request_for(bench.transfer("x", {}).id, "sleep 300", Seconds{400});
    REQUIRE(bench.ask(bench.site().connector().submit(blocker, bench.soon())));
  }
  const auto transfer = bench.transfer("set", bench.make("set", {{"a", "1"}}));
  CHECK(bench.start(transfer).phase == TransferPhase::queued);
  CHECK(bench.status(transfer.id).phase == TransferPhase::queued);
  REQUIRE(bench.ask(bench.mover().cancel(transfer.id, bench.soon())));
  CHECK(bench.follow(transfer.id).outcome->end == TransferEnd::cancelled);
  CHECK(jobs_at_site(bench, transfer, 2).empty());  // nothing to take away
  CHECK(bench.has_nothing_but({}));
}

}  // namespace hansa::contract
