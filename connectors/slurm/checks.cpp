// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/checks.hpp"

#include "broker/domain/site_checks.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::slurm {

using domain::finding;

namespace {

using enum domain::DoctorVerdict;

constexpr std::size_t kMostLines = 10'000;
constexpr std::int64_t kShortestJobAge = 60;
constexpr std::int64_t kFirstKnown = 2205, kLastKnown = 2605;  // releases that the connector is tested against

std::string_view setting(const ConfigLines& lines, std::string_view key) {
  const auto at = lines.find(key);
  return at == lines.end() || at->second == "(null)" ? std::string_view() : std::string_view(at->second);
}

bool in_list(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    if (batch::trim(batch::cut(list, ',')) == word) return true;
  }
  return false;
}

/// The number that a value begins with: "60 sec", "1001".
std::optional<std::int64_t> leading_count(std::string_view value) {
  return parse_count(value.substr(0, value.find_first_not_of("0123456789")));
}

/// "22.05.8" -> 2205.
std::optional<std::int64_t> release_of(std::string_view version) {
  const auto major = parse_count(batch::cut(version, '.'));
  const auto minor = parse_count(batch::cut(version, '.'));
  if (!major || !minor) return std::nullopt;
  return *major * 100 + *minor;
}

/// "PurgeJobAfter" as "12months", "30days", "720hours", "1 month*": days; none: never.
std::optional<std::int64_t> purge_days(std::string_view value) {
  const auto count = leading_count(value);
  if (!count) return std::nullopt;
  if (value.contains("hour")) return *count / 24;
  if (value.contains("day")) return *count;
  return *count * 30;
}

}  // namespace

ConfigLines parse_config_lines(std::string_view text) {
  ConfigLines lines;
  while (!text.empty() && lines.size() < kMostLines) {
    auto line = batch::cut(text, '\n');
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    lines.emplace(batch::trim(line.substr(0, equals)), batch::trim(line.substr(equals + 1)));
  }
  return lines;
}

std::optional<ClockReading> parse_clock(std::string_view sdiag) {
  constexpr std::string_view kBegin = "sdiag output at ";
  const auto at = sdiag.find(kBegin);
  if (at == std::string_view::npos) return std::nullopt;
  auto line = sdiag.substr(at + kBegin.size());
  line = line.substr(0, line.find('\n'));
  const auto bracket = line.find('(');
  if (bracket == std::string_view::npos) return std::nullopt;
  auto inside = line.substr(bracket + 1);
  const auto clock = batch::parse_unix_time(batch::cut(inside, ')'));
  if (!clock) return std::nullopt;

  // "Sun Nov 22 10:06:39 2026": day of the week, month, day, time, year.
  std::array<std::string_view, 5> words;
  auto rest = line.substr(0, bracket);
  for (auto& word : words) {
    rest = rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
    word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
  }
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto month = std::ranges::find(kMonths, words[1]);
  auto time = words[3];
  const auto hour = parse_count(batch::cut(time, ':')), minute = parse_count(batch::cut(time, ':')), second = parse_count(time);
  const auto day = parse_count(words[2]), year = parse_count(words[4]);
  if (month == kMonths.end() || !hour || !minute || !second || !day || !year) return std::nullopt;
  const auto written = batch::utc_time(*year, month - kMonths.begin() + 1, *day, *hour, *minute, *second);
  if (!written) return std::nullopt;
  return ClockReading{.clock = *clock, .written = *written};
}

bool keeps_history(const ConfigLines& config) { return setting(config, "AccountingStorageType").contains("slurmdbd"); }

bool wants_associations(const ConfigLines& config) {
  const auto enforced = setting(config, "AccountingStorageEnforce");
  return !enforced.empty() && enforced != "none";
}

domain::Finding judge_version(const std::string& version) {
  const auto release = release_of(version);
  if (!release) return finding("VERSION", not_checked, "no version is told", "see: scontrol show config");
  if (*release < kFirstKnown) return finding("VERSION", fault, "slurm " + version, "22.05 and later are supported");
  if (*release > kLastKnown)
    return finding("VERSION", warning, "slurm " + version, "this broker was tested up to 26.05: see whether a later one is out");
  return finding("VERSION", ok, "slurm " + version);
}

