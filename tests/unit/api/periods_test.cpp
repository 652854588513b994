// SPDX-License-Identifier: Apache-2.0
// The ledger held against a site's accounting, its months, and what operators add, over REST and on the real engine.
#include "broker/core/time_text.hpp"
#include "broker/engine/daybook.hpp"
#include "broker/ledger/export_check.hpp"
#include "tests/unit/api/api_under_test.hpp"

#include <functional>

namespace hansa::api::test {
namespace {

using std::chrono::hours;

std::string a_run(ApiUnderTest& api) {
  const auto id = api.submit("alice", {{"script", "#!/bin/sh\n#model run=10s\n"}});
  api.time.run_until([&] { return !api.call("alice", "GET", "/v1/jobs/" + id + "/usage").body["records"].empty(); }, hours{2});
  return id;
}

std::string day_of(ApiUnderTest& api, hours before = hours{48}) { return format_utc(api.time.now_utc() - before); }

Json reconciled(ApiUnderTest& api) {
  const auto begun = api.call("operator", "POST", "/v1/ledger/reconciliations", {{"site", "alpha"}, {"from", day_of(api)}});
  REQUIRE(begun.status == 201);
  const auto id = begun.body["id"].get<std::string>();
  Json told;
  api.time.run_until(
      [&] {
        told = api.call("auditor", "GET", "/v1/ledger/reconciliations/" + id).body;
        return told["state"] != "under_way";
      },
      hours{2});
  return told;
}

/// As `hansa ledger export` writes it.
Result<ledger::ExportCheck::Facts> checked_export(ApiUnderTest& api, const std::function<void(std::string&)>& change = {}) {
  const auto note =
      ledger::parse_note(api.call("auditor", "GET", "/v1/ledger/checkpoint").body["note"].get<std::string>()).value();
  auto text = ledger::export_header({.text = note.text, .signatures = {note.signatures.front()}}, {}, false) + "\n";
  for (const auto& entry : api.call("auditor", "GET", "/v1/ledger/records").body["records"]) {
    text += entry["record"].get<std::string>() + "\n";
    auto behind = entry.value("rests_on", "");
    if (!behind.empty() && change) change(behind);
    if (!behind.empty()) text += behind + "\n";
  }
  ledger::ExportCheck check({});
  if (auto taken = check.take(text); !taken) return std::unexpected(taken.error());
  return check.finish();
}

/// The broker's own, but that something happens while a month is summed up.
class PeriodsMeanwhile final : public ports::PeriodStore {
 public:
  PeriodsMeanwhile(ports::PeriodStore& inner, std::function<async::Task<>()> meanwhile)
      : inner_(inner), meanwhile_(std::move(meanwhile)) {}
  async::Task<ports::MonthSums> sum_month(std::string period, ports::MonthSums so_far, std::size_t limit) override {
    if (auto done = co_await meanwhile_(); !done) co_return std::unexpected(done.error());
    co_return co_await inner_.sum_month(std::move(period), so_far, limit);
  }
  async::Task<std::vector<ports::Month>> months() override { return inner_.months(); }
  async::Task<std::int64_t> open_month(std::string period, UtcTime at) override {
    return inner_.open_month(std::move(period), at);
  }
  async::Task<std::pair<std::int64_t, std::int64_t>> unseen_records(std::string period) override {
    return inner_.unseen_records(std::move(period));
  }
  async::Task<std::int64_t> close_month(ports::MonthClose close) override { return inner_.close_month(std::move(close)); }
  async::Task<std::optional<ports::KeptCheckpoint>> checkpoint_of(std::int64_t record) override {
    return inner_.checkpoint_of(record);
  }
  async::Task<std::vector<SiteId>> sites_in(std::string period) override { return inner_.sites_in(std::move(period)); }
  async::Task<> propose_adjustment(ports::Adjustment adjustment) override {
    return inner_.propose_adjustment(std::move(adjustment));
  }
  async::Task<std::vector<ports::Adjustment>> adjustments(std::optional<std::string> id, std::size_t limit) override {
    return inner_.adjustments(std::move(id), limit);
  }
  async::Task<ports::Adjustment> rule_on_adjustment(std::string id, ports::Adjustment::Ruling ruling) override {
    return inner_.rule_on_adjustment(std::move(id), std::move(ruling));
  }
  async::Task<std::string> newest_record(std::string kind) override { return inner_.newest_record(std::move(kind)); }
  async::Task<std::vector<ports::DecisionLeaf>> decision_leaves(std::int64_t from, std::size_t limit, bool anew) override {
    return inner_.decision_leaves(from, limit, anew);
  }

