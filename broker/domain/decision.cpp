// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/decision.hpp"

#include "broker/domain/json_fields.hpp"

namespace hansa::domain {
namespace {

std::optional<Obstacle> parse_obstacle(std::string_view text) {
  for (const auto obstacle : {Obstacle::none, Obstacle::temporary, Obstacle::permanent}) {
    if (to_string(obstacle) == text) return obstacle;
  }
  return std::nullopt;
}

Json to_json(const StageIn& stage) {
  Json json{{"time_s", stage.time.count()}, {"bytes", stage.bytes.value}, {"from", Json::array()}};
  if (stage.under_way) json["under_way"] = true;
  for (const auto& source : stage.from) json["from"].push_back({{"dataset", source.dataset.str()}, {"site", source.site.str()}});
  return json;
}

std::optional<StageIn> stage_in_from_json(const Json& json, FieldReader& outer) {
  if (!json.contains("stage_in")) return std::nullopt;
  FieldReader field(json["stage_in"]);
  StageIn stage{.time = Seconds{field.integer("time_s")},
                .bytes = {field.integer("bytes")},
                .under_way = field.flag("under_way"),
                .from = {}};
  for (const auto& entry : field.array("from")) {
    FieldReader source(entry);
    stage.from.push_back({.dataset = DatasetId{source.text("dataset")}, .site = SiteId{source.text("site")}});
    if (!source.ok()) field.miss("from");
  }
  if (!field.ok()) outer.miss("stage_in");
  return stage;
}

std::optional<Likeness> parse_likeness(std::string_view text) {
  for (const auto likeness : {Likeness::project, Likeness::size, Likeness::site}) {
    if (to_string(likeness) == text) return likeness;
  }
  return std::nullopt;
}

Json to_json(const Verdict& verdict) {
  Json json{{"site", verdict.site.str()},
            {"obstacle", to_string(verdict.obstacle)},
            {"code", verdict.code},
            {"message", verdict.message},
            {"source", verdict.source}};
  if (verdict.age) json["age_s"] = verdict.age->count();
  if (!verdict.queue.empty()) json["queue"] = verdict.queue.str();
  if (!verdict.variant.empty()) json["variant"] = verdict.variant;
  if (verdict.basis) json["basis"] = to_string(*verdict.basis);
  if (verdict.predicted) json["predicted_s"] = verdict.predicted->count();
  if (verdict.correction) json["correction"] = to_json(*verdict.correction);
  if (verdict.wait) json["wait_s"] = verdict.wait->count();
  if (verdict.wait_p90) json["wait_p90_s"] = verdict.wait_p90->count();
  if (verdict.stage_in) json["stage_in"] = to_json(*verdict.stage_in);
  if (!verdict.method.empty()) json["method"] = verdict.method;
  if (!verdict.snapshot_hash.empty()) json["snapshot_hash"] = verdict.snapshot_hash;
  if (verdict.rules) {
    json["rules"] = {{"code", verdict.rules->code}, {"rules", verdict.rules->rules}};
    if (!verdict.rules->obligations.empty()) json["rules"]["obligations"] = verdict.rules->obligations;
  }
  return json;
}

std::optional<RuleVerdict> rules_from_json(const Json& json, FieldReader& field) {
  if (!json.contains("rules")) return std::nullopt;
  FieldReader rules(json["rules"]);
  RuleVerdict verdict{.code = rules.text("code"), .rules = rules.texts("rules"), .obligations = rules.texts("obligations")};
  if (!rules.ok()) field.miss("rules");
  return verdict;
}

Verdict verdict_from_json(const Json& json, FieldReader& field) {
  Verdict verdict;
  verdict.site = SiteId{field.text("site")};
  const auto obstacle = parse_obstacle(field.text("obstacle"));
  if (!obstacle) field.miss("obstacle");
  verdict.obstacle = obstacle.value_or(Obstacle::temporary);
  verdict.code = field.text("code");
  verdict.message = field.text("message");
  verdict.source = field.text_or_empty("source");
  verdict.age = field.optional_seconds("age_s");
  verdict.queue = field.name<QueueName>("queue");
  verdict.variant = field.text_or_empty("variant");
  verdict.wait = field.optional_seconds("wait_s");
  verdict.wait_p90 = field.optional_seconds("wait_p90_s");
  verdict.predicted = field.optional_seconds("predicted_s");
  if (const auto basis = field.text_or_empty("basis"); !basis.empty()) {
    verdict.basis = parse_basis(basis);
    if (!verdict.basis) field.miss("basis");
  }
  if (field.ok() && json.contains("correction")) {
    const auto correction = correction_from_json(json["correction"]);
    if (!correction) field.miss("correction");
    verdict.correction = correction ? std::optional(*correction) : std::nullopt;
  }
  verdict.method = field.text_or_empty("method");
  verdict.snapshot_hash = field.text_or_empty("snapshot_hash");
  if (field.ok()) verdict.stage_in = stage_in_from_json(json, field);
  if (field.ok()) verdict.rules = rules_from_json(json, field);
  return verdict;
}

}  // namespace

std::string_view to_string(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::none: return "none";
    case Obstacle::temporary: return "temporary";
    case Obstacle::permanent: return "permanent";
  }
  return "?";
}

