// SPDX-License-Identifier: Apache-2.0
// What a site tells of itself and of what was used there: pages of usage, and the findings of a look at it.
#include "connectors/protocol/codec.hpp"
#include "connectors/protocol/fields.hpp"

#include <utility>

namespace hansa::connectors::protocol {

using domain::DoctorVerdict;
using domain::put;

namespace {

constexpr std::size_t kMaxFindings = 1'000;
constexpr std::size_t kMaxAccounts = 100;
constexpr std::size_t kMaxPeople = 1'000;  // of one account
constexpr std::int64_t kMaxQuestions = 10'000;

constexpr Names<DoctorVerdict, 4> kVerdicts{{{DoctorVerdict::not_checked, "not_checked"},
                                             {DoctorVerdict::ok, "ok"},
                                             {DoctorVerdict::warning, "warning"},
                                             {DoctorVerdict::fault, "fault"}}};

bool is_check_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
}

/// Printable: it is shown at a terminal.
std::string read_words(Fields& f, const char* key) {
  auto text = f.words(key);
  std::ranges::replace_if(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }, ' ');
  return text;
}

}  // namespace

// ---- accounting

Json to_json(const ports::UsageCursor& cursor) { return {{"cursor", cursor.text}}; }

Result<ports::UsageCursor> read_cursor(const Json& json) {
  Fields f(json);
  ports::UsageCursor cursor{.text = f.words("cursor")};
  if (!f.ok()) return f.refused("a usage cursor");
  return cursor;
}

Json to_json(const ports::UsagePage& page) {
  Json records = Json::array();
  for (const auto& record : page.records) {
    Json json{{"site_job_id", record.site_job_id.str()},
              {"tag", record.tag.str()},
              {"cluster", record.cluster},
              {"account", record.account.str()},
              {"scheduler_account", record.scheduler_account},
              {"queue", record.queue.str()},
              {"submitted_at_ms", to_unix_ms(record.submitted_at)},
              {"ended_at_ms", to_unix_ms(record.ended_at)},
              {"site_state", record.site_state},
              {"elapsed_s", record.elapsed.count()},
              {"nodes", record.nodes},
              {"cores", record.cores},
              {"gpus", record.gpus},
              {"core_seconds", record.core_seconds.value},
              {"gpu_seconds", record.gpu_seconds.value},
              {"node_seconds", record.node_seconds.value},
              {"source_line", record.source_line.substr(0, kMaxSourceBytes)}};
    if (!record.gpu_model.empty()) json["gpu_model"] = record.gpu_model;
    if (!record.array_id.empty()) json["array_id"] = record.array_id.str();
    put(json, "started_at_ms", record.started_at);
    put(json, "exit_code", record.exit_code);
    put(json, "energy_j", record.energy_j);
    records.push_back(std::move(json));
  }
  Json json{{"records", std::move(records)}, {"next", page.next.text}, {"complete", page.complete}};
  if (page.others) json["others"] = *page.others;
  return json;
}

Result<ports::UsagePage> read_usage_page(const Json& json, const SiteId& site) {
  Fields f(json);
  const auto read_record = [&site](const Json& item) -> Result<domain::UsageRecord> {
    Fields r(item);
    domain::UsageRecord record{.site = site,
                               .cluster = r.word("cluster"),
                               .site_job_id = SiteJobId(r.needed_word("site_job_id")),
                               .tag = Tag(r.needed_word("tag")),
                               .account = r.as<LocalAccount>("account"),
                               .scheduler_account = r.word("scheduler_account"),
                               .queue = r.as<QueueName>("queue"),
                               .submitted_at = r.at("submitted_at_ms"),
                               .started_at = r.maybe_at("started_at_ms"),
                               .ended_at = r.at("ended_at_ms"),
                               .site_state = r.words("site_state"),
                               .exit_code = r.optional_small("exit_code"),
                               .elapsed = Seconds{r.amount("elapsed_s")},
                               .nodes = r.number("nodes"),
                               .cores = r.number("cores"),
                               .gpus = r.number("gpus"),
                               .core_seconds = {r.amount("core_seconds")},
                               .gpu_seconds = {r.amount("gpu_seconds")},
                               .node_seconds = {r.amount("node_seconds")},
                               .gpu_model = r.word("gpu_model"),
                               .energy_j = r.has("energy_j") ? std::optional(r.amount("energy_j")) : std::nullopt,
                               .source_line = r.words("source_line", kMaxSourceBytes),
                               .array_id = r.as<SiteJobId>("array_id")};
    if (!domain::parse_tag(record.tag.str())) r.miss("tag");
    if (!r.ok()) return r.refused("a usage record");
    return record;
  };
  auto records = read_list<domain::UsageRecord>(f.array("records"), read_record);
  if (!records) return std::unexpected(std::move(records.error()));
  if (!f.has("complete")) f.miss("complete");
  ports::UsagePage page{.records = std::move(*records), .next = {.text = f.words("next")}, .complete = f.flag("complete")};
  if (f.has("others")) page.others = f.amount("others");
  if (!f.ok()) return f.refused("a page of usage");
  return page;
}

