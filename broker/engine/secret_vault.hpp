// SPDX-License-Identifier: Apache-2.0
#pragma once
// People's own secrets: sealed before the store has them, opened only for a job on its way to its site. Rules, ledger and
// decisions know of none. Callable from any strand.

#include "broker/domain/secret_use.hpp"
#include "broker/engine/sealing.hpp"
#include "broker/ports/secrets.hpp"
#include "broker/ports/site_connector.hpp"

#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::engine {

/// Of the reason why a job is held whose secret cannot be brought to its site.
inline constexpr std::string_view kSecretMissing = "SECRET_MISSING";

class SecretVault {
 public:
  /// All of it outlive it.
  SecretVault(ports::SecretStore& store, const Clock& clock, Random& random) : store_(store), clock_(clock), random_(random) {}

  /// Once, before anybody asks for anything. Without a key (`keys` has why) nothing is taken, and nothing opened.
  void use(Result<SealingKeys> keys) { keys_ = std::move(keys); }

  /// Answers what list() would say of it. invalid_argument: BAD_SECRET (its name, or it is empty); too_large: SECRET_TOO_LARGE;
  /// conflict: SECRETS_FULL; unavailable: what is wrong with the keys.
  async::Task<ports::SealedSecret> put(Principal owner, std::string name, Secret value);
  async::Task<std::vector<ports::SealedSecret>> list(Principal owner) { return store_.secrets_of(std::move(owner)); }
  /// not_found, SECRET_NOT_FOUND.
  async::Task<> remove(Principal owner, std::string name) { return store_.delete_secret(std::move(owner), std::move(name)); }

  /// Whether the owner has all of them; invalid_argument (SECRET_NOT_FOUND) with the fault at /secrets.
  async::Task<> all_known(Principal owner, std::set<std::string> names);

  /// For an attempt that is about to be sent, which is noted first. not_found, SECRET_MISSING: one is not there, or opens with no
  /// key that this broker has.
  async::Task<std::vector<ports::DeliveredSecret>> open_for(Principal owner, JobId job, std::int32_t attempt,
                                                            std::vector<domain::SecretUse> uses);

  /// All that older keys have sealed, by the newest; how many. Those whose key is gone stay as they are, in `lost`.
  struct Resealed {
    std::size_t sealed = 0, lost = 0;
  };
  async::Task<Resealed> reseal();

  [[nodiscard]] ports::SecretStore& store() { return store_; }

 private:
  ports::SealedSecret sealed(Principal owner, std::string name, const Secret& value, UtcTime changed_at);
  [[nodiscard]] Result<Secret> opened(const ports::SealedSecret& secret) const;

  Result<SealingKeys> keys_ = fail(ErrorKind::unavailable, "SECRETS_KEY_UNUSABLE", "this broker has no key for secrets yet");
  ports::SecretStore& store_;
  const Clock& clock_;
  std::mutex drawing_;  // nonces, of which no two are the same
  Random& random_;
};

}  // namespace hansa::engine
