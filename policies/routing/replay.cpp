// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/replay.hpp"

#include "broker/domain/json_fields.hpp"
#include "policies/rules/evidence_json.hpp"

#include <algorithm>
#include <deque>
#include <memory>

namespace hansa::routing {
namespace {

/// May one of the job's datasets be brought to, or taken from, that place.
struct StoredStaging {
  std::size_t dataset = 0;
  SiteId place;
  rules::Explanation ruling;
};

/// What a SiteView borrows.
struct StoredSite {
  domain::Site site;
  domain::SiteState state;
  std::optional<AvailabilityProfile> profile;
  rules::Evidence facts;
  rules::Explanation ruling;
  std::deque<StoredStaging> stagings;
};

/// What a RuledJob borrows.
struct StoredJob {
  rules::RuleSet rules;
  rules::Evidence job;
  std::vector<rules::Evidence> datasets;
};

Json reason_json(const domain::Reason& reason) { return {{"reason_code", reason.code}, {"reason", reason.message}}; }

Json to_json(const MissingData& missing) {
  Json json = Json::object();
  if (missing.no_way) json["no_way"] = reason_json(*missing.no_way);
  for (const auto& dataset : missing.datasets) {
    Json ways = Json::array();
    for (const auto& way : dataset.ways) {
      Json one{{"from", way.from.str()}, {"per_second", way.per_second.value}};
      if (way.ruling != nullptr) one["ruled"] = true;
      if (way.kept) one["kept"] = reason_json(*way.kept);
      if (way.not_now) one["not_now"] = reason_json(*way.not_now);
      ways.push_back(std::move(one));
    }
    Json one{{"number", dataset.number}, {"bytes", dataset.bytes.value}, {"ways", std::move(ways)}};
    if (dataset.under_way) one["under_way"] = true;
    if (dataset.ruling != nullptr) one["ruled"] = true;
    json["datasets"].push_back(std::move(one));
  }
  return json;
}

std::optional<domain::Reason> reason_in(const Json& json, const char* key, domain::FieldReader& field) {
  if (!json.is_object() || !json.contains(key)) return std::nullopt;
  domain::FieldReader reader(json[key]);
  auto reason = reader.reason();
  if (!reader.ok()) field.miss(key);
  return reason;
}

MissingData missing_from_json(const Json& json, StoredSite& stored, domain::FieldReader& outer) {
  MissingData missing;
  missing.no_way = reason_in(json, "no_way", outer);
  domain::FieldReader list(json);
  if (!json.is_object() || !json.contains("datasets")) return missing;
  const auto remembered = [&](std::size_t dataset, const SiteId& place) {
    stored.stagings.push_back({.dataset = dataset, .place = place, .ruling = {.code = rules::Code::no_permit}});
    return &stored.stagings.back().ruling;
  };
  for (const auto& entry : list.array("datasets")) {
    domain::FieldReader field(entry);
    MissingDataset dataset{.number = static_cast<std::size_t>(field.integer("number")),
                           .bytes = {field.integer("bytes")},
                           .under_way = field.flag("under_way"),
                           .ruling = nullptr,
                           .ways = {}};
    if (field.flag("ruled")) dataset.ruling = remembered(dataset.number, stored.site.id);
    for (const auto& one : field.array("ways")) {
      domain::FieldReader reader(one);
      Way way{.from = SiteId{reader.text("from")},
              .per_second = {reader.integer("per_second")},
              .ruling = nullptr,
              .kept = reason_in(one, "kept", reader),
              .not_now = reason_in(one, "not_now", reader)};
      if (reader.flag("ruled")) way.ruling = remembered(dataset.number, way.from);
      if (!reader.ok()) field.miss("ways");
      dataset.ways.push_back(std::move(way));
    }
    if (dataset.ways.empty()) field.miss("ways");
    if (!field.ok()) outer.miss("missing");
    missing.datasets.push_back(std::move(dataset));
  }
  if (!list.ok()) outer.miss("missing");
  return missing;
}

Json to_json(const domain::Hardware& hardware) {
  Json json{{"devices_per_gpu", hardware.devices_per_gpu}};
  if (!hardware.gpu_vendor.empty()) json["gpu_vendor"] = hardware.gpu_vendor;
  if (!hardware.architecture.empty()) json["architecture"] = hardware.architecture;
  return json;
}

Json to_json(const domain::SoftwareProfile& software) {
  Json json{
      {"containers", software.containers}, {"images", software.images}, {"binds", software.binds}, {"modules", software.modules}};
  if (!software.outbound.empty()) json["outbound"] = software.outbound;
  return json;
}

Json to_json(const domain::Offer& offer) {
  Json json{{"what", offer.what}, {"found", offer.found}, {"at_ms", to_unix_ms(offer.at)}};
  if (!offer.queue.empty()) json["queue"] = offer.queue.str();
  if (offer.there) json["there"] = true;
  return json;
}

/// What the job's variants and software are measured by. Of the latter nothing is kept for a job that needs none.
void put_profile(Json& json, const domain::Site& site, const domain::JobSpec& spec) {
  if (site.hardware != domain::Hardware{}) json["hardware"] = to_json(site.hardware);
  if (!spec.variants.empty() || spec.software != domain::Software{}) json["software"] = to_json(site.software);
}

void read_profile(const Json& json, domain::Site& site, domain::FieldReader& outer) {
  if (!json.is_object()) return;
  if (json.contains("hardware")) {
    domain::FieldReader field(json["hardware"]);
    site.hardware = {.gpu_vendor = field.text_or_empty("gpu_vendor"),
                     .architecture = field.text_or_empty("architecture"),
                     .devices_per_gpu = field.small("devices_per_gpu")};
    if (!field.ok()) outer.miss("hardware");
  }
  if (json.contains("software")) {
    domain::FieldReader field(json["software"]);
    site.software = {.containers = field.flag("containers"),
                     .images = field.texts("images"),
                     .binds = field.texts("binds"),
                     .modules = field.texts("modules"),
                     .outbound = field.texts("outbound")};
    if (!field.ok()) outer.miss("software");
  }
}

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
  if (view.no_data) json["no_data"] = {{"reason_code", view.no_data->code}, {"reason", view.no_data->message}};
  if (auto missing = to_json(view.missing); !missing.empty()) json["missing"] = std::move(missing);
  if (view.facts != nullptr) json["facts"] = rules::to_json(*view.facts);
  if (view.ruling != nullptr) json["ruled"] = true;
  if (auto outlook = to_json(view.outlook); !outlook.empty()) json["outlook"] = std::move(outlook);
  if (view.not_now) json["not_now"] = {{"reason_code", view.not_now->code}, {"reason", view.not_now->message}};
  for (const auto& offer : view.offers) json["offers"].push_back(to_json(offer));
  if (view.found) json["found"] = {{"what", view.found->what}, {"at_ms", to_unix_ms(view.found->at)}};
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
  read_profile(json, stored.site, field);
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
  for (const auto& [key, member] : {std::pair("no_account", &SiteView::no_account), std::pair("no_data", &SiteView::no_data),
                                    std::pair("not_now", &SiteView::not_now)}) {
    if (!json.is_object() || !json.contains(key)) continue;
    domain::FieldReader reason(json[key]);
    view.*member = reason.reason();
    if (!reason.ok()) return reason.error("decision input");
  }
  if (json.is_object() && json.contains("facts")) {
    auto facts = rules::evidence_from_json(json["facts"]);
    if (!facts) return std::unexpected(facts.error());
    stored.facts = std::move(*facts);
    view.facts = &stored.facts;
  }
  if (json.is_object() && json.contains("outlook")) {
    auto outlook = outlook_from_json(json["outlook"]);
    if (!outlook) return std::unexpected(outlook.error());
    view.outlook = *outlook;
  }
  if (json.is_object() && json.contains("found")) {
    domain::FieldReader found(json["found"]);
    view.found = Found{.what = found.text("what"), .at = found.time("at_ms")};
    if (!found.ok()) return found.error("decision input");
  }
  const Json none = Json::array();
  for (const auto& entry : json.is_object() && json.contains("offers") ? json["offers"] : none) {
    domain::FieldReader offer(entry);
    view.offers.push_back({.what = offer.text("what"),
                           .queue = offer.name<QueueName>("queue"),
                           .there = offer.flag("there"),
                           .found = offer.text("found"),
                           .at = offer.time("at_ms")});
    if (!offer.ok()) return offer.error("decision input");
  }
  if (json.is_object() && json.contains("missing")) view.missing = missing_from_json(json["missing"], stored, field);
  if (field.flag("ruled")) view.ruling = &stored.ruling;  // made from the facts, once the rules are known
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

Json to_json(const RuledJob& ruled) {
  Json json{{"packs", ruled.packs_hash}, {"job", rules::to_json(*ruled.job)}, {"datasets", Json::array()}};
  for (const auto* dataset : ruled.datasets) json["datasets"].push_back(rules::to_json(*dataset));
  return json;
}

Result<StoredJob> job_from_json(const Json& json, const FetchDocument& fetch) {
  domain::FieldReader field(json);
  const auto packs = field.text("packs");
  if (!field.ok()) return field.error("decision input");
  auto rules = load_packs(packs, fetch);
  if (!rules) return std::unexpected(rules.error());
  auto job = rules::evidence_from_json(json.contains("job") ? json["job"] : Json());
  if (!job) return std::unexpected(job.error());
  StoredJob stored{.rules = std::move(*rules), .job = std::move(*job), .datasets = {}};
  for (const auto& entry : field.array("datasets")) {
    auto dataset = rules::evidence_from_json(entry);
    if (!dataset) return std::unexpected(dataset.error());
    stored.datasets.push_back(std::move(*dataset));
  }
  return stored;
}

/// Asks the rules again about every site that they were asked about.
void rule_again(const StoredJob& stored, UtcTime now, std::span<const std::unique_ptr<StoredSite>> sites) {
  const auto at = ruling_time(now);
  const auto job = stored.rules.bind(rules::Subject::job, stored.job, at);
  std::vector<rules::Bound> datasets;
  for (const auto& dataset : stored.datasets) datasets.push_back(stored.rules.bind(rules::Subject::dataset, dataset, at));
  std::map<SiteId, rules::Bound> places;
  for (const auto& site : sites) places.emplace(site->site.id, stored.rules.bind(rules::Subject::site, site->facts, at));
  for (const auto& site : sites) {
    site->ruling = ruling(stored.rules, job, places.at(site->site.id), datasets);
    for (auto& staging : site->stagings) {
      const auto place = places.find(staging.place);
      if (place == places.end() || staging.dataset >= datasets.size()) continue;  // a ruling that permits nothing
      staging.ruling = stage_ruling(stored.rules, job, place->second, datasets[staging.dataset]);
    }
  }
}

}  // namespace

std::string input_document(const DecisionInput& input) {
  Json json{{"at_ms", to_unix_ms(input.now)}, {"sites", Json::array()}};
  if (input.ruled) json["rules"] = to_json(*input.ruled);
  for (const auto& view : input.sites) { put_profile(json["sites"].emplace_back(to_json(view)), *view.site, input.spec); }
  return canonical_json(json);
}

Result<domain::Decision> replay(const domain::JobSpec& spec, const std::string& input_hash, const FetchDocument& fetch) {
  const auto document = read_document(input_hash, fetch);
  if (!document) return std::unexpected(document.error());
  domain::FieldReader field(*document);
  DecisionInput input{.spec = spec, .now = field.time("at_ms"), .ruled = std::nullopt, .sites = {}};
  if (!field.ok()) return field.error("decision input");
  std::vector<std::unique_ptr<StoredSite>> stored;
  for (const auto& entry : field.array("sites")) {
    stored.push_back(std::make_unique<StoredSite>());
    auto view = view_from_json(entry, fetch, *stored.back());
    if (!view) return std::unexpected(view.error());
    input.sites.push_back(std::move(*view));
  }
  if (!field.ok()) return field.error("decision input");
  std::optional<StoredJob> ruled;
  if (document->contains("rules")) {
    auto job = job_from_json((*document)["rules"], fetch);
    if (!job) return std::unexpected(job.error());
    ruled = std::move(*job);
    input.ruled = RuledJob{.rules = &ruled->rules, .packs_hash = {}, .job = nullptr, .datasets = {}};
    rule_again(*ruled, input.now, stored);
  }
  auto decision = decide(input);
  decision.input_hash = input_hash;
  return decision;
}

Json evidence_in(const Json& input) {
  if (!input.is_object() || !input.contains("rules") || !input["rules"].is_object()) return {};
  const auto& rules = input["rules"];
  Json evidence{
      {"job", rules.value("job", Json::array())}, {"datasets", rules.value("datasets", Json::array())}, {"sites", Json::array()}};
  for (const auto& site : input.value("sites", Json::array())) {
    if (site.is_object() && site.contains("ruled") && site.contains("facts"))
      evidence["sites"].push_back({{"id", site.value("id", "")}, {"facts", site["facts"]}});
  }
  return evidence;
}

}  // namespace hansa::routing
