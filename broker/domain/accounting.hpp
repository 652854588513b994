// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the configuration tells of projects and sites that stands with every usage record, so that reports need nothing else.

#include "broker/domain/label.hpp"

#include <cstdint>
#include <string>

namespace hansa::domain {

/// Of a project; "": not told.
struct ProjectAccounting {
  std::string home;          // the centre that its people belong to
  std::string home_country;  // ISO 3166-1 alpha-2
  std::string funding_body;
  std::string call;
  Labels labels;
};

/// Of a site. What is 0 or "" is not told, and nothing is worked out from it.
struct SiteAccounting {
  std::string centre;                    // who runs it
  std::string energy_method;             // how its scheduler measures: "ipmi", "rapl", "pm_counters", "gpu"
  std::int64_t pue_milli = 0;            // thousandths
  std::int64_t carbon_mg_per_kwh = 0;    // CO2e
  std::string carbon_source;             // of PUE and carbon: who says so, of when
  std::int64_t core_milliwatts = 0, gpu_milliwatts = 0, node_milliwatts = 0;  // for runs that nothing was measured of
};

}  // namespace hansa::domain
