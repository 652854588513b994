// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/record.hpp"

#include "broker/core/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace hansa::ledger {
namespace {

constexpr std::int64_t kForm = 1;
constexpr std::size_t kBlock = 64;  // of SHA-256, in bytes

struct Required {
  Kind kind;
  std::string_view name;
  bool is_text;
};
// Beside what every record has: at, kind, seq, v.
constexpr Required kRequired[] = {
    {Kind::summary, "period", true},        {Kind::summary, "runs", false},
    {Kind::summary, "elapsed_s", false},    {Kind::summary, "core_seconds", false},
    {Kind::summary, "gpu_seconds", false},  {Kind::summary, "node_seconds", false},
    {Kind::decision, "decisions", false},   {Kind::decision, "first", false},
    {Kind::decision, "last", false},        {Kind::decision, "sha256", true},
    {Kind::policy, "sha256", true},         {Kind::key, "key", true},
    {Kind::period_open, "period", true},    {Kind::period_close, "period", true},
    {Kind::period_close, "sites", true},    {Kind::period_close, "reconciliations", true},
    {Kind::period_close, "apart_s", false}, {Kind::tombstone, "records", false},
    {Kind::tombstone, "reason", true},      {Kind::breakglass, "id", true},
    {Kind::breakglass, "event", true},      {Kind::breakglass, "personal", true},
};
constexpr std::string_view kUsageTexts[] = {"cluster",           "country", "job",         "project",   "queue",
                                            "scheduler_account", "site",    "site_job_id", "site_state"};
constexpr std::string_view kUsageNumbers[] = {"attempt", "core_seconds", "cores", "elapsed_s", "ended_s", "gpu_seconds",
                                              "gpus",    "node_seconds", "nodes", "revision",  "runs",    "submitted_s"};

// May be missing: what was not told, and all of them in records of before 0.2.
constexpr std::string_view kOptionalTexts[] = {"allocation",   "call", "carbon_source", "centre", "energy_method", "energy_scope",
                                               "funding_body", "home", "home_country",  "label",  "resource"};
constexpr std::string_view kOptionalNumbers[] = {"carbon_mg_per_kwh", "energy_j", "exit_code", "pue_milli", "started_s"};

std::unexpected<Error> bad_record(std::string what) {
  return fail(ErrorKind::invalid_argument, "BAD_RECORD", "no record of a ledger: " + what);
}

/// Where a JSON string that begins at `from` (its quote) ends: behind its last quote; npos if it does not.
std::size_t end_of_string(std::string_view text, std::size_t from) {
  for (auto at = from + 1; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      return at + 1;
  }
  return std::string_view::npos;
}

}  // namespace

std::optional<Kind> kind_of(std::string_view name) {
  const auto at = std::ranges::find(kKinds, name);
  return at == kKinds.end() ? std::nullopt : std::optional(static_cast<Kind>(at - kKinds.begin()));
}

