// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/dataset_request.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace hansa;
using namespace hansa::wire;

namespace {

constexpr std::string_view kLabels[] = {"open", "personal", "health"};
constexpr std::string_view kSites[] = {"alpha", "beta"};
const std::string kHash(64, 'a');

const Json kDataset{{"id", "d1"},      {"project", "ai-lab"}, {"owner", "bob"},  {"labels", {"health", "open"}},
                    {"size_bytes", 0}, {"files", 1},          {"sha256", kHash}, {"reason", "why"}};
const Json kReplica{{"site", "beta"}, {"root", "projects"}, {"path", "a/b"}, {"reason", "why"}};
const Json kEvidence{
    {"sha256", kHash}, {"verified_at", "2026-11-22"}, {"expires_at", "2026-12-01T10:00:00+02:00"}, {"reason", "why"}};

/// The places of the faults, each once, or "" where there is none.
template <typename T>
std::string places(const Result<T>& result) {
  if (result) return "";
  CHECK(result.error().kind == ErrorKind::invalid_argument);
  CHECK(result.error().code == "BAD_REQUEST");
  CHECK_FALSE(result.error().faults.empty());
  std::string text;
  for (const auto& [where, message] : result.error().faults) {
    CHECK_FALSE(message.empty());
    if (!text.ends_with(where) || where.empty()) text += (text.empty() ? "" : " ") + (where.empty() ? "-" : where);
  }
  return text;
}

Json with(Json whole, const std::string& field, Json value) {
  whole[field] = std::move(value);
  return whole;
}

}  // namespace

TEST_CASE("a dataset is read as it was written") {
  const auto read = dataset_from_json(kDataset, kLabels);
  REQUIRE(read);
  CHECK(read->id == DatasetId("d1"));
  CHECK(read->reason == "why");
  CHECK(read->what == domain::Registered{.owner = Principal("local:bob"),
                                         .project = ProjectId("ai-lab"),
                                         .labels = {domain::Label("open"), domain::Label("health")},
                                         .content = {.size = {0}, .files = 1, .hash = domain::ContentHash(kHash)}});
  auto bare = kDataset;
  for (const auto* field : {"project", "owner", "reason"}) bare.erase(field);
  const auto least = dataset_from_json(bare, kLabels);
  REQUIRE(least);
  CHECK(least->what.owner.empty());
  CHECK(least->what.project.empty());
  CHECK(dataset_from_json(with(kDataset, "owner", "local:a:b"), kLabels)->what.owner == Principal("local:a:b"));
  CHECK(dataset_from_json(with(kDataset, "size_bytes", (std::int64_t{1} << 53) - 1), kLabels));
}

