// SPDX-License-Identifier: Apache-2.0
#pragma once
// What others' accounting systems take: the run that their formats are written from, and what a site is called there. Each format
// is a writer of its own (apel.hpp, waldur.hpp), which takes runs as they come, in the order of their ends.

#include "broker/core/strong.hpp"
#include "broker/ledger/record.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::ledger {

/// A usage record in force, its adjustments within. Times are UTC seconds.
struct ExchangeRun {
  std::int64_t seq = 0;
  Hash leaf{};  // of the record, without its adjustments
  std::string site, cluster, site_job_id, queue, project;
  std::optional<std::int64_t> started_s;
  std::int64_t ended_s = 0;
  std::int64_t nodes = 0, cores = 0;
  Amounts amounts;
  std::string pseudonym, owner, account;  // "": not asked for, or erased
};
/// BAD_RECORD: no usage record. Whose run it was stands elsewhere, and so do adjustments.
Result<ExchangeRun> read_run(std::string_view record);
/// SUM_TOO_LARGE: more than 64 bits hold.
Result<void> add_amounts(Amounts& sum, const Amounts& amounts);

/// What a format tells of persons.
enum class Persons { hidden, pseudonyms, named };

/// A site in APEL (apel.hpp).
struct ApelSite {
  std::string name;  // in GOCDB
  std::string submit_host;  // what jobs were submitted to: the CE, or the host of the batch system
  bool is_grid = true;  // else "local"
  std::string description;  // of the software in between: "HANSA-SLURM"
  // The power of one core by a benchmark: "hepscore23", "12.5". APEL reads records without, and then cannot keep them.
  std::string service_level_type, service_level;
  friend bool operator==(const ApelSite&, const ApelSite&) = default;
};

/// A component of an offering of Waldur's: so many seconds of this are one unit of it.
enum class WaldurMeasure { core_seconds, gpu_seconds, node_seconds };
inline constexpr std::array<std::string_view, 3> kWaldurMeasures{"core_seconds", "gpu_seconds", "node_seconds"};
struct WaldurComponent {
  WaldurMeasure of = WaldurMeasure::core_seconds;
  std::int64_t unit_seconds = 1;
  friend bool operator==(const WaldurComponent&, const WaldurComponent&) = default;
};
/// A site in Waldur (waldur.hpp).
struct WaldurSite {
  std::map<std::string, WaldurComponent> components;  // by type
  std::map<std::string, std::string> resources;  // of projects: UUIDs
  friend bool operator==(const WaldurSite&, const WaldurSite&) = default;
};

struct ExchangeSite {
  std::string id;
  std::optional<ApelSite> apel;
  std::optional<WaldurSite> waldur;
  friend bool operator==(const ExchangeSite&, const ExchangeSite&) = default;
};
/// As the REST API has it, and back. BAD_ANSWER: it is none.
Json exchange_json(const std::vector<ExchangeSite>& sites);
Result<std::vector<ExchangeSite>> read_exchange(const Json& json);

}  // namespace hansa::ledger