std::string record_text(const UsageEntry& e) {
  std::string text;
  text.reserve(896);
  JsonObjectText out(text);
  const auto& c = e.context;
  const auto word = [&out](std::string_view name, const std::string& value) {
    if (!value.empty()) out.text(name, value);
  };
  word("allocation", c.allocation);
  out.number("at", e.at_s);
  out.number("attempt", e.attempt);
  word("call", c.call);
  if (c.carbon_mg_per_kwh != 0) out.number("carbon_mg_per_kwh", c.carbon_mg_per_kwh);
  word("carbon_source", c.carbon_source);
  word("centre", c.centre);
  out.text("cluster", e.cluster);
  out.number("core_seconds", e.amounts.core_seconds);
  out.number("cores", e.cores);
  out.text("country", e.country);
  out.number("elapsed_s", e.amounts.elapsed_s);
  out.number("ended_s", e.ended_s);
  if (e.energy_j) out.number("energy_j", *e.energy_j);
  word("energy_method", c.energy_method);
  word("energy_scope", c.energy_scope);
  if (e.exit_code) out.number("exit_code", *e.exit_code);
  word("funding_body", c.funding_body);
  out.number("gpu_seconds", e.amounts.gpu_seconds);
  out.number("gpus", e.gpus);
  word("home", c.home);
  word("home_country", c.home_country);
  out.text("job", e.job.str());
  out.text("kind", to_string(e.kind));
  word("label", c.label);
  out.number("node_seconds", e.amounts.node_seconds);
  out.number("nodes", e.nodes);
  if (!e.original_period.empty()) out.text("original_period", e.original_period);
  if (e.personal) out.text("personal", hex_of(bytes_of(*e.personal)));
  out.text("project", e.project);
  if (c.pue_milli != 0) out.number("pue_milli", c.pue_milli);
  out.text("queue", e.queue);
  if (!e.reason.empty()) out.text("reason", e.reason);
  if (e.refers_to) out.number("refers_to", *e.refers_to);
  word("resource", c.resource);
  out.number("revision", e.revision);
  out.number("runs", e.amounts.runs);
  out.text("scheduler_account", e.scheduler_account);
  out.number("seq", e.seq);
  out.text("site", e.site);
  out.text("site_job_id", e.site_job_id);
  out.text("site_state", e.site_state);
  if (e.started_s) out.number("started_s", *e.started_s);
  out.number("submitted_s", e.submitted_s);
  out.number("v", kForm);
  out.end();
  return text;
}

std::string personal_text(const Personal& personal) {
  std::string text;
  JsonObjectText out(text);
  out.text("account", personal.account);
  out.text("owner", personal.owner);
  out.text("pseudonym", personal.pseudonym);
  out.text("source", sha256_hex(personal.source_line));
  out.end();
  return text;
}

Hash commitment(std::string_view salt, std::string_view personal_text) {
  return sha256(std::string(salt) + std::string(personal_text));
}

std::string pseudonym_of(std::string_view owner, std::string_view period_key) {
  std::string inner(kBlock, '\x36'), outer(kBlock, '\x5c');  // RFC 2104
  for (std::size_t i = 0; i < std::min(period_key.size(), kBlock); ++i) {
    inner[i] = static_cast<char>(inner[i] ^ period_key[i]);
    outer[i] = static_cast<char>(outer[i] ^ period_key[i]);
  }
  const auto digest = sha256(outer.append(bytes_of(sha256(inner.append(owner)))));
  return hex_of(bytes_of(digest).substr(0, 16));
}

Result<std::string> record_text(std::int64_t seq, Kind kind, std::int64_t at_s, Json fields) {
  if (has_amounts(kind) || !fields.is_object()) return bad_record("runs have a form of their own");
  fields["at"] = at_s;
  fields["kind"] = to_string(kind);
  fields["seq"] = seq;
  fields["v"] = kForm;
  auto text = canonical_json(fields);
  RecordFields read;
  if (auto parsed = read.parse(text); !parsed) return std::unexpected(std::move(parsed.error()));
  if (const auto missing = read.missing_for(kind); !missing.empty())
    return bad_record("a " + std::string(to_string(kind)) + " needs \"" + std::string(missing) + "\"");
  return text;
}

Result<void> RecordFields::parse(std::string_view text) {
  fields_.clear();
  unescaped_.clear();
  const auto broken = [](std::size_t at) { return bad_record("not in its canonical form at byte " + std::to_string(at)); };
  std::size_t at = 0;
  char before = '{';
  while (at < text.size() && text[at] == before) {
    before = ',';
    ++at;
    const auto name_end = at < text.size() && text[at] == '"' ? end_of_string(text, at) : std::string_view::npos;
    if (name_end == std::string_view::npos || name_end >= text.size() || text[name_end] != ':') return broken(at);
    Field field{.name = text.substr(at + 1, name_end - at - 2)};
    if (!fields_.empty() && field.name <= fields_.back().name) return broken(at);
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (!std::ranges::all_of(field.name, plain)) return broken(at);
    at = name_end + 1;
    if (at < text.size() && text[at] == '"') {
      const auto end = end_of_string(text, at);
      if (end == std::string_view::npos) return broken(at);
      const auto written = text.substr(at, end - at);
      field.is_text = true;
      field.text = written.substr(1, written.size() - 2);
      if (std::ranges::any_of(field.text, [](char c) { return c == '\\' || static_cast<unsigned char>(c) < ' ' || c < 0; })) {
        const auto value = parse_json(written, 1);
        if (!value || !value->is_string() || canonical_json(*value) != written) return broken(at);
        unescaped_.push_back(value->get<std::string>());
        field.unescaped = unescaped_.size();
      }
      at = end;
    } else {
      const auto* begin = text.data() + at;
      const auto [end, error] = std::from_chars(begin, text.data() + text.size(), field.integer);
      const std::string_view written(begin, static_cast<std::size_t>(end - begin));
      if (error != std::errc{} || written != std::to_string(field.integer)) return broken(at);
      at += written.size();
    }
    fields_.push_back(field);
  }
  if (fields_.empty() || at + 1 != text.size() || text[at] != '}') return broken(at);
  return {};
}

