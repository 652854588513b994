// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/exchange_runs.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::cli {
namespace {

constexpr std::string_view kPersons[] = {"hidden", "pseudonyms", "named"};  // by ledger::Persons' values

std::string month_text(ledger::Month month) {
  return std::to_string(month.year) + (month.month < 10 ? "-0" : "-") + std::to_string(month.month);
}

ledger::Month after(ledger::Month month) {
  return month.month == 12 ? ledger::Month{month.year + 1, 1} : ledger::Month{month.year, month.month + 1};
}

/// An entry of a page, or nothing if it is none of what was asked for.
std::optional<ledger::ExchangeRun> run_of(const Json& entry) {
  auto run = ledger::read_run(raw_text(entry, "record"));
  if (!run) return std::nullopt;
  if (const auto& adjusted = member(entry, "adjusted"); adjusted.is_object()) {
    const auto by = [&](const char* name) { return number(adjusted, name).value_or(0); };
    const ledger::Amounts amounts{0, by("elapsed_s"), by("core_seconds"), by("gpu_seconds"), by("node_seconds")};
    if (!ledger::add_amounts(run->amounts, amounts)) return std::nullopt;
  }
  run->pseudonym = raw_text(entry, "pseudonym");
  run->owner = raw_text(entry, "owner");
  run->account = raw_text(entry, "account");
  return std::move(*run);
}

}  // namespace

Result<WantedRuns> wanted_runs(const Invocation& call, UtcTime now) {
  WantedRuns wanted;
  const auto month = call.value("--month"), output = call.value("--output");
  if (!month || !output)
    return usage("hansa " + std::string(call.command()->name) + " needs --month and --output; see: hansa " +
                 std::string(call.command()->name) + " --help");
  const auto from = parse_utc(std::string(*month) + "-01");
  if (month->size() != 7 || !from) return usage("--month must be a month, as 2026-11");
  wanted.month_text = *month;
  std::from_chars(month->data(), month->data() + 4, wanted.month.year);
  std::from_chars(month->data() + 5, month->data() + 7, wanted.month.month);
  wanted.from = *from;
  const auto to = parse_utc(month_text(after(wanted.month)) + "-01");
  if (!to || wanted.from > now) return usage("--month " + std::string(*month) + " has not begun");
  wanted.to = *to;
  if (const auto site = call.value("--site")) wanted.site = std::string(*site);
  const bool pseudonyms = call.has("--pseudonyms"), named = call.has("--personal");
  if (pseudonyms && named) return usage("--pseudonyms and --personal contradict each other; give one of them");
  wanted.persons = named ? ledger::Persons::named : pseudonyms ? ledger::Persons::pseudonyms : ledger::Persons::hidden;
  wanted.output = std::string(*output);
  if (wanted.output.empty()) return usage("--output must be a name");
  return wanted;
}

Result<std::vector<ledger::ExchangeSite>> exchange_sites(Session& session, const WantedRuns& wanted) {
  const auto answer = ask_ledger(session, "/v1/exchange");
  if (!answer) return std::unexpected(answer.error());
  auto sites = ledger::read_exchange(*answer);
  if (!sites || !wanted.site) return sites;
  std::erase_if(*sites, [&](const ledger::ExchangeSite& site) { return site.id != *wanted.site; });
  if (sites->empty())
    return fail(ErrorKind::not_found, "NO_SUCH_SITE", "there is no site " + *wanted.site + "; see: hansa sites");
  return sites;
}

Result<void> stream_runs(Session& session, const WantedRuns& wanted, std::int64_t size,
                         const std::function<Result<void>(const ledger::ExchangeRun& run)>& take) {
  Target first("/v1/ledger/usage");
  first.add("from", format_utc(wanted.from)).add("to", format_utc(wanted.to)).add("size", std::to_string(size));
  first.add("persons", kPersons[static_cast<std::size_t>(wanted.persons)]);
  if (wanted.site) first.add("site", *wanted.site);
  const auto from_s = to_unix_seconds(wanted.from), to_s = to_unix_seconds(wanted.to);
  auto target = first;
  std::pair<std::int64_t, std::int64_t> last{-1, -1};  // end and place of the run before
  for (;;) {
    const auto page = ask_ledger(session, target.str());
    if (!page) return std::unexpected(page.error());
    const auto& records = member(*page, "records");
    if (!records.is_array()) return no_ledger("records are missing");
    if (records.empty()) return {};
    for (const auto& entry : records) {
      const auto run = run_of(entry);
      if (!run || run->ended_s < from_s || run->ended_s >= to_s || run->seq >= size || std::pair(run->ended_s, run->seq) <= last)
        return no_ledger("what came is no run of that month, or out of its order");
      last = {run->ended_s, run->seq};
      if (auto taken = take(*run); !taken) return taken;
    }
    target = first;
    target.add("after", std::to_string(last.first) + "." + std::to_string(last.second));
  }
}

ledger::ReportManifest manifest_of(const WantedRuns& wanted, std::string report, const ledger::Note& checkpoint, UtcTime now) {
  auto query = "month=" + wanted.month_text + "&persons=" + std::string(kPersons[static_cast<std::size_t>(wanted.persons)]);
  if (wanted.site) query += "&site=" + percent_encoded(*wanted.site);
  ledger::ReportManifest manifest;
  manifest.report = std::move(report);
  manifest.from_s = to_unix_seconds(wanted.from);
  manifest.to_s = to_unix_seconds(wanted.to);
  manifest.query = std::move(query);
  manifest.at_s = to_unix_seconds(now);
  manifest.checkpoint = checkpoint.str();
  return manifest;
}

}  // namespace hansa::cli