TEST_CASE("what is wrong with a dataset is told with its place") {
  const struct {
    const char* field;
    Json value;
  } kWrong[] = {
      {"id", ""},
      {"id", "a/b"},
      {"id", 1},
      {"id", std::string(129, 'x')},
      {"project", "a b"},
      {"project", std::string(65, 'x')},
      {"owner", ":a"},
      {"owner", "a:"},
      {"owner", "a b"},
      {"owner", "\xC3\xA5"},
      {"owner", 1},
      {"labels", Json::array()},
      {"labels", nullptr},
      {"labels", "open"},
      {"labels", {"opn"}},
      {"labels", {"open", "open"}},
      {"labels", {"Open"}},
      {"labels", {""}},
      {"size_bytes", -1},
      {"size_bytes", 1.5},
      {"size_bytes", "1"},
      {"size_bytes", std::int64_t{1} << 53},
      {"size_bytes", UINT64_MAX},
      {"size_bytes", nullptr},
      {"files", 0},
      {"files", nullptr},
      {"sha256", ""},
      {"sha256", std::string(64, 'A')},
      {"sha256", std::string(63, 'a')},
      {"sha256", std::string(65, 'a')},
      {"sha256", 7},
      {"reason", std::string(1'001, 'x')},
      {"reason", "a\nb"},
      {"reason", std::string("a\0b", 3)},
      {"reason", {"a"}},
      {"extra", 1},
  };
  for (const auto& [field, value] : kWrong) {
    CAPTURE(field, value.dump());
    CHECK(places(dataset_from_json(with(kDataset, field, value), kLabels)) == "/" + std::string(field));
  }
  CHECK(places(dataset_from_json(with(kDataset, "labels", {"open", 1}), kLabels)) == "/labels/1");
  CHECK(places(dataset_from_json(Json::object(), kLabels)) == "/id /labels /size_bytes /files /sha256");
  for (const auto& none : {Json(), Json::array(), Json("x"), Json(1)}) CHECK(places(dataset_from_json(none, kLabels)) == "-");
  const auto label = dataset_from_json(with(kDataset, "labels", {"persnal"}), kLabels);
  CHECK(label.error().faults[0].message ==
        "\"persnal\" is no label (did you mean \"personal\"?); one of: open, personal, health");
}

TEST_CASE("an amendment names labels, owner or both") {
  const auto both = amendment_from_json({{"labels", {"open"}}, {"owner", "bob"}, {"reason", "why"}}, kLabels);
  REQUIRE(both);
  CHECK(both->labels == domain::Labels{domain::Label("open")});
  CHECK(both->owner == Principal("local:bob"));
  CHECK(both->reason == "why");
  CHECK_FALSE(amendment_from_json({{"owner", "bob"}}, kLabels)->labels);
  CHECK_FALSE(amendment_from_json({{"labels", {"open"}}}, kLabels)->owner);
  CHECK(places(amendment_from_json(Json::object(), kLabels)) == "-");
  CHECK(places(amendment_from_json({{"reason", "why"}}, kLabels)) == "-");
  CHECK(places(amendment_from_json({{"owner", ""}}, kLabels)) == "-");
  CHECK(places(amendment_from_json({{"labels", Json::array()}}, kLabels)) == "/labels");
  CHECK(places(amendment_from_json({{"owner", "bob"}, {"sha256", kHash}}, kLabels)) == "/sha256");  // contents never change
  CHECK(places(amendment_from_json(Json::array(), kLabels)) == "-");
}

TEST_CASE("an amendment names terms: a permit with its end or null, a basis of the vocabulary, a review") {
  const std::string_view kBases[] = {"none", "adequacy"};
  const auto read = [&](const Json& json) { return amendment_from_json(json, kLabels, kBases); };
  const auto all =
      read({{"permit", {{"id", "ehds/fi:0143"}, {"until", "2028-03-31"}}}, {"transfer_basis", "adequacy"}, {"reviewed", false}});
  REQUIRE(all);
  CHECK((*all->permit)->id == "ehds/fi:0143");
  CHECK((*all->permit)->until == from_unix_seconds(1'838'073'600));
  CHECK(all->transfer_basis == "adequacy");
  CHECK(all->reviewed == false);
  const auto gone = read({{"permit", nullptr}});
  REQUIRE(gone);
  REQUIRE(gone->permit);
  CHECK_FALSE(*gone->permit);
  CHECK_FALSE(read({{"reviewed", true}})->permit);
  CHECK(places(read({{"permit", {{"id", "a b"}}}})) == "/permit/id /permit/until");
  CHECK(places(read({{"permit", {{"id", "a"}, {"until", "soon"}, {"from", "x"}}}})) == "/permit/until /permit/from");
  CHECK(places(read({{"permit", "FI-0143"}})) == "/permit");
  CHECK(places(read({{"transfer_basis", "adequate"}, {"reviewed", "yes"}})) == "/transfer_basis /reviewed");
}

TEST_CASE("a replica lies at a site that there is, beneath a root") {
  const auto read = replica_from_json(kReplica, kSites);
  REQUIRE(read);
  CHECK(read->what == domain::ReplicaAdded{SiteId("beta"), domain::RootName("projects"), "a/b"});
  CHECK(read->reason == "why");
  const struct {
    const char* field;
    Json value;
  } kWrong[] = {
      {"site", "bta"},  {"site", ""}, {"site", nullptr},  {"root", ""},          {"root", "A"},
      {"root", "a/b"},  {"path", ""}, {"path", "/a"},     {"path", "a/../b"},    {"path", "a//b"},
      {"path", "a\nb"}, {"path", 1},  {"verified_at", 1}, {"state", "verified"},
  };
  for (const auto& [field, value] : kWrong) {
    CAPTURE(field, value.dump());
    CHECK(places(replica_from_json(with(kReplica, field, value), kSites)) == "/" + std::string(field));
  }
  CHECK(places(replica_from_json(Json::object(), kSites)) == "/site /root /path");
  CHECK(places(replica_from_json(Json(1), kSites)) == "-");
}

TEST_CASE("evidence says what was seen, and until when it counts") {
  const auto read = evidence_from_json(kEvidence);
  REQUIRE(read);
  CHECK(read->hash == domain::ContentHash(kHash));
  CHECK(read->at == from_unix_seconds(1'795'305'600));
  CHECK(read->expires_at == from_unix_seconds(1'796'112'000));
  auto now = kEvidence;
  now.erase("verified_at");
  CHECK_FALSE(evidence_from_json(now)->at);
  const struct {
    const char* field;
    Json value;
  } kWrong[] = {{"sha256", "ab"},  {"sha256", nullptr}, {"verified_at", "yesterday"}, {"expires_at", ""}, {"expires_at", "soon"},
                {"expires_at", 1}, {"site", "alpha"}};
  for (const auto& [field, value] : kWrong) {
    CAPTURE(field, value.dump());
    CHECK(places(evidence_from_json(with(kEvidence, field, value))) == "/" + std::string(field));
  }
  CHECK(places(evidence_from_json(Json::object())) == "/sha256 /expires_at");
  CHECK(places(evidence_from_json(Json())) == "-");
}
