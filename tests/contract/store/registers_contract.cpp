// SPDX-License-Identifier: Apache-2.0
// The registers among the reports: months, reconciliations, completeness, accesses, what has ended; of one made-up broker, byte
// for byte.
#include "broker/domain/nobody.hpp"
#include "broker/ledger/note.hpp"
#include "broker/ledger/record.hpp"

#include "reports_under_test.hpp"

using namespace hansa;
using namespace hansa::contract;

namespace {

const SiteId kAtGamma("gamma");
const std::string kTheMonth = ledger::period_of(to_unix_seconds(at(200)));

Ulid fixed_ulid(std::uint8_t number) { return Ulid({0x01, 0x9e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number}); }

class Registers {
 public:
  explicit Registers(StoreUnderTest& store) : store_(store) {}

  domain::Job over(const std::string& owner, const std::string& site_job, std::int64_t ended) {
    auto job = bound(store_, kAtGamma.str(), site_job, {.owner = owner});
    recorded(store_, job,
             {domain::RunStarted{.attempt = 1, .started_at = at(ended - 100)},
              domain::AttemptEnded{.attempt = 1,
                                   .outcome = domain::Outcome::succeeded,
                                   .started_at = at(ended - 100),
                                   .ended_at = at(ended),
                                   .exit_code = 0,
                                   .reason = {"COMPLETED", ""}}},
             ended);
    return job;
  }
  void book(const domain::Job& job, std::int64_t started, std::int64_t booked) {
    REQUIRE(store_.wait(store_.usage().book_usage(kAtGamma, {told_run_of(job, started)}, {"c"}, at(booked))));
  }
  /// Of so many records, whatever these are: roots are made up, as jobs and salts are other ones each time.
  void sign(std::int64_t size, const std::string& witness = {}) {
    const ledger::Signer key{.name = "hansa/test", .seed = Secret(std::string(32, 'k'))};
    ledger::Note note{.text = ledger::Checkpoint{"hansa/test", size, ledger::leaf_hash(std::to_string(size))}.text(),
                      .signatures = {}};
    note.signatures.push_back(ledger::sign_note(key, note.text));
    REQUIRE(store_.wait(store_.ledger().keep_checkpoint({.size = size, .note = note.str(), .at = at(0), .cosignatures = {}})));
    if (!witness.empty())
      REQUIRE(store_.wait(store_.ledger().keep_cosignature(size, {.witness = witness, .line = "line", .at = at(0)})));
  }
  void reconciled(const std::string& id, const std::string& by, std::int64_t at_s, std::vector<ports::Difference> differences,
                  std::optional<std::int64_t> others) {
    ports::Reconciliation made{.id = id,
                               .site = kAtGamma,
                               .from = at(0),
                               .to = at(10'000),
                               .begun_at = at(at_s - 1),
                               .at = at(at_s),
                               .by = Principal(by),
                               .ledger_size = size_of(store_),
                               .matched = 2,
                               .listed = std::ssize(differences),
                               .others = others};
    for (const auto& difference : differences) ++made.differences[static_cast<std::size_t>(difference.kind)];
    REQUIRE(store_.wait(store_.reconciliations().keep_reconciliation(made, std::move(differences))));
  }

 private:
  StoreUnderTest& store_;
};

ports::Difference missing_run(const std::string& site_job) {
  ports::Difference missing{.kind = ports::DifferenceKind::missing_at_site,
                            .key = {},
                            .cluster = "c",
                            .site_job_id = site_job,
                            .submitted_at = at(1),
                            .started_at = at(100),
                            .ended_at = at(200),
                            .record = 1,
                            .fields = R"({"core_seconds":["800","=1+1"]})",
                            .outcome = "left",
                            .explanation = {}};
  missing.key = ports::key_of(missing);
  return missing;
}

/// A month that was closed, and booked into later; a run that is late; a job that is not booked; reconciliations, one of them
/// with differences; readings; an erasure, and one that waits.
void fill_registers(StoreUnderTest& store) {
  Registers all(store);
  auto& periods = store.periods();
  REQUIRE(store.wait(periods.open_month(kTheMonth, at(1))));
  all.sign(1);
  const auto hers = all.over("local:alice", "41", 200), late = all.over("local:bob", "42", 300);
  all.book(hers, 100, 5'000);
  all.book(late, 200, 200'000);
  all.over("local:bob", "43", 400);
  auto explained = missing_run("41"), open = missing_run("42");
  all.reconciled("01JDA0XJ2GQ4M8T6V9ZK3N5R70", "broker:daily", 210'000, {explained, open}, 7);
  REQUIRE(store.wait(store.reconciliations().explain(
      kAtGamma, explained.key,
      {.reason = "slurmdbd was restored, \"twice\"", .by = Principal("local:operator"), .at = at(12'000)})));
  all.reconciled("01JDA0XJ2GQ4M8T6V9ZK3N5R71", "local:operator", 300'000, {}, std::nullopt);
  REQUIRE(store.wait(periods.close_month({.period = kTheMonth,
                                          .at = at(400'000),
                                          .sites = "gamma=B",
                                          .rests_on = "[]",
                                          .apart = Seconds{86'400},
                                          .looked_at = size_of(store),
                                          .sums = store.wait(periods.sum_month(kTheMonth, {}, 100)).value()})));
  all.sign(size_of(store));
  auto again = all.over("local:bob", "44", 500);
  all.book(again, 400, 500'000);
  all.sign(size_of(store), "gamma.example");
  auto strange = told_run_of(again, 700);
  strange.tag = Tag("hansa-nobody");
  REQUIRE(store.wait(store.usage().book_usage(kAtGamma, {strange}, {"c"}, at(500'001))));

  auto& privacy = store.privacy();
  const Principal alice("local:alice"), operator_("local:operator"), auditor("local:auditor");
  REQUIRE(store.wait(privacy.note_accesses(
      {{.at = at(60),
        .reader = operator_,
        .role = "operator",
        .subject = alice,
        .route = "exportPerson",
        .reason = "=request",
        .times = 3},
       {.at = at(120), .reader = auditor, .role = "auditor", .subject = {}, .route = "listJobs"},
       {.at = at(180), .reader = alice, .role = "operator", .subject = Principal("local:bob"), .route = "getJob"}})));
  REQUIRE(store.wait(privacy.expire(domain::Holding::payloads, at(250), 0, at(600'000))));
  const ports::Erasure done{
      .id = fixed_ulid(1), .of = alice, .reason = "as local:alice asked", .by = operator_, .at = at(700'000)};
  REQUIRE(store.wait(privacy.ask_erasure(done)));
  REQUIRE(store.wait(privacy.rule_erasure(done.id, Principal("local:second"), at(700'100), true)));
  while (store.wait(privacy.erase_some(done.id, {}, at(700'200))).value()) {}
  REQUIRE(store.wait(privacy.end_erasure(done.id, at(700'300))));
  REQUIRE(store.wait(privacy.ask_erasure(
      {.id = fixed_ulid(2), .of = Principal("local:bob"), .reason = "as local:bob asked", .by = operator_, .at = at(800'000)})));
}

ReportRows rows_of(StoreUnderTest& store, std::string_view name, std::optional<std::int64_t> from = {},
                   std::optional<std::int64_t> to = {}) {
  ports::ReportQuery query;
  if (from) query.from = at(*from);
  if (to) query.to = at(*to);
  return report(store, name, query).rows;
}

}  // namespace

TEST_CASE("every register in every format is the one that is written down", "[reports]") {
  auto store = next_store();
  fill_registers(*store);
  for (const auto* name : {"period", "reconciliation", "completeness", "access", "retention"})
    is_golden(*store, *ledger::find_report(name), {});
}

TEST_CASE("registers are of the time that is asked about and name nobody but in the log of readings", "[reports]") {
  auto store = next_store();
  fill_registers(*store);
  CHECK(rows_of(*store, "period").size() == 1);
  CHECK(rows_of(*store, "period", 200, 300).size() == 1);  // a part of the month: all of it
  CHECK(rows_of(*store, "period", 40 * 86'400).empty());
  CHECK(rows_of(*store, "reconciliation").size() == 4);
  CHECK(rows_of(*store, "reconciliation", 10'000).empty());
  CHECK(rows_of(*store, "access", 100).size() == 2);
  CHECK(rows_of(*store, "retention", 700'000).size() == 3);
  const auto& completeness = *ledger::find_report("completeness");
  for (const auto& row : rows_of(*store, "completeness", 250, 350)) {
    if (said(completeness, row, "site") != "gamma") continue;
    CHECK(said(completeness, row, "records") == "1");
    CHECK(said(completeness, row, "late") == "1");
    CHECK(said(completeness, row, "after_close") == "0");
  }
  for (const auto* name : {"period", "reconciliation", "completeness", "retention"}) {
    const auto text = report(*store, name, {}).text;
    for (const auto* person : {"alice", "bob", "operator:", "local:"}) {
      INFO(name << " " << person);
      CHECK_FALSE(text.contains(person));
    }
  }
}

TEST_CASE("a statement of months is as the ledger was with so many records", "[reports]") {
  auto store = next_store();
  fill_registers(*store);
  const auto& period = *ledger::find_report("period");
  const auto of_size = [&](std::int64_t size) {
    ports::ReportQuery query;
    query.size = size;
    return report(*store, "period", query).rows;
  };
  CHECK(said(period, of_size(3).at(0), "state") == "open");
  CHECK(said(period, of_size(3).at(0), "published_runs").empty());
  CHECK(said(period, of_size(3).at(0), "corrected_runs") == "2");
  CHECK(said(period, of_size(5).at(0), "state") == "closed");
  CHECK(said(period, of_size(5).at(0), "signed_by").empty());
  const auto now = rows_of(*store, "period").at(0);
  CHECK(said(period, now, "signed_by") == "gamma.example");
  CHECK(said(period, now, "published_runs") == "2");
  CHECK(said(period, now, "corrected_runs") == "3");
}
