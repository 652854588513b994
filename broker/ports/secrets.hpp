// SPDX-License-Identifier: Apache-2.0
#pragma once
// People's own secrets, sealed (broker/engine/sealing.hpp): no store ever has what they are. And which attempts have copies of
// them at their sites, until these are known to be gone. As with the other stores (stores.hpp): a write returns when it is
// durable.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hansa::ports {

struct SealedSecret {
  Principal owner;
  std::string name;
  std::string key_id;      // of the key that sealed it
  std::string sealed;      // "" where it was not asked for
  std::int64_t bytes = 0;  // of what is in it
  UtcTime changed_at{};
};

/// An attempt that was sent with secrets: what is needed to have them taken away at its site.
struct SecretCopy {
  JobId job;
  std::int32_t attempt = 0;
  SiteId site;
  LocalAccount account;
  Principal person;
  std::vector<std::string> files;
  bool over = false;  // the attempt has ended
  bool unreadable = false;  // what the store has of its job: which files it had is not known
};

class SecretStore {
 public:
  virtual ~SecretStore() = default;

  /// A new one, or another in its place. conflict, SECRETS_FULL: the owner has `most` others.
  virtual async::Task<> put_secret(SealedSecret secret, std::size_t most) = 0;
  /// By name, `sealed` left out.
  virtual async::Task<std::vector<SealedSecret>> secrets_of(Principal owner) = 0;
  /// Those of these names that there are.
  virtual async::Task<std::vector<SealedSecret>> sealed_secrets(Principal owner, std::vector<std::string> names) = 0;
  /// not_found, SECRET_NOT_FOUND.
  virtual async::Task<> delete_secret(Principal owner, std::string name) = 0;

  /// At most `limit` that another key than that one has sealed.
  virtual async::Task<std::vector<SealedSecret>> sealed_by_others(std::string key_id, std::size_t limit) = 0;
  /// The same secret, sealed by another key; nothing if it was changed since `before`.
  virtual async::Task<> reseal(SealedSecret before, SealedSecret now) = 0;

  /// Durable before any of them leaves for the site.
  virtual async::Task<> note_secret_copy(JobId job, std::int32_t attempt) = 0;
  virtual async::Task<std::vector<SecretCopy>> secret_copies() = 0;
  virtual async::Task<> secret_copy_gone(JobId job, std::int32_t attempt) = 0;
};

}  // namespace hansa::ports
