// SPDX-License-Identifier: Apache-2.0
#pragma once
// What projects have left at a site by its scheduler's own limits, which other jobs than ours spend, too.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/domain/account_limit.hpp"

#include <string>
#include <vector>

namespace hansa::ports {

/// Whose limits are asked about. A site's own end may know the project under another account than the broker does.
struct ProjectAccount {
  ProjectId project;
  std::string account;  // the scheduler's
  friend bool operator==(const ProjectAccount&, const ProjectAccount&) = default;
};

struct ProjectLimit {
  ProjectId project;
  domain::UsageLimit limit;
  friend bool operator==(const ProjectLimit&, const ProjectLimit&) = default;
};

struct AccountLimits {
  bool told = false;  // else this way to the site tells none, and never did
  Seconds age{0};  // of what is told, when it was asked for
  std::vector<ProjectLimit> limits;  // of a project or resource without a limit none
};

}  // namespace hansa::ports
