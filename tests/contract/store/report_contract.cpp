// SPDX-License-Identifier: Apache-2.0
// Reports: what they tell of one made-up ledger, byte for byte, and that whatever is summed by, and however a period is cut, is
// the same in all.
#include "broker/ledger/report_registers.hpp"

#include "reports_under_test.hpp"
#include <rapidcheck.h>

#include <map>
#include <set>

using namespace hansa;
using namespace hansa::contract;
using ports::Dimension;
using ports::ReportQuery;

namespace {

JobId fixed_id(std::uint8_t number) { return JobId({0x01, 0x9e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number}); }

struct RunTraits {
  std::uint8_t job = 1;
  std::string site = "gamma", project = "quantum", owner = "local:alice";
  std::int64_t started = 0, ended = 100;  // since 1970
  std::int32_t cores = 8, gpus = 0;
  std::optional<std::int64_t> energy_j = {};
  bool exclusive = false;
  std::string gpu_model = {};
};

/// Bound, and its run as the site tells it.
domain::UsageRecord run(StoreUnderTest& store, const RunTraits& traits) {
  domain::JobSpec spec;
  spec.project = ProjectId(traits.project);
  spec.resources.exclusive = traits.exclusive;
  auto made = new_job();
  made.job = domain::new_job(fixed_id(traits.job), 1, from_unix_seconds(1'790'000'000),
                             {.owner = Principal(traits.owner), .broker_id = "broker-1", .spec = spec});
  auto job = made.job;
  REQUIRE(store.wait(store.jobs().accept_jobs({std::move(made)}, std::nullopt)));
  const auto id = std::to_string(1000 + traits.job);
  auto step = change(job,
                     {domain::AttemptIntended{.attempt = 1,
                                              .site = SiteId(traits.site),
                                              .queue = QueueName("batch"),
                                              .account = LocalAccount("alice"),
                                              .scheduler_account = ""},
                      domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId(id)}},
                     10'000'000);
  step.decision =
      domain::Decision{.at = from_unix_seconds(1'790'000'000 + traits.job), .chosen = SiteId(traits.site), .policy_hash = "abc"};
  for (const auto* site : {"beta", "delta", "gamma"}) {
    const bool allowed = site == traits.site;
    step.decision->verdicts.push_back({.site = SiteId(site),
                                       .obstacle = allowed ? domain::Obstacle::none : domain::Obstacle::permanent,
                                       .code = allowed ? "OK" : "RULES",
                                       .message = "",
                                       .source = "rules",
                                       .rules = domain::RuleVerdict{.code = allowed ? "PERMITTED" : "FORBIDDEN",
                                                                    .rules = {allowed ? "P-EEA" : "F-DE", "F-2"},
                                                                    .obligations = {"erase"}}});
  }
  REQUIRE(store.wait(store.jobs().record(std::move(step))));
  const auto elapsed = traits.ended - traits.started;
  return {.site = SiteId(traits.site),
          .cluster = "c",
          .site_job_id = SiteJobId(id),
          .tag = domain::make_tag(job.id, 1),
          .account = LocalAccount("alice"),
          .scheduler_account = "p",
          .queue = QueueName(traits.gpus > 0 ? "gpu" : "batch"),
          .submitted_at = from_unix_seconds(traits.started - 60),
          .started_at = from_unix_seconds(traits.started),
          .ended_at = from_unix_seconds(traits.ended),
          .site_state = "COMPLETED",
          .exit_code = 0,
          .elapsed = Seconds{elapsed},
          .nodes = 1,
          .cores = traits.cores,
          .gpus = traits.gpus,
          .core_seconds = {elapsed * traits.cores},
          .gpu_seconds = {elapsed * traits.gpus},
          .node_seconds = {elapsed},
          .gpu_model = traits.gpu_model,
          .energy_j = traits.energy_j,
          .source_line = id,
          .array_id = {}};
}

void book(StoreUnderTest& store, const domain::UsageRecord& record, std::int64_t at_s = 1'800'000'000) {
  REQUIRE(store.wait(store.usage().book_usage(record.site, {record}, {"c"}, from_unix_seconds(at_s))).value() == 1);
}

/// 2026-10-25T00:00:00Z: the night in which Europe's clocks go back. 2026-11-01 and 2028-02-29 are a month's end and a leap day.
constexpr std::int64_t kOctober25 = 1'792'886'400, kNovember1 = 1'793'491'200, kLeapDay = 1'835'395'200;

void fill(StoreUnderTest& store) {
  book(store,
       run(store,
           {.job = 1, .started = kOctober25 - 60, .ended = kOctober25 + 3 * 3'600, .energy_j = 5'000'000, .exclusive = true}));
  book(store,
       run(store,
           {.job = 2, .site = "delta", .started = kNovember1 - 60, .ended = kNovember1 + 60, .cores = 7}));  // 23:59 to 00:01
  book(store, run(store, {.job = 3,
                          .project = "climate",
                          .owner = "local:bob",
                          .started = kLeapDay - 1,
                          .ended = kLeapDay + 2 * 86'400,
                          .cores = 3,
                          .gpus = 4,
                          .energy_j = 777,
                          .gpu_model = "gh200"}));
  auto changed = run(
      store,
      {.job = 4, .site = "delta", .project = "climate", .owner = "local:bob", .started = kNovember1, .ended = kNovember1 + 1});
  book(store, changed);
  changed.ended_at += Seconds{1};
  changed.elapsed += Seconds{1};
  changed.core_seconds.value += 8;
  changed.node_seconds.value += 1;
  book(store, changed, 1'803'000'000);
  auto nowhere = run(store, {.job = 5, .site = "alpha", .project = "other", .started = kOctober25, .ended = kOctober25 + 5});
  nowhere.started_at = from_unix_seconds(kOctober25 + 50);  // a clock that stepped: its end is before its start
  book(store, nowhere);
  const domain::Allocation grant{.id = fixed_id(200),
                                 .project = ProjectId("quantum"),
                                 .site = SiteId("gamma"),
                                 .unit = "core-hours",
                                 .granted = {3'600'000LL * 500},
                                 .from = from_unix_seconds(kOctober25),
                                 .until = from_unix_seconds(kLeapDay),
                                 .by = Principal("local:root"),
                                 .at = from_unix_seconds(kOctober25),
                                 .note = "call"};
  REQUIRE(store.wait(store.allocations().grant(grant)));
}

/// The five figures of usage, over all rows.
std::array<Wide, 5> total_of(const Report& report) {
  std::array<Wide, 5> total{};
  for (const auto& row : report.rows) {
    for (std::size_t i = 0; i < 5; ++i) total[i] += std::get<Wide>(row[row.size() - 5 + i]);
  }
  return total;
}
std::array<Wide, 5> totals(StoreUnderTest& store, ReportQuery query) {
  return total_of(report(store, "usage", std::move(query)));
}

ReportQuery query_of(std::vector<Dimension> by, std::optional<std::int64_t> from = {}, std::optional<std::int64_t> to = {},
                     bool sliced = false) {
  ReportQuery query;
  query.by = std::move(by);
  if (from) query.from = from_unix_seconds(*from);
  if (to) query.to = from_unix_seconds(*to);
  query.sliced = sliced;
  return query;
}

}  // namespace

TEST_CASE("every report in every format is the one that is written down", "[reports]") {
  auto store = next_store();
  fill(*store);
  const auto registers = ledger::register_kinds();  // registers_contract.cpp
  for (const auto& kind : ledger::report_kinds()) {
    if (std::ranges::find(registers, kind.name, &ledger::ReportKind::name) == registers.end())
      is_golden(*store, kind, query_of(kind.usual_by));
  }
  is_golden("usage-by-month.csv",
            report(*store, "usage", query_of({Dimension::month, Dimension::resource, Dimension::label})).text);
  is_golden("usage-time-sliced-by-day.csv",
            report(*store, "usage", query_of({Dimension::day}, kOctober25 - 86'400, kNovember1 + 86'400, true)).text);
  is_golden("clearing-by-month.csv",
            report(*store, "clearing", query_of({Dimension::month, Dimension::centre, Dimension::home})).text);
}

TEST_CASE("the JSON of each report has its schema's form", "[reports]") {
  for (const auto& kind : ledger::report_kinds()) {
    const auto path = std::string(HANSA_REPORT_DATA) + "/../../../docs/schemas/report-" + std::string(kind.name) + ".schema.json";
    if (std::getenv("HANSA_WRITE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << ledger::report_schema(kind);
    std::ifstream file(path, std::ios::binary);
    std::stringstream expected;
    expected << file.rdbuf();
    CHECK(ledger::report_schema(kind) == expected.str());
  }
}

TEST_CASE("totals are the same by whatever usage is summed, and of days' sums as of records", "[reports]") {
  auto store = next_store();
  fill(*store);
  const auto all = totals(*store, query_of({}));
  for (std::size_t i = 0; i < ports::kDimensions.size(); ++i) {
    INFO(ports::kDimensions[i]);
    const auto dimension = static_cast<Dimension>(i);
    CHECK((totals(*store, query_of({dimension})) == all));
    CHECK((totals(*store, query_of({dimension, Dimension::site})) == all));
    // A bound within a day: then the records themselves are read.
    CHECK((report(*store, "usage", query_of({dimension})).rows == report(*store, "usage", query_of({dimension}, 1)).rows));
  }
  auto earlier = query_of({Dimension::project});
  earlier.size = size_of(*store) - 2;  // before the correction
  CHECK_FALSE((totals(*store, earlier) == all));
  CHECK(std::get<Wide>(report(*store, "clearing", query_of({Dimension::centre, Dimension::home})).rows.front()[2]) >= 0);
}

TEST_CASE("a person's own report is of their runs alone and names them; everybody else has a pseudonym", "[reports]") {
  auto store = next_store();
  fill(*store);
  auto own = query_of({Dimension::person});
  own.owner = own.asked_by = Principal("local:bob");
  const auto rows = report(*store, "usage", own).rows;
  REQUIRE(rows.size() == 1);
  CHECK(std::get<std::string>(rows[0][0]) == "local:bob");
  CHECK((std::get<Wide>(rows[0][1]) == 2));
  auto all = query_of({Dimension::person});
  all.asked_by = Principal("local:bob");
  std::size_t pseudonyms = 0;
  for (const auto& row : report(*store, "usage", all).rows) {
    const auto& person = std::get<std::string>(row[0]);
    CHECK(person != "local:alice");
    pseudonyms += person.size() == 32 ? 1U : 0U;
  }
  CHECK(pseudonyms >= 2);
}

TEST_CASE("nobody is the same person in two months: names by period have nothing in common", "[reports][T21]") {
  auto store = next_store();
  constexpr std::int64_t kMonths[] = {kOctober25, kNovember1, kLeapDay};
  std::uint8_t job = 10;
  for (const auto began : kMonths) {
    for (int person = 0; person < 6; ++person, ++job) {
      book(*store,
           run(*store,
               {.job = job, .owner = "local:p" + std::to_string(person), .started = began, .ended = began + 100 + person}));
    }
  }
  std::map<std::string, int> months_of;  // by pseudonym
  for (const auto began : kMonths) {
    const auto query = query_of({Dimension::person}, began, began + 86'400);
    const auto told = report(*store, "usage", query);
    REQUIRE(told.rows.size() == 6);
    std::set<std::string> names;
    for (const auto& row : told.rows) {
      const auto& name = std::get<std::string>(row[0]);
      CHECK(name.size() == 32);
      CHECK(name.find("local:") == std::string::npos);
      names.insert(name);
    }
    CHECK(names.size() == 6);
    for (const auto& name : names) ++months_of[name];
    CHECK(report(*store, "usage", query).text == told.text);  // within its period a name stays
  }
  CHECK(months_of.size() == 18);
  // Figures by person would find them again all the same: outside the federation none are told.
  auto outside = query_of({Dimension::person}, kOctober25, kOctober25 + 86'400);
  outside.for_third_party = true;
  outside.size = size_of(*store);
  const auto done =
      store->wait(store->reports().report_rows("usage", outside, [](std::span<const ports::Cell>) { return Result<void>{}; }));
  REQUIRE_FALSE(done);
  CHECK(done.error().code == "NOT_FOR_THIRD_PARTY");
}

TEST_CASE("a limited report tells of these projects and sites what the whole tells of them", "[reports][T11]") {
  auto store = next_store();
  fill(*store);
  const auto name_at = [](const std::vector<ports::Cell>& row, std::size_t at) { return std::get<std::string>(row[at]); };
  const ports::ReportLimits kLimits[] = {{.projects = {ProjectId("climate")}},
                                         {.sites = {SiteId("gamma")}},
                                         {.projects = {ProjectId("climate"), ProjectId("quantum")}, .sites = {SiteId("delta")}},
                                         {.projects = {ProjectId("nothing\"] OR 1")}}};
  for (const auto& within : kLimits) {
    const auto has = [&](const std::string& project, const std::string& site) {
      return within.has(ProjectId(project)) && within.has(SiteId(site));
    };
    for (const auto dimension : {Dimension::person, Dimension::country, Dimension::allocation, Dimension::month}) {
      // Of days' sums, of records, and cut at bounds.
      for (auto whole : {query_of({Dimension::project, Dimension::site, dimension}),
                         query_of({Dimension::project, Dimension::site, dimension}, 1),
                         query_of({Dimension::project, Dimension::site, dimension}, kOctober25, kLeapDay, true)}) {
        for (const auto* report_of : {"usage", "energy"}) {
          auto expected = report(*store, report_of, whole).rows;
          std::erase_if(expected, [&](const auto& row) { return !has(name_at(row, 0), name_at(row, 1)); });
          auto part = whole;
          part.within = within;
          CHECK((report(*store, report_of, part).rows == expected));
        }
      }
    }
    auto part = query_of({});
    part.within = within;
    auto corrections = report(*store, "corrections", query_of({})).rows;
    std::erase_if(corrections, [&](const auto& row) { return !has(name_at(row, 5), name_at(row, 6)); });
    CHECK((report(*store, "corrections", part).rows == corrections));
    if (!within.sites.empty()) continue;
    for (const auto* of_projects : {"funding", "sovereignty"}) {
      auto expected = report(*store, of_projects, query_of({})).rows;
      std::erase_if(expected, [&](const auto& row) { return !within.has(ProjectId(name_at(row, 2))); });
      CHECK((report(*store, of_projects, part).rows == expected));
    }
  }
  auto quantum = query_of({});
  quantum.within.projects = {ProjectId("quantum")};
  const auto granted = report(*store, "grants", quantum);
  REQUIRE(granted.rows.size() == 3);
  for (const auto& row : granted.rows) CHECK(name_at(row, 0) == "EuroHPC JU");
  quantum.owner = Principal("local:bob");  // who has run nothing there
  CHECK((totals(*store, quantum)[0] == 0));
}

TEST_CASE("of some sites clearing tells what they gave, and completeness nothing of others", "[reports]") {
  auto store = next_store();
  fill(*store);
  auto gamma = query_of({Dimension::centre, Dimension::home});
  gamma.within.sites = {SiteId("gamma")};
  const auto rows = report(*store, "clearing", gamma).rows;
  REQUIRE(rows.size() == 2);
  for (const auto& row : rows) {
    CHECK(std::get<std::string>(row[0]) == "csc");
    CHECK(std::get<Wide>(row[2]) > 0);
    CHECK(row[3] == ports::Cell());
    CHECK(row[4] == ports::Cell());
  }
  gamma.by = {};
  const auto sites = report(*store, "completeness", gamma).rows;
  REQUIRE(sites.size() == 1);
  CHECK(std::get<std::string>(sites[0][0]) == "gamma");
}

TEST_CASE("a period is cut at its bounds and nothing is lost or counted twice", "[reports]") {
  auto store = next_store();
  fill(*store);
  const auto all = totals(*store, query_of({}));
  CHECK((totals(*store, query_of({}, {}, {}, true)) == all));
  CHECK((totals(*store, query_of({Dimension::project, Dimension::site}, {}, {}, true)) == all));
  // The night of the change of clocks, 23:59 to 00:01, a month's end, a leap day: day by day.
  std::array<Wide, 5> days{};
  constexpr std::int64_t kFirst = kOctober25 - 3 * 86'400, kLast = kLeapDay + 4 * 86'400;
  for (auto day = kFirst; day < kLast; day += day < kNovember1 + 86'400 || day > kLeapDay - 3 * 86'400 ? 86'400 : 10 * 86'400) {
    const auto next = day + (day < kNovember1 + 86'400 || day > kLeapDay - 3 * 86'400 ? 86'400 : 10 * 86'400);
    const auto part = totals(*store, query_of({}, day, std::min(next, kLast), true));
    for (std::size_t i = 0; i < 5; ++i) days[i] += part[i];
  }
  CHECK((days == all));
  CHECK((totals(*store, query_of({Dimension::day}, kFirst, kLast, true)) == all));
  CHECK((totals(*store, query_of({Dimension::month}, kFirst, kLast, true)) == all));
  rc::check("any division adds up", [&] {
    const auto cuts = *rc::gen::container<std::set<std::int64_t>>(rc::gen::inRange<std::int64_t>(kFirst, kLast));
    std::vector<std::int64_t> bounds{kFirst};
    bounds.insert(bounds.end(), cuts.begin(), cuts.end());
    bounds.push_back(kLast);
    if (bounds.size() > 6) bounds.erase(bounds.begin() + 5, bounds.end() - 1);
    std::array<Wide, 5> sum{};
    for (std::size_t i = 1; i < bounds.size(); ++i) {
      if (bounds[i - 1] == bounds[i]) continue;
      const auto part = totals(*store, query_of({}, bounds[i - 1], bounds[i], true));
      for (std::size_t k = 0; k < 5; ++k) sum[k] += part[k];
    }
    RC_ASSERT((sum == all));
  });
  // By end: the run from 23:59 to 00:01 is November's; sliced each month has a minute of it.
  CHECK((totals(*store, query_of({}, kNovember1 - 60, kNovember1))[1] == 0));
  CHECK((totals(*store, query_of({}, kNovember1 - 60, kNovember1, true))[1] == 60));
}

TEST_CASE("sums of more than 64 bits are exact", "[reports]") {
  auto store = next_store();
  auto job = bound(*store, "gamma", "41", {.project = "quantum"});
  std::vector<domain::UsageRecord> records;
  constexpr std::int64_t kMost = 9'000'000'000'000;
  for (int i = 0; i < 3; ++i) {
    domain::UsageRecord record{.site = SiteId("gamma"),
                               .cluster = "c",
                               .site_job_id = SiteJobId("41"),
                               .tag = domain::make_tag(job.id, 1),
                               .account = LocalAccount("alice"),
                               .scheduler_account = "",
                               .queue = QueueName("q"),
                               .submitted_at = at(1),
                               .started_at = at(10 + i),
                               .ended_at = at(20 + i),
                               .site_state = "COMPLETED"};
    record.core_seconds = {kMost};
    records.push_back(record);
  }
  REQUIRE(store->wait(store->usage().book_usage(SiteId("gamma"), records, {"c"}, at(0))).value() == 3);
  CHECK((totals(*store, query_of({}))[2] == Wide{kMost} * 3));
  CHECK(ledger::wide_text(Wide{kMost} * kMost) == "81000000000000000000000000");
  CHECK(ledger::decimal_text(Wide{kMost} * kMost * 3'600'000, 3'600'000) == "81000000000000000000000000.000");
}

TEST_CASE("hours are rounded to even when they are printed, and the residual of the total is shown", "[reports]") {
  CHECK(ledger::decimal_text(1'800, 3'600'000) == "0.000");   // 0.0005
  CHECK(ledger::decimal_text(5'400, 3'600'000) == "0.002");   // 0.0015
  CHECK(ledger::decimal_text(-5'400, 3'600'000) == "-0.002");
  CHECK(ledger::decimal_text(-1, 3'600'000) == "0.000");
  CHECK(ledger::decimal_text(3'599, 3'600) == "1.000");
  CHECK(ledger::report_csv_field("=1+1") == "'=1+1");
  CHECK(ledger::report_csv_field("a,\"b\"\r\n") == "\"a,\"\"b\"\"\r\n\"");
}

namespace {

/// Ten people of three projects at three sites: one group of two people, one that gives it away, and clearing with one of three.
void fill_with_people(StoreUnderTest& store) {
  std::uint8_t job = 0;
  const auto some = [&](const std::string& site, const std::string& project, int from, int people) {
    for (int person = from; person < from + people; ++person) {
      const auto started = kNovember1 + 3'600 * ++job;
      book(store, run(store, {.job = job,
                              .site = site,
                              .project = project,
                              .owner = "local:person-" + std::to_string(person),
                              .started = started,
                              .ended = started + 1'000 + job}));
    }
  };
  some("alpha", "climate", 0, 9);
  some("gamma", "climate", 0, 6);
  some("delta", "climate", 1, 2);
  some("alpha", "quantum", 0, 7);
  some("gamma", "quantum", 3, 5);
  some("delta", "quantum", 0, 8);
  some("gamma", "other", 0, 5);
  some("gamma", "other", 0, 1);  // again: no more people for it
}

ReportQuery for_third_party(std::vector<Dimension> by) {
  auto query = query_of(std::move(by));
  query.for_third_party = true;
  return query;
}

bool is_withheld(const std::vector<ports::Cell>& row) { return std::holds_alternative<std::string>(row.back()); }

}  // namespace

TEST_CASE("for a third party figures of few people are withheld and what would give them away", "[reports][T21]") {
  auto store = next_store();
  fill_with_people(*store);
  const auto all = report(*store, "usage", query_of({Dimension::project, Dimension::site}));
  const auto seen = report(*store, "usage", for_third_party({Dimension::project, Dimension::site}));
  REQUIRE(seen.rows.size() == all.rows.size());
  std::map<std::string, int> withheld_in;
  Wide shown = 0;
  for (std::size_t i = 0; i < all.rows.size(); ++i) {
    const auto& row = seen.rows[i];
    REQUIRE(row.size() == all.rows[i].size() + 1);
    CHECK(row[0] == all.rows[i][0]);
    CHECK(row[1] == all.rows[i][1]);
    for (std::size_t figure = 2; figure < all.rows[i].size(); ++figure)
      CHECK(row[figure] == (is_withheld(row) ? ports::Cell() : all.rows[i][figure]));
    if (!is_withheld(row)) {
      shown += std::get<Wide>(row[4]);
      continue;
    }
    ++withheld_in[std::get<std::string>(row[0])];
    ++withheld_in[std::get<std::string>(row[1])];
  }
  CHECK(is_withheld(seen.rows[1]));  // climate at delta: two people
  for (const auto& [line, count] : withheld_in) CHECK(count >= 2);  // none follows from a total
  CHECK_FALSE(is_withheld(seen.rows[0]));
  const auto query = for_third_party({Dimension::project, Dimension::site});
  const auto json = report(*store, "usage", query, "json").text;
  CHECK(json.contains("\"for\":\"third_party\""));
  CHECK(json.contains("\"core_seconds\":" + ledger::wide_text(shown) + ",\"gpu_hours\""));  // the total is of what is shown
  for (const auto* format : {"csv", "json", "table"})
    is_golden("for-third-party/usage." + std::string(format == std::string("table") ? "txt" : format),
              report(*store, "usage", query, format).text);
}

TEST_CASE("clearing for a third party withholds both sides of a balance", "[reports]") {
  auto store = next_store();
  fill(*store);  // two people
  const auto told = report(*store, "clearing", for_third_party({Dimension::home, Dimension::centre}));
  REQUIRE(told.rows.size() == 5);
  for (const auto& row : told.rows) CHECK(is_withheld(row));
}

TEST_CASE("what cannot be told to a third party is refused", "[reports][T21]") {
  auto store = next_store();
  fill(*store);
  const auto code = [&](std::string_view name, ReportQuery query) {
    query.size = size_of(*store);
    const auto done = store->wait(
        store->reports().report_rows(std::string(name), query, [](std::span<const ports::Cell>) { return Result<void>{}; }));
    return done ? std::string("done") : done.error().code;
  };
  CHECK(code("usage", for_third_party({Dimension::project})) == "done");
  CHECK(code("usage", for_third_party({})) == "NOT_FOR_THIRD_PARTY");
  CHECK(code("usage", for_third_party({Dimension::person})) == "NOT_FOR_THIRD_PARTY");
  CHECK(code("usage", for_third_party({Dimension::project, Dimension::site, Dimension::month})) == "NOT_FOR_THIRD_PARTY");
  CHECK(code("clearing", for_third_party({Dimension::centre})) == "NOT_FOR_THIRD_PARTY");
  auto own = for_third_party({Dimension::project});
  own.owner = Principal("local:bob");
  CHECK(code("usage", own) == "NOT_FOR_THIRD_PARTY");
}
