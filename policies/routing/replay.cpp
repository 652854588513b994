// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/replay.hpp"

#include "broker/domain/json_fields.hpp"

#include <memory>

namespace hansa::routing {
namespace {

/// What a SiteView borrows.
struct StoredSite {
  domain::Site site;
  domain::SiteState state;
  std::optional<AvailabilityProfile> profile;
};

Json to_json(const SiteView& view) {
  Json json{{"id", view.site->id.str()},
            {"country", view.site->country},
            {"health", domain::to_string(view.state->health)},
            {"budget", view.site->budget.waiting_jobs},
            {"our_waiting", view.our_waiting},
            {"freshness_s", view.freshness.count()}};
  if (view.state->drained) json["drained"] = true;
  if (!view.state->drain_reason.empty()) json["drain_reason"] = view.state->drain_reason;
  domain::put(json, "last_failure_ms", view.state->last_failure);
  if (!view.state->last_error.message.empty()) json["last_error"] = view.state->last_error.message;
  if (view.no_account) json["no_account"] = {{"reason_code", view.no_account->code}, {"reason", view.no_account->message}};
  if (view.not_now) json["not_now"] = {{"reason_code", view.not_now->code}, {"reason", view.not_now->message}};
  if (view.profile != nullptr) {
    json["snapshot"] = view.profile->hash();
    json["snapshot_taken_at_ms"] = to_unix_ms(view.profile->taken_at());
  }
  return json;
}

Result<SiteView> view_from_json(const Json& json, const FetchDocument& fetch, StoredSite& stored) {
  domain::FieldReader field(json);
  stored.site.id = SiteId{field.text("id")};
  stored.site.country = field.text("country");
  stored.site.budget.waiting_jobs = field.small("budget");
  stored.state.id = stored.site.id;
  const auto health = field.text("health");
  for (const auto known : {domain::SiteHealth::unseen, domain::SiteHealth::up, domain::SiteHealth::down}) {
    if (domain::to_string(known) == health) stored.state.health = known;
  }
  if (domain::to_string(stored.state.health) != health) field.miss("health");
  stored.state.drained = field.flag("drained");
  stored.state.drain_reason = field.text_or_empty("drain_reason");
  stored.state.last_failure = field.optional_time("last_failure_ms");
  stored.state.last_error.message = field.text_or_empty("last_error");
  SiteView view;
  view.site = &stored.site;
  view.state = &stored.state;
  view.our_waiting = field.small("our_waiting");
  view.freshness = Seconds{field.integer("freshness_s")};
  if (json.is_object() && json.contains("no_account")) {
    domain::FieldReader reason(json["no_account"]);
    view.no_account = reason.reason();
    if (!reason.ok()) return reason.error("decision input");
  }
  if (json.is_object() && json.contains("not_now")) {
    domain::FieldReader reason(json["not_now"]);
    view.not_now = reason.reason();
    if (!reason.ok()) return reason.error("decision input");
  }
  const auto hash = field.text_or_empty("snapshot");
  const auto taken_at = field.optional_time("snapshot_taken_at_ms");
  if (!hash.empty() && !taken_at) field.miss("snapshot_taken_at_ms");
  if (!field.ok()) return field.error("decision input");
  if (!hash.empty()) {
    auto profile = AvailabilityProfile::load(hash, *taken_at, fetch);
    if (!profile) return std::unexpected(profile.error());
    stored.profile = std::move(*profile);
    view.profile = &*stored.profile;
  }
  return view;
}

}  // namespace

std::string input_document(const DecisionInput& input) {
  Json json{{"at_ms", to_unix_ms(input.now)}, {"sites", Json::array()}};
  for (const auto& view : input.sites) json["sites"].push_back(to_json(view));
  return canonical_json(json);
}

Result<domain::Decision> replay(const domain::JobSpec& spec, const std::string& input_hash, const FetchDocument& fetch) {
  const auto document = read_document(input_hash, fetch);
  if (!document) return std::unexpected(document.error());
  domain::FieldReader field(*document);
  DecisionInput input{.spec = spec, .now = field.time("at_ms"), .sites = {}};
  if (!field.ok()) return field.error("decision input");
  std::vector<std::unique_ptr<StoredSite>> stored;
  for (const auto& entry : field.array("sites")) {
    stored.push_back(std::make_unique<StoredSite>());
    auto view = view_from_json(entry, fetch, *stored.back());
    if (!view) return std::unexpected(view.error());
    input.sites.push_back(std::move(*view));
  }
  if (!field.ok()) return field.error("decision input");
  auto decision = decide(input);
  decision.input_hash = input_hash;
  return decision;
}

}  // namespace hansa::routing
