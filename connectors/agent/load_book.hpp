// SPDX-License-Identifier: Apache-2.0
#pragma once
// What of the site's load budget is used, over all processes of the agent: each connection has one of its own, and the budget is
// the site's.
//
// A file that each process appends its calls to, 16 bytes each, under a lock held for a read and a write. Times are the machine's
// monotonic clock, so that the file says nothing after the machine has started anew, nor needs to. Calls under way hold a lock on
// a byte each, which the system takes away with the process. Never waits. Strand: its owner's.

#include "broker/core/descriptor.hpp"
#include "broker/core/error.hpp"
#include "broker/domain/load_meter.hpp"
#include "broker/domain/snapshot.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace hansa::connectors::agent {

class LoadBook {
 public:
  using Rate = domain::LoadMeter::Rate;

  /// In `folder`, made (0700) if it is not there. Errors: unavailable (LOAD_NOT_KEPT), with what to do.
  static Result<LoadBook> open(const std::filesystem::path& folder, const SiteId& site, domain::LoadBudget budget);

  [[nodiscard]] const domain::LoadBudget& budget() const { return meter_.budget(); }
  void set_budget(domain::LoadBudget budget) { meter_.set_budget(std::move(budget)); }
  std::optional<UtcTime> quiet_until(UtcTime now) { return meter_.quiet_until(now); }

  /// Takes one call of that rate, if one may go now: none. Else when the next may. Errors: unavailable (LOAD_NOT_KEPT),
  /// rate_limited (BOOK_BUSY: another process has the file, for a moment).
  Result<std::optional<MonotonicTime>> take(Rate rate, MonotonicTime now);

  /// Counts calls that have been made already, however many may go. The same errors.
  Result<void> charge(Rate rate, std::int32_t count, MonotonicTime now);

  /// One of the calls at the same time; none: there are as many as may be. Given back by its number.
  std::optional<std::size_t> enter();
  void leave(std::size_t place);
  /// Of this process.
  [[nodiscard]] std::size_t inside() const;

  /// What is used of it now, over all processes.
  std::vector<domain::BudgetShare> use(MonotonicTime now);

 private:
  class Locked;

  LoadBook(Descriptor file, domain::LoadBudget budget) : file_(std::move(file)), meter_(std::move(budget)) {}
  /// Reads what others have written since.
  Result<void> catch_up(MonotonicTime now);
  Result<void> begin_anew(MonotonicTime now);
  [[nodiscard]] Result<void> append(Rate rate, MonotonicTime at);

  Descriptor file_;
  domain::LoadMeter meter_;
  std::uint64_t generation_ = 0;  // of the file, as it was read
  std::int64_t read_ = 0;  // bytes of it
  std::vector<bool> places_;  // by number: this process has it
};

}  // namespace hansa::connectors::agent
