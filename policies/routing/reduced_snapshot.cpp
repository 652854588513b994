// SPDX-License-Identifier: Apache-2.0
// The documents of a profile. The base:
//   {"format": "hansa-availability-1", "sees_everyone": true, "kinds": [{...}], "queues": [{..., "nodes": [[first, last], ...]}],
//    "timelines": [[cores, memory, gpus, at, cores, memory, gpus, at, ...]],  free room from the beginning, then from each `at`
//    "nodes": [[how many, kind, timeline], ...]}                              runs of equal nodes, in the snapshot's order
// A change: {"format": "hansa-availability-change-1", "after": hash of the document before,
//    "adds": [{"nodes": [[first, last], ...], "from_s", "until_s", "cores", "memory_mib", "gpus"}]}
#include "broker/core/digest.hpp"
#include "broker/domain/json_fields.hpp"
#include "policies/routing/profile.hpp"

#include <algorithm>

namespace hansa::routing {
namespace {

constexpr const char* kBaseFormat = "hansa-availability-1";
constexpr const char* kChangeFormat = "hansa-availability-change-1";
constexpr std::size_t kMostChanges = 1'000'000;
constexpr std::int64_t kMostNodes = 1'000'000;

std::unexpected<Error> bad(std::string what) {
  return fail(ErrorKind::internal, "BAD_DOCUMENT", "a stored document cannot be read: " + std::move(what));
}

/// Rising runs of neighbours as [first, last]; any order is kept.
Json ranges_of(const std::vector<std::uint32_t>& nodes) {
  Json ranges = Json::array();
  for (const auto node : nodes) {
    if (!ranges.empty() && ranges.back()[1].get<std::uint32_t>() + 1 == node) {
      ranges.back()[1] = node;
    } else {
      ranges.push_back({node, node});
    }
  }
  return ranges;
}

bool all_integers(const Json& array) {
  return array.is_array() && std::ranges::all_of(array, [](const Json& entry) { return entry.is_number_integer(); });
}

std::optional<std::vector<std::uint32_t>> nodes_in(const Json& ranges, std::size_t count) {
  std::vector<std::uint32_t> nodes;
  for (const auto& range : ranges) {
    if (!all_integers(range) || range.size() != 2) return std::nullopt;
    const auto first = range[0].get<std::int64_t>();
    const auto last = range[1].get<std::int64_t>();
    if (first < 0 || last < first || last >= static_cast<std::int64_t>(count)) return std::nullopt;
    if (nodes.size() + static_cast<std::size_t>(last - first) >= count) return std::nullopt;  // some node twice
    for (auto node = first; node <= last; ++node) nodes.push_back(static_cast<std::uint32_t>(node));
  }
  return nodes;
}

Json to_json(const NodeKind& kind) {
  Json json{{"cores", kind.room.cores}, {"memory_mib", kind.room.memory_mib}};
  if (kind.room.gpus > 0) json["gpus"] = kind.room.gpus;
  if (!kind.gpu_model.empty()) json["gpu_model"] = kind.gpu_model;
  if (!kind.usable) json["usable"] = false;
  if (!kind.architecture.empty()) json["architecture"] = kind.architecture;
  return json;
}

Json to_json(const QueueFacts& queue) {
  Json json{{"name", queue.name.str()}, {"nodes", ranges_of(queue.nodes)}};
  if (!queue.up) json["up"] = false;
  if (queue.is_default) json["default"] = true;
  if (queue.max_time) json["max_time_s"] = queue.max_time->count();
  if (queue.max_nodes) json["max_nodes"] = *queue.max_nodes;
  if (queue.min_nodes != 1) json["min_nodes"] = queue.min_nodes;
  if (queue.backlog_from != kForever) json["backlog_s"] = {queue.backlog_from, queue.backlog_until};
  return json;
}

QueueFacts queue_from_json(domain::FieldReader& field, const Json& json, std::size_t node_count) {
  QueueFacts queue{.name = QueueName{field.text("name")},
                   .up = !json.contains("up") || field.flag("up"),
                   .is_default = field.flag("default"),
                   .max_time = field.optional_seconds("max_time_s"),
                   .max_nodes = field.optional_small("max_nodes"),
                   .min_nodes = field.optional_small("min_nodes").value_or(1),
                   .nodes = {}};
  auto nodes = nodes_in(field.array("nodes"), node_count);
  if (!nodes) field.miss("nodes");
  queue.nodes = nodes.value_or(std::vector<std::uint32_t>{});
  if (json.contains("backlog_s")) {
    const auto& backlog = field.array("backlog_s");
    if (!all_integers(backlog) || backlog.size() != 2) {
      field.miss("backlog_s");
    } else {
      queue.backlog_from = backlog[0].get<Instant>();
      queue.backlog_until = backlog[1].get<Instant>();
    }
  }
  return queue;
}

Json to_json(const Timeline& timeline) {
  Json json = Json::array();
  for (const auto& step : timeline.steps()) {
    if (step.from != kBeginning) json.push_back(step.from);
    json.push_back(step.free.cores);
    json.push_back(step.free.memory_mib);
    json.push_back(step.free.gpus);
  }
  return json;
}

std::optional<Timeline> timeline_from_json(const Json& json) {
  if (!all_integers(json) || json.size() % 4 != 3) return std::nullopt;
  std::vector<Step> steps;
  for (std::size_t i = 0; i < json.size(); i += 4) {
    const Instant from = i == 0 ? kBeginning : json[i - 1].get<Instant>();
    if (!steps.empty() && from <= steps.back().from) return std::nullopt;
    steps.push_back({from, {json[i].get<std::int64_t>(), json[i + 1].get<std::int64_t>(), json[i + 2].get<std::int64_t>()}});
  }
  return Timeline(std::move(steps));
}

}  // namespace

Result<Json> read_document(const std::string& hash, const FetchDocument& fetch) {
  const auto text = fetch(hash);
  if (!text) return std::unexpected(text.error());
  if (sha256_hex(*text) != hash) return bad("its SHA-256 is not " + hash);
  auto document = parse_json(*text);
  if (!document) return bad(document.error().message);
  return document;
}

Json AvailabilityProfile::base_document() const {
  Json document{{"format", kBaseFormat},      {"sees_everyone", facts_.sees_everyone},
                {"kinds", Json::array()},     {"queues", Json::array()},
                {"timelines", Json::array()}, {"nodes", Json::array()}};
  for (const auto& kind : facts_.kinds) document["kinds"].push_back(to_json(kind));
  for (const auto& queue : facts_.queues) document["queues"].push_back(to_json(queue));
  std::map<std::vector<Step>, std::size_t> numbers;
  auto& timelines = document["timelines"];
  auto& nodes = document["nodes"];
  for (std::size_t node = 0; node < fleet_.size(); ++node) {
    const auto [at, is_new] = numbers.try_emplace(fleet_[node].steps(), numbers.size());
    if (is_new) timelines.push_back(to_json(fleet_[node]));
    if (!nodes.empty() && nodes.back()[1] == facts_.kind_of[node] && nodes.back()[2] == at->second) {
      nodes.back()[0] = nodes.back()[0].get<std::int64_t>() + 1;
    } else {
      nodes.push_back({1, facts_.kind_of[node], at->second});
    }
  }
  return document;
}

Result<AvailabilityProfile> AvailabilityProfile::from_base(const Json& document) {
  domain::FieldReader field(document);
  AvailabilityProfile profile;
  profile.facts_.sees_everyone = field.flag("sees_everyone");
  for (const auto& entry : field.array("kinds")) {
    domain::FieldReader kind(entry);
    const bool has_gpus = entry.is_object() && entry.contains("gpus");
    profile.facts_.kinds.push_back({.room = {.cores = kind.integer("cores"),
                                             .memory_mib = kind.integer("memory_mib"),
                                             .gpus = has_gpus ? kind.integer("gpus") : 0},
                                    .gpu_model = kind.text_or_empty("gpu_model"),
                                    .usable = !entry.contains("usable") || kind.flag("usable"),
                                    .architecture = kind.text_or_empty("architecture")});
    if (!kind.ok()) return kind.error("reduced snapshot");
  }
  std::vector<Timeline> known;
  for (const auto& entry : field.array("timelines")) {
    auto timeline = timeline_from_json(entry);
    if (!timeline) return bad("timeline " + std::to_string(known.size()));
    known.push_back(std::move(*timeline));
  }
  std::vector<Timeline> timelines;
  for (const auto& entry : field.array("nodes")) {
    if (!all_integers(entry) || entry.size() != 3) return bad("its nodes");
    const auto count = entry[0].get<std::int64_t>();
    const auto kind = entry[1].get<std::size_t>();
    const auto timeline = entry[2].get<std::size_t>();
    if (count < 1 || count > kMostNodes - static_cast<std::int64_t>(timelines.size()) || kind >= profile.facts_.kinds.size() ||
        timeline >= known.size()) {
      return bad("its nodes");
    }
    timelines.insert(timelines.end(), static_cast<std::size_t>(count), known[timeline]);
    profile.facts_.kind_of.insert(profile.facts_.kind_of.end(), static_cast<std::size_t>(count),
                                  static_cast<std::uint32_t>(kind));
  }
  for (const auto& entry : field.array("queues")) {
    domain::FieldReader queue(entry);
    profile.facts_.queues.push_back(queue_from_json(queue, entry, timelines.size()));
    if (!queue.ok()) return queue.error("reduced snapshot");
  }
  if (!std::ranges::is_sorted(profile.facts_.queues, {}, &QueueFacts::name)) return bad("its queues are not in order");
  if (!field.ok()) return field.error("reduced snapshot");
  number_kinds(profile.facts_);
  profile.fleet_ = Fleet(std::move(timelines), profile.facts_.models_of_nodes(), profile.facts_.rooms_of_nodes());
  return profile;
}

void AvailabilityProfile::change(const std::vector<Held>& deltas) {
  Json document{{"format", kChangeFormat}, {"after", hash_}, {"adds", Json::array()}};
  for (const auto& delta : deltas) {
    change_room(delta.nodes, delta.from, delta.until, delta.room);
    document["adds"].push_back({{"nodes", ranges_of(delta.nodes)},
                                {"from_s", delta.from},
                                {"until_s", delta.until},
                                {"cores", delta.room.cores},
                                {"memory_mib", delta.room.memory_mib},
                                {"gpus", delta.room.gpus}});
  }
  keep(document);
}

Result<void> AvailabilityProfile::apply_change(const Json& document) {
  domain::FieldReader field(document);
  for (const auto& entry : field.array("adds")) {
    domain::FieldReader add(entry);
    const auto nodes = nodes_in(add.array("nodes"), fleet_.size());
    if (!nodes) add.miss("nodes");
    const Room room{add.integer("cores"), add.integer("memory_mib"), add.integer("gpus")};
    const auto from = add.integer("from_s");
    const auto until = add.integer("until_s");
    if (!add.ok()) return add.error("reduced snapshot");
    change_room(*nodes, from, until, room);
  }
  if (!field.ok()) return field.error("reduced snapshot");
  return {};
}

Result<AvailabilityProfile> AvailabilityProfile::load(const std::string& hash, UtcTime taken_at, const FetchDocument& fetch) {
  std::vector<Json> changes;  // last one first
  for (auto wanted = hash;;) {
    auto document = read_document(wanted, fetch);
    if (!document) return std::unexpected(document.error());
    domain::FieldReader field(*document);
    const auto format = field.text("format");
    if (format == kBaseFormat) {
      auto profile = from_base(*document);
      if (!profile) return profile;
      for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
        if (const auto applied = profile->apply_change(*change); !applied) return std::unexpected(applied.error());
      }
      profile->hash_ = hash;
      profile->taken_at_ = taken_at;
      return profile;
    }
    if (format != kChangeFormat) return bad("unknown format \"" + format + "\"");
    wanted = field.text("after");
    if (!field.ok()) return field.error("reduced snapshot");
    changes.push_back(std::move(*document));
    if (changes.size() > kMostChanges) return bad("more changes than can be");
  }
}

}  // namespace hansa::routing
