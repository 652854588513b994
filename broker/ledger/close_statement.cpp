// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/close_statement.hpp"

#include "broker/core/digest.hpp"

#include <algorithm>

namespace hansa::ledger {
namespace {

std::unexpected<Error> no_statement(std::string what) {
  return fail(ErrorKind::invalid_argument, "BAD_STATEMENT", "what the close rests on: " + std::move(what));
}

constexpr std::int64_t kLastTime = 253'402'300'799;  // of the year 9999
bool is_time(std::int64_t seconds) { return seconds >= 0 && seconds <= kLastTime; }

std::unexpected<Error> no_form() { return no_statement("it is not in its form"); }

/// The object's numbers by their names; false: one is missing, or more is there. `optional` may be missing.
bool read_numbers(const Json& json, std::initializer_list<std::pair<const char*, std::int64_t*>> numbers, const char* optional,
                  std::optional<std::int64_t>& maybe, std::size_t others) {
  const auto number_at = [&json](const char* name) -> std::optional<std::int64_t> {
    const auto at = json.find(name);
    if (at == json.end() || !at->is_number_integer()) return std::nullopt;
    if (at->is_number_unsigned() && at->get<std::uint64_t>() > INT64_MAX) return std::nullopt;
    return at->get<std::int64_t>();
  };
  for (const auto& [name, into] : numbers) {
    const auto value = number_at(name);
    if (!value) return false;
    *into = *value;
  }
  maybe = number_at(optional);
  return json.size() == numbers.size() + others + (maybe ? 1 : 0);
}

std::optional<SeenThen> seen_in(const Json& json) {
  SeenThen seen;
  const auto id = json.is_object() ? json.find("id") : json.end();
  if (!json.is_object() || id == json.end() || !id->is_string()) return std::nullopt;
  seen.id = id->get<std::string>();
  if (!read_numbers(json,
                    {{"at", &seen.at_s},
                     {"differences", &seen.differences},
                     {"from", &seen.from_s},
                     {"matched", &seen.matched},
                     {"to", &seen.to_s},
                     {"unexplained", &seen.unexplained}},
                    "others", seen.others, 1) ||
      !is_time(seen.at_s) || !is_time(seen.from_s) || !is_time(seen.to_s))
    return std::nullopt;
  return seen;
}

}  // namespace

std::string close_text(const std::vector<SiteThen>& sites) {
  Json all = Json::array();
  for (const auto& site : sites) {
    Json list = Json::array();
    for (const auto& seen : site.reconciliations) {
      list.push_back({{"at", seen.at_s},
                      {"differences", seen.differences},
                      {"from", seen.from_s},
                      {"id", seen.id},
                      {"matched", seen.matched},
                      {"to", seen.to_s},
                      {"unexplained", seen.unexplained}});
      if (seen.others) list.back()["others"] = *seen.others;
    }
    all.push_back({{"reconciliations", std::move(list)}, {"site", site.site}});
    if (site.explained_at_s) all.back()["explained_at"] = *site.explained_at_s;
  }
  return canonical_json(all);
}

Result<std::vector<SiteThen>> parse_close(std::string_view text) {
  const auto json = parse_json(text, 5);
  if (!json || !json->is_array() || canonical_json(*json) != text) return no_form();
  std::vector<SiteThen> sites;
  for (const auto& entry : *json) {
    SiteThen site;
    const auto list = entry.is_object() ? entry.find("reconciliations") : entry.end();
    const auto name = entry.is_object() ? entry.find("site") : entry.end();
    if (!entry.is_object() || list == entry.end() || !list->is_array() || name == entry.end() || !name->is_string() ||
        !read_numbers(entry, {}, "explained_at", site.explained_at_s, 2))
      return no_form();
    if (list->size() > kMostSeen) return no_statement("more than " + std::to_string(kMostSeen) + " reconciliations of one site");
    site.site = name->get<std::string>();
    for (const auto& one : *list) {
      auto seen = seen_in(one);
      if (!seen) return no_form();
      site.reconciliations.push_back(std::move(*seen));
    }
    sites.push_back(std::move(site));
  }
  return sites;
}

Result<void> check_close(const Close& close, std::string_view text, const std::set<std::string, std::less<>>& used) {
  if (sha256_hex(text) != close.reconciliations) return no_statement("it is not what the record has the hash of");
  const auto span = span_of(close.period);
  const auto sites = parse_close(text);
  if (!sites) return std::unexpected(sites.error());
  if (!span || !is_time(close.at_s) || !is_time(close.apart_s)) return no_statement("of no month, or of no time");
  std::string grades;
  std::set<std::string, std::less<>> told;
  for (const auto& site : *sites) {
    if (!told.insert(site.site).second) return no_statement("site " + site.site + " twice");
    std::vector<Look> looks;
    for (const auto& seen : site.reconciliations) looks.push_back(seen.look());
    const auto settled = settled_at(*span, looks, close.apart_s, close.at_s, false);
    if (settled.unsettled_from_s && !site.explained_at_s)
      return no_statement("site " + site.site + " was not settled, and nobody explained it");
    grades += (grades.empty() ? "" : " ") + site.site + "=" + std::string(to_string(settled.grade));
  }
  if (const auto missing = std::ranges::find_if(used, [&](const auto& site) { return !told.contains(site); });
      missing != used.end())
    return no_statement("site " + *missing + " has used something in that month, and is not in it");
  if (grades != close.sites) return no_statement("the grades are \"" + grades + "\", and the record says others");
  return {};
}

}  // namespace hansa::ledger
