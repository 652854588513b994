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

/// A notary's state folder and its database, and its starts on them.
class Desk {
 public:
  Desk() { replace_database(); }

  /// A broker that begins on these files.
  Result<void> start() {
    notary_ = std::make_unique<engine::Notary>(
        engine::Notary::Options{.origin = "hansa/b1", .witnesses = {}},
        engine::LedgerKeys{.current = key,
                           .next = next,
                           .draw_next =
                               [this] {
                                 next = ledger::new_signer("hansa/b1", random_);
                                 return **next;
                               },
                           .next_becomes_current = [this]() -> Result<void> {
                             if (disk_is_full) return fail(ErrorKind::unavailable, "DISK", "no space");
                             key = std::exchange(*next, std::nullopt);
                             return {};
                           },
                           .draw_first =
                               [this] {
                                 key = ledger::new_signer("hansa/b1", random_);
                                 return **key;
                               },
                           .signed_last = signed_last,
                           .keep_signed = [this](const ledger::Checkpoint& made) -> Result<void> {
                             if (disk_is_full) return fail(ErrorKind::unavailable, "DISK", "no space");
                             signed_last = made;
                             return {};
                           }},
        *store_, time_, log_);
    return ask(notary_->start());
  }
  std::string sign() {
    auto made = ask(notary_->checkpoint());
    return made ? "" : made.error().code;
  }
  [[nodiscard]] std::string fault() const { return notary_->fault(); }
  std::string change_key() {
    auto changed = ask(notary_->change_key());
    return changed ? "" : changed.error().code;
  }
  void add_record(const std::string& what) {
    REQUIRE(ask(store_->append_record({.kind = "policy", .at = time_.now_utc(), .fields = {{"sha256", what}}, .after_key = {}})));
  }
  std::int64_t size() { return ask(store_->ledger_head()).value().size; }
  std::string key_in_force() { return ask(store_->ledger_head()).value().key; }
  void replace_database() {
    notary_.reset();
    auto opened = store::SqliteStore::open({.file = ":memory:", .broker_id = "b1", .inline_mode = true});
    REQUIRE(opened);
    store_ = std::move(*opened);
  }
  /// As a copy that has this key alone.
  void replace_database_by_one_of(const std::string& only_key) {
    replace_database();
    REQUIRE(ask(store_->append_record({.kind = "key", .at = time_.now_utc(), .fields = {{"key", only_key}}, .after_key = ""})));
  }

  Result<std::optional<ledger::Signer>> key, next;
  Result<std::optional<ledger::Checkpoint>> signed_last;
  bool disk_is_full = false;

 private:
  struct Silence final : ports::Log {
    void write(ports::LogLevel, std::string_view, std::initializer_list<ports::LogField>) override {}
  };
  template <class T>
  Result<T> ask(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(time_.executor(), std::move(task),
                          [&](const std::exception_ptr&, Result<T> result) { outcome.emplace(std::move(result)); });
    time_.run_until([&] { return outcome.has_value(); }, std::chrono::hours{1});
    REQUIRE(outcome);
    return std::move(*outcome);
  }

  simulation::VirtualScheduler time_;
  simulation::SeededRandom random_{1};
  Silence log_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<engine::Notary> notary_;
};

std::string text_of(const Result<std::optional<ledger::Signer>>& key) { return (*key)->verifier().text(); }

}  // namespace

TEST_CASE("a change of keys that was cut off is ended, and draws no third key") {
  Desk desk;
  REQUIRE(desk.start());
  const auto first = text_of(desk.key);
  desk.disk_is_full = true;
  CHECK(desk.change_key() == "DISK");  // the ledger names the next one by now
  const auto second = text_of(desk.next);
  CHECK(desk.key_in_force() == second);
  CHECK(desk.change_key() == "DISK");
  CHECK(text_of(desk.next) == second);
  CHECK(text_of(desk.key) == first);
  SECTION("asked again") {
    desk.disk_is_full = false;
    CHECK(desk.change_key().empty());
  }
  SECTION("at the next start") {
    desk.disk_is_full = false;
    REQUIRE(desk.start());
  }
  CHECK(text_of(desk.key) == second);
  CHECK_FALSE(*desk.next);
  CHECK(desk.size() == 2);
  CHECK(desk.sign().empty());
  CHECK(desk.change_key().empty());
  CHECK(desk.key_in_force() == text_of(desk.key));
}

