// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/dataset_request.hpp"

#include "broker/wire/register_fields.hpp"

namespace hansa::wire {
namespace {

constexpr std::size_t kMaxDatasetLabels = 64;
/// The largest integer that JSON carries between programs unchanged (RFC 7493, 2.2).
constexpr std::int64_t kMost = (std::int64_t{1} << 53) - 1;
constexpr std::string_view kIssuer = "local:";

bool visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

/// "alice" is local:alice, as elsewhere.
Principal read_person(ObjectReader& fields, std::string_view name) {
  auto text = fields.text(name, 200);
  if (text.empty()) return {};
  const auto colon = text.find(':');
  if (!visible(text) || colon == 0 || colon == text.size() - 1)
    fields.fault(name, "must be a person, as in \"alice\" or \"local:alice\"");
  return Principal{colon == std::string::npos ? std::string(kIssuer) + text : text};
}

std::optional<domain::Labels> read_labels(ObjectReader& fields, Words known, bool required) {
  const auto* value = fields.field("labels");
  if (value == nullptr && !required) return std::nullopt;
  const auto words = fields.texts("labels", kMaxDatasetLabels);
  domain::Labels labels;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (std::ranges::find(known, words[i]) == known.end()) {
      std::string all;
      for (const auto word : known) all += (all.empty() ? "" : ", ") + std::string(word);
      fields.fault("labels",
                   "\"" + words[i].substr(0, 40) + "\" is no label" + did_you_mean(words[i], known) + "; one of: " + all);
    } else if (!labels.emplace(words[i]).second) {
      fields.fault("labels", "names " + words[i] + " twice");
    }
  }
  if (value == nullptr || (value->is_array() && value->empty())) fields.fault("labels", "is required: at least one label");
  return labels;
}

domain::ContentHash read_hash(ObjectReader& fields) {
  auto text = fields.text("sha256", 64);
  if (text.empty() || (text.size() <= 64 && !domain::is_content_hash(text)))
    fields.fault("sha256", "is required: the SHA-256 of the dataset's manifest, 64 hex digits, lower case");
  return domain::ContentHash{std::move(text)};
}

/// {"id", "until"}; null: there is to be none.
std::optional<std::optional<domain::DataPermit>> read_permit(const Json& json, ObjectReader& fields, std::vector<Fault>& faults) {
  const auto* value = fields.field("permit");
  if (value == nullptr) {
    if (!json.contains("permit")) return std::nullopt;
    return std::optional<domain::DataPermit>{};
  }
  ObjectReader permit(*value, fields.at("permit"), faults);
  if (!value->is_object()) return std::nullopt;
  domain::DataPermit read{.id = permit.text("id", 128)};
  const bool good = !read.id.empty() && std::ranges::all_of(read.id, [](char c) {
    return is_identifier(std::string_view(&c, 1), 1) || std::string_view(":@/+").contains(c);
  });
  if (!good) permit.fault("id", "is required: 1 to 128 letters, digits and ._:@/+-, as the rules have it");
  const auto before = faults.size();
  const auto until = read_time(permit, "until");
  if (!until && faults.size() == before) permit.fault("until", "is required: when the permit ends");
  read.until = until.value_or(UtcTime{});
  permit.no_others();
  return read;
}

std::optional<std::string> read_basis(ObjectReader& fields, Words known) {
  if (fields.field("transfer_basis") == nullptr) return std::nullopt;
  auto word = fields.text("transfer_basis", 64);
  if (std::ranges::find(known, word) != known.end()) return word;
  std::string all;
  for (const auto basis : known) all += (all.empty() ? "" : ", ") + std::string(basis);
  fields.fault("transfer_basis", "\"" + word.substr(0, 40) + "\" is no basis" + did_you_mean(word, known) + "; one of: " + all);
  return std::nullopt;
}

}  // namespace