 private:
  ports::PeriodStore& inner_;
  std::function<async::Task<>()> meanwhile_;
};

struct Unheard final : ports::Log {
  void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
};

std::string month_of(ApiUnderTest& api) { return ledger::period_of(to_unix_seconds(api.time.now_utc())); }

}  // namespace

TEST_CASE("a site is asked anew, and agrees") {
  ApiUnderTest api;
  a_run(api);
  a_run(api);
  api.time.advance(hours{1});
  const auto told = reconciled(api);
  CHECK(told["state"] == "done");
  CHECK(told["matched"] == 2);
  CHECK(told["unexplained"] == 0);
  CHECK(told["differences"].empty());
  CHECK(told["by"] == "local:operator");
  const auto list = api.call("auditor", "GET", "/v1/ledger/reconciliations?site=alpha").body["reconciliations"];
  REQUIRE(list.size() == 1);
  CHECK(list[0]["id"] == told["id"]);
}

TEST_CASE("an accounting that is away makes no statement") {
  ApiUnderTest api;
  a_run(api);
  api.time.advance(hours{1});
  api.site->faults.history_off = true;
  const auto told = reconciled(api);
  CHECK(told["state"] == "failed");
  CHECK(told["reason"]["code"] == "NO_HISTORY");
  CHECK(api.call("auditor", "GET", "/v1/ledger/reconciliations").body["reconciliations"].empty());
  api.site->faults.history_off = false;
  api.time.advance(hours{1});
  CHECK(reconciled(api)["unexplained"] == 0);
}

TEST_CASE("an accounting that has no end makes no statement") {
  using End = connectors::model::Faults::End;
  ApiUnderTest api;
  a_run(api);
  api.time.advance(hours{1});
  for (const auto& [end, code] : {std::pair{End::never, "NO_END"}, std::pair{End::stuck, "ACCOUNTING_STUCK"}}) {
    INFO(code);
    api.site->faults.history_end = end;
    const auto told = reconciled(api);
    CHECK(told["state"] == "failed");
    CHECK(told["reason"]["code"] == code);
    CHECK(told["reason"]["message"].get<std::string>().contains("the accounting of site alpha"));
  }
  CHECK(api.call("auditor", "GET", "/v1/ledger/reconciliations").body["reconciliations"].empty());
  api.site->faults.history_end = End::there;
  api.time.advance(hours{1});
  CHECK(reconciled(api)["unexplained"] == 0);
}

TEST_CASE("what a site has forgotten is told, and counts until it is explained") {
  ApiUnderTest api;
  a_run(api);
  api.time.advance(hours{1});
  api.site->faults.history_empty = true;
  const auto told = reconciled(api);
  CHECK(told["counts"]["missing_at_site"] == 1);
  CHECK(told["unexplained"] == 1);
  REQUIRE(told["differences"].size() == 1);
  const std::string key = told["differences"][0]["key"];
  const Json words{{"site", "alpha"}, {"difference", key}, {"reason", "its accounting was lost"}};
  CHECK(api.call("auditor", "POST", "/v1/ledger/explanations", words).status == 403);
  CHECK(api.call("operator", "POST", "/v1/ledger/explanations", words).status == 200);
  CHECK(api.call("operator", "POST", "/v1/ledger/explanations", words).code() == "EXPLAINED");
  const auto again = reconciled(api);
  CHECK(again["unexplained"] == 0);
  CHECK(again["differences"][0]["explanation"]["by"] == "local:operator");
}

TEST_CASE("a month closes when its site has agreed twice, a day apart, and is signed by broker and site", "[T19]") {
  ApiUnderTest api;
  a_run(api);
  const auto period = "/v1/ledger/periods/" + month_of(api);
  CHECK(api.call("operator", "POST", period + "/close?early=true").code() == "NOT_OPENED");
  CHECK(api.call("operator", "POST", period + "/open").body["state"] == "open");
  CHECK(api.call("operator", "POST", period + "/close").code() == "NOT_OVER");
  const auto unsettled = api.call("operator", "POST", period + "/close?early=true");
  CHECK(unsettled.status == 409);
  CHECK(unsettled.code() == "NOT_SETTLED");
  CHECK(unsettled.body["detail"].get<std::string>().contains("site alpha is not settled"));
  api.time.advance(hours{1});
  CHECK(reconciled(api)["unexplained"] == 0);
  CHECK(api.call("operator", "POST", period + "/close?early=true").code() == "NOT_SETTLED");
  CHECK(api.call("auditor", "POST", period + "/close?early=true").status == 403);
  // The month's first days were before the broker: they are asked about as well.
  const auto whole = [&] {
    api.time.advance(hours{25});
    const auto span = ledger::span_of(month_of(api)).value();
    const auto begun = api.call("operator", "POST", "/v1/ledger/reconciliations",
                                {{"site", "alpha"}, {"from", format_utc(from_unix_seconds(span.from_s))}});
    REQUIRE(begun.status == 201);
    api.time.advance(hours{1});
  };
  whole();
  whole();
  REQUIRE("/v1/ledger/periods/" + month_of(api) == period);
  const auto closed = api.call("operator", "POST", period + "/close?early=true");
  INFO(closed.text);
  REQUIRE(closed.status == 200);
  CHECK(closed.body["state"] == "closed");
  CHECK(closed.body["closing"]["size"] > closed.body["close_record"]);
  CHECK(closed.body["opening"]["size"] > closed.body["open_record"]);
  CHECK(api.call("operator", "POST", period + "/close").body["close_record"] == closed.body["close_record"]);
  CHECK(closed.body["sites"][0]["grade"] == "C");  // the model tells of nobody else's jobs
  CHECK(checked_export(api));
  CHECK_FALSE(
      checked_export(api, [](std::string& behind) { behind.replace(behind.find("\"matched\":1"), 11, "\"matched\":2"); }));
  const auto statement = api.call("auditor", "GET", "/v1/reports/period").body["rows"];
  REQUIRE(statement.size() == 1);
  CHECK(statement[0]["state"] == "closed");
  CHECK(statement[0]["sites"] == "alpha=C");
  CHECK(statement[0]["published_runs"] == 1);
  CHECK(statement[0]["signed_by"] == "");
  const auto seen = api.call("auditor", "GET", "/v1/reports/reconciliation").body["rows"];
  REQUIRE(seen.size() == 3);
  CHECK(seen[0]["asked"] == "operator");
  CHECK(seen[0]["matched"] == 1);
  const auto note = ledger::parse_note(closed.body["closing"]["note"].get<std::string>()).value();
  const auto line = ledger::line_of(ledger::cosign(api.witness, note.text, api.time.now_utc()));
  CHECK(api.call("auditor", "POST", "/v1/ledger/cosignatures", {{"checkpoint", note.text}, {"cosignature", line}}).status == 200);
  CHECK(api.call("auditor", "GET", period).body["sites"][0]["grade"] == "A");
  const auto report = api.call("auditor", "GET", "/v1/reports/usage");
  CHECK(report.body["grade"] == "A: signed by the site (alpha=A)");
  api.time.advance(hours{24 * 32});
  a_run(api);  // in a month that nobody has vouched for
  const auto both = api.call("auditor", "GET", "/v1/reports/usage").body;
  CHECK(both["grade"] == "C: the broker's own jobs only (alpha=C)");
  const auto first = api.call("auditor", "GET", "/v1/reports/usage?to=" + month_of(api) + "-01T00:00:00Z").body;
  CHECK(first["grade"] == "A: signed by the site (alpha=A)");
  const auto sliced = api.call(
      "auditor", "GET", "/v1/reports/usage?time_sliced=true&from=2000-01-01T00:00:00Z&to=" + month_of(api) + "-01T00:00:00Z");
  CHECK(sliced.body["grade"] == "A: signed by the site (alpha=A)");
  CHECK(api.call("auditor", "GET", "/v1/ledger/periods").body["periods"].size() == 1);
}

TEST_CASE("a site that cannot be asked is explained for the month") {
  ApiUnderTest api;
  a_run(api);
  const auto month = month_of(api);
  REQUIRE(api.call("operator", "POST", "/v1/ledger/periods/" + month + "/open").status == 200);
  CHECK(api.call("operator", "POST", "/v1/ledger/explanations", {{"site", "nowhere"}, {"difference", month}, {"reason", "x"}})
            .code() == "SITE_NOT_FOUND");
  CHECK(api.call("operator", "POST", "/v1/ledger/explanations", {{"site", "alpha"}, {"difference", "2026-1"}, {"reason", "x"}})
            .code() == "BAD_KEY");
  REQUIRE(api.call("operator", "POST", "/v1/ledger/explanations",
                   {{"site", "alpha"}, {"difference", month}, {"reason", "its people's own logins are gone"}})
              .status == 200);
  const auto closed = api.call("operator", "POST", "/v1/ledger/periods/" + month + "/close?early=true");
  INFO(closed.text);
  CHECK(closed.status == 200);
  CHECK(checked_export(api));
}

TEST_CASE("a close rests on what a site was seen to have while the month was summed up as well") {
  ApiUnderTest api;
  a_run(api);
  const auto month = month_of(api);
  REQUIRE(api.call("operator", "POST", "/v1/ledger/periods/" + month + "/open").status == 200);
  REQUIRE(api.call("operator", "POST", "/v1/ledger/explanations",
                   {{"site", "alpha"}, {"difference", month}, {"reason", "it is taken down"}})
              .status == 200);
  const auto span = ledger::span_of(month).value();
  bool looked = false;
  PeriodsMeanwhile store(api.database(), [&]() -> async::Task<> {
    if (std::exchange(looked, true)) co_return Result<void>{};
    ports::Reconciliation made{.id = "SEEN-MEANWHILE",
                               .site = SiteId("alpha"),
                               .from = from_unix_seconds(span.from_s),
                               .to = from_unix_seconds(span.to_s),
                               .begun_at = api.time.now_utc(),
                               .at = api.time.now_utc(),
                               .by = Principal("broker:daily"),
                               .ledger_size = 1'000,
                               .others = {}};
    made.differences[0] = 3;
    co_return co_await api.database().keep_reconciliation(std::move(made), {});
  });
  simulation::SeededRandom random{3};
  UlidSource ids(api.time, random);
  Unheard log;
  engine::Periods periods({.sites = {SiteId("alpha")}, .keys = {}}, api.time, ids, api.notary(), store, api.database(),
                          api.database(), log);
  REQUIRE(api.ask(periods.close(month, true)));
  CHECK(looked);
  std::string rests_on;
  for (const auto& entry : api.call("auditor", "GET", "/v1/ledger/records").body["records"])
    rests_on += entry.value("rests_on", "");
  CHECK(rests_on.contains("SEEN-MEANWHILE"));
}

TEST_CASE("an adjustment takes two operators", "[T27]") {
  ApiUnderTest api;
  a_run(api);
  const auto all = api.call("auditor", "GET", "/v1/ledger/records").body["records"];
  const auto record = all.size() - 1;
  const Json wish{{"record", record}, {"core_seconds", -4}, {"reason", "a node was down"}};
  CHECK(api.call("alice", "POST", "/v1/ledger/adjustments", wish).status == 403);
  CHECK(api.call("operator", "POST", "/v1/ledger/adjustments", {{"record", record}, {"reason", "nothing"}}).code() ==
        "BAD_ADJUSTMENT");
  const auto asked = api.call("operator", "POST", "/v1/ledger/adjustments", wish);
  REQUIRE(asked.status == 201);
  const auto ruling = "/v1/ledger/adjustments/" + asked.body["id"].get<std::string>();
  CHECK(api.call("operator", "POST", ruling + "/approve").code() == "OWN_CHANGE");
  const auto approved = api.call("operator-2", "POST", ruling + "/approve");
  CHECK(approved.body["booked_as"] == record + 1);
  CHECK(api.call("operator-2", "POST", ruling + "/reject").code() == "NOT_PENDING");
  CHECK(api.call("auditor", "GET", "/v1/ledger/adjustments").body["adjustments"][0]["state"] == "approved");
}

TEST_CASE("the ledger vouches for each day's decisions, for rules and for the month that begins") {
  ApiUnderTest api;
  a_run(api);
  struct Silence final : ports::Log {
    void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
  } log;
  engine::Daybook daybook(api.time.executor(), api.time, api.database(), api.periods(), log);
  REQUIRE(api.ask(daybook.start()));
  daybook.policy_in_force(std::string(64, 'a'));
  api.time.advance(Milliseconds{5'000});
  a_run(api);
  const auto kinds = [&] {
    std::map<std::string, int> found;
    for (const auto& entry : api.call("auditor", "GET", "/v1/ledger/records").body["records"])
      ++found[Json::parse(entry["record"].get<std::string>())["kind"]];
    return found;
  };
  CHECK(kinds()["policy"] == 1);
  CHECK(kinds()["decision"] == 1);  // those that were there when it began
  CHECK(kinds()["period_open"] == 1);
  daybook.policy_in_force(std::string(64, 'a'));
  api.time.advance(hours{25});
  CHECK(kinds()["policy"] == 1);
  CHECK(kinds()["decision"] == 2);
  daybook.policy_in_force(std::string(64, 'b'));
  api.time.advance(hours{25});  // a day without decisions
  CHECK(kinds()["policy"] == 2);
  CHECK(kinds()["decision"] == 2);
  std::int64_t next = 1;
  for (const auto& entry : api.call("auditor", "GET", "/v1/ledger/records").body["records"]) {
    const auto record = Json::parse(entry["record"].get<std::string>());
    if (record["kind"] != "decision") continue;
    CHECK(record["first"] == next);
    ledger::Peaks tree;
    for (const auto& leaf : api.call("auditor", "GET", "/v1/ledger/decisions?from=" + std::to_string(next)).body["leaves"]) {
      if (leaf["sequence"] <= record["last"]) tree.add(ledger::leaf_hash(leaf["leaf"].get<std::string>()));
    }
    const auto root = tree.root();
    CHECK(record["sha256"] == ledger::hex_of(ledger::bytes_of(root)));
    CHECK(record["decisions"] == tree.size());
    next = record["last"].get<std::int64_t>() + 1;
  }
  REQUIRE(api.ask(daybook.stop()));
}

TEST_CASE("bad questions about the ledger's months have clear answers") {
  ApiUnderTest api;
  CHECK(api.call("operator", "GET", "/v1/ledger/periods/2026-13").code() == "BAD_PERIOD");
  CHECK(api.call("operator", "POST", "/v1/ledger/periods/9999-12/open").code() == "NOT_BEGUN");
  CHECK(api.call("operator", "POST", "/v1/ledger/reconciliations", {{"site", "nowhere"}, {"from", "2020-01-01"}}).code() ==
        "SITE_NOT_FOUND");
  CHECK(api.call("operator", "POST", "/v1/ledger/reconciliations", {{"site", "alpha"}, {"from", "9998-01-01"}}).code() ==
        "BAD_TIME");
  CHECK(api.call("operator", "POST", "/v1/ledger/reconciliations", {{"site", "alpha"}, {"from", "yesterday"}}).status == 400);
  CHECK(api.call("auditor", "GET", "/v1/ledger/reconciliations/none").code() == "NO_SUCH_RECONCILIATION");
  for (const auto* target :
       {"/v1/ledger/periods", "/v1/ledger/reconciliations", "/v1/ledger/adjustments", "/v1/ledger/decisions"})
    CHECK(api.call("alice", "GET", target).status == 403);
}

}  // namespace hansa::api::test
