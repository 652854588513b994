// SPDX-License-Identifier: Apache-2.0
// People's own secrets: brought by their owner, for their owner's jobs, and never given back to anybody.
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"
#include "broker/engine/secret_vault.hpp"

namespace hansa::api {

namespace {

Json secret_view(const ports::SealedSecret& secret) {
  return {{"name", secret.name}, {"bytes", secret.bytes}, {"changed_at", format_utc(secret.changed_at)}};
}

Result<engine::SecretVault*> vault_for(const Exchange& exchange) {
  if (auto* vault = exchange.api.parts().secrets) return vault;
  return fail(ErrorKind::not_found, "NO_SECRETS", "this broker keeps no secrets of people");
}

}  // namespace

async::Task<http::Response> list_secrets(Exchange exchange) {
  const auto vault = vault_for(exchange);
  if (!vault) co_return std::unexpected(vault.error());
  const auto secrets = co_await (*vault)->list(exchange.caller.principal);
  if (!secrets) co_return std::unexpected(secrets.error());
  Json list = Json::array();
  for (const auto& secret : *secrets) list.push_back(secret_view(secret));
  co_return json_answer(200, {{"secrets", std::move(list)}});
}

async::Task<http::Response> put_secret(Exchange exchange) {
  Secret value(std::move(exchange.request.body));  // wiped when this ends, however it ends
  const auto vault = vault_for(exchange);
  if (!vault) co_return std::unexpected(vault.error());
  const auto kept = co_await (*vault)->put(exchange.caller.principal, exchange.path.at("name"), std::move(value));
  if (!kept) co_return std::unexpected(kept.error());
  co_return json_answer(200, secret_view(*kept));
}

async::Task<http::Response> delete_secret(Exchange exchange) {
  const auto vault = vault_for(exchange);
  if (!vault) co_return std::unexpected(vault.error());
  const auto& name = exchange.path.at("name");
  if (!domain::is_secret_name(name))
    co_return fail(ErrorKind::not_found, "SECRET_NOT_FOUND", "you have no such secret; see: hansa secret list");
  if (auto gone = co_await (*vault)->remove(exchange.caller.principal, name); !gone) co_return std::unexpected(gone.error());
  co_return json_answer(200, {{"status", "deleted"}});
}

}  // namespace hansa::api
