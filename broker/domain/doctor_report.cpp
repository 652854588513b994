// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/doctor_report.hpp"

#include "broker/domain/json_fields.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace hansa::domain {

namespace {

constexpr std::array<std::string_view, 4> kDoctorVerdicts = {"ok", "warning", "fault", "not_checked"};

std::string told(const Finding& finding) {
  return std::string(to_string(finding.verdict)) + (finding.value.empty() ? "" : ": " + finding.value);
}

}  // namespace

std::string_view to_string(DoctorVerdict verdict) { return kDoctorVerdicts[static_cast<std::size_t>(verdict)]; }

std::optional<DoctorVerdict> doctor_verdict(std::string_view text) {
  const auto at = std::ranges::find(kDoctorVerdicts, text);
  if (at == kDoctorVerdicts.end()) return std::nullopt;
  return static_cast<DoctorVerdict>(at - kDoctorVerdicts.begin());
}

std::size_t DoctorReport::count(DoctorVerdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(findings, verdict, &Finding::verdict));
}

std::size_t note_drift(const std::optional<DoctorReport>& before, DoctorReport& now) {
  if (!before) return 0;
  std::vector<Drift> drift;
  for (const auto& was : before->findings) {
    const auto is =
        std::ranges::find_if(now.findings, [&](const Finding& f) { return f.check == was.check && f.subject == was.subject; });
    if (is == now.findings.end()) continue;
    const bool same_value = was.value == is->value || was.reading || is->reading;
    if (was.verdict == is->verdict && same_value) continue;
    if (was.verdict == DoctorVerdict::not_checked || is->verdict == DoctorVerdict::not_checked) continue;
    drift.push_back({.check = is->check, .subject = is->subject, .before = told(was), .after = told(*is), .at = now.at});
  }
  const auto fresh = drift.size();
  std::ranges::copy(before->drift, std::back_inserter(drift));
  if (drift.size() > kDriftKept) drift.resize(kDriftKept);
  now.drift = std::move(drift);
  return fresh;
}

Json words_of(const Finding& f) {
  Json json{{"check", f.check}, {"verdict", to_string(f.verdict)}, {"value", f.value}, {"source", f.source}};
  if (!f.remedy.empty()) json["remedy"] = f.remedy;
  if (f.bars) json["bars"] = true;
  if (!f.offers.empty()) json["offers"] = f.offers;
  if (f.lacks) json["lacks"] = true;
  if (!f.queue.empty()) json["queue"] = f.queue.str();
  return json;
}

Json words_of(const Drift& d) { return {{"check", d.check}, {"before", d.before}, {"after", d.after}}; }

const Finding* bar_in(const DoctorReport& report, const LocalAccount& account, const Principal& person,
                      const std::vector<std::string>& ignored, UtcTime now) {
  const Finding* bar = nullptr;
  for (const auto& finding : report.findings) {
    const auto believed = finding.reading ? kReadingBelieved : kFindingBelieved;
    if (!finding.bars || finding.verdict != DoctorVerdict::fault || now - finding.at > believed) continue;
    const bool theirs = finding.people.empty() ? finding.subject.empty() || finding.subject == account.str()
                                               : std::ranges::find(finding.people, person) != finding.people.end();
    if (!theirs) continue;
    if (std::ranges::find(ignored, finding.check) != ignored.end()) continue;
    if (bar == nullptr || bar->at < finding.at) bar = &finding;
  }
  return bar;
}

std::vector<Offer> offers_in(const DoctorReport& report, const std::vector<std::string>& ignored, UtcTime now) {
  std::vector<Offer> offers;
  for (const auto& finding : report.findings) {
    if (finding.offers.empty() || finding.verdict == DoctorVerdict::not_checked || now - finding.at > kFindingBelieved) continue;
    if (std::ranges::find(ignored, finding.check) != ignored.end()) continue;
    offers.push_back({.what = finding.offers,
                      .queue = finding.queue,
                      .there = !finding.lacks,
                      .found = finding.check + ": " + finding.value,
                      .at = finding.at});
  }
  return offers;
}

Json to_json(const DoctorReport& report) {
  Json findings = Json::array(), drift = Json::array();
  const auto stored = [](const auto& each) {
    auto json = words_of(each);
    json["at"] = to_unix_ms(each.at);
    if (!each.subject.empty()) json["subject"] = each.subject;
    return json;
  };
  for (const auto& f : report.findings) {
    auto json = stored(f);
    if (f.reading) json["reading"] = true;
    for (const auto& person : f.people) json["people"].push_back(person.str());
    findings.push_back(std::move(json));
  }
  for (const auto& d : report.drift) drift.push_back(stored(d));
  return {{"at", to_unix_ms(report.at)},
          {"scheduler", report.scheduler},
          {"findings", std::move(findings)},
          {"drift", std::move(drift)},
          {"questions", report.questions}};
}

Result<DoctorReport> doctor_report_from_json(const Json& json) {
  FieldReader fields(json);
  DoctorReport report{.at = fields.time("at"), .scheduler = fields.text("scheduler"), .findings = {}, .drift = {}};
  report.questions = fields.optional_small("questions").value_or(0);
  for (const auto& item : fields.array("findings")) {
    FieldReader field(item);
    const auto verdict = doctor_verdict(field.text("verdict"));
    if (!verdict) field.miss("verdict");
    report.findings.push_back({.check = field.text("check"),
                               .subject = field.text_or_empty("subject"),
                               .verdict = verdict.value_or(DoctorVerdict::not_checked),
                               .value = field.text("value"),
                               .source = field.text("source"),
                               .at = field.time("at"),
                               .remedy = field.text_or_empty("remedy"),
                               .reading = field.flag("reading"),
                               .people = {},
                               .offers = field.text_or_empty("offers"),
                               .lacks = field.flag("lacks"),
                               .queue = field.name<QueueName>("queue"),
                               .bars = field.flag("bars")});
    for (auto& person : field.texts("people")) report.findings.back().people.emplace_back(std::move(person));
    if (!field.ok()) return field.error("finding of a site's report");
  }
  for (const auto& item : fields.array("drift")) {
    FieldReader field(item);
    report.drift.push_back({.check = field.text("check"),
                            .subject = field.text_or_empty("subject"),
                            .before = field.text("before"),
                            .after = field.text("after"),
                            .at = field.time("at")});
    if (!field.ok()) return field.error("drift of a site's report");
  }
  if (!fields.ok()) return fields.error("report of a site");
  return report;
}

}  // namespace hansa::domain
