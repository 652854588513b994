// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/transfer.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::domain;

namespace {

Transfer a_transfer() {
  return {.id = *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
          .dataset = DatasetId("cohort-7"),
          .content = {.size = {4'096'000}, .files = 2, .hash = ContentHash(std::string(64, 'a'))},
          .from = {.site = SiteId("alpha"), .root = RootName("projects"), .path = "lab/cohort-7"},
          .to = {.site = SiteId("beta"), .root = RootName("scratch"), .path = "cohort-7"},
          .room = {.bytes = Bytes{5'000'000}, .files = 100}};
}

TransferStatus a_status() {
  return {.id = a_transfer().id,
          .moved_by = *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAW"),
          .phase = TransferPhase::ended,
          .progress = {.bytes = {5}, .files = 4, .sent = {3}, .verified = {2}, .per_second = {1}},
          .outcome = TransferOutcome{.end = TransferEnd::no_space, .message = "full", .detail = "why", .at = from_unix_ms(7)}};
}

}  // namespace

TEST_CASE("transfers and their statuses come back as they were written") {
  auto transfer = a_transfer();
  CHECK(transfer_from_json(to_json(transfer)).value() == transfer);
  transfer.room = {};
  CHECK(transfer_from_json(to_json(transfer)).value() == transfer);

  auto status = a_status();
  CHECK(transfer_status_from_json(to_json(status)).value() == status);
  status.phase = TransferPhase::copying;
  status.outcome = {};
  CHECK(transfer_status_from_json(to_json(status)).value() == status);
}

TEST_CASE("a transfer that no mover should be given is not read") {
  const auto [key, value] = GENERATE(table<const char*, Json>({{"id", "x"},
                                                               {"dataset", ""},
                                                               {"dataset", "../x"},
                                                               {"size", -1},
                                                               {"size", "1"},
                                                               {"files", -1},
                                                               {"files", nullptr},
                                                               {"sha256", "aa"},
                                                               {"room_bytes", "many"},
                                                               {"from", "alpha"},
                                                               {"to", Json{{"site", "b"}, {"root", "r"}, {"path", "../x"}}},
                                                               {"to", Json{{"site", "b"}, {"root", "R!"}, {"path", "x"}}},
                                                               {"to", Json{{"site", "b"}, {"root", "r"}}}}));
  auto json = to_json(a_transfer());
  json[key] = value;
  INFO(json.dump());
  CHECK(!transfer_from_json(json));
  json.erase(key);
  if (std::string_view(key) != "room_bytes") CHECK(!transfer_from_json(json));
  CHECK(!transfer_from_json(Json::array()));
}

TEST_CASE("a status that says nothing of its end is not read") {
  const auto* key =
      GENERATE("id", "moved_by", "phase", "bytes", "files", "sent", "verified", "per_second", "end", "message", "at");
  auto json = to_json(a_status());
  json.erase(key);
  CHECK(!transfer_status_from_json(json));
  json[key] = -1;
  if (std::string_view(key) != "at") CHECK(!transfer_status_from_json(json));
}

TEST_CASE("every end has a code of its own, and says whether trying again may help") {
  std::set<std::string_view> codes;
  for (int i = 0; i <= static_cast<int>(TransferEnd::tool_failed); ++i) {
    const auto end = static_cast<TransferEnd>(i);
    CHECK(parse_transfer_end(to_string(end)) == end);
    codes.insert(to_string(end));
  }
  CHECK(codes.size() == 14);
  CHECK(!parse_transfer_end("DONE"));
  CHECK(is_worth_repeating(TransferEnd::unreachable));
  CHECK(!is_worth_repeating(TransferEnd::moved));
  CHECK(!is_worth_repeating(TransferEnd::checksum_mismatch));  // the job is held with that reason
}
