// SPDX-License-Identifier: Apache-2.0
#pragma once
// Looks a site over when an operator asks for it, again when its scheduler's version has changed, now and then while a finding
// bars jobs from going there, and before what it found there for jobs that need it is too old to be believed: through its
// connector, which says how many questions that took. All of them count in the site's budget: the look begins when there is room
// for one, and what comes after it waits for the rest to pass. The last report is kept with the site's state, with what has
// drifted since the one before. Strand: the engine's.

#include "broker/engine/context.hpp"

#include <functional>
#include <map>
#include <set>

namespace hansa::engine {

class Doctor {
 public:
  /// `told` hears of each site that was looked over.
  Doctor(Context& context, std::function<void(SiteDesk&)> told) : context_(context), told_(std::move(told)) {}

  /// Also of a site that does not answer, or that is served by its people while none is there: then what was found before stands,
  /// with its dates, beside that. conflict (DOCTOR_BUSY): it is being looked over.
  async::Task<domain::DoctorReport> look_over(SiteDesk& desk, Principal by);

  /// After a snapshot: looks the site over anew if it says another version than the report (unless its people serve it), or if
  /// the report bars, or has what jobs may need, and is no longer young.
  void news(SiteDesk& desk);

  /// Findings that were found otherwise than before, since the start.
  [[nodiscard]] std::int64_t drifted(const SiteId& site) const;

 private:
  async::Task<> look_over_again(SiteDesk* desk);
  [[nodiscard]] domain::Finding budget_of(const SiteDesk& desk) const;

  Context& context_;
  std::function<void(SiteDesk&)> told_;
  std::set<SiteId> under_way_;
  std::map<SiteId, std::int64_t> drifted_;
};

}  // namespace hansa::engine
