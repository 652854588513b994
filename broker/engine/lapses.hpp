// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose login at which site is not good, or not for long enough (ADR 0042, 0047). One submission of theirs at a time finds out
// whether that has changed; their other jobs are held with its reason, and come free together. In memory: after a restart the
// next submission finds out. Strand: the engine's.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/domain/job.hpp"

#include <map>
#include <optional>

namespace hansa::engine {

class Lapses {
 public:
  /// A submission of theirs has met it. If their login ends too early, shorter jobs may get by.
  void met(const SiteId& site, const Principal& person, Seconds time_limit, domain::Reason reason, MonotonicTime now);

  /// Why a job of theirs is not sent there now; null: nothing speaks against it, or it may find out.
  [[nodiscard]] const domain::Reason* holds(const SiteId& site, const Principal& person, Seconds time_limit,
                                            MonotonicTime now) const;

  /// The job sets out for there; its attempt is over, or was none.
  void sets_out(const SiteId& site, const Principal& person, Seconds time_limit, const JobId& id);
  void is_back(const SiteId& site, const Principal& person, const JobId& id);

  /// They are in; for how long is known only of a job that the site has taken. True: jobs were held for it.
  bool login_good(const SiteId& site, const Principal& person, std::optional<Seconds> time_limit, MonotonicTime now);

  /// Whether a job of theirs could be decided otherwise now than at `before`.
  [[nodiscard]] bool changed(const Principal& person, MonotonicTime before, MonotonicTime now) const;
  /// When one may find out next; none: nobody waits for that.
  [[nodiscard]] std::optional<MonotonicTime> next(MonotonicTime now) const;
  [[nodiscard]] bool empty() const { return lapses_.empty() && freed_.empty(); }

 private:
  struct Lapse {
    MonotonicTime until{};               // then one may try
    Seconds least_time_limit{0};         // of the jobs that it holds
    domain::Reason reason;
    std::int32_t tries = 0;
    std::optional<JobId> trying;
  };
  [[nodiscard]] Lapse* find(const SiteId& site, const Principal& person);

  std::map<Principal, std::map<SiteId, Lapse>> lapses_;
  std::map<Principal, MonotonicTime> freed_;  // of late, and when
};

}  // namespace hansa::engine
