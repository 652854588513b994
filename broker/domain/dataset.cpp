// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/dataset.hpp"

#include "broker/domain/json_fields.hpp"
#include "broker/domain/two_persons.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

namespace hansa::domain {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";

bool consists_of(std::string_view text, std::initializer_list<std::string_view> alphabets) {
  return std::ranges::all_of(text, [&](char c) {
    return std::ranges::any_of(alphabets, [c](std::string_view alphabet) { return alphabet.contains(c); });
  });
}

const Label& open_label() {
  static const Label kOpen{kOpenLabel};
  return kOpen;
}

std::unexpected<Error> outdated(const Dataset& dataset, std::string_view what) {
  return fail(ErrorKind::conflict, "CHANGE_OUTDATED",
              std::string(what) + " of dataset " + dataset.id.str() +
                  " changed since: look at the dataset, and reject the change or make it anew");
}

std::unexpected<Error> no_replica(const Dataset& dataset, const SiteId& site) {
  return fail(ErrorKind::not_found, "REPLICA_NOT_FOUND",
              "dataset " + dataset.id.str() + " has no replica at site \"" + site.str().substr(0, 40) + "\"");
}

auto find_replica(Dataset& dataset, const SiteId& site) { return std::ranges::find(dataset.replicas, site, &Replica::site); }

struct Effect {
  Dataset& dataset;
  const DatasetChange& change;
  UtcTime at;

