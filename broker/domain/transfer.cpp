// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/transfer.hpp"

#include "broker/domain/json_fields.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace hansa::domain {
namespace {

constexpr std::array kPhases = {
    std::pair{TransferPhase::not_seen, std::string_view("not_seen")},
    std::pair{TransferPhase::interrupted, std::string_view("interrupted")},
    std::pair{TransferPhase::queued, std::string_view("queued")},
    std::pair{TransferPhase::preparing, std::string_view("preparing")},
    std::pair{TransferPhase::copying, std::string_view("copying")},
    std::pair{TransferPhase::verifying, std::string_view("verifying")},
    std::pair{TransferPhase::ended, std::string_view("ended")},
};

constexpr std::array kEnds = {
    std::pair{TransferEnd::moved, std::string_view("MOVED")},
    std::pair{TransferEnd::checksum_mismatch, std::string_view("CHECKSUM_MISMATCH")},
    std::pair{TransferEnd::source_missing, std::string_view("SOURCE_MISSING")},
    std::pair{TransferEnd::source_differs, std::string_view("SOURCE_DIFFERS")},
    std::pair{TransferEnd::unsuitable_file, std::string_view("UNSUITABLE_FILE")},
    std::pair{TransferEnd::destination_exists, std::string_view("DESTINATION_EXISTS")},
    std::pair{TransferEnd::quota_bytes, std::string_view("QUOTA_BYTES")},
    std::pair{TransferEnd::quota_files, std::string_view("QUOTA_INODES")},
    std::pair{TransferEnd::no_space, std::string_view("NO_SPACE")},
    std::pair{TransferEnd::unreachable, std::string_view("UNREACHABLE")},
    std::pair{TransferEnd::access_refused, std::string_view("ACCESS_REFUSED")},
    std::pair{TransferEnd::moved_elsewhere, std::string_view("MOVED_ELSEWHERE")},
    std::pair{TransferEnd::cancelled, std::string_view("CANCELLED")},
    std::pair{TransferEnd::tool_failed, std::string_view("TOOL_FAILED")},
};

template <typename Table, typename Value>
std::string_view name_of(const Table& table, Value value) {
  return std::ranges::find(table, value, &Table::value_type::first)->second;
}

template <typename Table>
auto value_of(const Table& table, std::string_view name) -> std::optional<typename Table::value_type::first_type> {
  const auto at = std::ranges::find(table, name, &Table::value_type::second);
  if (at == table.end()) return std::nullopt;
  return at->first;
}

Json to_json(const ReplicaPlace& place) { return {{"site", place.site.str()}, {"root", place.root.str()}, {"path", place.path}}; }

ReplicaPlace place_from_json(const Json& json, FieldReader& whole, const char* key) {
  const auto at = json.find(key);
  if (at == json.end()) return whole.miss(key), ReplicaPlace{};
  FieldReader fields(*at);
  ReplicaPlace place{.site = SiteId(fields.text("site")), .root = RootName(fields.text("root")), .path = fields.text("path")};
  if (!fields.ok() || !is_root_name(place.root.str()) || !is_replica_path(place.path)) whole.miss(key);
  return place;
}

Ulid id_from_json(FieldReader& fields, const char* key) {
  const auto id = Ulid::parse(fields.text(key));
  if (!id) fields.miss(key);
  return id.value_or(Ulid());
}

/// Not below zero: an amount of what is there.
std::int64_t amount(FieldReader& fields, const char* key) {
  const auto value = fields.integer(key);
  if (value < 0) fields.miss(key);
  return value;
}

}  // namespace

std::string_view to_string(TransferPhase phase) { return name_of(kPhases, phase); }
std::optional<TransferPhase> parse_transfer_phase(std::string_view text) { return value_of(kPhases, text); }
std::string_view to_string(TransferEnd end) { return name_of(kEnds, end); }
std::optional<TransferEnd> parse_transfer_end(std::string_view code) { return value_of(kEnds, code); }

bool is_worth_repeating(TransferEnd end) {
  return end == TransferEnd::no_space || end == TransferEnd::unreachable || end == TransferEnd::tool_failed ||
         end == TransferEnd::moved_elsewhere;
}

Json to_json(const Transfer& transfer) {
  Json json{{"id", transfer.id.str()},         {"dataset", transfer.dataset.str()},     {"size", transfer.content.size.value},
            {"files", transfer.content.files}, {"sha256", transfer.content.hash.str()}, {"from", to_json(transfer.from)},
            {"to", to_json(transfer.to)}};
  if (transfer.room.bytes) json["room_bytes"] = transfer.room.bytes->value;
  put(json, "room_files", transfer.room.files);
  return json;
}

Result<Transfer> transfer_from_json(const Json& json) {
  FieldReader fields(json);
  if (!fields.ok()) return fields.error("transfer");
  Transfer transfer{
      .id = id_from_json(fields, "id"),
      .dataset = DatasetId(fields.text("dataset")),
      .content = {.size = {amount(fields, "size")}, .files = amount(fields, "files"), .hash = ContentHash(fields.text("sha256"))},
      .from = place_from_json(json, fields, "from"),
      .to = place_from_json(json, fields, "to"),
      .room = {}};
  if (json.contains("room_bytes")) transfer.room.bytes = Bytes{fields.integer("room_bytes")};
  if (json.contains("room_files")) transfer.room.files = fields.integer("room_files");
  if (!is_dataset_id(transfer.dataset.str())) fields.miss("dataset");
  if (!is_content_hash(transfer.content.hash.str())) fields.miss("sha256");
  if (!fields.ok()) return fields.error("transfer");
  return transfer;
}

Json to_json(const TransferStatus& status) {
  Json json{{"id", status.id.str()},
            {"moved_by", status.moved_by.str()},
            {"phase", to_string(status.phase)},
            {"bytes", status.progress.bytes.value},
            {"files", status.progress.files},
            {"sent", status.progress.sent.value},
            {"verified", status.progress.verified.value},
            {"per_second", status.progress.per_second.value}};
  if (status.outcome) {
    json["end"] = to_string(status.outcome->end);
    json["message"] = status.outcome->message;
    json["detail"] = status.outcome->detail;
    json["at"] = to_unix_ms(status.outcome->at);
  }
  return json;
}

Result<TransferStatus> transfer_status_from_json(const Json& json) {
  FieldReader fields(json);
  if (!fields.ok()) return fields.error("transfer's status");
  const auto phase = parse_transfer_phase(fields.text("phase"));
  if (!phase) fields.miss("phase");
  TransferStatus status{.id = id_from_json(fields, "id"),
                        .moved_by = id_from_json(fields, "moved_by"),
                        .phase = phase.value_or(TransferPhase::not_seen),
                        .progress = {.bytes = {amount(fields, "bytes")},
                                     .files = amount(fields, "files"),
                                     .sent = {amount(fields, "sent")},
                                     .verified = {amount(fields, "verified")},
                                     .per_second = {amount(fields, "per_second")}},
                        .outcome = {}};
  if (status.phase == TransferPhase::ended) {
    const auto end = parse_transfer_end(fields.text("end"));
    if (!end) fields.miss("end");
    status.outcome = TransferOutcome{.end = end.value_or(TransferEnd::tool_failed),
                                     .message = fields.text("message"),
                                     .detail = fields.text_or_empty("detail"),
                                     .at = fields.time("at")};
  }
  if (!fields.ok()) return fields.error("transfer's status");
  return status;
}

}  // namespace hansa::domain