Result<DatasetRequest> dataset_from_json(const Json& json, Words labels) {
  std::vector<Fault> faults;
  ObjectReader fields(json, "", faults);
  if (!json.is_object()) return refusal("BAD_REQUEST", std::move(faults));
  DatasetRequest request;
  request.id = DatasetId{fields.text("id", 128)};
  if (request.id.str().size() <= 128 && !domain::is_dataset_id(request.id.str()))
    fields.fault("id", "is required: 1 to 128 letters, digits and ._:@+-, the first a letter or digit");
  auto& what = request.what;
  what.project = ProjectId{fields.text("project", 64)};
  if (!what.project.empty() && !is_identifier(what.project.str(), 64))
    fields.fault("project", "must be letters, digits, '.', '_' and '-'");
  what.owner = read_person(fields, "owner");
  what.labels = read_labels(fields, labels, true).value_or(domain::Labels{});
  for (const auto* name : {"size_bytes", "files"}) {
    if (fields.field(name) == nullptr) fields.fault(name, "is required: a whole number");
  }
  what.content.size = {fields.integer("size_bytes", 0, 0, kMost)};
  what.content.files = fields.integer("files", 1, 1, kMost);
  what.content.hash = read_hash(fields);
  request.reason = read_reason(fields);
  return finished(fields, faults, std::move(request));
}

Result<AmendmentRequest> amendment_from_json(const Json& json, Words labels, Words bases) {
  std::vector<Fault> faults;
  ObjectReader fields(json, "", faults);
  if (!json.is_object()) return refusal("BAD_REQUEST", std::move(faults));
  AmendmentRequest request;
  request.labels = read_labels(fields, labels, false);
  if (auto owner = read_person(fields, "owner"); !owner.empty()) request.owner = std::move(owner);
  request.permit = read_permit(json, fields, faults);
  request.transfer_basis = read_basis(fields, bases);
  if (const auto* reviewed = fields.field("reviewed"); reviewed != nullptr) request.reviewed = fields.flag("reviewed");
  request.reason = read_reason(fields);
  const bool nothing = !request.labels && !request.owner && !request.permit && !request.transfer_basis && !request.reviewed;
  if (nothing && faults.empty())
    fields.fault("", "must name labels, owner, permit, transfer_basis or reviewed: what is to change");
  return finished(fields, faults, std::move(request));
}

Result<ReplicaRequest> replica_from_json(const Json& json, Words sites) {
  std::vector<Fault> faults;
  ObjectReader fields(json, "", faults);
  if (!json.is_object()) return refusal("BAD_REQUEST", std::move(faults));
  ReplicaRequest request;
  auto& what = request.what;
  what.site = SiteId{fields.text("site", 32)};
  if (what.site.empty())
    fields.fault("site", "is required: where the replica is");
  else if (std::ranges::find(sites, what.site.str()) == sites.end())
    fields.fault("site", "there is no site \"" + what.site.str().substr(0, 40) + "\"" + did_you_mean(what.site.str(), sites));
  what.root = domain::RootName{fields.text("root", 32)};
  if (!domain::is_root_name(what.root.str()))
    fields.fault("root", "is required: the site's name for the folder, 1 to 32 of a-z, 0-9, '_' and '-'");
  what.path = fields.text("path", 1'024);
  if (!domain::is_replica_path(what.path))
    fields.fault("path", "is required: a path beneath the root, without \"..\", empty parts and control characters");
  request.reason = read_reason(fields);
  return finished(fields, faults, std::move(request));
}

Result<EvidenceRequest> evidence_from_json(const Json& json) {
  std::vector<Fault> faults;
  ObjectReader fields(json, "", faults);
  if (!json.is_object()) return refusal("BAD_REQUEST", std::move(faults));
  EvidenceRequest request;
  request.hash = read_hash(fields);
  request.at = read_time(fields, "verified_at");
  const auto faults_before = faults.size();
  const auto expires = read_time(fields, "expires_at");
  if (!expires && faults.size() == faults_before) fields.fault("expires_at", "is required: until when the verification counts");
  request.expires_at = expires.value_or(UtcTime{});
  request.reason = read_reason(fields);
  return finished(fields, faults, std::move(request));
}

}  // namespace hansa::wire
