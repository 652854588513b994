// SPDX-License-Identifier: Apache-2.0
// The ledger: what a site tells is booked once, corrected openly, and kept in a tree that anybody can check.
#include "broker/ledger/export_check.hpp"

#include "reports_under_test.hpp"
#include "store_contract.hpp"
#include <catch2/catch.hpp>

#include <limits>
#include <map>

using namespace hansa;
using namespace hansa::contract;

namespace {

const SiteId kAlpha("alpha");
const ledger::Signer kKey{.name = "hansa/contract", .seed = Secret(std::string(32, 'k'))};

class Books {
 public:
  std::size_t book(std::vector<domain::UsageRecord> records, std::int64_t second = 5'000) {
    return store->wait(store->usage().book_usage(kAlpha, std::move(records), {"c"}, at(second))).value();
  }
  std::map<std::string, std::int64_t> refused() {
    std::map<std::string, std::int64_t> all;
    for (const auto& refusal : store->wait(store->ledger().usage_refusals()).value()) all[refusal.reason] = refusal.records;
    return all;
  }
  ports::LedgerHead head() { return store->wait(store->ledger().ledger_head()).value(); }
  std::vector<ports::LedgerRecord> records(bool personal = false) {
    return store->wait(store->ledger().ledger_records(0, 10'000, personal)).value();
  }
  std::int64_t core_seconds() { return store->wait(store->usage().usage_report({})).value().front().core_seconds.value; }
  void add_key() {
    REQUIRE(store->wait(store->ledger().append_record(
        {.kind = "key", .at = at(0), .fields = {{"key", kKey.verifier().text()}}, .after_key = ""})));
  }
  /// As `hansa ledger export` puts it together.
  std::string export_text(bool personal) {
    const auto signed_head = head();
    ledger::Note note{.text = ledger::Checkpoint{"hansa/contract", signed_head.size, signed_head.root}.text(), .signatures = {}};
    note.signatures.push_back(ledger::sign_note(kKey, note.text));
    auto text = ledger::export_header(note, {}, personal) + "\n";
    for (const auto& record : records(personal)) {
      text += record.text + "\n";
      if (personal && record.of_person) text += (record.personal.empty() ? "-" : record.personal) + "\n";
    }
    return text;
  }
  Result<ledger::ExportCheck::Facts> verify(bool personal = true) {
    ledger::ExportCheck check({.key = kKey.verifier(), .witnesses = {}});
    if (auto taken = check.take(export_text(personal)); !taken) return std::unexpected(taken.error());
    return check.finish();
  }

  std::unique_ptr<StoreUnderTest> store = next_store();
  domain::Job job = bound(*store, "alpha", "41", {});
};

}  // namespace

TEST_CASE("what was booked verifies, record by record and sum by sum") {
  Books books;
  books.add_key();
  auto first = told_run_of(books.job, 100), second = told_run_of(books.job, 300), never = told_run_of(books.job, 0, 0);
  never.started_at.reset();
  never.exit_code.reset();
  never.site_state = "CANCELLED by 1000";
  first.source_line = "raw \xff line|\"quoted\"";
  REQUIRE(books.book({first, second, never}) == 3);
  const auto facts = books.verify();
  REQUIRE(facts);
  CHECK(facts->checkpoint.size == 4);
  CHECK(facts->personal_parts == 3);
  const auto& sum = facts->sums.at({books.job.spec.project.str(), "alpha"}).amounts;
  CHECK(sum == ledger::Amounts{3, 200, 1600, 0, 200});
  CHECK(books.core_seconds() == 1600);
  books.store->reopen();
  CHECK(books.verify(false).value().checkpoint == facts->checkpoint);
  const auto mine = books.store->wait(books.store->ledger().ledger_records_of(books.job.id)).value();
  CHECK(mine == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("every record is proved to be in each tree that has it, and each tree to have grown from the earlier ones") {
  Books books;
  books.add_key();
  std::vector<Sha256> roots{books.head().root};
  for (int i = 1; i < 20; ++i) {
    REQUIRE(books.book({told_run_of(books.job, 1'000 * i)}) == 1);
    roots.push_back(books.head().root);
  }
  auto& ledger = books.store->ledger();
  for (std::int64_t size = 1; size <= 20; ++size) {
    const auto& root = roots[static_cast<std::size_t>(size - 1)];
    CHECK(books.store->wait(ledger.ledger_root(size)).value() == root);
    for (std::int64_t seq = 0; seq < size; ++seq) {
      const auto proof = books.store->wait(ledger.prove_record(seq, size)).value();
      CHECK(hansa::ledger::is_included(proof.path, seq, size, hansa::ledger::leaf_hash(proof.record.text), root));
      const auto growth = books.store->wait(ledger.prove_growth(seq + 1, size)).value();
      CHECK(hansa::ledger::is_consistent(growth, seq + 1, size, roots[static_cast<std::size_t>(seq)], root));
    }
  }
  CHECK(code_of(books.store->wait(ledger.prove_record(20, 20))) == "NO_SUCH_RECORD");
  CHECK(code_of(books.store->wait(ledger.prove_record(-1, 20))) == "NO_SUCH_RECORD");
  CHECK(code_of(books.store->wait(ledger.prove_record(0, 21))) == "NO_SUCH_TREE");
  CHECK(code_of(books.store->wait(ledger.prove_growth(5, 21))) == "NO_SUCH_TREE");
  CHECK(code_of(books.store->wait(ledger.prove_growth(7, 5))) == "NO_SUCH_TREE");
  CHECK(code_of(books.store->wait(ledger.ledger_root(21))) == "NO_SUCH_TREE");
}

TEST_CASE("a record that its site changes is taken back and booked anew, in the corrections register") {
  Books books;
  books.add_key();
  auto record = told_run_of(books.job, 100);
  REQUIRE(books.book({record}) == 1);
  auto changed = record;
  changed.ended_at = at(250);
  changed.elapsed = Seconds{150};
  changed.core_seconds = {1200};
  changed.node_seconds = {150};
  changed.source_line = "41|alice|COMPLETED, by an administrator";
  CHECK(books.book({changed}) == 1);
  CHECK(books.book({changed}) == 0);
  CHECK(books.core_seconds() == 1200);
  CHECK(books.store->wait(books.store->usage().usage_of(books.job.id)).value() == std::vector{changed});
  const auto corrections = books.store->wait(books.store->ledger().corrections(10)).value();
  REQUIRE(corrections.size() == 1);
  CHECK(corrections[0].reversed == 1);
  CHECK(corrections[0].reversal == 2);
  CHECK(corrections[0].replaced_by == 3);
  CHECK(corrections[0].reason == "CHANGED_BY_SITE");
  CHECK(corrections[0].before.value == 800);
  CHECK(corrections[0].after.value == 1200);
  auto failed = changed;
  failed.site_state = "NODE_FAIL";  // no amount, but what a report may group by
  CHECK(books.book({failed}) == 1);
  using enum ports::UsageGroup;
  const auto by_state = books.store->wait(books.store->usage().usage_report({.by = {state, owner, account}})).value();
  REQUIRE(by_state.size() == 1);
  CHECK(by_state[0].keys == std::vector<std::string>{"NODE_FAIL", "local:alice", "alice"});
  CHECK(by_state[0].runs == 1);
  CHECK(books.book({record}) == 1);  // and back
  const auto facts = books.verify();
  REQUIRE(facts);
  CHECK(facts->kinds.at("usage") == 4);
  CHECK(facts->kinds.at("reversal") == 3);
  CHECK(books.core_seconds() == 800);
}

TEST_CASE("a run that two jobs claim is each one's own, and neither takes the other's") {
  Books books;
  books.add_key();
  const auto his_job = bound(*books.store, "alpha", "41", {.owner = "local:bob"});
  auto hers = told_run_of(books.job, 100), his = told_run_of(his_job, 100);
  his.source_line = "41|alice|COMPLETED, as his agent has it";
  SECTION("his first") {
    CHECK(books.book({his}) == 1);
    CHECK(books.book({hers}) == 1);
  }
  SECTION("in one page") { CHECK(books.book({his, hers}) == 2); }
  CHECK(books.book({hers, his}) == 0);
  CHECK(books.refused().empty());
  auto& usage = books.store->usage();
  CHECK(books.store->wait(usage.usage_of(books.job.id)).value() == std::vector{hers});
  CHECK(books.store->wait(usage.usage_of(his_job.id)).value() == std::vector{his});
  auto changed = hers;
  changed.core_seconds = {1};
  CHECK(books.book({changed}) == 1);
  CHECK(books.store->wait(usage.usage_of(his_job.id)).value() == std::vector{his});
  REQUIRE(books.store->wait(books.store->ledger().corrections(10)).value().size() == 1);
  CHECK(books.store->wait(books.store->ledger().corrections(10)).value()[0].after.value == 1);
  const auto facts = books.verify();
  REQUIRE(facts);
  CHECK(facts->sums.at({books.job.spec.project.str(), "alpha"}).amounts.core_seconds == 800 + 1);
}

TEST_CASE("a page of records is bounded by its bytes") {
  Books books;
  books.add_key();
  std::vector<domain::UsageRecord> runs;
  for (int i = 0; i < 20; ++i) {
    runs.push_back(told_run_of(books.job, 1'000 * i));
    runs.back().source_line.assign(std::size_t{256} << 10, 'x');
  }
  REQUIRE(books.book(runs) == 20);
  CHECK(books.records(false).size() == 21);
  std::size_t pages = 0;
  for (std::size_t from = 0; from < 21; ++pages) {
    const auto page =
        books.store->wait(books.store->ledger().ledger_records(static_cast<std::int64_t>(from), 1'000, true)).value();
    REQUIRE_FALSE(page.empty());
    std::size_t bytes = 0;
    for (const auto& record : page) {
      CHECK(record.seq == static_cast<std::int64_t>(from++));
      bytes += record.text.size() + record.personal.size();
    }
    CHECK(bytes < ports::kLedgerPageBytes + (std::size_t{512} << 10));
  }
  CHECK(pages == 2);
}

TEST_CASE("a line that is written otherwise and says the same changes nothing") {
  Books books;
  auto record = told_run_of(books.job, 100);
  REQUIRE(books.book({record}) == 1);
  record.source_line += "|one column more";
  CHECK(books.book({record}, 6'000) == 0);
  CHECK(books.head().size == 1);
}

TEST_CASE("a site that goes on changing its mind fills no disk") {
  Books books;
  books.add_key();
  auto record = told_run_of(books.job, 100);
  for (int i = 0; i < 150; ++i) {
    record.core_seconds = {i};
    (void)books.book({record});
  }
  CHECK(books.head().size == 1 + 1 + 2 * 100);
  CHECK(books.refused().at("CHANGED_TOO_OFTEN") == 49);
  CHECK(books.verify());
}

TEST_CASE("two records for one run count once, whichever comes first") {
  for (const bool turned : {false, true}) {
    Books books;
    auto shorter = told_run_of(books.job, 100, 50), longer = told_run_of(books.job, 100, 70);
    auto records = turned ? std::vector{longer, shorter} : std::vector{shorter, longer};
    CHECK(books.book(records) == 1);
    CHECK(books.core_seconds() == 560);
    CHECK(books.book(records) == 0);  // the page is read again, and nothing turns over
    CHECK(books.head().size == 1);
    CHECK(books.refused().at("SECOND_RECORD_OF_A_RUN") == 2);
  }
  Books books;
  const auto record = told_run_of(books.job, 100);
  CHECK(books.book({record, record, record}) == 1);
  CHECK(books.refused().empty());
}

TEST_CASE("a run that ends before its start, by a clock that stepped, is booked as its site tells it", "[T20]") {
  Books books;
  auto record = told_run_of(books.job, 100);
  record.ended_at = at(99);
  CHECK(books.book({record}) == 1);
  CHECK(books.refused().empty());
  CHECK(books.core_seconds() == record.core_seconds.value);
}

TEST_CASE("what cannot be is not booked, and counted by its reason", "[T20]") {
  Books books;
  const auto good = told_run_of(books.job, 100);
  std::vector<domain::UsageRecord> bad(6, good);
  bad[0].elapsed = Seconds{-1};
  bad[1].core_seconds = {std::numeric_limits<std::int64_t>::max()};
  bad[2].nodes = -1;
  bad[3].tag = domain::make_tag(next_id(), 1);         // a forged tag
  bad[4].account = LocalAccount("mallory");            // a tag of ours on somebody else's job
  bad[5].gpus = -1;
  for (std::size_t i = 0; i < bad.size(); ++i) bad[i].submitted_at = at(static_cast<std::int64_t>(i) + 2);
  auto all = bad;
  all.push_back(good);
  CHECK(books.book(all, 7'000) == 1);
  CHECK(books.refused() == std::map<std::string, std::int64_t>{{"IMPOSSIBLE_AMOUNT", 4}, {"NOT_OURS", 2}});
  const auto told = books.store->wait(books.store->ledger().usage_refusals()).value();
  CHECK(told.front().last_at == at(7'000));
  CHECK(told.front().last_site_job_id == "41");
  CHECK(told.front().site == kAlpha);
}

TEST_CASE("no time but the calendar's is booked", "[T20]") {
  Books books;
  books.add_key();
  const auto good = told_run_of(books.job, 100);
  std::vector<domain::UsageRecord> bad(4, good);
  bad[0].started_at = from_unix_seconds(-1);  // as the ledger has "never started"
  bad[1].submitted_at = from_unix_seconds(-1);
  bad[2].ended_at = from_unix_seconds(253'402'300'800);
  bad[3].started_at = bad[3].ended_at = from_unix_seconds(std::numeric_limits<std::int64_t>::max() / 1'000);
  CHECK(books.book(bad) == 0);
  CHECK(books.refused() == std::map<std::string, std::int64_t>{{"IMPOSSIBLE_TIME", 4}});
  auto first = good, last = good;
  first.submitted_at = from_unix_seconds(0);
  first.started_at = from_unix_seconds(0);
  last.ended_at = from_unix_seconds(253'402'300'799);
  last.site_state = "RUNNING";
  last.submitted_at = at(2);
  auto never = good;
  never.started_at.reset();
  CHECK(books.book({first, last, never}) == 3);
  CHECK(books.verify());
  CHECK(books.store->wait(books.store->usage().usage_of(books.job.id)).value() == std::vector{first, last, never});
}

TEST_CASE("of text that is no UTF-8 the columns hold what is hashed") {
  Books books;
  books.add_key();
  auto first = told_run_of(books.job, 100), second = first;
  first.cluster = "c\xff";
  second.cluster = "c\xfe";  // the same run, once both are written
  second.source_line = first.source_line = "raw \xff line";
  CHECK(books.book({first, second}) == 1);
  CHECK(books.book({second}) == 0);
  CHECK(books.book({first}) == 0);
  auto changed = second;
  changed.queue = QueueName("batch\xc3");
  changed.site_state = "\xed\xa0\x80";  // a surrogate
  changed.scheduler_account = "proj\x80";
  CHECK(books.book({changed}) == 1);
  CHECK(books.book({changed}) == 0);
  CHECK(books.head().size == 4);
  CHECK(books.verify());
  const auto booked = books.store->wait(books.store->usage().usage_of(books.job.id)).value();
  REQUIRE(booked.size() == 1);
  CHECK(booked[0].cluster == "c\xef\xbf\xbd");
  CHECK(booked[0].queue.str() == "batch\xef\xbf\xbd");
  CHECK(booked[0].source_line == "raw \xff line");  // evidence: the hash of its very bytes is in the ledger
  using enum ports::UsageGroup;
  const auto report = books.store->wait(books.store->usage().usage_report({.by = {queue}})).value();
  REQUIRE(report.size() == 1);
  CHECK(report[0].keys == std::vector<std::string>{"batch\xef\xbf\xbd"});
}

TEST_CASE("what would fit into no line of an export is not booked") {
  Books books;
  books.add_key();
  auto good = told_run_of(books.job, 100);
  good.site_state = std::string(1'024, '\x01');  // six bytes each, once written
  good.cluster = std::string(1'024, '\x01');
  good.source_line = std::string(std::size_t{256} << 10, '\xff');
  std::vector<domain::UsageRecord> bad(4, good);
  bad[0].site_state += 'x';
  bad[1].source_line += 'x';
  bad[2].queue = QueueName(std::string(5 << 20, 'q'));
  bad[3].scheduler_account = std::string(400, '\xff');  // longer as it is hashed
  CHECK(books.book(bad) == 0);
  CHECK(books.refused() == std::map<std::string, std::int64_t>{{"TEXT_TOO_LONG", 4}});
  CHECK(books.book({good}) == 1);
  CHECK(books.verify());
}

TEST_CASE("a million of the largest amounts can be summed") {
  Books books;
  books.add_key();
  constexpr std::int64_t kLargest = 9'000'000'000'000;
  STATIC_REQUIRE(kLargest <= std::numeric_limits<std::int64_t>::max() / 1'000'000);
  auto largest = told_run_of(books.job, 100);
  largest.core_seconds = {kLargest};
  largest.gpu_seconds = {kLargest};
  largest.node_seconds = {kLargest};
  std::vector<domain::UsageRecord> larger(3, largest);
  ++larger[0].core_seconds.value;
  ++larger[1].gpu_seconds.value;
  ++larger[2].node_seconds.value;
  CHECK(books.book(larger) == 0);
  CHECK(books.refused().at("IMPOSSIBLE_AMOUNT") == 3);
  CHECK(books.book({largest}) == 1);
  CHECK(books.core_seconds() == kLargest);
  CHECK(books.verify());
}

TEST_CASE("a job id that its site gives out again is another run") {
  Books books;
  books.add_key();
  REQUIRE(books.book({told_run_of(books.job, 100)}) == 1);
  auto again = told_run_of(books.job, 100'000'000);  // three years later, the same id
  again.submitted_at = at(99'999'000);
  CHECK(books.book({again}) == 1);
  auto requeued = told_run_of(books.job, 500);  // the same submission, started again
  CHECK(books.book({requeued}) == 1);
  auto same_second = told_run_of(books.job, 100);
  same_second.cluster = "d";  // of another cluster
  CHECK(books.book({same_second}) == 1);
  CHECK(books.core_seconds() == 3200);
  CHECK(books.verify());
}

TEST_CASE("midnights, month ends and leap days lie in their own UTC days") {
  Books books;
  const auto ending = [&](std::int64_t unix_seconds) {
    auto record = told_run_of(books.job, 0, 60);
    record.ended_at = from_unix_seconds(unix_seconds);
    record.started_at = from_unix_seconds(unix_seconds - 60);
    record.submitted_at = from_unix_seconds(unix_seconds - 60);
    return record;
  };
  REQUIRE(books.book({ending(1'798'761'599), ending(1'798'761'600), ending(1'709'164'800), ending(1'711'850'400)}) == 4);
  using enum ports::UsageGroup;
  std::vector<std::string> days, months;
  for (const auto& row : books.store->wait(books.store->usage().usage_report({.by = {day}})).value()) days.push_back(row.keys[0]);
  for (const auto& row : books.store->wait(books.store->usage().usage_report({.by = {month}})).value())
    months.push_back(row.keys[0]);
  CHECK(days == std::vector<std::string>{"2024-02-29", "2024-03-31", "2026-12-31", "2027-01-01"});
  CHECK(months == std::vector<std::string>{"2024-02", "2024-03", "2026-12", "2027-01"});
}

TEST_CASE("records of other kinds stand in the same order and the same tree") {
  Books books;
  auto& ledger = books.store->ledger();
  books.add_key();
  CHECK(books.store->wait(ledger.append_record({.kind = "policy", .at = at(1), .fields = {{"sha256", "ab"}}, .after_key = {}}))
            .value() == 1);
  REQUIRE(books.book({told_run_of(books.job, 100)}) == 1);
  CHECK(code_of(books.store->wait(
            ledger.append_record({.kind = "policy", .at = at(1), .fields = Json::object(), .after_key = {}}))) == "BAD_RECORD");
  CHECK(code_of(books.store->wait(
            ledger.append_record({.kind = "usage", .at = at(1), .fields = Json::object(), .after_key = {}}))) == "BAD_RECORD");
  CHECK(code_of(books.store->wait(
            ledger.append_record({.kind = "gossip", .at = at(1), .fields = Json::object(), .after_key = {}}))) == "BAD_RECORD");
  CHECK(code_of(books.store->wait(ledger.append_record(
            {.kind = "key", .at = at(1), .fields = {{"key", "x"}}, .after_key = "another"}))) == "KEY_CHANGED");
  CHECK(books.head().size == 3);
  CHECK(books.head().key == kKey.verifier().text());
  CHECK(books.verify());
  const auto keys = books.store->wait(ledger.ledger_keys()).value();
  CHECK(keys == std::vector<std::pair<std::int64_t, std::string>>{{0, kKey.verifier().text()}});
}

TEST_CASE("what was signed is kept, and what witnesses said of it") {
  Books books;
  auto& ledger = books.store->ledger();
  CHECK_FALSE(books.store->wait(ledger.last_checkpoint()).value());
  REQUIRE(books.store->wait(ledger.keep_checkpoint({.size = 1, .note = "one", .at = at(1), .cosignatures = {}})));
  REQUIRE(books.store->wait(ledger.keep_checkpoint({.size = 1, .note = "one", .at = at(2), .cosignatures = {}})));
  CHECK(code_of(books.store->wait(ledger.keep_checkpoint({.size = 1, .note = "other", .at = at(2), .cosignatures = {}}))) ==
        "CHECKPOINT_EXISTS");
  REQUIRE(books.store->wait(ledger.keep_checkpoint({.size = 5, .note = "five", .at = at(3), .cosignatures = {}})));
  REQUIRE(books.store->wait(ledger.keep_cosignature(1, {.witness = "w", .line = "w1", .at = at(4)})));
  REQUIRE(books.store->wait(ledger.keep_cosignature(5, {.witness = "w", .line = "w5", .at = at(5)})));
  REQUIRE(books.store->wait(ledger.keep_cosignature(5, {.witness = "w", .line = "later", .at = at(6)})));
  REQUIRE(books.store->wait(ledger.keep_cosignature(1, {.witness = "v", .line = "v1", .at = at(6)})));
  CHECK(code_of(books.store->wait(ledger.keep_cosignature(2, {.witness = "w", .line = "x", .at = at(4)}))) ==
        "NO_SUCH_CHECKPOINT");
  books.store->reopen();
  auto& reopened = books.store->ledger();
  const auto last = books.store->wait(reopened.last_checkpoint()).value();
  REQUIRE(last);
  CHECK(last->size == 5);
  CHECK(last->note == "five");
  CHECK(last->at == at(3));
  REQUIRE(last->cosignatures.size() == 1);
  CHECK(last->cosignatures[0].line == "w5");
  const auto all = books.store->wait(reopened.last_cosignatures()).value();
  REQUIRE(all.size() == 2);
  CHECK(all[0].first == 1);
  CHECK(all[0].second.line == "v1");
  CHECK(all[1].first == 5);
  CHECK(all[1].second.line == "w5");
}