  Result<void> operator()(const Registered& e) const {
    if (dataset.version != 0)
      return fail(ErrorKind::conflict, "DATASET_EXISTS", "there is a dataset " + change.of.str() + " already");
    dataset.id = change.of;
    dataset.owner = e.owner;
    dataset.project = e.project;
    dataset.labels = e.labels;
    dataset.content = e.content;
    dataset.created_at = at;
    return {};
  }
  Result<void> operator()(const Relabelled& e) const {
    if (dataset.labels != e.before) return outdated(dataset, "the labels");
    dataset.labels = e.after;
    return {};
  }
  Result<void> operator()(const OwnerChanged& e) const {
    if (dataset.owner != e.before) return outdated(dataset, "the owner");
    dataset.owner = e.after;
    return {};
  }
  Result<void> operator()(const TermsChanged& e) const {
    if (dataset.terms != e.before) return outdated(dataset, "the terms");
    dataset.terms = e.after;
    return {};
  }
  Result<void> operator()(const ReplicaAdded& e) const {
    const auto place = std::ranges::lower_bound(dataset.replicas, e.site, {}, &Replica::site);
    if (place != dataset.replicas.end() && place->site == e.site) {
      return fail(ErrorKind::conflict, "REPLICA_EXISTS",
                  "dataset " + dataset.id.str() + " has a replica at " + e.site.str() +
                      " already: remove that one first if it is no longer there");
    }
    dataset.replicas.insert(
        place,
        Replica{.site = e.site, .root = e.root, .path = e.path, .added = change.id, .added_at = at, .verified = std::nullopt});
    return {};
  }
  Result<void> operator()(const ReplicaRemoved& e) const {
    const auto found = find_replica(dataset, e.site);
    if (found == dataset.replicas.end()) return no_replica(dataset, e.site);
    dataset.replicas.erase(found);
    return {};
  }
  Result<void> operator()(const ReplicaVerified& e) const {
    const auto found = find_replica(dataset, e.site);
    if (found == dataset.replicas.end() || found->added != e.replica) return outdated(dataset, "the replica at " + e.site.str());
    // Evidence that is older than what is there, or that would be over at once, proves nothing more.
    if (e.expires_at <= at || (found->verified && found->verified->at > e.at))
      return outdated(dataset, "the verification of the replica at " + e.site.str());
    found->verified = Verification{.by = change.by, .at = e.at, .expires_at = e.expires_at};
    return {};
  }
};

// One overload of `write` and of `read` for each change, in the order of DatasetChangeBody.

Json labels_json(const Labels& labels) {
  auto list = Json::array();
  for (const auto& label : labels) list.push_back(label.str());
  return list;
}
Labels read_labels(FieldReader& f, const char* key) {
  Labels labels;
  for (const auto& entry : f.array(key)) {
    if (entry.is_string())
      labels.emplace(entry.get<std::string>());
    else
      f.miss(key);
  }
  if (labels.empty()) f.miss(key);
  return labels;
}

Terms read_terms(const Json& json, FieldReader& f, const char* key) {
  auto terms = terms_from_json(json.contains(key) ? json[key] : Json());
  if (!terms) f.miss(key);
  return terms.value_or(Terms{});
}

Json write(const Registered& e) {
  return {{"owner", e.owner.str()},          {"project", e.project.str()},
          {"labels", labels_json(e.labels)}, {"size_bytes", e.content.size.value},
          {"files", e.content.files},        {"sha256", e.content.hash.str()}};
}
Json write(const Relabelled& e) { return {{"before", labels_json(e.before)}, {"after", labels_json(e.after)}}; }
Json write(const OwnerChanged& e) { return {{"before", e.before.str()}, {"after", e.after.str()}}; }
Json write(const TermsChanged& e) { return {{"before", to_json(e.before)}, {"after", to_json(e.after)}}; }
Json write(const ReplicaAdded& e) { return {{"site", e.site.str()}, {"root", e.root.str()}, {"path", e.path}}; }
Json write(const ReplicaRemoved& e) { return {{"site", e.site.str()}}; }
Json write(const ReplicaVerified& e) {
  return {{"site", e.site.str()},
          {"replica", e.replica.str()},
          {"at_ms", to_unix_ms(e.at)},
          {"expires_at_ms", to_unix_ms(e.expires_at)}};
}

void read(FieldReader& f, Registered& e) {
  e.owner = Principal{f.text("owner")};
  e.project = ProjectId{f.text("project")};
  e.labels = read_labels(f, "labels");
  e.content = {.size = {f.integer("size_bytes")}, .files = f.integer("files"), .hash = ContentHash{f.text("sha256")}};
}
void read(FieldReader& f, Relabelled& e) { e = {.before = read_labels(f, "before"), .after = read_labels(f, "after")}; }
void read(FieldReader& f, OwnerChanged& e) { e = {.before = Principal{f.text("before")}, .after = Principal{f.text("after")}}; }
void read(FieldReader& f, ReplicaAdded& e) {
  e = {.site = SiteId{f.text("site")}, .root = RootName{f.text("root")}, .path = f.text("path")};
}
void read(FieldReader& f, ReplicaRemoved& e) { e.site = SiteId{f.text("site")}; }
void read(FieldReader& f, ReplicaVerified& e) {
  const auto replica = Ulid::parse(f.text("replica"));
  if (!replica) f.miss("replica");
  e = {.site = SiteId{f.text("site")},
       .replica = replica.value_or(ChangeId{}),
       .at = f.time("at_ms"),
       .expires_at = f.time("expires_at_ms")};
}

constexpr std::array<std::string_view, std::variant_size_v<DatasetChangeBody>> kChangeNames{
    "registered", "relabelled", "owner_changed", "replica_added", "replica_removed", "replica_verified", "terms_changed"};

template <std::size_t I = 0>
Result<DatasetChangeBody> read_as(std::size_t index, const Json& json) {
  if constexpr (I < std::variant_size_v<DatasetChangeBody>) {
    if (I != index) return read_as<I + 1>(index, json);
    FieldReader fields(json);
    std::variant_alternative_t<I, DatasetChangeBody> body;
    if constexpr (std::is_same_v<decltype(body), TermsChanged>)
      body = {.before = read_terms(json, fields, "before"), .after = read_terms(json, fields, "after")};
    else
      read(fields, body);
    if (!fields.ok()) return fields.error("change of a dataset");
    return body;
  } else {
    return fail(ErrorKind::internal, "BAD_STORED_JSON", "a stored change of a dataset has a name that is none");
  }
}

bool loosens(const std::optional<DataPermit>& before, const std::optional<DataPermit>& after) {
  return after && (!before || after->id != before->id || after->until > before->until);
}
bool basis_loosens(const std::string& before, const std::string& after) {
  return !after.empty() && after != kNoTransferBasis && after != before;
}
bool review_loosens(const std::optional<bool>& before, const std::optional<bool>& after) {
  return after == true && before != true;
}

}  // namespace

bool is_dataset_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 && consists_of(text.substr(0, 1), {kLower, kUpper, kDigits}) &&
         consists_of(text, {kLower, kUpper, kDigits, "._:@+-"});
}

bool is_content_hash(std::string_view text) { return text.size() == 64 && consists_of(text, {kDigits, "abcdef"}); }

bool is_root_name(std::string_view text) {
  return !text.empty() && text.size() <= 32 && consists_of(text, {kLower, kDigits, "_-"});
}

bool is_replica_path(std::string_view text) {
  if (text.empty() || text.size() > 1'024) return false;
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) return false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find('/', begin), text.size());
    const auto part = text.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

std::string_view to_string(ReplicaState state) {
  switch (state) {
    case ReplicaState::unverified: return "unverified";
    case ReplicaState::verified: return "verified";
    case ReplicaState::expired: return "expired";
  }
  return "?";
}

