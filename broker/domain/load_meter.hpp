// SPDX-License-Identifier: Apache-2.0
#pragma once
// What of a site's load budget is used, whoever keeps it: the broker for a site, or the site's own agent.

#include "broker/domain/rate_window.hpp"
#include "broker/domain/site.hpp"

#include <array>
#include <cstddef>
#include <optional>

namespace hansa::domain {

class LoadMeter {
 public:
  enum class Rate : std::uint8_t { queries, submits, cancels };
  static constexpr std::size_t kRates = 3;

  explicit LoadMeter(LoadBudget budget);

  [[nodiscard]] const LoadBudget& budget() const { return budget_; }
  /// From now on. What was used under another one counts on.
  void set_budget(LoadBudget budget);

  [[nodiscard]] RateWindow& window(Rate rate) { return windows_[static_cast<std::size_t>(rate)]; }

  /// When the quiet hours are over, if `now` lies in them: until then queries have a quarter of their rate.
  std::optional<UtcTime> quiet_until(UtcTime now);

 private:
  LoadBudget budget_;
  std::array<RateWindow, kRates> windows_;
  struct Quiet {
    UtcTime from{}, to{};  // what follows holds between these
    std::optional<UtcTime> until;
  } quiet_;
};

}  // namespace hansa::domain