// ---- a look at the site

Json to_json(const ports::DoctorRequest& request) {
  Json accounts = Json::array();
  for (const auto& account : request.accounts) accounts.push_back(account.str());
  return {{"accounts", std::move(accounts)}, {"person", request.person.str()}, {"clock_skew_s", request.clock_skew.count()}};
}

Result<ports::DoctorRequest> read_doctor_request(const Json& json) {
  Fields f(json);
  ports::DoctorRequest request{.accounts = {}, .person = Principal(f.needed_word("person")), .clock_skew = Seconds{60}};
  for (auto& account : f.texts("accounts")) {
    if (account.size() > kMaxNameBytes || request.accounts.size() == kMaxAccounts) f.miss("accounts");
    request.accounts.emplace_back(std::move(account));
  }
  if (f.has("clock_skew_s")) request.clock_skew = Seconds{f.amount("clock_skew_s", 86'400)};
  if (!f.ok()) return f.refused("a request to look at the site");
  return request;
}

Json report_to_json(const domain::DoctorReport& report) {
  Json findings = Json::array();
  for (const auto& found : report.findings) {
    Json json{{"check", found.check},
              {"verdict", name_of(kVerdicts, found.verdict)},
              {"value", found.value.substr(0, kMaxWordsBytes)},
              {"source", found.source.substr(0, kMaxWordsBytes)}};
    if (!found.subject.empty()) json["account"] = found.subject;
    if (!found.remedy.empty()) json["remedy"] = found.remedy.substr(0, kMaxWordsBytes);
    if (found.reading) json["reading"] = true;
    if (!found.offers.empty()) json["offers"] = found.offers;
    if (found.lacks) json["lacks"] = true;
    if (!found.queue.empty()) json["queue"] = found.queue.str();
    if (found.bars) json["bars"] = true;
    for (const auto& person : found.people) {
      if (json["people"].size() == kMaxPeople) break;
      json["people"].push_back(person.str());
    }
    findings.push_back(std::move(json));
  }
  return {{"findings", std::move(findings)}, {"questions", report.questions}};
}

Result<domain::DoctorReport> read_report(const Json& json, UtcTime now) {
  Fields f(json);
  if (!f.has("findings")) f.miss("findings");
  const auto& list = f.array("findings");
  if (list.size() > kMaxFindings) f.miss("findings");
  domain::DoctorReport report{.at = now, .scheduler = {}, .findings = {}, .drift = {}};
  report.questions = static_cast<std::int32_t>(f.amount("questions", kMaxQuestions));
  if (!f.ok()) return f.refused("what was found at the site");
  for (const auto& item : list) {
    Fields one(item);
    domain::Finding found{.check = one.needed_word("check"),
                          .subject = one.word("account"),
                          .verdict = one.choice("verdict", kVerdicts),
                          .value = read_words(one, "value"),
                          .source = read_words(one, "source"),
                          .at = now,
                          .remedy = read_words(one, "remedy"),
                          .reading = one.flag("reading"),
                          .people = {},
                          .offers = one.word("offers"),
                          .lacks = one.flag("lacks"),
                          .queue = one.as<QueueName>("queue"),
                          .bars = one.flag("bars")};
    for (auto& person : one.texts("people")) {
      if (person.empty() || person.size() > kMaxNameBytes || found.people.size() == kMaxPeople || !found.bars)
        one.miss("people");
      else
        found.people.emplace_back(std::move(person));
    }
    if (!is_check_name(found.check)) one.miss("check");
    if (found.bars && found.verdict != DoctorVerdict::fault) one.miss("bars");
    if (!one.ok()) return one.refused("a finding");
    report.findings.push_back(std::move(found));
  }
  return report;
}

}  // namespace hansa::connectors::protocol
