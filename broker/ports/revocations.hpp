// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whom operators have shut out, and what issuers said last of the people that came with their tokens. As with the other stores
// (stores.hpp): a write returns when it is durable; callable from any strand.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::ports {

struct Revocation {
  enum class What { person, token, key, issuer };
  std::int64_t number = 0;  // given by the store, rising
  What what = What::person;
  std::string value;
  std::string reason;
  Principal by;
  UtcTime at{};
  std::optional<Principal> lifted_by = {};
  std::optional<UtcTime> lifted_at = {};
  friend bool operator==(const Revocation&, const Revocation&) = default;
};

/// What a person's groups came to, and what the issuer vouched for, when they were last heard of.
struct Membership {
  Principal person;
  std::vector<ProjectId> projects;
  UtcTime seen_at{};
  std::string assurance = {};       // of the identity: "low", "medium", "high"; "": nothing was said
  std::string authentication = {};  // of the login: "sfa", "mfa"; "": nothing was said
  friend bool operator==(const Membership&, const Membership&) = default;
};

class RevocationStore {
 public:
  virtual ~RevocationStore() = default;
  virtual async::Task<std::int64_t> record_revocation(Revocation revocation) = 0;
  virtual async::Task<> lift_revocation(std::int64_t number, Principal by, UtcTime at) = 0;
  virtual async::Task<std::vector<Revocation>> revocations() = 0;  // by number
};

class MembershipStore {
 public:
  virtual ~MembershipStore() = default;
  virtual async::Task<> keep_membership(Membership membership) = 0;  // in the place of the person's last
  virtual async::Task<std::vector<Membership>> memberships() = 0;    // by person
};

}  // namespace hansa::ports
