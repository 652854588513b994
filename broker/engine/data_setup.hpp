// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where data lies at sites and what moves them from one to another, as configured. Does not change while the engine lives.

#include "broker/ports/mover.hpp"
#include "broker/ports/site_connector.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace hansa::engine {

/// Of one site.
struct SiteData {
  std::map<domain::RootName, std::string> roots;  // the folder of each, as jobs there see it
  std::optional<domain::RootName> staging;        // where copies are put; none: nothing is brought there
  Seconds lifetime{30 * 86'400};                  // of what is put there: then it does not count any more
  std::optional<domain::Bytes> quota_bytes;       // of all that is beneath `staging`
  std::optional<std::int64_t> quota_files;
};

/// One direction between two sites.
struct DataLink {
  ports::Mover* mover = nullptr;                  // outlives the engine; none: made below
  domain::Bytes per_second{1};                    // expected, until something was measured
  SiteId job_site = {};                           // whose jobs move
  /// A mover that goes by this connector of that site's, which outlives it: the engine's, within the site's budget.
  std::function<std::unique_ptr<ports::Mover>(ports::SiteConnector&)> make = nullptr;
};

struct DataSetup {
  std::map<SiteId, SiteData> sites;
  std::map<std::pair<SiteId, SiteId>, DataLink> links;  // from, to

  [[nodiscard]] const SiteData* site(const SiteId& id) const {
    const auto at = sites.find(id);
    return at == sites.end() ? nullptr : &at->second;
  }
};

}  // namespace hansa::engine
