// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may run as whom, and on which project. Asked at every submission and at every placement, so that a changed map counts
// from the next job on. Callable from any thread.

#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <vector>

namespace hansa::ports {

class Accounts {
 public:
  virtual ~Accounts() = default;
  /// The local account of a person at a site; empty if the site runs everything as the broker's own account.
  /// permission_denied (NO_ACCOUNT) if there is no entry: the message says what to ask for and whom.
  [[nodiscard]] virtual Result<LocalAccount> account_of(const Principal& person, const SiteId& site) const = 0;
  /// The accounts of all who may run there, each once, in order; the broker's own is "".
  [[nodiscard]] virtual std::vector<LocalAccount> accounts_at(const SiteId&) const { return {}; }
  /// Whose account there it is, in order.
  [[nodiscard]] virtual std::vector<Principal> people_as(const LocalAccount&, const SiteId&) const { return {}; }
  /// In the configuration's order; empty: the person may charge nobody.
  [[nodiscard]] virtual std::vector<ProjectId> projects_of(const Principal& person) const = 0;
  /// Those that they lead; each is one of projects_of().
  [[nodiscard]] virtual std::vector<ProjectId> led_by(const Principal&) const { return {}; }
};

}  // namespace hansa::ports
