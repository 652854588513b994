// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/revocations.hpp"

#include "broker/domain/nobody.hpp"

#include <algorithm>
#include <mutex>

namespace hansa::identity {

using ports::Revocation;
using Shut = ports::Revocation::What;

namespace {
std::string place_of(Shut what, std::string_view value) { return std::string(to_string(what)) + ' ' + std::string(value); }
}  // namespace

std::string_view to_string(Shut what) {
  switch (what) {
    case Shut::person: return "person";
    case Shut::token: return "token";
    case Shut::key: return "key";
    case Shut::issuer: return "issuer";
  }
  return "?";
}

std::optional<Shut> parse_revocation(std::string_view text) {
  for (const auto what : {Shut::person, Shut::token, Shut::key, Shut::issuer}) {
    if (to_string(what) == text) return what;
  }
  return std::nullopt;
}

async::Task<> Revocations::load() {
  auto all = co_await store_.revocations();
  if (!all) co_return std::unexpected(all.error());
  const std::unique_lock lock(mutex_);
  all_ = std::move(*all);
  in_force_.clear();
  for (const auto& one : all_) {
    if (!one.lifted_at) in_force_.insert(place_of(one.what, one.value));
  }
  co_return Result<void>{};
}

async::Task<Revocation> Revocations::revoke(Shut what, std::string value, std::string reason, Principal by) {
  Revocation revocation{
      .what = what, .value = std::move(value), .reason = std::move(reason), .by = std::move(by), .at = clock_.now_utc()};
  {
    const std::shared_lock lock(mutex_);
    for (const auto& known : all_) {
      if (known.what == what && known.value == revocation.value && !known.lifted_at) co_return known;
    }
  }
  const auto number = co_await store_.record_revocation(revocation);
  if (!number) co_return std::unexpected(number.error());
  revocation.number = *number;
  const std::unique_lock lock(mutex_);
  all_.push_back(revocation);
  in_force_.insert(place_of(what, revocation.value));
  co_return revocation;
}

async::Task<Revocation> Revocations::lift(std::int64_t number, Principal by) {
  const auto at = clock_.now_utc();
  {
    const std::shared_lock lock(mutex_);
    const auto known = std::ranges::find(all_, number, &Revocation::number);
    if (known == all_.end() || known->lifted_at)
      co_return fail(ErrorKind::not_found, "NOT_REVOKED", "nothing is revoked under this number: see hansa token revocations");
  }
  if (auto stored = co_await store_.lift_revocation(number, by, at); !stored) co_return std::unexpected(stored.error());
  const std::unique_lock lock(mutex_);
  auto& known = *std::ranges::find(all_, number, &Revocation::number);
  known.lifted_by = std::move(by);
  known.lifted_at = at;
  in_force_.erase(place_of(known.what, known.value));
  co_return known;
}

std::vector<Revocation> Revocations::list() const {
  const std::shared_lock lock(mutex_);
  return all_;
}

void Revocations::forget(const Principal& person) {
  const std::unique_lock lock(mutex_);
  for (auto& one : all_) {
    if (one.by == person) {
      one.by = domain::kNobody;
      one.reason.clear();
    }
    if (one.lifted_by == person) one.lifted_by = domain::kNobody;
  }
}

Result<void> Revocations::check(Shut what, std::string_view value) const {
  {
    const std::shared_lock lock(mutex_);
    if (in_force_.empty() || !in_force_.contains(place_of(what, value))) return {};
  }
  const auto refuse = [](std::string_view code, const char* message) { return fail(ErrorKind::unauthenticated, code, message); };
  switch (what) {
    case Shut::person: return refuse("PERSON_REVOKED", "you are shut out of this broker; ask its operator why");
    case Shut::token: return refuse("TOKEN_REVOKED", "this token was revoked: hansa login makes a new one");
    case Shut::key: return refuse("KEY_REVOKED", "tokens that were signed with this token's key were revoked: log in again");
    case Shut::issuer: return refuse("ISSUER_REVOKED", "tokens of this issuer are not taken now; ask the operator why");
  }
  return {};
}

}  // namespace hansa::identity
