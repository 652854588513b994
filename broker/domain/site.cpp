// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/site.hpp"

namespace hansa::domain {

std::string_view to_string(SiteHealth health) {
  switch (health) {
    case SiteHealth::unseen: return "unseen";
    case SiteHealth::up: return "up";
    case SiteHealth::down: return "down";
  }
  return "?";
}

}  // namespace hansa::domain