TEST_CASE("with another key than the ledger's none is drawn") {
  Desk desk;
  REQUIRE(desk.start());
  const auto drawn = desk.key;
  desk.key = ledger::Signer{.name = "hansa/b1", .seed = Secret(std::string(32, 'x'))};
  CHECK(desk.start().error().code == "LEDGER_KEY");
  CHECK(desk.change_key() == "LEDGER_KEY");
  CHECK_FALSE(*desk.next);
  desk.key = drawn;
  CHECK(desk.start());
}

TEST_CASE("a key that is gone or of no use is not replaced, and stops nobody but the notary") {
  Desk desk;
  REQUIRE(desk.start());
  const auto drawn = desk.key;
  desk.key = std::optional<ledger::Signer>{};
  CHECK(desk.start().error().code == "LEDGER_KEY_MISSING");
  CHECK(desk.fault() == "LEDGER_KEY_MISSING");
  CHECK(desk.sign() == "LEDGER_KEY_MISSING");
  CHECK(desk.change_key() == "LEDGER_KEY_MISSING");
  CHECK_FALSE(*desk.key);
  desk.key = fail(ErrorKind::unavailable, "LEDGER_KEY_UNUSABLE", "others may read it");
  CHECK(desk.start().error().code == "LEDGER_KEY_UNUSABLE");
  CHECK(desk.sign() == "LEDGER_KEY_UNUSABLE");
  CHECK(desk.fault() == "LEDGER_KEY_UNUSABLE");
  CHECK(desk.change_key() == "LEDGER_KEY_UNUSABLE");
  desk.key = drawn;
  desk.next = fail(ErrorKind::unavailable, "LEDGER_KEY_UNUSABLE", "damaged");  // and the ledger never heard of it
  CHECK(desk.start());
  CHECK(desk.fault().empty());
  CHECK(desk.sign().empty());
  CHECK(desk.change_key().empty());
  CHECK(desk.sign().empty());

  Desk fresh;  // a damaged key is not replaced in a new ledger either
  fresh.key = fail(ErrorKind::unavailable, "LEDGER_KEY_UNUSABLE", "others may read it");
  CHECK(fresh.start().error().code == "LEDGER_KEY_UNUSABLE");
  CHECK(fresh.size() == 0);
}

TEST_CASE("a database that was put back is not signed") {
  Desk desk;
  REQUIRE(desk.start());
  desk.add_record("a");
  REQUIRE(desk.sign().empty());
  REQUIRE(desk.signed_last.value()->size == 2);
  desk.add_record("b");
  REQUIRE(desk.sign().empty());
  REQUIRE(desk.signed_last.value()->size == 3);
  const auto key = desk.key;
  const auto signed_last = desk.signed_last;

  desk.replace_database_by_one_of(text_of(key));
  CHECK(desk.start().error().code == "LEDGER_WENT_BACK");
  CHECK(desk.sign() == "LEDGER_WENT_BACK");
  CHECK(desk.change_key() == "LEDGER_WENT_BACK");  // the right database names the key that would be gone
  for (const auto* other : {"c", "d", "e"}) desk.add_record(other);  // as many again, and others
  CHECK(desk.sign() == "LEDGER_WENT_BACK");
  CHECK(desk.signed_last.value() == signed_last.value());
  CHECK(text_of(desk.key) == text_of(key));
  desk.signed_last = std::optional<ledger::Checkpoint>{};  // an operator has removed it
  REQUIRE(desk.start());
  CHECK(desk.sign().empty());
  CHECK(desk.signed_last.value()->size == 4);
}

TEST_CASE("nothing leaves that was not written down as signed") {
  Desk desk;
  REQUIRE(desk.start());
  desk.disk_is_full = true;
  CHECK(desk.sign() == "DISK");
  CHECK(desk.sign() == "DISK");
  desk.disk_is_full = false;
  CHECK(desk.sign().empty());
  desk.signed_last = fail(ErrorKind::unavailable, "LEDGER_KEY_UNUSABLE", "damaged");
  CHECK(desk.start().error().code == "LEDGER_KEY_UNUSABLE");
  CHECK(desk.sign() == "LEDGER_KEY_UNUSABLE");
  desk.signed_last = std::optional<ledger::Checkpoint>{};  // of a broker that did not write it yet
  REQUIRE(desk.start());
  CHECK(desk.sign().empty());
  CHECK(desk.signed_last.value()->size == 1);
}

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

TEST_CASE("a witness's word is kept if its own key vouches for it and the history is ours") {
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
