// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/authorise.hpp"

#include "connectors/switch/trusted_path.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>

namespace hansa::connectors::account_switch {
namespace {

constexpr uid_t kOverflowUid = 65534;  // "nobody", and whoever a user namespace or NFS cannot name

std::unexpected<Error> denied(std::string_view code, std::string message) {
  return fail(ErrorKind::permission_denied, code, std::move(message));
}

bool contains(const auto& range, const auto& value) { return std::ranges::find(range, value) != range.end(); }

Result<Identity> look_up(const std::string& account) {
  const auto* entry = ::getpwnam(account.c_str());
  // A directory that ignores case would answer for another spelling: one account has one name.
  if (entry == nullptr || account != entry->pw_name) {
    return denied("ACCOUNT_DENIED", "no account \"" + account + "\" on this machine");
  }
  Identity identity{account, entry->pw_uid, entry->pw_gid, {}, entry->pw_dir, entry->pw_shell};
  int count = 64;
  identity.groups.resize(static_cast<std::size_t>(count));
  while (::getgrouplist(account.c_str(), identity.gid, identity.groups.data(), &count) < 0) {
    if (count <= static_cast<int>(identity.groups.size()) || count > 65536) {
      return fail(ErrorKind::unavailable, "ACCOUNT_GROUPS", "the groups of account \"" + account + "\" cannot be listed");
    }
    identity.groups.resize(static_cast<std::size_t>(count));
  }
  identity.groups.resize(static_cast<std::size_t>(count));
  return identity;
}

}  // namespace

Result<std::string> authorise_caller(uid_t peer, const Configuration& configuration) {
  const auto caller = std::ranges::find(configuration.callers, peer, &Configuration::Caller::uid);
  if (caller != configuration.callers.end()) return caller->name;
  return denied("CALLER_DENIED", "uid " + std::to_string(peer) + " is none of the callers that the site's switch.toml names");
}

Result<Identity> authorise(const Request& request, const Configuration& configuration) {
  if (!contains(configuration.programs, request.program)) {
    return denied("PROGRAM_DENIED", request.program + " is none of the programs that the site's switch.toml allows");
  }
  for (const auto& [name, value] : request.environment) {
    if (!contains(configuration.environment, name)) {
      return denied("ENVIRONMENT_DENIED", "the variable " + name + " is none that the site's switch.toml allows");
    }
  }
  if (!configuration.accounts.empty() && !contains(configuration.accounts, request.account)) {
    return denied("ACCOUNT_DENIED", "account \"" + request.account + "\" is none that the site's switch.toml allows");
  }
  auto identity = look_up(request.account);
  if (!identity) return identity;
  const auto named = "account \"" + request.account + "\" (uid " + std::to_string(identity->uid) + ")";
  if (identity->uid < configuration.minimum_uid || identity->uid < 1000) {
    return denied("ACCOUNT_DENIED", named + " is below the least uid allowed, " + std::to_string(configuration.minimum_uid));
  }
  if (identity->uid == kOverflowUid || identity->uid == static_cast<uid_t>(-1)) {
    return denied("ACCOUNT_DENIED", named + " is nobody's account");
  }
  for (const gid_t group : identity->groups) {
    if (group == 0 || contains(configuration.denied_gids, group)) {
      return denied("ACCOUNT_DENIED", named + " is in a group that may not be used (gid " + std::to_string(group) + ")");
    }
  }
  if (const auto trusted = check_trusted_file(request.program); !trusted) {
    return denied("PROGRAM_DENIED", "not started: " + trusted.error().message);
  }
  return identity;
}

}  // namespace hansa::connectors::account_switch
