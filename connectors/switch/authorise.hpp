// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether the site lets this request be, and the identity it will run with.

#include "connectors/switch/configuration.hpp"
#include "connectors/switch/request.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace hansa::connectors::account_switch {

struct Identity {
  std::string name;
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;  // all of them, `gid` too
  std::string home;
  std::string shell;
};

/// The configured caller with this uid, or permission_denied.
Result<std::string> authorise_caller(uid_t peer, const Configuration& configuration);

/// Account, program and variables against the configuration and the machine's accounts. Root, uids below the minimum, the
/// overflow uid ("nobody") and members of group root are refused whatever the configuration says.
Result<Identity> authorise(const Request& request, const Configuration& configuration);

}  // namespace hansa::connectors::account_switch
