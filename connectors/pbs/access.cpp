// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/access.hpp"

#include <algorithm>

namespace hansa::connectors::pbs {

namespace {

struct Entry {
  bool grants = true;
  std::string_view name;  // "": of everybody else
  std::string_view host;  // "" and "*": any
};

Entry read_entry(std::string_view text) {
  Entry entry;
  if (text.starts_with('+') || text.starts_with('-')) {
    entry.grants = text.front() == '+';
    text.remove_prefix(1);
  }
  entry.name = batch::cut(text, '@');
  entry.host = text;
  return entry;
}

}  // namespace

bool refuses_user(const AccessList& users, std::string_view user) {
  if (!users.enabled) return false;
  bool others_too = false;
  for (const auto& text : users.entries) {
    const auto entry = read_entry(text);
    if (entry.name.empty()) others_too = entry.grants;
    if (entry.name != user || user.empty()) continue;
    if (entry.grants) return false;
    if (entry.host.empty() || entry.host == "*") return true;
  }
  return !others_too;
}

bool refuses_groups(const AccessList& groups, const std::vector<std::string>& of_user) {
  if (!groups.enabled) return false;
  bool others_too = false;
  for (const auto& text : groups.entries) {
    const auto entry = read_entry(text);
    if (entry.name.empty()) others_too = entry.grants;
    if (std::ranges::find(of_user, entry.name) != of_user.end()) return !entry.grants;
  }
  return !others_too;
}

std::string_view refusal_of(const Settings& settings, const QueueRecord& queue, const Applicant& who) {
  if (refuses_user(settings.server.users, who.user)) return "the server's acl_users";
  if (refuses_user(queue.users, who.user)) return "acl_users";
  if (who.groups && refuses_groups(queue.groups, *who.groups)) return "acl_groups";
  if (!queue.routes()) return "";
  bool any = false;
  for (const auto* next : destinations_of(settings, queue)) {
    any = true;
    if (!refuses_user(next->users, who.user) && !(who.groups && refuses_groups(next->groups, *who.groups))) return "";
  }
  return any ? "the access lists of all queues that it routes to" : "";  // another server's are not seen
}

}  // namespace hansa::connectors::pbs
