// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a site was found to be like: one finding for each check, dated, and what has changed since the report before. Pure.

#include "broker/core/canonical_json.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::domain {

enum class DoctorVerdict { ok, warning, fault, not_checked };
std::string_view to_string(DoctorVerdict verdict);  // "ok", "warning", "fault", "not_checked"
std::optional<DoctorVerdict> doctor_verdict(std::string_view text);

/// What jobs may need of a site that its scheduler does not tell.
inline constexpr std::string_view kContainerRuntime = "container_runtime";
inline constexpr std::string_view kOutboundNetwork = "outbound_network";  // its nodes reach the world outside

struct Finding {
  std::string check;                   // "VERSION", "CLOCK", ...: stable, a program may test for it
  std::string subject;                 // the local account that it is about; "": the site
  DoctorVerdict verdict = DoctorVerdict::not_checked;
  std::string value;                   // what was seen, for people
  std::string source;                  // where: a command, a file, a key
  UtcTime at{};
  std::string remedy;                  // one line, unless ok
  bool reading = false;                // a measured value, which is another one each time: only its verdict can drift
  std::vector<Principal> people = {};  // whose account `subject` is, where only the site's end knows; else none
  std::string offers = {};             // what jobs may need, kContainerRuntime, ...: it is there, unless `lacks`
  bool lacks = false;
  QueueName queue = {};                // that has it on its nodes, or lacks it; "": all
  bool bars = false;                   // a fault that was seen, of which jobs there would fail or be lost sight of
  friend bool operator==(const Finding&, const Finding&) = default;
};

/// What a check found otherwise than the report before.
struct Drift {
  std::string check;
  std::string subject;
  std::string before;                  // "ok: 22.05.8"
  std::string after;
  UtcTime at{};
  friend bool operator==(const Drift&, const Drift&) = default;
};

struct DoctorReport {
  UtcTime at{};
  std::string scheduler;               // as the snapshot said it then; another one asks for a new report
  std::vector<Finding> findings;
  std::vector<Drift> drift;            // the newest first, over several reports
  std::int32_t questions = 0;          // that the site's scheduler was asked for it
  friend bool operator==(const DoctorReport&, const DoctorReport&) = default;

  [[nodiscard]] std::size_t count(DoctorVerdict verdict) const;
};

inline constexpr std::size_t kDriftKept = 20;

/// Tells `now` what it found otherwise than `before`, of checks that both made. Returns how many changes are new.
std::size_t note_drift(const std::optional<DoctorReport>& before, DoctorReport& now);

/// What was found, without when and of whom: people are told those in other words than the store.
Json words_of(const Finding& finding);
Json words_of(const Drift& drift);
/// So long a finding that bars is believed: what is measured changes by itself, all else when somebody changes it.
inline constexpr Seconds kReadingBelieved{3'600};
inline constexpr Seconds kFindingBelieved{86'400};

/// Why no job of this person's goes there, as this account: a finding about the site or about the account that bars and is still
/// believed, and whose check is none of `ignored`; the newest first. Null: there is none. A check that could not be made bars
/// nothing.
const Finding* bar_in(const DoctorReport& report, const LocalAccount& account, const Principal& person,
                      const std::vector<std::string>& ignored, UtcTime now);

/// What a finding says of what jobs may need.
struct Offer {
  std::string what;                    // kContainerRuntime, ...
  QueueName queue;                     // on its nodes; "": on all
  bool there = true;
  std::string found;                   // for people: "NETWORK: no default route"
  UtcTime at{};
  friend bool operator==(const Offer&, const Offer&) = default;
};
/// All that are still believed, of checks that could be made and are none of `ignored`.
std::vector<Offer> offers_in(const DoctorReport& report, const std::vector<std::string>& ignored, UtcTime now);

Json to_json(const DoctorReport& report);
Result<DoctorReport> doctor_report_from_json(const Json& json);

}  // namespace hansa::domain
