// SPDX-License-Identifier: Apache-2.0
#pragma once
// What part of everybody's records a report tells of: that of a project's lead, of a site's operator, or of whoever asks for
// less.

#include "broker/core/strong.hpp"

#include <algorithm>
#include <vector>

namespace hansa::ports {

/// Runs of one of these projects and at one of these sites; of none of a kind: of all. In order, none twice.
struct ReportLimits {
  std::vector<ProjectId> projects = {};
  std::vector<SiteId> sites = {};

  [[nodiscard]] bool any() const { return !projects.empty() || !sites.empty(); }
  [[nodiscard]] bool has(const ProjectId& project) const {
    return projects.empty() || std::ranges::find(projects, project) != projects.end();
  }
  [[nodiscard]] bool has(const SiteId& site) const { return sites.empty() || std::ranges::find(sites, site) != sites.end(); }
};

}  // namespace hansa::ports
