// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which site has not taken which job: that job is not sent there again for a while, or for good. What the site's own rules
// refused is refused to every job that is the same to them. In memory: after a restart the attempts of before are met again.
// Strand: the engine's.

#include "broker/engine/context.hpp"

#include <unordered_map>

namespace hansa::engine {

class Refusals {
 public:
  struct Word {
    domain::Reason reason;
    bool for_good = false;  // the site has said no again and again
  };

  explicit Refusals(const Context& context) : context_(context) {}

  /// An attempt of the job that never started.
  void met(const domain::Job& job, const domain::Attempt& attempt);

  /// Why the job is not to go there now; none: nothing speaks against it.
  [[nodiscard]] std::optional<Word> of(const JobId& id, const SiteId& site) const;
  /// Why no job like it is to go there now, by the site's own rules; null: nothing is known against it.
  [[nodiscard]] const domain::Reason* veto(const SiteId& site, const Principal& person, const domain::JobSpec& spec) const;
  [[nodiscard]] bool knows(const JobId& id) const { return sites_.contains(id); }
  void forget(const JobId& id) { sites_.erase(id); }

  /// Whether a site may be asked again about the job, and could not at `before`.
  [[nodiscard]] bool over_since(const JobId& id, MonotonicTime before, MonotonicTime now) const;
  /// When the next one may be asked again; none: nobody waits for that.
  [[nodiscard]] std::optional<MonotonicTime> next(MonotonicTime now) const;

  /// A site with other rules than those that refused is asked again. True: it is one.
  bool site_rules_are(const SiteId& site, const std::string& rules);
  /// What may not leave, or not go there, may now; a site's own rules have seen nothing of it.
  void withheld_no_more();
  void no_vetoes() { vetoes_.clear(); }

 private:
  struct Avoidance {
    std::int32_t tries = 0;
    std::int32_t refusals = 0;  // of those, by the site's own word
    MonotonicTime until{};
    domain::Reason reason;
  };
  struct Veto {  // for an hour at most: evidence grows old and new by itself
    MonotonicTime until{};
    std::string site_rules;  // of the snapshot of then
    domain::Reason reason;
  };

  const Context& context_;
  std::unordered_map<JobId, std::map<SiteId, Avoidance>> sites_;
  std::map<std::pair<SiteId, std::string>, Veto> vetoes_;  // by what rules ask of a job
};

}  // namespace hansa::engine
