// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/token.hpp"

#include "broker/core/base64url.hpp"
#include "broker/core/encoding.hpp"
#include "connectors/slurmrest/json.hpp"

namespace hansa::connectors::slurmrest {

namespace {

std::optional<Document> object_in(std::string_view part) {
  auto decoded = from_base64url(part);
  if (!decoded || !is_utf8(*decoded)) return std::nullopt;
  auto document = Document::parse(std::move(*decoded));
  if (!document || !document->root().is_object()) return std::nullopt;
  return std::move(*document);
}

}  // namespace

Result<Token> read_token(std::string_view text, const std::string& where) {
  const auto odd = [&](const std::string& why) {
    return fail(ErrorKind::invalid_argument, "TOKEN_ODD", where + " holds " + why);
  };
  const auto no_token = odd(
      "no JSON Web Token; it takes one line of `scontrol token`, and never the key that signs them: keep that from the broker");
  if (text.size() > kMaxTokenBytes) return no_token;
  text = batch::trim(text);
  if (text.starts_with("SLURM_JWT=")) text.remove_prefix(10);
  auto rest = text;
  const auto header = batch::cut(rest, '.'), claims = batch::cut(rest, '.');
  if (rest.empty() || header.empty() || claims.empty() || !from_base64url(rest)) return no_token;
  const auto first = object_in(header), second = object_in(claims);
  if (!first || !second || !first->root().find("alg")) return no_token;

  Token token{.text = Secret(std::string(text)), .ends = {}, .user = {}};
  if (const auto* exp = second->root().find("exp"); exp != nullptr) {
    const auto ends = time(exp);
    if (!ends || !*ends) return odd("a token whose end (exp) is no time");
    token.ends = **ends;
  }
  const auto user = slurmrest::text(second->root().find("sun"));
  if (!user) return odd("a token whose user (sun) is no text");
  token.user = *user;
  return token;
}

}  // namespace hansa::connectors::slurmrest
