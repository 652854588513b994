// SPDX-License-Identifier: Apache-2.0
// Who signs the ledger: with which key, after what went wrong with it, with the database, or with the disk between the two.
#include "broker/engine/notary.hpp"

#include "broker/store/sqlite_store.hpp"
#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace hansa::engine::test {
namespace {

const ledger::Signer kWitness{.name = "witness.example", .seed = Secret(std::string(32, 'w'))};

/// A store whose writes succeed, and which says of some that nobody knows.
class AbsentMinded final : public ports::LedgerStore {
 public:
  ports::LedgerStore* store = nullptr;
  int lose_answers = 0;

  async::Task<ports::LedgerHead> ledger_head() override { return store->ledger_head(); }
  async::Task<std::vector<ports::LedgerRecord>> ledger_records(std::int64_t from, std::size_t limit, bool personal) override {
    return store->ledger_records(from, limit, personal);
  }
  async::Task<std::vector<std::int64_t>> ledger_records_of(JobId id) override { return store->ledger_records_of(id); }
  async::Task<ports::LedgerProof> prove_record(std::int64_t seq, std::int64_t size) override {
    return store->prove_record(seq, size);
  }
  async::Task<std::vector<Sha256>> prove_growth(std::int64_t from, std::int64_t to) override {
    return store->prove_growth(from, to);
  }
  async::Task<Sha256> ledger_root(std::int64_t size) override { return store->ledger_root(size); }
  async::Task<std::vector<std::pair<std::int64_t, std::string>>> ledger_keys() override { return store->ledger_keys(); }
  async::Task<std::optional<ports::KeptCheckpoint>> last_checkpoint() override { return store->last_checkpoint(); }
  async::Task<std::vector<std::pair<std::int64_t, ports::Cosignature>>> last_cosignatures() override {
    return store->last_cosignatures();
  }
  async::Task<std::vector<ports::Correction>> corrections(std::size_t limit) override { return store->corrections(limit); }
  async::Task<std::vector<ports::UsageRefusal>> usage_refusals() override { return store->usage_refusals(); }

  async::Task<std::int64_t> append_record(ports::LedgerAddition addition) override {
    return written(store->append_record(std::move(addition)));
  }
  async::Task<> keep_checkpoint(ports::KeptCheckpoint checkpoint) override {
    return written(store->keep_checkpoint(std::move(checkpoint)));
  }
  async::Task<> keep_cosignature(std::int64_t size, ports::Cosignature cosignature) override {
    return written(store->keep_cosignature(size, std::move(cosignature)));
  }

 private:
  template <typename T>
  async::Task<T> written(async::Task<T> writing) {
    auto done = co_await std::move(writing);
    if (done && lose_answers > 0) {
      --lose_answers;
      co_return fail(ErrorKind::unknown_outcome, "STORE_IO", "the disk failed");
    }
    co_return done;
  }
};

/// A notary's state folder and its database, and its starts on them.
class Desk {
 public:
  Desk() { replace_database(); }

  /// A broker that begins on these files.
  Result<void> start() {
    notary_ = std::make_unique<Notary>(
        Notary::Options{.origin = "hansa/b1", .witnesses = {kWitness.verifier(ledger::KeyUse::cosignature)}},
        LedgerKeys{.current = key,
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
        ledger_, time_, log_);
    return ask(notary_->start());
  }
  std::string sign() {
    auto made = ask(notary_->checkpoint());
    return made ? "" : made.error().code;
  }
  ports::KeptCheckpoint last_signed() { return *ask(store_->last_checkpoint()).value(); }
  std::string accept(const ledger::Checkpoint& checkpoint) {
    auto kept =
        ask(notary_->accept(checkpoint.text(), ledger::line_of(ledger::cosign(kWitness, checkpoint.text(), time_.now_utc()))));
    return kept ? "" : kept.error().code;
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
    ledger_.store = store_.get();
  }
  /// As a copy that has this key alone.
  void replace_database_by_one_of(const std::string& only_key) {
    replace_database();
    REQUIRE(ask(store_->append_record({.kind = "key", .at = time_.now_utc(), .fields = {{"key", only_key}}, .after_key = ""})));
  }

  /// The next write is done, and its caller told that nobody knows.
  void lose_an_answer() { ledger_.lose_answers = 1; }
  [[nodiscard]] bool lost_one() const { return ledger_.lose_answers == 0; }

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
  AbsentMinded ledger_;
  std::unique_ptr<Notary> notary_;
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

TEST_CASE("a database that was put back is not signed", "[T17][T18]") {
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

TEST_CASE("what the store has written and does not know of is neither done twice nor lost") {
  Desk desk;
  SECTION("the first key") {
    desk.lose_an_answer();
    CHECK(desk.start().error().code == "STORE_IO");
    const auto drawn = text_of(desk.key);
    REQUIRE(desk.start());
    CHECK(text_of(desk.key) == drawn);
    CHECK(desk.size() == 1);
  }
  REQUIRE(desk.start());
  SECTION("a checkpoint") {
    desk.lose_an_answer();
    CHECK(desk.sign() == "STORE_IO");
    const auto first = desk.last_signed().note;
    CHECK(desk.sign().empty());
    CHECK(desk.last_signed().note == first);
    CHECK(desk.signed_last.value()->size == 1);
  }
  SECTION("the record that names the next key") {
    const auto before = text_of(desk.key);
    desk.lose_an_answer();
    CHECK(desk.change_key() == "STORE_IO");
    CHECK(text_of(desk.key) == before);
    const auto named = desk.key_in_force();
    CHECK(text_of(desk.next) == named);
    const bool starts_anew = GENERATE(false, true);
    if (starts_anew)
      REQUIRE(desk.start());
    else
      CHECK(desk.change_key().empty());
    CHECK(text_of(desk.key) == named);
    CHECK_FALSE(*desk.next);
    CHECK(desk.size() == 2);  // named once
  }
  SECTION("a witness's word") {
    REQUIRE(desk.sign().empty());
    const auto checkpoint = *desk.signed_last.value();
    desk.lose_an_answer();
    CHECK(desk.accept(checkpoint) == "STORE_IO");
    CHECK(desk.accept(checkpoint).empty());
    CHECK(desk.last_signed().cosignatures.size() == 1);
  }
  CHECK(desk.lost_one());
  CHECK(desk.sign().empty());
  CHECK(desk.key_in_force() == text_of(desk.key));
}

}  // namespace hansa::engine::test
