// SPDX-License-Identifier: Apache-2.0
// The ledger over REST: who may read it, what is signed, what witnesses hand in.
#include "broker/ledger/export_check.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {
namespace {

std::string note_of(ApiUnderTest& api) { return api.call("auditor", "GET", "/v1/ledger/checkpoint").body["note"]; }
ledger::Checkpoint head_of(ApiUnderTest& api) {
  return ledger::parse_checkpoint(ledger::parse_note(note_of(api)).value().text).value();
}

/// A job of alice's that ran, and whose usage is booked.
std::string ran(ApiUnderTest& api) {
  const auto id = api.submit("alice", {{"script", "#!/bin/sh\n#model run=10s\n"}});
  api.time.run_until([&] { return !api.call("alice", "GET", "/v1/jobs/" + id + "/usage").body["records"].empty(); },
                     std::chrono::hours{2});
  return id;
}

std::string exported(ApiUnderTest& api) {
  const auto note = ledger::parse_note(note_of(api)).value();
  std::vector<ledger::Verifier> witnesses;
  if (note.signatures.size() > 1) witnesses.push_back(api.witness.verifier(ledger::KeyUse::cosignature));
  auto text = ledger::export_header(note, witnesses, true) + "\n";
  for (const auto& entry : api.call("auditor", "GET", "/v1/ledger/records?personal=true").body["records"]) {
    text += entry["record"].get<std::string>() + "\n";
    if (entry.contains("personal")) text += entry["personal"].get<std::string>() + "\n";
  }
  return text;
}

Result<ledger::ExportCheck::Facts> checked(const std::string& text) {
  ledger::ExportCheck check({});
  if (auto taken = check.take(text); !taken) return std::unexpected(taken.error());
  return check.finish();
}

}  // namespace

TEST_CASE("an auditor takes the ledger away and finds it whole") {
  ApiUnderTest api;
  const auto id = ran(api);
  const auto facts = checked(exported(api));
  REQUIRE(facts);
  CHECK(facts->kinds.at("usage") == 1);
  CHECK(facts->personal_parts == 1);
  const auto report = api.call("auditor", "GET", "/v1/reports/usage?by=project,site").body["rows"];
  REQUIRE(report.size() == 1);
  CHECK(report[0]["core_seconds"] == facts->sums.begin()->second.amounts.core_seconds);

  const auto proof = api.call("auditor", "GET", "/v1/ledger/proof?job=" + id).body;
  REQUIRE(proof["proofs"].size() == 1);
  std::vector<ledger::Hash> path;
  for (const auto& hash : proof["proofs"][0]["path"]) path.push_back(ledger::hash_of(hash.get<std::string>()).value());
  const auto head = head_of(api);
  CHECK(ledger::is_included(path, proof["proofs"][0]["seq"], head.size,
                            ledger::leaf_hash(proof["proofs"][0]["record"].get<std::string>()), head.root));
  CHECK_FALSE(api.call("auditor", "GET", "/v1/ledger/records").text.contains("alice"));  // unless it is asked for
}

TEST_CASE("users read no ledger, and auditors change no key") {
  ApiUnderTest api;
  for (const auto* path : {"/v1/ledger", "/v1/ledger/checkpoint", "/v1/ledger/records", "/v1/ledger/proof?record=0",
                           "/v1/ledger/consistency?from=0&to=0", "/v1/ledger/corrections"}) {
    INFO(path);
    CHECK(api.call("alice", "GET", path).status == 403);
    CHECK(api.call("", "GET", path).status == 401);
    CHECK(api.call("auditor", "GET", path).status == 200);
    CHECK(api.call("operator", "GET", path).status == 200);
  }
  CHECK(api.call("alice", "POST", "/v1/ledger/cosignatures", Json::object()).status == 403);
  CHECK(api.call("auditor", "POST", "/v1/ledger/key").status == 403);
  CHECK(api.call("auditor", "GET", "/v1/ledger/proof").fault("?record").contains("give either"));
  CHECK(api.call("auditor", "GET", "/v1/ledger/proof?record=99").code() == "NO_SUCH_RECORD");
  CHECK(api.call("auditor", "GET", "/v1/ledger/consistency?from=5&to=9").code() == "NO_SUCH_TREE");
}

