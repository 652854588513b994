// SPDX-License-Identifier: Apache-2.0
#pragma once
// What jobs were promised to run as, what their sites were asked for, and what they were given: by the plan and by the sites
// alone.
//
// The invariants I24, I25 and I26 (auditor.hpp).

#include "broker/domain/event.hpp"
#include "broker/domain/usage.hpp"
#include "tests/sim/played_site.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hansa::sim {

class Terms {
 public:
  Terms(std::map<std::string, PlayedSite>& sites, const std::map<JobId, domain::Job>& jobs, Complain complain)
      : sites_(sites), jobs_(jobs), complain_(std::move(complain)) {}

  /// A submission is at the site's door, as it was sent.
  void arriving(const std::string& site, const connectors::model::ClusterRequest& request);
  /// Of a job as it was before.
  void recorded(const domain::Job& job, const domain::EventBody& body);
  /// A payload has started somewhere.
  void look_at_nodes();
  void at_the_end(const std::vector<domain::UsageRecord>& ledger);

  /// It is on record that the site would charge somebody else for that attempt.
  [[nodiscard]] bool charged_otherwise(const JobId& job, std::int32_t attempt) const;
  [[nodiscard]] std::int64_t variants_sent() const { return variants_sent_; }
  [[nodiscard]] std::int64_t taken_back() const { return taken_back_; }

 private:
  void check_usage(const domain::UsageRecord& record);
  void check_given(const std::string& site, const connectors::model::ClusterJob& given);

  std::map<std::string, PlayedSite>& sites_;
  const std::map<JobId, domain::Job>& jobs_;
  Complain complain_;
  std::map<std::pair<JobId, std::int32_t>, std::set<std::string>> told_;  // differences on record: job, attempt -> codes
  std::int64_t variants_sent_ = 0, taken_back_ = 0;
};

}  // namespace hansa::sim
