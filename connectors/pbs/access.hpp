// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whom a server and its queues take (acl_users, acl_groups; OpenPBS 23.06: acl_check in src/lib/Libattr/attr_fn_acl.c, svr_chkque
// in src/server/svr_jobfunc.c). Only what is certain is said: an entry may name hosts, and which of its names the server knows
// ours by is the server's to say.

#include "connectors/pbs/inventory.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::pbs {

struct Applicant {
  std::string user;
  std::optional<std::vector<std::string>> groups;  // none: not known, and no list of groups keeps them out
};

/// The first entry that is about them counts, and who is in none is refused.
bool refuses_user(const AccessList& users, std::string_view user);
bool refuses_groups(const AccessList& groups, const std::vector<std::string>& of_user);

/// "": it may well take their jobs; else which list of the queue's keeps them out, or of all those that it routes to.
std::string_view refusal_of(const Settings& settings, const QueueRecord& queue, const Applicant& who);

}  // namespace hansa::connectors::pbs
