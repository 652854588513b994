// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "policies/rules/sentence.hpp"

namespace hansa::api {

/// Everybody whose jobs they decide about may read them.
async::Task<http::Response> get_rules(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const bool texts = query.flag("texts");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  const auto in_force = exchange.api.parts().engine.rules().in_force();
  Json json{{"in_force", in_force->rules != nullptr}, {"policy_hash", Json()}, {"packs", Json::array()}};
  if (!in_force->rules) co_return json_answer(200, json);
  json["policy_hash"] = in_force->rules->hash();
  for (const auto& pack : in_force->rules->packs()) {
    Json listed = Json::array();
    for (const auto& rule : pack.rules) {
      listed.push_back({{"id", rule.id},
                        {"effect", to_string(rule.effect)},
                        {"sentence", rules::sentence(rule)},
                        {"legal_basis", rule.legal_basis},
                        {"owner", rule.owner}});
    }
    json["packs"].push_back({{"id", pack.id},
                             {"version", pack.version},
                             {"title", pack.title},
                             {"approved_by", pack.approved_by},
                             {"rules", std::move(listed)}});
  }
  if (texts) {
    const auto document = parse_json(in_force->packs_document);
    if (!document) co_return std::unexpected(document.error());
    json["texts"] = Json::array();
    for (const auto& pack : document->value("packs", Json::array())) json["texts"].push_back(pack.value("text", ""));
  }
  co_return json_answer(200, json);
}

}  // namespace hansa::api
