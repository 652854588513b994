// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/secret_vault.hpp"

#include <algorithm>

namespace hansa::engine {
namespace {

constexpr std::size_t kResealedAtOnce = 100;

/// What a seal is bound to: one person's secret does not open as another's, nor under another name.
std::string about(const Principal& owner, const std::string& name) { return "hansa secret\n" + owner.str() + '\n' + name; }

std::string remedy(const std::string& name) { return "hansa secret put " + name; }

}  // namespace

ports::SealedSecret SecretVault::sealed(Principal owner, std::string name, const Secret& value, UtcTime changed_at) {
  const auto& key = keys_->newest();
  ports::SealedSecret secret{.owner = std::move(owner),
                             .name = std::move(name),
                             .key_id = key.id(),
                             .sealed = {},
                             .bytes = static_cast<std::int64_t>(value.reveal().size()),
                             .changed_at = changed_at};
  const std::lock_guard lock(drawing_);
  secret.sealed = key.seal(value, about(secret.owner, secret.name), random_);
  return secret;
}

Result<Secret> SecretVault::opened(const ports::SealedSecret& secret) const {
  if (!keys_) return std::unexpected(keys_.error());
  const auto* key = keys_->find(secret.key_id);
  if (key == nullptr)
    return fail(ErrorKind::unavailable, "SECRETS_KEY_GONE", "the key " + secret.key_id + " is not there any more");
  return key->open(secret.sealed, about(secret.owner, secret.name));
}

async::Task<ports::SealedSecret> SecretVault::put(Principal owner, std::string name, Secret value) {
  if (!domain::is_secret_name(name)) co_return std::unexpected(domain::parse_secret_use(name + '=').error());
  if (value.empty()) co_return fail(ErrorKind::invalid_argument, "BAD_SECRET", "the secret is empty");
  if (value.reveal().size() > domain::kMaxSecretBytes)
    co_return fail(ErrorKind::too_large, "SECRET_TOO_LARGE",
                   "a secret has at most " + std::to_string(domain::kMaxSecretBytes) + " bytes; keep larger files at the site");
  if (!keys_) co_return std::unexpected(keys_.error());
  auto secret = sealed(std::move(owner), std::move(name), value, clock_.now_utc());
  if (auto kept = co_await store_.put_secret(secret, domain::kMaxSecrets); !kept) co_return std::unexpected(kept.error());
  secret.sealed.clear();
  co_return secret;
}

async::Task<> SecretVault::all_known(Principal owner, std::set<std::string> names) {
  const auto known = co_await store_.secrets_of(owner);
  if (!known) co_return std::unexpected(known.error());
  for (const auto& name : names) {
    if (std::ranges::find(*known, name, &ports::SealedSecret::name) != known->end()) continue;
    auto error =
        fail(ErrorKind::invalid_argument, "SECRET_NOT_FOUND", "you have no secret " + name + "; bring it first: " + remedy(name));
    error.error().faults.push_back({.where = "/secrets", .message = error.error().message});
    co_return error;
  }
  co_return Result<void>{};
}

async::Task<std::vector<ports::DeliveredSecret>> SecretVault::open_for(Principal owner, JobId job, std::int32_t attempt,
                                                                       std::vector<domain::SecretUse> uses) {
  std::vector<std::string> names;
  for (const auto& use : uses) names.push_back(use.name);
  const auto found = co_await store_.sealed_secrets(owner, std::move(names));
  if (!found) co_return std::unexpected(found.error());
  std::vector<ports::DeliveredSecret> secrets;
  for (const auto& use : uses) {
    const auto at = std::ranges::find(*found, use.name, &ports::SealedSecret::name);
    Result<Secret> value = fail(ErrorKind::not_found, "SECRET_NOT_FOUND", "it is not there any more");
    if (at != found->end()) value = opened(*at);
    if (!value)
      co_return fail(ErrorKind::not_found, kSecretMissing,
                     "its secret " + use.name + " cannot be brought: " + value.error().message + "; put it again (" +
                         remedy(use.name) + "), then release the job: hansa release " + job.str());
    secrets.push_back({.file = use.file, .value = std::move(*value)});
  }
  if (auto noted = co_await store_.note_secret_copy(job, attempt); !noted) co_return std::unexpected(noted.error());
  co_return secrets;
}

async::Task<SecretVault::Resealed> SecretVault::reseal() {
  Resealed done;
  if (!keys_) co_return done;
  // Those that cannot be opened come again in every page.
  while (true) {
    const auto old = co_await store_.sealed_by_others(keys_->newest().id(), kResealedAtOnce + done.lost);
    if (!old) co_return std::unexpected(old.error());
    const auto before = done.sealed;
    done.lost = 0;
    for (const auto& secret : *old) {
      const auto value = opened(secret);
      if (!value) {
        ++done.lost;
        continue;
      }
      auto anew = sealed(secret.owner, secret.name, *value, secret.changed_at);
      if (auto kept = co_await store_.reseal(secret, std::move(anew)); !kept) co_return std::unexpected(kept.error());
      ++done.sealed;
    }
    if (done.sealed == before) co_return done;
  }
}

}  // namespace hansa::engine