std::vector<domain::Finding> judge_configuration(const ConfigLines& config) {
  std::vector<domain::Finding> found;
  const auto text = [&](std::string_view key) { return std::string(setting(config, key)); };

  found.push_back(judge_version(text("SLURM_VERSION")));

  if (!keeps_history(config)) {
    const auto type = text("AccountingStorageType");
    found
        .emplace_back(
            finding("HISTORY", fault, "off (" + (type.empty() ? std::string("accounting_storage/none") : type) + ")",
                    "set AccountingStorageType=accounting_storage/slurmdbd: nothing else tells usage, or how a job ended "
                    "that squeue has forgotten"))
        .bars = true;  // what became of a job, and what it used, would never be known
  }

  const auto flags = setting(config, "AccountingStoreFlags");
  if (in_list(flags, "job_comment"))
    found.push_back(finding("COMMENTS", ok, "kept with the accounting"));
  else
    found.push_back(finding(
        "COMMENTS", warning, "not kept (AccountingStoreFlags=" + (flags.empty() ? std::string("none") : std::string(flags)) + ")",
        "set AccountingStoreFlags=job_comment: without it the accounting knows our jobs by their names alone"));

  const auto first = leading_count(setting(config, "FirstJobId")), last = leading_count(setting(config, "MaxJobId"));
  if (first && last)
    found.push_back(domain::judge_job_ids(*first, *last));
  else
    found.push_back(finding("JOB_IDS", not_checked, "the range is not told", "see: scontrol show config"));

  if (const auto size = leading_count(setting(config, "MaxArraySize")); !size)
    found.push_back(finding("ARRAYS", not_checked, "not told", "see: scontrol show config"));
  else if (*size <= 1)
    found.push_back(
        finding("ARRAYS", warning, "off (MaxArraySize=" + std::to_string(*size) + ")", "set MaxArraySize to take job arrays"));
  else
    found.push_back(finding("ARRAYS", ok, "--array, indices up to " + std::to_string(*size - 1)));

  if (const auto age = leading_count(setting(config, "MinJobAge")); !age) {
    found.push_back(finding("MIN_JOB_AGE", not_checked, "not told", "see: scontrol show config"));
  } else {
    auto kept = finding("MIN_JOB_AGE", ok, "squeue knows a job for " + std::to_string(*age) + " s after its end");
    if (*age < kShortestJobAge) {
      kept.verdict = keeps_history(config) ? warning : fault;
      kept.remedy = "set MinJobAge=300: the end of a job is seen in squeue first, at the next look at the states";
    }
    found.push_back(std::move(kept));
  }
  return found;
}

domain::Finding judge_history(const ConfigLines& accounting) {
  const auto purged = setting(accounting, "PurgeJobAfter");
  const auto days = purge_days(purged);
  if (!days) return finding("HISTORY", ok, "on; jobs are kept for ever");
  auto found = finding("HISTORY", ok, "on; jobs are kept for " + std::string(purged));
  if (*days >= 31) return found;
  found.verdict = *days < 2 ? fault : warning;
  found.remedy = "have slurmdbd keep jobs longer (PurgeJobAfter): what the broker has not read by then is lost to it";
  return found;
}

domain::Finding judge_privacy(const ConfigLines& config, std::string_view level) {
  const auto hidden = setting(config, "PrivateData");
  const auto told = "PrivateData=" + (hidden.empty() ? std::string("none") : std::string(hidden));
  if (!in_list(hidden, "jobs") && hidden != "all") return finding("PRIVATE_DATA", ok, told + ": everybody's jobs are seen");
  if (level == "Operator" || level == "Administrator")
    return finding("PRIVATE_DATA", ok, told + "; the broker is " + std::string(level));
  return finding("PRIVATE_DATA", warning, told + ": others' jobs are hidden from the broker",
                 "make the broker's account an operator (sacctmgr modify user NAME set AdminLevel=Operator): waits are rough, "
                 "and usage is not told, without it");
}

domain::Finding judge_gres(const Inventory& inventory) {
  std::map<std::string, std::int64_t> count;
  for (const auto& node : inventory.nodes) {
    if (node.gpus.count > 0) count[node.gpus.model] += node.gpus.count;
  }
  return domain::judge_gpus({count.begin(), count.end()});
}

}  // namespace hansa::connectors::slurm
