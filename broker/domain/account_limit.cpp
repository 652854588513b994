// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/account_limit.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace hansa::domain {
namespace {

std::unexpected<Error> bad(std::size_t line, const std::string& what) {
  return fail(ErrorKind::invalid_argument, "BAD_SSHARE", "line " + std::to_string(line) + ": " + what);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0;;) {
    const auto end = std::min(text.find(at, from), text.size());
    parts.push_back(text.substr(from, end - from));
    if (end == text.size()) return parts;
    from = end + 1;
  }
}

struct Tres {
  std::string_view name;
  std::int64_t minutes = 0;
};
/// One of "cpu=1000,gres/gpu=500". None: no name, or no number.
std::optional<Tres> tres_of(std::string_view entry) {
  const auto equals = entry.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  const auto digits = entry.substr(equals + 1);
  std::uint64_t minutes = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), minutes);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return std::nullopt;
  if (error != std::errc{} || minutes > std::uint64_t{kMostMinutes}) return Tres{entry.substr(0, equals), kMostMinutes};
  return Tres{entry.substr(0, equals), static_cast<std::int64_t>(minutes)};
}

std::optional<std::int64_t> minutes_of(std::string_view list, std::string_view name) {
  for (const auto entry : split(list, ',')) {
    if (const auto tres = tres_of(entry); tres && tres->name == name) return tres->minutes;
  }
  return std::nullopt;
}

}  // namespace

Charge UsageLimit::left() const { return {std::max<std::int64_t>(limit - used - running, 0) * (kChargesPerUnit / 60)}; }

Result<ShareLimits> parse_sshare(std::string_view text) {
  const auto lines = split(text, '\n');
  const auto names = split(lines.front(), '|');
  const auto column = [&](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  };
  const auto account = column("Account"), user = column("User"), limits = column("GrpTRESMins"), used = column("GrpTRESRaw"),
             running = column("TRESRunMins");
  if (std::max({account, limits, used}) >= names.size())
    return bad(1, "lacks a column: it takes what this prints: sshare -P -o " + std::string(kShareColumns));
  ShareLimits all;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = split(lines[i], '|');
    if (fields.size() != names.size()) {
      if (lines[i].empty()) continue;
      return bad(i + 1, "has " + std::to_string(fields.size()) + " fields, and the first line " + std::to_string(names.size()));
    }
    if (user < names.size() && !fields[user].empty()) continue;  // a person's share of the account
    const auto name = fields[account].substr(std::min(fields[account].find_first_not_of(' '), fields[account].size()));
    if (name.empty()) continue;
    if (fields[limits].empty()) continue;
    for (const auto entry : split(fields[limits], ',')) {
      const auto limit = tres_of(entry);
      const auto spent = limit ? minutes_of(fields[used], limit->name) : std::nullopt;
      const auto runs = running >= names.size() ? std::optional<std::int64_t>(0)
                        : limit                 ? minutes_of(fields[running], limit->name)
                                                : std::nullopt;
      if (!limit || !spent || !runs) {
        all.odd.push_back({.account = std::string(name),
                           .resource = std::string(entry.substr(0, entry.find('='))),
                           .why = "line " + std::to_string(i + 1) + ": does not say, as NAME=MINUTES, how much of \"" +
                                  std::string(entry.substr(0, 64)) + "\" the account may use, or has used"});
        continue;
      }
      all.limits.push_back(
          {.account = std::string(name),
           .limit = {.resource = std::string(limit->name), .limit = limit->minutes, .used = *spent, .running = *runs}});
    }
  }
  return all;
}

}  // namespace hansa::domain
