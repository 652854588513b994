// SPDX-License-Identifier: Apache-2.0
// The usage records in force, page by page.
#include "broker/ledger/exchange.hpp"

#include "store_contract.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;

namespace {

const SiteId kAlpha("alpha"), kBeta("beta");

struct Runs {
  std::unique_ptr<StoreUnderTest> store = next_store();
  domain::Job job = bound(*store, "alpha", "41", {});
  domain::Job other = bound(*store, "beta", "42", {});

  domain::UsageRecord run(const domain::Job& of, std::int64_t started, std::int64_t elapsed) const {
    const auto& attempt = of.attempts.front();
    return {.site = attempt.site,
            .cluster = "c",
            .site_job_id = attempt.site_job_id,
            .tag = domain::make_tag(of.id, attempt.number),
            .account = attempt.account,
            .scheduler_account = "proj1",
            .queue = QueueName("batch"),
            .submitted_at = at(1),
            .started_at = at(started),
            .ended_at = at(started + elapsed),
            .site_state = "COMPLETED",
            .exit_code = 0,
            .elapsed = Seconds{elapsed},
            .nodes = 1,
            .cores = 8,
            .core_seconds = {elapsed * 8},
            .node_seconds = {elapsed},
            .source_line = "41|alice|COMPLETED"};
  }
  void book(const SiteId& site, std::vector<domain::UsageRecord> records) {
    REQUIRE(store->wait(store->usage().book_usage(site, std::move(records), {"c"}, at(9'000))));
  }
  std::int64_t size() { return store->wait(store->ledger().ledger_head()).value().size; }
  std::vector<ports::UsageLine> lines(ports::UsageLinesQuery query) {
    if (query.size == 0) query.size = size();
    return store->wait(store->usage_lines().usage_lines(std::move(query))).value();
  }
  /// All pages of so many.
  std::vector<ports::UsageLine> paged(ports::UsageLinesQuery query, std::size_t limit) {
    query.limit = limit;
    std::vector<ports::UsageLine> all;
    for (auto page = lines(query); !page.empty(); page = lines(query)) {
      REQUIRE(page.size() <= limit);
      query.after = page.back().place;
      all.insert(all.end(), page.begin(), page.end());
    }
    return all;
  }
};

std::vector<std::int64_t> places(const std::vector<ports::UsageLine>& lines) {
  std::vector<std::int64_t> all;
  for (const auto& line : lines) all.push_back(line.place.seq);
  return all;
}

}  // namespace

TEST_CASE("usage records in force come by the ends of their runs, whatever the pages") {
  Runs runs;
  // Places 0 to 4 in the order of booking; two end in one second.
  runs.book(kAlpha, {runs.run(runs.job, 100, 300), runs.run(runs.job, 200, 50), runs.run(runs.job, 300, 100)});
  runs.book(kBeta, {runs.run(runs.other, 10, 20), runs.run(runs.other, 100, 150)});
  const ports::UsageLinesQuery all{.from = at(0), .to = at(1'000)};
  const std::vector<std::int64_t> order{3, 1, 4, 0, 2};  // ends at 30, 250, 250, 400, 400
  CHECK(places(runs.lines(all)) == order);
  for (const std::size_t limit : {1U, 2U, 3U, 5U, 1'000U}) CHECK(places(runs.paged(all, limit)) == order);
  const auto first = runs.lines(all).front();
  CHECK(first.place.ended_s == to_unix_seconds(at(30)));
  CHECK(first.owner == "local:alice");
  CHECK(first.account == runs.other.attempts.front().account.str());
  CHECK(first.pseudonym.size() == 32);
  const auto record = runs.store->wait(runs.store->ledger().ledger_records(3, 1, false)).value().front();
  CHECK(first.record == record.text);
  CHECK(ledger::read_run(first.record).value().amounts == ledger::Amounts{1, 20, 160, 0, 20});
  CHECK(first.adjusted_core_seconds == 0);

  CHECK(places(runs.lines({.from = at(30), .to = at(250)})) == std::vector<std::int64_t>{3});  // ended at, and not before
  CHECK(places(runs.lines({.from = at(31), .to = at(251)})) == std::vector<std::int64_t>{1, 4});
  CHECK(places(runs.lines({.from = at(0), .to = at(1'000), .site = kBeta})) == std::vector<std::int64_t>{3, 4});
  CHECK(runs.paged({.from = at(0), .to = at(1'000), .site = SiteId("gamma")}, 1).empty());
  CHECK(runs.lines({.from = at(401), .to = at(1'000)}).empty());
  // A place before the period is none.
  CHECK(places(runs.lines({.from = at(250), .to = at(300), .after = ports::UsagePlace{to_unix_seconds(at(30)), 3}})) ==
        std::vector<std::int64_t>{1, 4});
}

TEST_CASE("what was taken back is not in force, and was until then") {
  Runs runs;
  auto record = runs.run(runs.job, 100, 100);
  runs.book(kAlpha, {record});
  record.ended_at = at(350);
  record.elapsed = Seconds{250};
  record.core_seconds = {2'000};
  runs.book(kAlpha, {record});
  REQUIRE(runs.size() == 3);
  const ports::UsageLinesQuery all{.from = at(0), .to = at(1'000)};
  CHECK(places(runs.lines(all)) == std::vector<std::int64_t>{2});
  for (const auto& [size, expected] : {std::pair<std::int64_t, std::vector<std::int64_t>>{1, {0}}, {2, {}}, {3, {2}}, {99, {2}}})
    CHECK(places(runs.lines({.from = at(0), .to = at(1'000), .size = size})) == expected);
  // The report sums the same.
  const auto sum = runs.store->wait(runs.store->usage().usage_report({})).value().front();
  CHECK(sum.core_seconds.value == ledger::read_run(runs.lines(all).front().record).value().amounts.core_seconds);
}
