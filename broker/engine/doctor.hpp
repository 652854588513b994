// SPDX-License-Identifier: Apache-2.0
#pragma once
// Looks a site over when an operator asks for it, and again when its scheduler's version has changed: through its connector,
// as one query of its budget, however many commands that takes (a handful for each account). The last report is kept with the
// site's state, with what has drifted since the one before. Strand: the engine's.

#include "broker/engine/context.hpp"

#include <map>
#include <set>

namespace hansa::engine {

class Doctor {
 public:
  explicit Doctor(Context& context) : context_(context) {}

  /// Also of a site that does not answer: then what was found before stands, with its dates, beside that. conflict
  /// (DOCTOR_BUSY): it is being looked over.
  async::Task<domain::DoctorReport> look_over(SiteDesk& desk, Principal by);

  /// After a snapshot: looks the site over anew if it says another version than the report.
  void news(SiteDesk& desk);

  /// Findings that were found otherwise than before, since the start.
  [[nodiscard]] std::int64_t drifted(const SiteId& site) const;

 private:
  async::Task<> look_over_again(SiteDesk* desk);
  [[nodiscard]] domain::Finding budget_of(const SiteDesk& desk) const;

  Context& context_;
  std::set<SiteId> under_way_;
  std::map<SiteId, std::int64_t> drifted_;
};

}  // namespace hansa::engine
