// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the broker holds of people, for how long and why: the one table that the clean-up goes by, that `hansa privacy retention`
// and the record of processing show, and that the configuration's `[privacy.retention]` changes (docs/privacy.md).

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hansa::domain {

enum class Holding {
  payloads,
  requests,
  decision_inputs,
  jobs,
  usage_persons,
  tokens,
  sessions,
  changes,
  accesses,
  secrets,
  code,
  local_jobs,
  person_facts,
  site_files,
  logs,
  backups,
};

/// Who sees to it that the period is kept.
enum class Keeper {
  broker,    // the clean-up, every day
  elsewhere, // another part of the broker, by its own key
  others,    // the site, the host or its operator: the broker states the period and keeps nothing
};

struct RetentionItem {
  Holding holding;
  std::string_view key;      // in [privacy.retention], with "_days"; or the other key that says it
  std::string_view what;
  std::string_view where;
  std::string_view purpose;
  std::int32_t days;         // by default, from the moment that `from` says; 0: no period of its own
  std::string_view from;
  Keeper keeper;
  std::string_view erased;   // how it goes
  std::string_view tested;   // by which test that is seen
};

/// In the order of Holding.
std::span<const RetentionItem> retention_table();
const RetentionItem& retention_of(Holding holding);
std::optional<Holding> holding_named(std::string_view key);

}  // namespace hansa::domain
