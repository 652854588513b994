// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/standing.hpp"

#include "broker/identity/assurance.hpp"

#include <algorithm>

namespace hansa::identity {

using ports::Role;

namespace {

/// A claim's texts: a list of them, or one alone; what is no text is left out.
std::vector<std::string_view> texts_of(const Json& claims, const std::string& name) {
  std::vector<std::string_view> texts;
  const auto at = claims.find(name);
  if (at == claims.end()) return texts;
  if (at->is_string()) texts.push_back(at->get_ref<const std::string&>());
  if (at->is_array()) {
    for (const auto& entry : *at) {
      if (entry.is_string()) texts.push_back(entry.get_ref<const std::string&>());
    }
  }
  return texts;
}

/// WLCG profile 1.3: a token that says what may be done with it says nothing by its groups.
bool is_of_capabilities(const Json& claims) {
  if (!claims.contains("wlcg.ver")) return false;
  const auto scope = texts_of(claims, "scope");
  return std::ranges::any_of(scope, [](std::string_view text) {
    return text.starts_with("storage.") || text.starts_with("compute.") || text.contains(" storage.") ||
           text.contains(" compute.");
  });
}

bool fits(const GroupRule& rule, std::string_view text, const std::optional<GroupName>& name) {
  return rule.name ? name == rule.name : text == rule.text;
}

int rank(Role role) {
  switch (role) {
    case Role::operator_: return 4;
    case Role::policy_officer: return 3;
    case Role::auditor: return 1;
    case Role::user:
    case Role::agent: break;
  }
  return 0;
}

constexpr int kRankOfSiteOperators = 2;

template <typename Id>
void add_once(std::vector<Id>& ids, const Id& id) {
  if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
}

}  // namespace

Result<GroupRule> GroupRule::make(std::string text, bool plain) {
  GroupRule rule{.text = std::move(text), .name = {}};
  if (plain) return rule;
  rule.name = GroupName::parse(rule.text);
  if (rule.name) return rule;
  return fail(ErrorKind::invalid_argument, "BAD_GROUP",
              "\"" + rule.text +
                  "\" is no group's name by AARC-G069, as urn:geant:example.org:group:ai-lab:role=member#aai.example.org; "
                  "groups that are called otherwise need groups = \"plain\"");
}

Result<Standing> standing_of(const Json& claims, const StandingRules& rules) {
  const auto assured = texts_of(claims, rules.assurance_claim);
  for (const auto& wanted : rules.assurance) {
    if (std::ranges::find(assured, wanted) == assured.end())
      return fail(ErrorKind::permission_denied, "ASSURANCE_TOO_LOW",
                  "this broker takes people of your issuer of whom it vouches for " + wanted +
                      "; log in through your home organisation, or have your identity checked there");
  }
  Standing standing;
  standing.assurance = identity_assurance(assured);
  if (const auto acr = texts_of(claims, "acr"); acr.size() == 1) standing.authentication = login_assurance(acr.front());
  if (is_of_capabilities(claims)) return standing;
  standing.projects.emplace();
  const auto groups = texts_of(claims, rules.groups_claim);
  if (groups.size() > kMostGroups)
    return fail(ErrorKind::permission_denied, "TOO_MANY_GROUPS",
                "your issuer names " + std::to_string(groups.size()) + " groups of yours, more than the " +
                    std::to_string(kMostGroups) + " that are read: ask for a token with fewer (its scopes)");
  std::vector<std::optional<GroupName>> names;
  for (const auto text : groups) names.push_back(rules.plain ? std::nullopt : GroupName::parse(text));
  const auto has = [&](const GroupRule& rule) {
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (groups[i].size() <= GroupName::kMostBytes && fits(rule, groups[i], names[i])) return true;
    }
    return false;
  };
  for (const auto& [group, project] : rules.projects) {
    if (has(group)) add_once(*standing.projects, project);
  }
  for (const auto& [group, project] : rules.leads) {
    if (!has(group)) continue;
    add_once(standing.leads, project);
    add_once(*standing.projects, project);
  }
  for (const auto& [group, role] : rules.roles) {
    if (rank(role) > rank(standing.role) && has(group)) standing.role = role;
  }
  if (rank(standing.role) < kRankOfSiteOperators) {
    for (const auto& [group, site] : rules.site_operators) {
      if (has(group)) add_once(standing.sites, site);
    }
    if (!standing.sites.empty()) standing.role = Role::operator_;
  }
  return standing;
}

}  // namespace hansa::identity
