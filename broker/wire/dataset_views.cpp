// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/dataset_views.hpp"

#include "broker/core/time_text.hpp"
#include "broker/wire/change_view.hpp"

namespace hansa::wire {

using namespace domain;

namespace {

Json list_of(const Labels& labels) {
  auto list = Json::array();
  for (const auto& label : labels) list.push_back(label.str());
  return list;
}

Json replica_view(const Replica& replica, UtcTime now) {
  const auto& seen = replica.verified;
  return {{"site", replica.site.str()},
          {"root", replica.root.str()},
          {"path", replica.path},
          {"state", to_string(state_of(replica, now))},
          {"added_at", format_utc(replica.added_at)},
          {"verified_by", seen ? Json(seen->by.str()) : Json()},
          {"verified_at", seen ? Json(format_utc(seen->at)) : Json()},
          {"expires_at", seen ? Json(format_utc(seen->expires_at)) : Json()}};
}

Json terms_view(const Terms& terms) {
  return {{"permit", terms.permit ? Json{{"id", terms.permit->id}, {"until", format_utc(terms.permit->until)}} : Json()},
          {"transfer_basis", terms.transfer_basis.empty() ? Json() : Json(terms.transfer_basis)},
          {"reviewed", terms.reviewed ? Json(*terms.reviewed) : Json()}};
}

struct Details {
  Json operator()(const Registered& e) const {
    return {{"owner", e.owner.str()},      {"project", e.project.str()},
            {"labels", list_of(e.labels)}, {"size_bytes", e.content.size.value},
            {"files", e.content.files},    {"sha256", e.content.hash.str()}};
  }
  Json operator()(const Relabelled& e) const { return {{"before", list_of(e.before)}, {"after", list_of(e.after)}}; }
  Json operator()(const OwnerChanged& e) const { return {{"before", e.before.str()}, {"after", e.after.str()}}; }
  Json operator()(const TermsChanged& e) const { return {{"before", terms_view(e.before)}, {"after", terms_view(e.after)}}; }
  Json operator()(const ReplicaAdded& e) const { return {{"site", e.site.str()}, {"root", e.root.str()}, {"path", e.path}}; }
  Json operator()(const ReplicaRemoved& e) const { return {{"site", e.site.str()}}; }
  Json operator()(const ReplicaVerified& e) const {
    return {{"site", e.site.str()}, {"verified_at", format_utc(e.at)}, {"expires_at", format_utc(e.expires_at)}};
  }
};

}  // namespace

Json transfer_view(const Transfer& transfer, UtcTime begun_at, const TransferStatus& status) {
  return {{"id", transfer.id.str()},
          {"dataset", transfer.dataset.str()},
          {"from", transfer.from.site.str()},
          {"to", transfer.to.site.str()},
          {"root", transfer.to.root.str()},
          {"path", transfer.to.path},
          {"begun_at", format_utc(begun_at)},
          {"phase", to_string(status.phase)},
          {"bytes", status.progress.bytes.value},
          {"size_bytes", transfer.content.size.value},
          {"files_done", status.progress.files},
          {"files", transfer.content.files},
          {"verified_bytes", status.progress.verified.value},
          {"bytes_per_second", status.progress.per_second.value}};
}

Json dataset_view(const Dataset& dataset, UtcTime now) {
  Json json{{"id", dataset.id.str()},
            {"owner", dataset.owner.str()},
            {"project", dataset.project.str()},
            {"labels", list_of(dataset.labels)},
            {"terms", terms_view(dataset.terms)},
            {"size_bytes", dataset.content.size.value},
            {"files", dataset.content.files},
            {"sha256", dataset.content.hash.str()},
            {"created_at", format_utc(dataset.created_at)},
            {"changed_at", format_utc(dataset.changed_at)},
            {"version", dataset.version},
            {"replicas", Json::array()}};
  for (const auto& replica : dataset.replicas) json["replicas"].push_back(replica_view(replica, now));
  return json;
}

Json change_view(const DatasetChange& change) {
  auto json = common_change_view(change, std::visit(Details{}, change.body));
  json["dataset"] = change.of.str();
  return json;
}

Json outcome_view(const Dataset& dataset, std::span<const DatasetChange> changes, UtcTime now) {
  auto list = Json::array();
  for (const auto& change : changes) list.push_back(change_view(change));
  return {{"dataset", dataset_view(dataset, now)}, {"changes", std::move(list)}};
}

}  // namespace hansa::wire
