// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an issuer's word on a person comes to here: projects, a role, or that it is not enough.

#include "broker/core/canonical_json.hpp"
#include "broker/core/strong.hpp"
#include "broker/identity/group_names.hpp"
#include "broker/ports/stores.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::identity {

/// A group as the configuration of one issuer names it: by a name of AARC-G069, or, where the issuer's groups have none, by the
/// claim's own text. That it stands under this issuer is what binds namespace and authority to it: another's do not count.
struct GroupRule {
  std::string text;
  std::optional<GroupName> name;  // none: the text is compared, byte for byte
  static Result<GroupRule> make(std::string text, bool plain);  // invalid_argument, BAD_GROUP
};

struct StandingRules {
  std::string groups_claim = "eduperson_entitlement";
  bool plain = false;
  std::vector<std::pair<GroupRule, ProjectId>> projects = {};
  std::vector<std::pair<GroupRule, ProjectId>> leads = {};
  std::vector<std::pair<GroupRule, ports::Role>> roles = {};
  std::vector<std::pair<GroupRule, SiteId>> site_operators = {};
  std::string assurance_claim = "eduperson_assurance";
  std::vector<std::string> assurance = {};  // all of these
};

struct Standing {
  std::optional<std::vector<ProjectId>> projects;  // in the rules' order; none: the token says nothing by groups
  std::vector<ProjectId> leads = {};  // each among the projects
  /// Of several the first of: operator, policy officer, operator of sites, auditor.
  ports::Role role = ports::Role::user;
  std::vector<SiteId> sites = {};  // of an operator: these alone; empty: all
  std::string assurance = {};       // of the identity, and
  std::string authentication = {};  // of the login (assurance.hpp)
};

/// permission_denied with ASSURANCE_TOO_LOW; TOO_MANY_GROUPS: more than 256, of which some would go unseen.
Result<Standing> standing_of(const Json& claims, const StandingRules& rules);

inline constexpr std::size_t kMostGroups = 256;

}  // namespace hansa::identity
