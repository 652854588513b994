// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rows of reports, as the store makes them: one at a time, all of one moment of the database, in a fixed order. What a report
// is called, its columns and who may see it is declared in broker/ledger/report.hpp, under the same name.
//
// Strand: any. Rows are handed over on a thread of the store's own for reports, inside a read transaction: a sink writes them
// away (to a file, never to a client) and waits for nobody. An Error from it ends the report and is what the caller gets.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/wide.hpp"
#include "broker/ports/report_limits.hpp"

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hansa::ports {

/// Nothing (not known, or none: never written as 0), text in UTF-8, or a whole number in its column's unit. Sums are exact: 128
/// bits hold more of the largest amounts than a ledger can have records.
using Cell = std::variant<std::monostate, std::string, Wide>;

/// What usage is summed by. All but person stand in the records that are hashed; person is a pseudonym of the month that the run
/// ended in, or the principal to that person.
enum class Dimension {
  project,
  person,
  site,
  country,
  centre,
  home,
  home_country,
  funding_body,
  call,
  allocation,
  queue,
  resource,
  label,
  state,
  day,
  month,
};
inline constexpr std::array<std::string_view, 16> kDimensions{
    "project", "person",     "site",  "country",  "centre", "home",  "home_country", "funding_body",
    "call",    "allocation", "queue", "resource", "label",  "state", "day",          "month"};
inline std::string_view to_string(Dimension dimension) { return kDimensions[static_cast<std::size_t>(dimension)]; }

struct ReportQuery {
  std::vector<Dimension> by;
  /// By end (the default): runs that ended at or after `from` and before `to`. Sliced: of every run the part between them.
  std::optional<UtcTime> from, to;
  bool sliced = false;
  std::optional<Principal> owner;  // none: everybody's
  ReportLimits within;
  bool for_third_party = false;  // groups of few persons are withheld, and what would give them away
  Principal asked_by;  // whose own name may stand there
  std::optional<Principal> person;  // of a log: what concerns this person alone
  std::optional<std::size_t> limit;  // of a log: the newest rows alone
  std::int64_t size = 0;  // of the ledger: what was booked later is left out
  UtcTime now{};  // of what changes with time: a forecast, what has ended
};

using RowSink = std::function<Result<void>(std::span<const Cell>)>;

class ReportStore {
 public:
  virtual ~ReportStore() = default;
  /// The rows of the report of that name. not_found, NO_SUCH_REPORT; whatever `sink` gives.
  virtual async::Task<> report_rows(std::string name, ReportQuery query, RowSink sink) = 0;
};

}  // namespace hansa::ports
