// SPDX-License-Identifier: Apache-2.0
// The ledger held against a site's accounting asked anew, its months, and what is added by hand.
#include "broker/core/digest.hpp"
#include "broker/ledger/export_check.hpp"
#include "tests/unit/ledger/sample_ledger.hpp"

#include "store_contract.hpp"
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

using namespace hansa;
using namespace hansa::contract;

namespace {

const SiteId kThere("alpha");
const ledger::Signer kOwn{.name = "hansa/contract", .seed = Secret(std::string(32, 'k'))};
const std::string kMonth = ledger::period_of(to_unix_seconds(at(200)));

class Accounts {
 public:
  Accounts() {
    REQUIRE(store->wait(store->ledger().append_record(
        {.kind = "key", .at = at(0), .fields = {{"key", kOwn.verifier().text()}}, .after_key = ""})));
  }
  domain::UsageRecord run(std::int64_t started, std::int64_t elapsed = 100) {
    const auto& attempt = job.attempts.front();
    domain::UsageRecord record;
    record.site = kThere;
    record.cluster = "c";
    record.site_job_id = attempt.site_job_id;
    record.tag = domain::make_tag(job.id, attempt.number);
    record.account = attempt.account;
    record.queue = QueueName("batch");
    record.submitted_at = at(1);
    record.started_at = at(started);
    record.ended_at = at(started + elapsed);
    record.site_state = "COMPLETED";
    record.elapsed = Seconds{elapsed};
    record.nodes = 1;
    record.cores = 8;
    record.core_seconds = {elapsed * 8};
    record.node_seconds = {elapsed};
    record.source_line = "41|alice|COMPLETED";
    return record;
  }
  void book(std::vector<domain::UsageRecord> records) {
    REQUIRE(store->wait(store->usage().book_usage(kThere, std::move(records), {"the cursor"}, at(5'000))));
  }
  ports::Compared compare(std::vector<domain::UsageRecord> records, Seconds tolerance = Seconds{0}) {
    return store->wait(store->reconciliations().compare_usage(kThere, std::move(records), tolerance, at(6'000))).value();
  }
  std::int64_t size() { return store->wait(store->ledger().ledger_head()).value().size; }
  ports::Reconciliation keep(const std::string& id, std::vector<ports::Difference> differences = {}) {
    ports::Reconciliation made{.id = id,
                               .site = kThere,
                               .from = at(0),
                               .to = at(10'000),
                               .begun_at = at(11'000),
                               .at = at(11'001),
                               .by = Principal("local:operator"),
                               .ledger_size = size(),
                               .matched = 3,
                               .listed = std::ssize(differences),
                               .others = 7};
    for (const auto& difference : differences) ++made.differences[static_cast<std::size_t>(difference.kind)];
    REQUIRE(store->wait(store->reconciliations().keep_reconciliation(made, std::move(differences))));
    return store->wait(store->reconciliations().reconciliations({.site = {}, .id = id})).value().front();
  }
  ports::MonthSums sum_up(std::size_t limit = 2) {
    ports::MonthSums sums;
    while (!sums.whole) sums = store->wait(store->periods().sum_month(kMonth, sums, limit)).value();
    return sums;
  }
  Result<std::int64_t> close(std::int64_t looked_at) { return close(looked_at, sum_up()); }
  Result<std::int64_t> close(std::int64_t looked_at, const ports::MonthSums& sums,
                             std::vector<std::pair<SiteId, std::string>> newest = {}) {
    return store->wait(store->periods().close_month(
        {.period = kMonth,
         .at = at(20'000),
         .sites = "alpha=B",
         .rests_on = ledger::close_text({ledger::test::settled_site("alpha", kMonth, to_unix_seconds(at(20'000)))}),
         .apart = Seconds{86'400},
         .looked_at = looked_at,
         .sums = sums,
         .newest = std::move(newest)}));
  }
  std::string record(std::int64_t seq) { return store->wait(store->ledger().ledger_records(seq, 1, false)).value().front().text; }
  Result<ledger::ExportCheck::Facts> verify() {
    const auto head = store->wait(store->ledger().ledger_head()).value();
    ledger::Note note{.text = ledger::Checkpoint{"hansa/contract", head.size, head.root}.text(), .signatures = {}};
    note.signatures.push_back(ledger::sign_note(kOwn, note.text));
    ledger::ExportCheck check({});
    auto text = ledger::export_header(note, {}, false) + "\n";
    for (const auto& one : store->wait(store->ledger().ledger_records(0, 1'000, false)).value())
      text += one.text + "\n" + (one.rests_on.empty() ? "" : one.rests_on + "\n");
    if (auto taken = check.take(text); !taken) return std::unexpected(taken.error());
    return check.finish();
  }

  std::unique_ptr<StoreUnderTest> store = next_store();
  domain::Job job = bound(*store, "alpha", "41", {});
};

ports::DifferenceKind kind_of(const ports::Compared& compared) {
  REQUIRE(compared.differences.size() == 1);
  return compared.differences.front().kind;
}

}  // namespace

TEST_CASE("what agrees matches and books nothing; the usage cursor stays") {
  Accounts accounts;
  accounts.book({accounts.run(100), accounts.run(300)});
  const auto size = accounts.size();
  for (int i = 0; i < 2; ++i) {
    const auto compared = accounts.compare({accounts.run(100), accounts.run(300), accounts.run(300)});
    CHECK(compared.matched == std::vector<std::int64_t>{1, 2});
    CHECK(compared.differences.empty());
    CHECK(compared.booked.empty());
  }
  CHECK(accounts.size() == size);
  CHECK(accounts.store->wait(accounts.store->usage().usage_cursor(kThere)).value().text == "the cursor");
  CHECK(accounts.store->wait(accounts.store->ledger().usage_refusals()).value().empty());
}

TEST_CASE("what the ledger lacks is booked late, what the site changed is corrected, and both are told", "[T19]") {
  Accounts accounts;
  accounts.book({accounts.run(100)});
  const auto late = accounts.compare({accounts.run(100), accounts.run(300)});
  CHECK(kind_of(late) == ports::DifferenceKind::late);
  CHECK(late.differences.front().outcome == "booked");
  CHECK(late.differences.front().record == 2);
  CHECK(late.booked == std::vector{accounts.job.id});
  auto changed = accounts.run(100);
  changed.core_seconds = {1600};
  const auto corrected = accounts.compare({changed, accounts.run(300)});
  CHECK(kind_of(corrected) == ports::DifferenceKind::field_mismatch);
  CHECK(corrected.differences.front().outcome == "corrected");
  CHECK(corrected.differences.front().fields == R"({"core_seconds":["800","1600"]})");
  CHECK(corrected.differences.front().record == 4);
  CHECK(accounts.compare({changed, accounts.run(300)}).differences.empty());  // again: it agrees now
  CHECK(accounts.verify());
}

TEST_CASE("a second record of a run, a record that cannot be booked, and jobs that are not ours are told apart", "[T19]") {
  Accounts accounts;
  auto other = accounts.run(100, 50);
  const auto two = accounts.compare({accounts.run(100), other});
  REQUIRE(two.differences.size() == 2);
  CHECK(std::ranges::count(two.differences, ports::DifferenceKind::duplicate, &ports::Difference::kind) == 1);
  CHECK(std::ranges::count(two.differences, ports::DifferenceKind::late, &ports::Difference::kind) == 1);
  const auto again = accounts.compare({other, accounts.run(100)});
  CHECK(kind_of(again) == ports::DifferenceKind::duplicate);
  const auto key = again.differences.front().key;
  CHECK(std::ranges::count(two.differences, key, &ports::Difference::key) == 1);  // the same difference has the same name
  auto impossible = accounts.run(700);
  impossible.core_seconds = {-1};
  const auto missing = accounts.compare({impossible});
  CHECK(kind_of(missing) == ports::DifferenceKind::missing_at_broker);
  CHECK(missing.differences.front().outcome == "IMPOSSIBLE_AMOUNT");
  auto forged = accounts.run(900);
  forged.account = LocalAccount("mallory");
  const auto size = accounts.size();
  const auto named_ours = accounts.compare({forged});
  CHECK(named_ours.others == 0);
  CHECK(kind_of(named_ours) == ports::DifferenceKind::missing_at_broker);
  CHECK(named_ours.differences.front().outcome == "NOT_OURS");
  CHECK(accounts.keep("R1", named_ours.differences).unexplained == 1);
  forged.tag = domain::make_tag(JobId({9, 9}), 1);  // another broker's
  CHECK(accounts.compare({forged}).others == 1);
  forged.tag = Tag("hansa-nobody");
  const auto others = accounts.compare({forged});
  CHECK(others.others == 1);
  CHECK(others.differences.empty());
  CHECK(accounts.size() == size);
}

TEST_CASE("within its tolerance a site's word is the ledger's", "[T19]") {
  Accounts accounts;
  accounts.book({accounts.run(100)});
  auto near = accounts.run(100, 101);
  CHECK(accounts.compare({near}, Seconds{1}).matched.size() == 1);
  CHECK(accounts.size() == 2);
  auto far = accounts.run(100, 102);
  CHECK(kind_of(accounts.compare({far}, Seconds{1})) == ports::DifferenceKind::field_mismatch);
}

TEST_CASE("of a thousand runs the ten that a site tells falsely are told by what is false and no other is", "[T19]") {
  Accounts accounts;
  std::vector<domain::UsageRecord> runs;
  for (std::int64_t i = 0; i < 1'000; ++i) runs.push_back(accounts.run(100 + i * 200, 50 + i % 97));
  accounts.book(runs);
  REQUIRE(accounts.size() == 1'001);
  std::map<std::int64_t, std::string> falsified;  // by the ledger's record: the field
  const auto falsify = [&](std::size_t i, const std::string& field, const auto& how) {
    how(runs[i]);
    falsified[static_cast<std::int64_t>(i) + 1] = field;
  };
  falsify(3, "core_seconds", [](auto& run) { run.core_seconds.value -= 1; });
  falsify(99, "core_seconds", [](auto& run) { run.core_seconds.value *= 2; });
  falsify(100, "node_seconds", [](auto& run) { run.node_seconds.value += 1; });
  falsify(256, "gpu_seconds", [](auto& run) { run.gpu_seconds.value = 1; });
  falsify(400, "elapsed_s", [](auto& run) { run.elapsed += Seconds{1}; });
  falsify(511, "cores", [](auto& run) { run.cores = 7; });
  falsify(612, "nodes", [](auto& run) { run.nodes = 2; });
  falsify(777, "scheduler_account", [](auto& run) { run.scheduler_account = "other"; });
  falsify(888, "queue", [](auto& run) { run.queue = QueueName("free"); });
  falsify(999, "ended_s", [](auto& run) { run.ended_at += Seconds{1}; });
  const auto compared = accounts.compare(runs);
  CHECK(compared.matched.size() == 990);
  REQUIRE(compared.differences.size() == 10);
  for (const auto& difference : compared.differences) {
    CAPTURE(difference.fields);
    CHECK(difference.kind == ports::DifferenceKind::field_mismatch);
    CHECK(std::ranges::any_of(falsified, [&](const auto& one) { return difference.fields.contains("\"" + one.second + "\""); }));
  }
  for (const auto& [record, field] : falsified) {
    CAPTURE(field);
    CHECK(std::ranges::any_of(compared.differences, [&](const auto& one) { return one.fields.contains("\"" + field + "\""); }));
    CHECK(std::ranges::count(compared.matched, record) == 0);
  }
  // A run that is left out is told as well: it stands in the ledger, and is not among what matched.
  runs.erase(runs.begin() + 42);
  CHECK(std::ranges::count(accounts.compare(runs).matched, 43) == 0);
}

TEST_CASE("runs that stand are told page by page, those taken back are not") {
  Accounts accounts;
  auto changed = accounts.run(100);
  accounts.book({accounts.run(100), accounts.run(300), accounts.run(500)});
  changed.elapsed = Seconds{99};
  accounts.book({changed});
  std::vector<std::int64_t> records;
  std::optional<ports::StandingRun> last;
  while (true) {
    const auto page =
        accounts.store->wait(accounts.store->reconciliations().standing_runs(kThere, at(0), at(600), last, 1)).value();
    if (page.empty()) break;
    records.push_back(page.front().record);
    last = page.front();
  }
  CHECK(records == std::vector<std::int64_t>{5, 2});  // the third ends at 600: not in it
}

TEST_CASE("what was seen is kept, and explained once, whenever it is seen") {
  Accounts accounts;
  ports::Difference missing{.kind = ports::DifferenceKind::missing_at_site,
                            .key = {},
                            .cluster = "c",
                            .site_job_id = "41",
                            .submitted_at = at(1),
                            .started_at = {},
                            .ended_at = at(2),
                            .record = 0,
                            .fields = {},
                            .outcome = "left",
                            .explanation = {}};
  missing.key = ports::key_of(missing);
  CHECK(accounts.keep("R1", {missing}).unexplained == 1);
  auto& store = accounts.store->reconciliations();
  const ports::Explanation words{.reason = "slurmdbd was restored", .by = Principal("local:operator"), .at = at(12'000)};
  CHECK(code_of(accounts.store->wait(store.explain(kThere, "0000000000000000", words))) == "NO_SUCH_DIFFERENCE");
  REQUIRE(accounts.store->wait(store.explain(kThere, missing.key, words)));
  CHECK(code_of(accounts.store->wait(store.explain(kThere, missing.key, words))) == "EXPLAINED");
  const auto later = accounts.keep("R2", {missing});
  CHECK(later.unexplained == 0);
  CHECK(later.others == 7);
  CHECK(later.from == at(0));
  accounts.store->reopen();
  const auto kept = accounts.store->wait(accounts.store->reconciliations().differences("R1")).value();
  REQUIRE(kept.size() == 1);
  CHECK(kept.front().key == missing.key);
  CHECK(kept.front().started_at == std::nullopt);
  REQUIRE(kept.front().explanation);
  CHECK(kept.front().explanation->reason == "slurmdbd was restored");
  auto beyond = later;
  beyond.id = "R3";
  beyond.differences[0] += 5;  // that are not listed: nothing explains them
  REQUIRE(accounts.store->wait(accounts.store->reconciliations().keep_reconciliation(beyond, {missing})));
  CHECK(accounts.store->wait(accounts.store->reconciliations().reconciliations({.site = kThere, .id = {}}))
            .value()
            .front()
            .unexplained == 5);
}

TEST_CASE("a month is opened and closed once, with its sum; what comes later names it") {
  Accounts accounts;
  auto& periods = accounts.store->periods();
  CHECK(code_of(accounts.close(0)) == "NOT_OPENED");
  CHECK(code_of(accounts.store->wait(periods.open_month("2026-13", at(0)))) == "BAD_PERIOD");
  const auto opened = accounts.store->wait(periods.open_month(kMonth, at(1))).value();
  CHECK(accounts.store->wait(periods.open_month(kMonth, at(2))).value() == opened);
  accounts.book({accounts.run(100), accounts.run(300)});
  CHECK(accounts.store->wait(periods.unseen_records(kMonth)).value().first == 2);
  accounts.keep("R1");
  CHECK(accounts.store->wait(periods.unseen_records(kMonth)).value().first == 0);
  const auto looked_at = accounts.size();
  accounts.book({accounts.run(500)});
  CHECK(code_of(accounts.close(looked_at)) == "LEDGER_MOVED");
  accounts.keep("R2");
  const auto closed = accounts.close(accounts.size()).value();
  CHECK(accounts.close(0).value() == closed);  // again: nothing more
  const auto months = accounts.store->wait(periods.months()).value();
  REQUIRE(months.size() == 1);
  CHECK(months.front().closed == closed);
  CHECK(months.front().summary == closed - 1);
  CHECK(months.front().sites == "alpha=B");
  CHECK(months.front().apart == Seconds{86'400});
  CHECK(accounts.record(closed - 1).contains("\"core_seconds\":2400"));
  CHECK(accounts.record(closed).contains("\"kept\":1"));

  auto changed = accounts.run(100);
  changed.core_seconds = {1600};
  accounts.book({changed, accounts.run(700)});
  for (auto seq = closed + 1; seq < accounts.size(); ++seq)
    CHECK(accounts.record(seq).contains("\"original_period\":\"" + kMonth + "\""));
  CHECK(accounts.size() == closed + 4);  // reversal, correction, a late run
  const auto facts = accounts.verify();
  REQUIRE(facts);
  CHECK(facts->kinds.at("period_close") == 1);
  accounts.book({changed, accounts.run(700)});
  CHECK(accounts.size() == closed + 4);
  accounts.store->reopen();
  CHECK(accounts.verify());
}

TEST_CASE("a month is summed up in parts between which others are booked and its close is the sum of all") {
  Accounts accounts;
  auto& periods = accounts.store->periods();
  REQUIRE(accounts.store->wait(periods.open_month(kMonth, at(1))));
  accounts.book({accounts.run(100), accounts.run(300), accounts.run(500)});
  ports::MonthSums sums = accounts.store->wait(periods.sum_month(kMonth, {}, 1)).value();
  CHECK_FALSE(sums.whole);
  CHECK(sums.runs == 1);
  accounts.book({accounts.run(50), accounts.run(400), accounts.run(700)});  // before, between and behind what was read
  while (!sums.whole) sums = accounts.store->wait(periods.sum_month(kMonth, sums, 1)).value();
  CHECK(sums.runs == 3);
  CHECK(code_of(accounts.close(sums.size, sums)) == "LEDGER_MOVED");  // nobody has looked at those
  auto half = sums;
  half.whole = false;
  CHECK(code_of(accounts.close(accounts.size(), half)) == "LEDGER_MOVED");
  const auto closed = accounts.close(accounts.size(), sums).value();
  CHECK(accounts.record(closed - 1).contains("\"runs\":6,"));
  CHECK(accounts.record(closed - 1).contains("\"core_seconds\":4800"));
  CHECK(accounts.verify());
  for (const std::size_t limit : {1U, 2U, 6U, 7U, 1'000U}) {
    const auto all = accounts.sum_up(limit);
    CHECK(all.runs == 6);
    CHECK(all.node_seconds == 600);
  }
}

TEST_CASE("sums of a month go on with what was booked since, so many records at a time") {
  Accounts accounts;
  auto& periods = accounts.store->periods();
  REQUIRE(accounts.store->wait(periods.open_month(kMonth, at(1))));
  accounts.book({accounts.run(100), accounts.run(300)});
  auto sums = accounts.sum_up();
  REQUIRE(sums.runs == 2);
  accounts.book({accounts.run(50), accounts.run(400), accounts.run(700)});
  const auto changed = [&] {
    auto one = accounts.run(100);
    one.core_seconds = {1'600};
    return one;
  }();
  accounts.book({changed});  // a reversal and a correction
  for (const auto& [size, runs] : {std::pair{6, 4}, {8, 4}, {9, 5}, {9, 5}}) {
    const auto before = sums.size;
    sums = accounts.store->wait(periods.sum_month(kMonth, sums, 2)).value();
    CHECK(sums.whole);
    CHECK(sums.size - before <= 2);
    CHECK(sums.size == size);
    CHECK(sums.runs == runs);
  }
  CHECK(sums.core_seconds == accounts.sum_up().core_seconds);
  const auto closed = accounts.close(accounts.size(), sums).value();
  CHECK(accounts.record(closed - 1).contains("\"core_seconds\":4800"));
}

TEST_CASE("a month is not closed on looks of which a newer one came meanwhile") {
  Accounts accounts;
  REQUIRE(accounts.store->wait(accounts.store->periods().open_month(kMonth, at(1))));
  accounts.book({accounts.run(100)});
  const auto sums = accounts.sum_up();
  const auto looked_at = accounts.size();
  accounts.keep("R1");
  CHECK(code_of(accounts.close(looked_at, sums, {{kThere, ""}})) == "LEDGER_MOVED");
  accounts.keep("R2");  // nothing was booked, so the ledger itself has not moved
  REQUIRE(accounts.size() == looked_at);
  CHECK(code_of(accounts.close(looked_at, sums, {{kThere, "R1"}})) == "LEDGER_MOVED");
  CHECK(accounts.size() == looked_at);
  CHECK(accounts.close(looked_at, sums, {{kThere, "R2"}, {SiteId("beta"), ""}}));
}

TEST_CASE("an adjustment is one operator's wish and another's word") {
  Accounts accounts;
  accounts.book({accounts.run(100)});
  auto& periods = accounts.store->periods();
  const ports::Adjustment wish{.id = "A1",
                               .record = 1,
                               .core_seconds = {-400},
                               .gpu_seconds = {0},
                               .node_seconds = {-50},
                               .reason = "the node was down for half of it",
                               .by = Principal("local:operator"),
                               .at = at(7'000),
                               .ruling = {}};
  auto of_none = wish;
  of_none.record = 0;  // the key's
  CHECK(code_of(accounts.store->wait(periods.propose_adjustment(of_none))) == "NO_SUCH_RECORD");
  REQUIRE(accounts.store->wait(periods.propose_adjustment(wish)));
  const ports::Adjustment::Ruling own{.approved = true, .by = wish.by, .reason = {}, .at = at(7'100), .record = {}};
  CHECK(code_of(accounts.store->wait(periods.rule_on_adjustment("A1", own))) == "OWN_CHANGE");
  auto yes = own;
  yes.by = Principal("local:operator-2");
  const auto ruled = accounts.store->wait(periods.rule_on_adjustment("A1", yes)).value();
  REQUIRE(ruled.ruling);
  CHECK(ruled.ruling->record == 2);
  CHECK(accounts.record(2).contains("\"kind\":\"adjustment\""));
  CHECK(accounts.record(2).contains("\"core_seconds\":-400"));
  CHECK_FALSE(accounts.record(2).contains("node was down"));  // people write names into such texts
  CHECK(code_of(accounts.store->wait(periods.rule_on_adjustment("A1", yes))) == "NOT_PENDING");
  CHECK(code_of(accounts.store->wait(periods.rule_on_adjustment("A2", yes))) == "NO_SUCH_ADJUSTMENT");
  CHECK(accounts.store->wait(accounts.store->usage().usage_report({})).value().front().core_seconds.value == 400);
  const auto facts = accounts.verify();
  REQUIRE(facts);
  CHECK(facts->kinds.at("adjustment") == 1);
  auto changed = accounts.run(100);
  changed.core_seconds = {1600};
  accounts.book({changed});  // record 1 is taken back
  auto late = wish;
  late.id = "A3";
  CHECK(code_of(accounts.store->wait(periods.propose_adjustment(late))) == "NO_SUCH_RECORD");
}

TEST_CASE("what was added to a record goes with it when its site corrects it") {
  Accounts accounts;
  accounts.book({accounts.run(100)});
  auto& periods = accounts.store->periods();
  const auto adjust = [&](const std::string& id, std::int64_t core_seconds) {
    REQUIRE(accounts.store->wait(periods.propose_adjustment({.id = id,
                                                             .record = 1,
                                                             .core_seconds = {core_seconds},
                                                             .gpu_seconds = {0},
                                                             .node_seconds = {0},
                                                             .reason = "half of it",
                                                             .by = Principal("local:operator"),
                                                             .at = at(7'000),
                                                             .ruling = {}})));
    return accounts.store->wait(periods.rule_on_adjustment(
        id, {.approved = true, .by = Principal("local:operator-2"), .reason = {}, .at = at(7'100), .record = {}}));
  };
  const auto total = [&] {
    return accounts.store->wait(accounts.store->usage().usage_report({})).value().front().core_seconds.value;
  };
  CHECK(code_of(adjust("A1", -801)) == "BELOW_ZERO");
  REQUIRE(adjust("A2", -500));
  CHECK(code_of(adjust("A3", -301)) == "BELOW_ZERO");
  REQUIRE(adjust("A4", 100));
  CHECK(total() == 400);
  auto changed = accounts.run(100);
  changed.core_seconds = {400};
  accounts.book({changed});
  CHECK(total() == 400);
  CHECK(accounts.size() == 7);  // key, run, two adjustments, what takes them back, the reversal, the correction
  CHECK(accounts.record(4).contains("\"kind\":\"adjustment\""));
  CHECK(accounts.record(4).contains("\"core_seconds\":400,"));
  accounts.book({changed});
  CHECK(accounts.size() == 7);
  CHECK(accounts.verify());
  const auto lines =
      accounts.store->wait(accounts.store->usage_lines().usage_lines({.from = at(0), .to = at(9'000), .size = 7, .limit = 10}));
  REQUIRE(lines);
  REQUIRE(lines->size() == 1);
  CHECK(lines->front().adjusted_core_seconds == 0);
  const auto corrections = accounts.store->wait(accounts.store->ledger().corrections(10)).value();
  REQUIRE(corrections.size() == 1);
  CHECK(corrections[0].reversal == 5);
  CHECK(corrections[0].replaced_by == 6);
  CHECK(corrections[0].before.value == 800);
  CHECK(corrections[0].after.value == 400);
}

TEST_CASE("decisions are leaves of what was decided") {
  Accounts accounts;
  CHECK(accounts.store->wait(accounts.store->periods().newest_record("policy")).value().empty());
  REQUIRE(accounts.store->wait(
      accounts.store->ledger().append_record({.kind = "policy", .at = at(0), .fields = {{"sha256", "ab"}}, .after_key = {}})));
  CHECK(accounts.store->wait(accounts.store->periods().newest_record("policy")).value().contains("\"sha256\":\"ab\""));
  const auto leaves = accounts.store->wait(accounts.store->periods().decision_leaves(1, 100, false)).value();
  CHECK(leaves.size() == accounts.store->wait(accounts.store->periods().decision_leaves(1, 100, true)).value().size());
  for (std::size_t i = 0; i < leaves.size(); ++i)
    CHECK(leaves[i].text == accounts.store->wait(accounts.store->periods().decision_leaves(1, 100, true)).value()[i].text);
}