ReplicaState state_of(const Replica& replica, UtcTime now) {
  if (!replica.verified) return ReplicaState::unverified;
  return now < replica.verified->expires_at ? ReplicaState::verified : ReplicaState::expired;
}

const Replica* Dataset::replica_at(const SiteId& site) const {
  const auto found = std::ranges::find(replicas, site, &Replica::site);
  return found == replicas.end() ? nullptr : &*found;
}

std::string_view change_name(const DatasetChangeBody& body) { return kChangeNames[body.index()]; }

bool is_loosening(const Labels& before, const Labels& after) {
  if (after.contains(open_label()) && !before.contains(open_label())) return true;
  return std::ranges::any_of(before, [&](const Label& label) { return label != open_label() && !after.contains(label); });
}

bool is_loosening(const Terms& before, const Terms& after) {
  return loosens(before.permit, after.permit) || basis_loosens(before.transfer_basis, after.transfer_basis) ||
         review_loosens(before.reviewed, after.reviewed);
}

bool needs_second_person(const DatasetChangeBody& body) {
  if (const auto* relabelled = std::get_if<Relabelled>(&body)) return is_loosening(relabelled->before, relabelled->after);
  if (const auto* terms = std::get_if<TermsChanged>(&body)) return is_loosening(terms->before, terms->after);
  return std::holds_alternative<OwnerChanged>(body) || std::holds_alternative<ReplicaVerified>(body);
}

std::vector<Relabelled> relabelling(const Labels& current, const Labels& wanted) {
  auto strict = current;
  strict.insert(wanted.begin(), wanted.end());
  if (!current.contains(open_label()) || !wanted.contains(open_label())) strict.erase(open_label());
  std::vector<Relabelled> steps;
  if (strict != current) steps.push_back({.before = current, .after = strict});
  if (wanted != strict) steps.push_back({.before = strict, .after = wanted});
  return steps;
}

std::vector<TermsChanged> terms_steps(const Terms& current, const Terms& wanted) {
  auto strict = current;
  if (!loosens(current.permit, wanted.permit)) strict.permit = wanted.permit;
  if (!basis_loosens(current.transfer_basis, wanted.transfer_basis)) strict.transfer_basis = wanted.transfer_basis;
  if (!review_loosens(current.reviewed, wanted.reviewed)) strict.reviewed = wanted.reviewed;
  std::vector<TermsChanged> steps;
  if (strict != current) steps.push_back({.before = current, .after = strict});
  if (wanted != strict) steps.push_back({.before = strict, .after = wanted});
  return steps;
}

Result<void> apply(Dataset& dataset, const DatasetChange& change, UtcTime effective_at) {
  if (auto done = std::visit(Effect{dataset, change, effective_at}, change.body); !done) return done;
  dataset.changed_at = effective_at;
  return {};
}

Result<void> may_approve(const Principal& person, const DatasetChange& change) {
  const auto* owner = std::get_if<OwnerChanged>(&change.body);
  return second_person(TwoPersons::dataset_change, "change " + change.id.str(), {person}, change.by,
                       owner == nullptr ? Principal() : owner->after);
}

Json to_json(const Terms& terms) {
  Json json = Json::object();
  if (terms.permit) json["permit"] = {{"id", terms.permit->id}, {"until_ms", to_unix_ms(terms.permit->until)}};
  if (!terms.transfer_basis.empty()) json["transfer_basis"] = terms.transfer_basis;
  put(json, "reviewed", terms.reviewed);
  return json;
}

Result<Terms> terms_from_json(const Json& json) {
  FieldReader fields(json);
  Terms terms{.permit = std::nullopt, .transfer_basis = fields.text_or_empty("transfer_basis"), .reviewed = std::nullopt};
  if (json.is_object() && json.contains("reviewed")) terms.reviewed = fields.flag("reviewed");
  if (json.is_object() && json.contains("permit")) {
    FieldReader permit(json["permit"]);
    terms.permit = DataPermit{.id = permit.text("id"), .until = permit.time("until_ms")};
    if (!permit.ok()) fields.miss("permit");
  }
  if (!fields.ok()) return fields.error("terms of a dataset");
  return terms;
}

Json to_json(const DatasetChangeBody& body) {
  return std::visit([](const auto& change) { return write(change); }, body);
}

Result<DatasetChangeBody> change_from_json(std::string_view name, const Json& json) {
  return read_as(static_cast<std::size_t>(std::ranges::find(kChangeNames, name) - kChangeNames.begin()), json);
}

}  // namespace hansa::domain
