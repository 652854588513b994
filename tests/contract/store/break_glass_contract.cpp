// SPDX-License-Identifier: Apache-2.0
// Break-glass takes two people, ends for good, and each of its steps is a record of the ledger or did not happen.
#include "broker/ledger/export_check.hpp"
#include "broker/ledger/note.hpp"

#include "store_contract.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;
using domain::BreakGlass;
using domain::BreakGlassState;

namespace {

const Principal kGlassAsker("local:op"), kGlassSecond("local:op-2"), kGlassOwner("local:alice");
const ledger::Signer kGlassSigner{.name = "hansa/contract", .seed = Secret(std::string(32, 'k'))};

class Glass {
 public:
  Glass() {
    REQUIRE(store->wait(store->ledger().append_record(
        {.kind = "key", .at = at(0), .fields = {{"key", kGlassSigner.verifier().text()}}, .after_key = ""})));
    epoch = store->begin_epoch();
  }
  ports::BreakGlassStore& glasses() { return store->break_glass(); }
  BreakGlass ask(Seconds lasts = Seconds{3'600}, std::vector<Principal> makers = {}) {
    BreakGlass glass{.id = next_id(),
                     .scope = {.job = job, .person = kGlassOwner},
                     .reason = "incident 4711 of local:alice",
                     .by = kGlassAsker,
                     .at = at(10),
                     .lasts = lasts,
                     .makers = std::move(makers)};
    REQUIRE(store->wait(glasses().ask_break_glass(glass, epoch)));
    return glass;
  }
  Result<BreakGlass> rule(const BreakGlass& glass, const Principal& by, bool approve = true, std::vector<Principal> makers = {},
                          std::int64_t second = 20) {
    return store->wait(
        glasses().rule_break_glass(glass.id, {.by = by, .makers = std::move(makers), .approve = approve}, at(second), epoch));
  }
  Result<void> use(const BreakGlass& glass, std::int64_t second, const std::string& operation = "readJobOutput") {
    return store->wait(glasses().use_break_glass(glass.id, {.operation = operation, .job = job}, at(second), epoch));
  }
  Result<BreakGlass> end(const BreakGlass& glass, std::int64_t second) {
    return store->wait(glasses().end_break_glass(glass.id, kGlassSecond, "ENDED", at(second), epoch));
  }
  ports::BreakGlassDetails found(const BreakGlass& glass) { return store->wait(glasses().break_glass(glass.id)).value(); }

  /// As an auditor checks it: the export, and each step against the record that the ledger has of it.
  Result<ledger::ExportCheck::Facts> verify(const BreakGlass& glass) {
    const auto head = store->wait(store->ledger().ledger_head()).value();
    ledger::Note note{.text = ledger::Checkpoint{"hansa/contract", head.size, head.root}.text(), .signatures = {}};
    note.signatures.push_back(ledger::sign_note(kGlassSigner, note.text));
    ledger::ExportCheck check({.key = kGlassSigner.verifier(), .witnesses = {}});
    auto text = ledger::export_header(note, {}, false) + "\n";
    records = store->wait(store->ledger().ledger_records(0, 1'000, false)).value();
    for (const auto& record : records) text += record.text + "\n";
    for (const auto& step : found(glass).steps) {
      const auto& record = records.at(static_cast<std::size_t>(step.record)).text;
      CHECK(record.contains("\"event\":\"" + step.event + "\""));
      if (!step.salt.empty())
        CHECK(record.contains(ledger::hex_of(ledger::bytes_of(ledger::commitment(step.salt, step.personal)))));
      for (const auto* name : {"alice", "op-2", "local:op", "4711"}) CHECK_FALSE(record.contains(name));
    }
    if (auto taken = check.take(text); !taken) return std::unexpected(taken.error());
    return check.finish();
  }
  std::vector<std::string> events(const BreakGlass& glass) {
    std::vector<std::string> all;
    for (const auto& step : found(glass).steps) all.push_back(step.event);
    return all;
  }

  std::unique_ptr<StoreUnderTest> store = next_store();
  std::int64_t epoch = 0;
  JobId job = next_id();
  std::vector<ports::LedgerRecord> records;
};

}  // namespace

TEST_CASE("break-glass opens by another person's word and each step is in the ledger", "[T27]") {
  Glass world;
  const auto glass = world.ask();
  CHECK(code_of(world.use(glass, 15)) == "BREAK_GLASS_ENDED");
  CHECK(code_of(world.rule(glass, kGlassAsker)) == "SECOND_PERSON");
  CHECK(code_of(world.rule(glass, kGlassOwner)) == "SECOND_PERSON");
  CHECK(code_of(world.rule(glass, kGlassSecond, true, {Principal("local:root"), kGlassAsker})) ==
        "SECOND_PERSON");  // by a token of the asker's
  CHECK(world.found(glass).glass == glass);

  const auto open = world.rule(glass, kGlassSecond, true, {Principal("local:root")});
  REQUIRE(open);
  CHECK(open->state == BreakGlassState::open);
  CHECK(open->until == at(20 + 3'600));
  CHECK(code_of(world.rule(glass, kGlassSecond)) == "NOT_PENDING");
  REQUIRE(world.use(glass, 30));
  REQUIRE(world.use(glass, 40));
  REQUIRE(world.use(glass, 3'619, "getJobScript"));
  CHECK(code_of(world.use(glass, 3'620)) == "BREAK_GLASS_ENDED");
  const auto over = world.end(glass, 3'700);
  REQUIRE(over);
  CHECK(over->uses == 3);
  CHECK(world.end(glass, 3'800)->ended_at == at(3'700));
  CHECK(code_of(world.use(glass, 100)) == "BREAK_GLASS_ENDED");  // not again by a clock that goes back
  CHECK(code_of(world.rule(glass, kGlassSecond)) == "NOT_PENDING");

  CHECK(world.events(glass) == std::vector<std::string>{"requested", "approved", "used", "used", "ended"});
  const auto details = world.found(glass);
  REQUIRE(details.used.size() == 2);
  CHECK(details.used[1] ==
        ports::BreakGlassUsed{
            .use = {.operation = "readJobOutput", .job = world.job}, .first_at = at(30), .last_at = at(40), .times = 2});
  const auto verified = world.verify(glass);
  REQUIRE(verified);
  CHECK(verified->kinds.at("breakglass") == 5);
  CHECK(world.records.back().text.contains(R"("uses":3,"v":1,"why":"ENDED")"));
  world.store->reopen();
  CHECK(world.found(glass).glass == details.glass);
}

TEST_CASE("break-glass is not approved by who had a hand in the token that asked", "[T27]") {
  Glass world;
  const auto glass = world.ask(Seconds{60}, {Principal("local:op-3"), Principal("egi:a|\"b")});
  CHECK(world.found(glass).glass == glass);
  for (const auto* maker : {"local:op-3", "egi:a|\"b"}) {
    CHECK(code_of(world.rule(glass, Principal(maker))) == "SECOND_PERSON");
    CHECK(code_of(world.rule(glass, kGlassSecond, true, {Principal(maker)})) == "SECOND_PERSON");
  }
  CHECK(code_of(world.rule(glass, kGlassSecond, true, {Principal("unknown:")})) == "SECOND_PERSON");
  CHECK(world.rule(glass, kGlassSecond, true, {Principal("local:op-4")}));
  const auto unknown = world.ask(Seconds{60}, {Principal("unknown:")});
  CHECK(code_of(world.rule(unknown, kGlassSecond)) == "SECOND_PERSON");
}

TEST_CASE("break-glass that is rejected or was not approved for a day opens nothing", "[T27]") {
  Glass world;
  const auto rejected = world.ask(), late = world.ask(), withdrawn = world.ask();
  REQUIRE(world.rule(rejected, kGlassAsker, false));  // withdrawn by who asked: nobody else is needed for that
  CHECK(code_of(world.use(rejected, 30)) == "BREAK_GLASS_ENDED");
  CHECK(code_of(world.rule(rejected, kGlassSecond)) == "NOT_PENDING");
  CHECK(code_of(world.rule(late, kGlassSecond, true, {}, 10 + 86'401)) == "NOT_PENDING");
  REQUIRE(world.end(withdrawn, 30));
  CHECK(code_of(world.rule(withdrawn, kGlassSecond)) == "NOT_PENDING");
  CHECK(world.verify(rejected));
  const auto pending =
      world.store->wait(world.glasses().break_glasses({.state = BreakGlassState::pending, .by = kGlassAsker, .limit = 10}))
          .value();
  REQUIRE(pending.size() == 1);
  CHECK(pending.front().id == late.id);
  CHECK(
      world.store->wait(world.glasses().break_glasses({.state = std::nullopt, .by = kGlassSecond, .limit = 10})).value().empty());
  CHECK(code_of(world.store->wait(world.glasses().break_glass(next_id()))) == "BREAK_GLASS_NOT_FOUND");
}

TEST_CASE("a broker that was replaced writes no break-glass and so opens nothing") {
  Glass world;
  const auto glass = world.ask(), other = world.ask();
  REQUIRE(world.rule(glass, kGlassSecond));
  const auto mine = world.epoch;
  world.store->begin_epoch();
  CHECK(code_of(world.use(glass, 30)) == "STALE_EPOCH");
  CHECK(code_of(world.rule(other, kGlassSecond)) == "STALE_EPOCH");
  CHECK(code_of(world.end(glass, 30)) == "STALE_EPOCH");
  CHECK(code_of(world.store->wait(world.glasses().see_break_glass(glass.id, at(30), mine))) == "STALE_EPOCH");
  world.epoch = mine + 1;
  REQUIRE(world.use(glass, 30));
}

TEST_CASE("the latest time at which break-glass was seen open only grows") {
  Glass world;
  const auto glass = world.ask();
  REQUIRE(world.rule(glass, kGlassSecond));
  const auto seen = [&](std::int64_t second) {
    REQUIRE(world.store->wait(world.glasses().see_break_glass(glass.id, at(second), world.epoch)));
    return world.found(glass).glass.seen_at;
  };
  CHECK(seen(80) == at(80));
  CHECK(seen(50) == at(80));
  REQUIRE(world.use(glass, 60));
  CHECK(world.found(glass).glass.seen_at == at(80));
}

TEST_CASE("break-glass is forgotten with people and the ledger stays verifiable") {
  Glass world;
  const auto glass = world.ask();
  REQUIRE(world.rule(glass, kGlassSecond));
  REQUIRE(world.use(glass, 30));
  auto& privacy = world.store->privacy();
  for (const auto& person : {kGlassAsker, kGlassSecond, kGlassOwner})
    CHECK(world.store->wait(privacy.in_the_way_of_erasing(person, at(40))).value().break_glass == std::vector{glass.id});
  REQUIRE(world.end(glass, 50));
  CHECK(world.store->wait(privacy.in_the_way_of_erasing(kGlassOwner, at(60))).value().break_glass.empty());
  const auto held = [&](const Principal& person, ports::PersonPart part) {
    return world.store->wait(privacy.person_part(person, part, "")).value().entries;
  };
  REQUIRE(held(kGlassOwner, ports::PersonPart::break_glass).size() == 1);
  CHECK(held(kGlassOwner, ports::PersonPart::break_glass)[0]["reason"] == "incident 4711 of local:alice");
  CHECK(held(kGlassOwner, ports::PersonPart::break_glass)[0]["uses"] == 1);
  CHECK(held(kGlassAsker, ports::PersonPart::changes).size() == 1);
  CHECK(held(kGlassSecond, ports::PersonPart::changes).size() == 2);

  const ports::Erasure erasure{.id = next_id(), .of = kGlassOwner, .reason = "request", .by = kGlassAsker, .at = at(100)};
  REQUIRE(world.store->wait(privacy.ask_erasure(erasure)));
  REQUIRE(world.store->wait(privacy.rule_erasure(erasure.id, kGlassSecond, at(110), true)));
  while (world.store->wait(privacy.erase_some(erasure.id, {"alice"}, at(120))).value()) {}
  const auto details = world.found(glass);
  CHECK(details.glass.scope.person == Principal("erased:nobody"));
  CHECK(details.glass.reason.empty());
  for (const auto& step : details.steps) CHECK((step.salt.empty() && step.personal.empty()));
  CHECK(world.verify(glass));
}

TEST_CASE("tokens know who made them") {
  auto store = next_store();
  const ports::ApiToken token{.id = "tok_1",
                              .hash = "h",
                              .principal = Principal("local:bob"),
                              .role = ports::Role::operator_,
                              .note = "",
                              .created_at = at(1),
                              .expires_at = std::nullopt,
                              .revoked_at = std::nullopt,
                              .makers = {Principal("local:operator"), Principal("egi:a|\"b")}};
  REQUIRE(store->wait(store->tokens().create_token(token)));
  store->reopen();
  CHECK(store->wait(store->tokens().tokens()).value().front().makers == token.makers);
}
