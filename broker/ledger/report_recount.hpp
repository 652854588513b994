// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sums of a usage report, counted once more from the records of an export: for whoever believes neither the broker's database
// nor its sums.

#include "broker/core/wide.hpp"
#include "broker/ledger/record.hpp"
#include "broker/ledger/report_manifest.hpp"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hansa::ledger {

class ReportRecount {
 public:
  using Keys = std::vector<std::string>;  // as CSV has them (formula_safe)
  using Figures = std::array<Wide, 5>;  // runs, elapsed_s, core_seconds, gpu_seconds, node_seconds
  using Rows = std::map<Keys, Figures>;
  using Told = std::map<Keys, std::optional<Figures>>;  // none: withheld, of a report for a third party

  explicit ReportRecount(const ReportManifest& manifest) : manifest_(manifest) {}

  /// Whether records have what the report is of: of everybody (or of some projects or sites), nothing of persons, CSV or JSON.
  [[nodiscard]] static bool can_count(const ReportManifest& manifest);

  /// A usage, reversal or adjustment record among the first that the manifest is of.
  void take(const RecordFields& record);
  [[nodiscard]] Rows rows() const;

  /// The rows of the report's file. BAD_REPORT.
  static Result<Told> read(const ReportManifest& manifest, std::string_view file);
  /// The same groups, and of those that are not withheld the same figures.
  static bool agree(const Told& told, const Rows& counted);

 private:
  struct Sum {
    Figures figures{};
    Wide energy = 0;
  };
  void add(const RecordFields& record, const std::string& day, std::int64_t from, std::int64_t to, bool is_sliced);

  const ReportManifest& manifest_;
  std::map<Keys, Sum> sums_;
};

}  // namespace hansa::ledger