std::string_view to_string(Basis basis) {
  switch (basis) {
    case Basis::queue: return "queue";
    case Basis::room: return "room";
    case Basis::scheduler: return "scheduler";
    case Basis::history: return "history";
    case Basis::none: return "none";
  }
  return "?";
}

std::optional<Basis> parse_basis(std::string_view text) {
  for (const auto basis : {Basis::queue, Basis::room, Basis::scheduler, Basis::history, Basis::none}) {
    if (to_string(basis) == text) return basis;
  }
  return std::nullopt;
}

std::string_view to_string(Likeness likeness) {
  switch (likeness) {
    case Likeness::project: return "project";
    case Likeness::size: return "size";
    case Likeness::site: return "site";
  }
  return "?";
}

Json to_json(const Correction& correction) {
  return {{"likeness", to_string(correction.likeness)},
          {"count", correction.count},
          {"p50_ppm", correction.p50_ppm},
          {"p90_ppm", correction.p90_ppm}};
}

Result<Correction> correction_from_json(const Json& json) {
  FieldReader field(json);
  const auto likeness = parse_likeness(field.text("likeness"));
  if (!likeness) field.miss("likeness");
  const Correction correction{.likeness = likeness.value_or(Likeness::site),
                              .count = field.small("count"),
                              .p50_ppm = field.integer("p50_ppm"),
                              .p90_ppm = field.integer("p90_ppm")};
  if (!field.ok()) return field.error("correction");
  return correction;
}

Json to_json(const Decision& decision) {
  Json json{{"at_ms", to_unix_ms(decision.at)}, {"verdicts", Json::array()}};
  if (decision.chosen) json["chosen"] = decision.chosen->str();
  if (!decision.queue.empty()) json["queue"] = decision.queue.str();
  for (const auto& verdict : decision.verdicts) json["verdicts"].push_back(to_json(verdict));
  put_reason(json, decision.reason);
  if (!decision.policy_hash.empty()) json["policy_hash"] = decision.policy_hash;
  if (!decision.input_hash.empty()) json["input_hash"] = decision.input_hash;
  return json;
}

Result<Decision> decision_from_json(const Json& json) {
  FieldReader field(json);
  Decision decision;
  decision.at = field.time("at_ms");
  if (const auto chosen = field.name<SiteId>("chosen"); !chosen.empty()) decision.chosen = chosen;
  decision.queue = field.name<QueueName>("queue");
  decision.reason = field.reason();
  decision.policy_hash = field.text_or_empty("policy_hash");
  decision.input_hash = field.text_or_empty("input_hash");
  for (const auto& entry : field.array("verdicts")) {
    FieldReader verdict(entry);
    decision.verdicts.push_back(verdict_from_json(entry, verdict));
    if (!verdict.ok()) return verdict.error("decision");
  }
  if (!field.ok()) return field.error("decision");
  return decision;
}

}  // namespace hansa::domain