const RecordFields::Field* RecordFields::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(fields_, name, {}, &Field::name);
  return at == fields_.end() || at->name != name ? nullptr : &*at;
}

std::optional<std::string_view> RecordFields::text(std::string_view name) const {
  const auto* field = find(name);
  if (field == nullptr || !field->is_text) return std::nullopt;
  return field->unescaped == 0 ? field->text : std::string_view(unescaped_[field->unescaped - 1]);
}

std::optional<std::int64_t> RecordFields::integer(std::string_view name) const {
  const auto* field = find(name);
  return field == nullptr || field->is_text ? std::nullopt : std::optional(field->integer);
}

std::string_view RecordFields::missing_for(Kind kind) const {
  for (const auto name : {"at", "seq", "v"}) {
    if (!integer(name)) return name;
  }
  if (integer("v") != kForm) return "v";
  for (const auto& required : kRequired) {
    if (required.kind == kind && (required.is_text ? !text(required.name) : !integer(required.name))) return required.name;
  }
  if (!has_amounts(kind)) return {};
  for (const auto name : kUsageTexts) {
    if (!text(name)) return name;
  }
  for (const auto name : kUsageNumbers) {
    if (!integer(name)) return name;
  }
  for (const auto name : kOptionalTexts) {
    if (find(name) != nullptr && !text(name)) return name;
  }
  for (const auto name : kOptionalNumbers) {
    if (find(name) != nullptr && !integer(name)) return name;
  }
  if (kind == Kind::usage) return text("personal") ? std::string_view{} : "personal";
  if (!integer("refers_to")) return "refers_to";
  return text("reason") ? std::string_view{} : "reason";
}

std::string period_of(std::int64_t unix_seconds) {
  using namespace std::chrono;
  const year_month_day day{floor<days>(sys_seconds{seconds{unix_seconds}})};
  const auto month = static_cast<unsigned>(day.month());
  return std::to_string(static_cast<int>(day.year())) + (month < 10 ? "-0" : "-") + std::to_string(month);
}

std::optional<MonthSpan> span_of(std::string_view period) {
  using namespace std::chrono;
  int written_year = 0;
  unsigned written_month = 0;
  const auto* text = period.data();
  if (period.size() != 7 || period[4] != '-' || std::from_chars(text, text + 4, written_year).ptr != text + 4 ||
      std::from_chars(text + 5, text + 7, written_month).ptr != text + 7 || written_month < 1 || written_month > 12 ||
      written_year < 1970)
    return std::nullopt;
  const year_month from{year{written_year}, month{written_month}};
  const auto first_second = [](year_month of) {
    return duration_cast<seconds>(sys_days{of / day{1}}.time_since_epoch()).count();
  };
  return MonthSpan{first_second(from), first_second(from + months{1})};
}

Result<MonthSpan> month_named(std::string_view period) {
  if (const auto span = span_of(period)) return *span;
  return fail(ErrorKind::invalid_argument, "BAD_PERIOD",
              "\"" + std::string(period.substr(0, 20)) + "\" is no month: give it as 2026-11");
}

}  // namespace hansa::ledger