TEST_CASE("a checkpoint is signed once for each size") {
  ApiUnderTest api;
  const auto before = note_of(api);
  CHECK(note_of(api) == before);
  ran(api);
  const auto after = note_of(api);
  CHECK(after != before);
  const auto growth = api.call("auditor", "GET", "/v1/ledger/consistency?from=1&to=2").body["path"];
  std::vector<ledger::Hash> path;
  for (const auto& hash : growth) path.push_back(ledger::hash_of(hash.get<std::string>()).value());
  const auto root_of = [](const std::string& note) {
    return ledger::parse_checkpoint(ledger::parse_note(note).value().text).value().root;
  };
  CHECK(ledger::is_consistent(path, 1, 2, root_of(before), root_of(after)));
}

TEST_CASE("a witness's word is kept if its own key vouches for it and the history is ours", "[T18]") {
  ApiUnderTest api;
  const auto text = ledger::parse_note(note_of(api)).value().text;
  const auto hand_in = [&](const ledger::Signer& by, const std::string& checkpoint, const std::string& signed_text) {
    return api.call(
        "auditor", "POST", "/v1/ledger/cosignatures",
        {{"checkpoint", checkpoint}, {"cosignature", ledger::line_of(ledger::cosign(by, signed_text, api.time.now_utc()))}});
  };
  const ledger::Signer stranger{.name = "stranger.example", .seed = Secret(std::string(32, 's'))};
  const ledger::Signer namesake{.name = api.witness.name, .seed = Secret(std::string(32, 's'))};
  CHECK(hand_in(stranger, text, text).code() == "UNKNOWN_WITNESS");
  CHECK(hand_in(namesake, text, text).code() == "UNKNOWN_WITNESS");
  CHECK(hand_in(api.witness, text, "other\n" + text).code() == "BAD_COSIGNATURE");
  const auto other = ledger::Checkpoint{"hansa/b1", 1, ledger::Hash{1}}.text();
  CHECK(hand_in(api.witness, other, other).code() == "LEDGER_DIVERGED");
  const auto future = ledger::Checkpoint{"hansa/b1", 1'000, ledger::Hash{1}}.text();
  CHECK(hand_in(api.witness, future, future).code() == "LEDGER_DIVERGED");
  CHECK(api.call("auditor", "POST", "/v1/ledger/cosignatures", {{"checkpoint", "x"}, {"cosignature", "y"}}).code() == "BAD_NOTE");
  CHECK(ledger::parse_note(note_of(api)).value().signatures.size() == 1);
  CHECK(hand_in(api.witness, text, text).status == 200);
  CHECK(ledger::parse_note(note_of(api)).value().signatures.size() == 2);
  CHECK(checked(exported(api)).value().cosignatures.size() == 1);
  const auto shown = api.call("auditor", "GET", "/v1/ledger").body;
  CHECK(shown["witnesses"][0]["size"] == 1);
}

TEST_CASE("after a change of keys the old one vouches for the new one") {
  ApiUnderTest api;
  ran(api);
  const auto before = api.call("operator", "GET", "/v1/ledger").body["keys"];
  const auto changed = api.call("operator", "POST", "/v1/ledger/key");
  REQUIRE(changed.status == 200);
  const auto facts = checked(exported(api));
  REQUIRE(facts);
  REQUIRE(facts->keys.size() == 2);
  CHECK(facts->keys[0].text() == before[0]["key"].get<std::string>());
  CHECK(facts->keys[1].text() == changed.body["key"].get<std::string>());
}

}  // namespace hansa::api::test
