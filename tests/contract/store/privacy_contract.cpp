// SPDX-License-Identifier: Apache-2.0
// What is held of people ends: by age, and when a person is forgotten. What others are held of stays, as do sums and proofs.
#include "broker/core/digest.hpp"
#include "broker/domain/nobody.hpp"
#include "broker/ledger/export_check.hpp"

#include "reports_under_test.hpp"

using namespace hansa;
using namespace hansa::contract;
using domain::Holding;
using ports::Erasure;

namespace {

const SiteId kPlaceOfRuns("alpha");
const Principal kRoot("local:root"), kSecondOperator("local:second");
const ledger::Signer kLedgerSigner{.name = "hansa/contract", .seed = Secret(std::string(32, 'k'))};

class HeldOfPeople {
 public:
  HeldOfPeople() {
    REQUIRE(store->wait(store->ledger().append_record(
        {.kind = "key", .at = at(0), .fields = {{"key", kLedgerSigner.verifier().text()}}, .after_key = ""})));
  }
  /// A job that ran and is over at that second.
  domain::Job over(const std::string& owner, const std::string& site_job, std::int64_t second) {
    auto job = bound(*store, "alpha", site_job, {.owner = owner});
    recorded(*store, job,
             {domain::RunStarted{.attempt = 1, .started_at = at(second - 100)},
              domain::AttemptEnded{.attempt = 1,
                                   .outcome = domain::Outcome::succeeded,
                                   .started_at = at(second - 100),
                                   .ended_at = at(second),
                                   .exit_code = 0,
                                   .reason = {"COMPLETED", "as " + owner + " wanted it"}}},
             second);
    REQUIRE(store->wait(store->usage().book_usage(kPlaceOfRuns, {told_run_of(job, second - 100)}, {"c"}, at(second))).value() ==
            1);
    return job;
  }
  /// Taken for that reason from that document.
  void decided(const domain::Job& job, const std::string& why, const std::string& document) {
    domain::Decision decision{
        .at = at(5), .chosen = {}, .queue = {}, .verdicts = {}, .reason = {"WAITS", why}, .input_hash = sha256_hex(document)};
    REQUIRE(store->wait(
        store->jobs().record({.job = job, .events = {}, .decision = decision, .documents = {{decision.input_hash, document}}})));
  }
  bool has_document(const std::string& text) { return store->wait(store->jobs().document(sha256_hex(text))).has_value(); }
  std::vector<ports::DecisionLeaf> leaves(bool anew) {
    return store->wait(store->periods().decision_leaves(1, 100, anew)).value();
  }
  std::int64_t expire(Holding holding, std::int64_t before) {
    std::int64_t gone = 0, after = 0;
    for (;;) {
      const auto step = store->wait(store->privacy().expire(holding, at(before), after, at(90'000))).value();
      gone += step.rows;
      if (!step.next) return gone;
      after = *step.next;
    }
  }
  domain::Job job(const JobId& id) { return store->wait(store->jobs().job(id)).value(); }
  std::int64_t core_seconds() { return store->wait(store->usage().usage_report({})).value().front().core_seconds.value; }

  Result<ledger::ExportCheck::Facts> verify() {
    const auto head = store->wait(store->ledger().ledger_head()).value();
    ledger::Note note{.text = ledger::Checkpoint{"hansa/contract", head.size, head.root}.text(), .signatures = {}};
    note.signatures.push_back(ledger::sign_note(kLedgerSigner, note.text));
    ledger::ExportCheck check({.key = kLedgerSigner.verifier(), .witnesses = {}});
    auto text = ledger::export_header(note, {}, true) + "\n";
    for (const auto& record : store->wait(store->ledger().ledger_records(0, 10'000, true)).value()) {
      text += record.text + "\n";
      if (record.of_person) text += (record.personal.empty() ? "-" : record.personal) + "\n";
    }
    exported = text;
    if (auto taken = check.take(text); !taken) return std::unexpected(taken.error());
    return check.finish();
  }
  std::vector<Json> held_of(const Principal& person, ports::PersonPart part) {
    std::vector<Json> all;
    for (std::string after;;) {
      auto page = store->wait(store->privacy().person_part(person, part, after)).value();
      std::ranges::move(page.entries, std::back_inserter(all));
      if (!page.next) return all;
      after = *page.next;
    }
  }
  Erasure ask(const Principal& person) {
    Erasure erasure{.id = next_id(), .of = person, .reason = "as " + person.str() + " asked", .by = kRoot, .at = at(100)};
    REQUIRE(store->wait(store->privacy().ask_erasure(erasure)));
    return erasure;
  }
  Result<Erasure> rule(const Erasure& erasure, const Principal& by, bool approve = true) {
    return store->wait(store->privacy().rule_erasure(erasure.id, by, at(200), approve));
  }
  /// So many steps, or all.
  bool erase(const Erasure& erasure, int steps = 1'000) {
    for (; steps > 0; --steps) {
      if (!store->wait(store->privacy().erase_some(erasure.id, {"alice"}, at(300))).value()) return true;
    }
    return false;
  }
  Erasure found(const Erasure& erasure) { return store->wait(store->privacy().erasure(erasure.id)).value(); }

  std::unique_ptr<StoreUnderTest> store = next_store();
  std::string exported;
};

}  // namespace

TEST_CASE("payloads and requests end by age and those of live jobs stay") {
  HeldOfPeople world;
  auto keyed = new_job({.owner = "local:alice", .second = 50});
  REQUIRE(world.store->wait(world.store->jobs().accept_jobs({keyed}, ports::Idempotency{"k-1", "h"})));
  const auto old = world.over("local:alice", "41", 1'000), young = world.over("local:alice", "42", 5'000);
  const auto live = bound(*world.store, "alpha", "43", {});
  CHECK(world.expire(Holding::payloads, 2'000) == 1);
  CHECK(world.expire(Holding::payloads, 2'000) == 0);
  CHECK_FALSE(world.store->wait(world.store->jobs().payload(old.id)));
  CHECK(world.store->wait(world.store->jobs().payload(young.id)));
  CHECK(world.store->wait(world.store->jobs().payload(live.id)));
  CHECK(world.job(old.id).owner == kAlice);
  CHECK(world.expire(Holding::requests, 40) == 0);
  CHECK(world.expire(Holding::requests, 60) == 1);
  const auto log = report(*world.store, "retention", {}).rows;
  REQUIRE(log.size() == 2);
  for (const auto& row : log) CHECK(said(*ledger::find_report("retention"), row, "ended") == "1");
}

TEST_CASE("the file is gone over for whatever has ended since") {
  HeldOfPeople world;
  auto& privacy = world.store->privacy();
  auto owed = [&] { return world.store->wait(privacy.wipe_owed()).value(); };
  world.over("local:alice", "41", 1'000);
  world.over("local:alice", "42", 5'000);
  CHECK(world.expire(Holding::payloads, 500) == 0);
  CHECK(owed() == 0);
  CHECK(world.expire(Holding::payloads, 2'000) == 1);
  const auto first = owed();
  CHECK(first > 0);
  CHECK(world.expire(Holding::payloads, 6'000) == 1);
  REQUIRE(world.store->wait(privacy.wiped(first)));
  CHECK(owed() > first);
  REQUIRE(world.store->wait(privacy.wiped(owed())));
  CHECK(owed() == 0);
}

TEST_CASE("a job that is old enough is nobody's and still what its events say") {
  HeldOfPeople world;
  const auto old = world.over("local:alice", "41", 1'000), young = world.over("local:alice", "42", 5'000);
  CHECK(world.expire(Holding::jobs, 2'000) == 1);
  CHECK(world.expire(Holding::jobs, 2'000) == 0);
  const auto job = world.job(old.id);
  CHECK(job.owner == domain::kNobody);
  CHECK(job.spec.name.empty());
  CHECK(job.spec.resources == old.spec.resources);
  CHECK(job.spec.project == old.spec.project);
  CHECK(job.attempts.front().account.empty());
  CHECK(job.reason.message.empty());
  const auto events = world.store->wait(world.store->jobs().events(old.id)).value();
  auto rebuilt =
      domain::new_job(job.id, job.epoch, events.front().event.at, std::get<domain::Accepted>(events.front().event.body));
  for (std::size_t i = 1; i < events.size(); ++i) REQUIRE(domain::apply(rebuilt, events[i].event));
  CHECK(rebuilt == job);
  CHECK(world.job(young.id).owner == kAlice);
  world.store->reopen();
  CHECK(world.job(old.id) == job);
}

TEST_CASE("whose usage it was ends by age; records and sums stay and the tree says what went") {
  HeldOfPeople world;
  world.over("local:alice", "41", 1'000);
  world.over("local:bob", "42", 1'500);
  const auto young = world.over("local:alice", "43", 5'000);
  const auto before = world.core_seconds();
  CHECK(world.expire(Holding::usage_persons, 2'000) == 2);
  CHECK(world.expire(Holding::usage_persons, 2'000) == 0);
  const auto facts = world.verify();
  REQUIRE(facts);
  CHECK(facts->erased == 2);
  CHECK(facts->buried == 2);
  CHECK(facts->personal_parts == 1);
  CHECK(facts->kinds.at("tombstone") == 1);
  CHECK(world.core_seconds() == before);
  CHECK(world.held_of(kBob, ports::PersonPart::usage).empty());
  CHECK(world.held_of(kAlice, ports::PersonPart::usage).size() == 1);
}

TEST_CASE("an erasure takes two and can be refused") {
  HeldOfPeople world;
  const auto erasure = world.ask(kAlice);
  CHECK(code_of(world.store->wait(world.store->privacy().ask_erasure({.id = next_id(), .of = kAlice, .by = kSecondOperator}))) ==
        "ERASURE_UNDER_WAY");
  CHECK(code_of(world.rule(erasure, kRoot)) == "SECOND_PERSON");
  CHECK(code_of(world.rule(erasure, kAlice)) == "SECOND_PERSON");
  CHECK_FALSE(world.store->wait(world.store->privacy().erase_some(erasure.id, {}, at(300))).value());
  const auto rejected = world.rule(erasure, kRoot, false).value();
  CHECK(rejected.state == Erasure::State::rejected);
  CHECK(rejected.of.empty());
  CHECK_FALSE(rejected.reason.contains("alice"));
  CHECK(code_of(world.rule(erasure, kSecondOperator)) == "NOT_PENDING");
  CHECK(code_of(world.store->wait(world.store->privacy().erasure(next_id()))) == "ERASURE_NOT_FOUND");
  CHECK(world.store->wait(world.store->privacy().erasures(10)).value().size() == 1);
}

TEST_CASE("what stands in the way of an erasure is named") {
  HeldOfPeople world;
  const auto live = bound(*world.store, "alpha", "41", {});
  auto ran = bound(*world.store, "alpha", "42", {});
  recorded(*world.store, ran,
           {domain::RunStarted{.attempt = 1, .started_at = at(10)},
            domain::AttemptEnded{
                .attempt = 1, .outcome = domain::Outcome::succeeded, .started_at = at(10), .ended_at = at(20), .exit_code = 0}});
  const auto found = world.store->wait(world.store->privacy().in_the_way_of_erasing(kAlice, at(100))).value();
  CHECK(found.active == std::vector{live.id});
  CHECK(found.unbooked == std::vector{ran.id});
  CHECK(found.datasets.empty());
  CHECK(found.pending.empty());
  const auto asked = world.ask(kBob);  // by root
  const auto waits = world.store->wait(world.store->privacy().in_the_way_of_erasing(kRoot, at(100))).value();
  CHECK(waits.pending == std::vector<std::string>{"erasure " + asked.id.str()});
  const auto later = world.store->wait(world.store->privacy().in_the_way_of_erasing(kAlice, at(4 * 86'400))).value();
  CHECK(later.unbooked.empty());
}

TEST_CASE("secrets that still lie at a site keep a job's names for a week and then it is told where they are") {
  HeldOfPeople world;
  auto& privacy = world.store->privacy();
  const auto job = world.over("local:alice", "41", 1'000);
  const auto other = world.over("local:alice", "42", 1'000);
  REQUIRE(world.store->wait(world.store->secrets().note_secret_copy(job.id, 1)));
  const auto in_the_way = [&](int days) {
    return world.store->wait(privacy.in_the_way_of_erasing(kAlice, at(days * 86'400))).value();
  };
  CHECK(in_the_way(6).secrets == std::vector{job.id});
  CHECK(in_the_way(6).secrets_left.empty());
  CHECK(in_the_way(8).secrets.empty());
  CHECK(in_the_way(8).secrets_left == ports::SecretsLeft{{SiteId("alpha"), 1}});

  const auto expire = [&](int days) {
    return world.store->wait(privacy.expire(Holding::jobs, at(2'000), 0, at(days * 86'400))).value();
  };
  const auto early = expire(6);
  CHECK(early.rows == 1);
  CHECK(early.secrets_left.empty());
  CHECK(world.job(job.id).owner == kAlice);
  CHECK(world.job(other.id).owner == domain::kNobody);
  const auto late = expire(8);
  CHECK(late.rows == 1);
  CHECK(late.secrets_left == ports::SecretsLeft{{SiteId("alpha"), 1}});
  CHECK(world.job(job.id).owner == domain::kNobody);
  CHECK(world.store->wait(world.store->secrets().secret_copies()).value().empty());
}

TEST_CASE("nothing of a person is left and all of the others is") {
  HeldOfPeople world;
  auto& store = *world.store;
  const auto hers = world.over("local:alice", "41", 1'000), his = world.over("local:bob", "42", 1'500);
  const auto second = world.over("local:alice", "43", 2'000);
  REQUIRE(store.wait(store.tokens().create_token(
      {.id = "tok_a", .hash = "ha", .principal = kAlice, .note = "laptop of alice", .created_at = at(1)})));
  REQUIRE(store.wait(store.tokens().create_token({.id = "tok_b", .hash = "hb", .principal = kBob, .created_at = at(1)})));
  REQUIRE(store.wait(
      store.privacy().note_accesses({{.at = at(60), .reader = kAlice, .role = "user", .subject = kBob, .route = "getJob"},
                                     {.at = at(60),
                                      .reader = kRoot,
                                      .role = "operator",
                                      .subject = kAlice,
                                      .route = "exportPerson",
                                      .reason = "alice asked"}})));
  for (const auto& owner : {kAlice, kBob}) {
    REQUIRE(store.wait(store.secrets().put_secret(
        {.owner = owner, .name = "hf-token", .key_id = "k", .sealed = "sealed", .bytes = 1, .changed_at = at(1)}, 9)));
  }
  REQUIRE(store.wait(store.secrets().note_secret_copy(hers.id, 1)));
  REQUIRE(world.held_of(kAlice, ports::PersonPart::secrets).size() == 1);
  CHECK(world.held_of(kAlice, ports::PersonPart::secrets)[0]["name"] == "hf-token");
  CHECK_FALSE(world.held_of(kAlice, ports::PersonPart::secrets)[0].contains("sealed"));
  REQUIRE(world.held_of(kAlice, ports::PersonPart::jobs).size() == 2);
  REQUIRE(world.held_of(kAlice, ports::PersonPart::accesses).size() == 1);
  const auto sum = world.core_seconds();
  const auto size = store.wait(store.ledger().ledger_head()).value().size;
  const auto root = store.wait(store.ledger().ledger_root(size)).value();

  const auto erasure = world.ask(kAlice);
  REQUIRE(world.rule(erasure, kSecondOperator));
  CHECK_FALSE(world.erase(erasure, 2));
  world.store->reopen();  // a crash in the middle
  CHECK(world.erase(erasure));
  CHECK(world.erase(erasure));
  CHECK(world.found(erasure).state == Erasure::State::approved);  // until the file is gone over
  REQUIRE(store.wait(store.privacy().wipe_unused(1)));
  REQUIRE(store.wait(store.privacy().end_erasure(erasure.id, at(400))));

  const auto done = world.found(erasure);
  CHECK(done.state == Erasure::State::done);
  CHECK(done.of.empty());
  CHECK(done.jobs == 2);
  CHECK(done.records == 2);
  CHECK_FALSE(done.reason.contains("alice"));
  for (std::size_t part = 0; part < ports::kPersonParts; ++part) {
    INFO("part " << part);
    CHECK(world.held_of(kAlice, static_cast<ports::PersonPart>(part)).empty());
  }
  CHECK(world.job(hers.id).owner == domain::kNobody);
  CHECK(world.job(his.id) == his);
  CHECK(store.wait(store.tokens().tokens()).value().size() == 1);
  CHECK(store.wait(store.secrets().secret_copies()).value().empty());
  CHECK(store.wait(store.secrets().secrets_of(kBob)).value().size() == 1);
  const auto facts = world.verify();
  REQUIRE(facts);
  CHECK(facts->erased == 2);
  CHECK(facts->personal_parts == 1);
  CHECK_FALSE(world.exported.contains("local:alice"));
  CHECK(world.core_seconds() == sum);
  CHECK(store.wait(store.ledger().ledger_root(size)).value() == root);
  const auto& log = *ledger::find_report("access");
  const auto accesses = report(store, "access", {}).rows;
  REQUIRE(accesses.size() == 2);
  CHECK(said(log, accesses[0], "person") == domain::kNobody.str());
  CHECK_FALSE(said(log, accesses[0], "reason").contains("alice"));
  CHECK(said(log, accesses[1], "reader") == domain::kNobody.str());
  CHECK(said(log, accesses[1], "person") == kBob.str());

  SECTION("and a site's later word brings nothing back") {
    auto changed = told_run_of(second, 1'900);
    changed.elapsed = Seconds{90};
    changed.core_seconds = {720};
    REQUIRE(store.wait(store.usage().book_usage(kPlaceOfRuns, {changed}, {"d"}, at(5'000))).value() == 1);
    REQUIRE(world.verify());
    CHECK_FALSE(world.exported.contains("local:alice"));
    CHECK(world.core_seconds() == sum - 80);
  }
  SECTION("and whoever comes again under that name is somebody else") {
    const auto again = world.over("local:alice", "44", 6'000);
    CHECK(world.job(again.id).owner == kAlice);
    CHECK(world.held_of(kAlice, ports::PersonPart::jobs).size() == 1);
    const auto other = world.ask(kAlice);
    CHECK(world.rule(other, kSecondOperator));
  }
}

TEST_CASE("decisions are what the ledger vouches for when a name is taken out of them") {
  HeldOfPeople world;
  const auto hers = world.over("local:alice", "41", 1'000), his = world.over("local:bob", "42", 1'500);
  world.decided(hers, "local:alice has had enough", R"({"of":"hers"})");
  world.decided(his, "behind local:alice in line", R"({"of":"his"})");
  world.decided(his, "there is room", R"({"of":"his"})");
  const auto vouched = world.leaves(false);
  REQUIRE(vouched.size() == 3);
  const auto erasure = world.ask(kAlice);
  REQUIRE(world.rule(erasure, kSecondOperator));
  REQUIRE(world.erase(erasure));
  const auto anew = world.leaves(true);
  REQUIRE(anew.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(anew[i].text == vouched[i].text);
    CHECK(world.leaves(false)[i].text == vouched[i].text);
    CHECK(anew[i].erased == (i < 2));
  }
  CHECK_FALSE(world.has_document(R"({"of":"hers"})"));
  CHECK(world.has_document(R"({"of":"his"})"));
}

TEST_CASE("who kept the ledger is forgotten with what they wrote, and their adjustment stays booked") {
  HeldOfPeople world;
  auto& store = *world.store;
  world.over("local:bob", "42", 1'500);
  const auto record = store.wait(store.ledger().ledger_head()).value().size - 1;
  const auto adjust = [&](const std::string& id, const Principal& by, const std::string& why) {
    REQUIRE(store.wait(store.periods().propose_adjustment({.id = id,
                                                           .record = record,
                                                           .core_seconds = {-8},
                                                           .gpu_seconds = {0},
                                                           .node_seconds = {0},
                                                           .reason = why,
                                                           .by = by,
                                                           .at = at(6'000),
                                                           .ruling = {}})));
  };
  adjust("A1", kAlice, "her own words");
  CHECK(store.wait(store.privacy().in_the_way_of_erasing(kAlice, at(90'000))).value().pending ==
        std::vector<std::string>{"adjustment A1"});
  REQUIRE(store.wait(store.periods().rule_on_adjustment(
      "A1", {.approved = true, .by = kRoot, .reason = "as local:alice says", .at = at(6'100), .record = {}})));
  adjust("A2", kRoot, "it was down");
  REQUIRE(store.wait(store.periods().rule_on_adjustment(
      "A2", {.approved = false, .by = kAlice, .reason = "her no", .at = at(6'100), .record = {}})));
  REQUIRE(
      store.wait(store.reconciliations().explain(kPlaceOfRuns, "2026-06", {.reason = "hers", .by = kAlice, .at = at(6'200)})));
  CHECK(world.held_of(kAlice, ports::PersonPart::changes).size() == 3);
  const auto sum = world.core_seconds();
  const auto erasure = world.ask(kAlice);
  REQUIRE(world.rule(erasure, kSecondOperator));
  REQUIRE(world.erase(erasure));
  CHECK(world.held_of(kAlice, ports::PersonPart::changes).empty());
  const auto left = store.wait(store.periods().adjustments(std::nullopt, 10)).value();
  REQUIRE(left.size() == 2);
  CHECK(left[1].by == domain::kNobody);
  CHECK(left[1].reason.empty());
  CHECK(left[1].ruling->reason == "as erased:nobody says");
  CHECK(left[0].reason == "it was down");
  CHECK(left[0].ruling->by == domain::kNobody);
  CHECK(store.wait(store.reconciliations().explanation(kPlaceOfRuns, "2026-06")).value()->by == domain::kNobody);
  CHECK(world.core_seconds() == sum);
  REQUIRE(world.verify());
  CHECK_FALSE(world.exported.contains("her own words"));
  CHECK(world.expire(Holding::changes, 50'000) > 0);
  CHECK(store.wait(store.periods().adjustments(std::nullopt, 10)).value()[0].by == domain::kNobody);
}

TEST_CASE("break-glass whose asker is erased already ends by age as well") {
  HeldOfPeople world;
  auto& glasses = world.store->break_glass();
  const auto epoch = world.store->begin_epoch();
  const domain::BreakGlass glass{.id = next_id(),
                                 .scope = {.job = next_id(), .person = kBob},
                                 .reason = "incident 4711",
                                 .by = kAlice,
                                 .at = at(10),
                                 .lasts = Seconds{3'600}};
  REQUIRE(world.store->wait(glasses.ask_break_glass(glass, epoch)));
  REQUIRE(world.store->wait(glasses.rule_break_glass(glass.id, {.by = kRoot, .makers = {}, .approve = true}, at(20), epoch)));
  REQUIRE(world.store->wait(glasses.end_break_glass(glass.id, kSecondOperator, "ENDED", at(30), epoch)));
  const auto erasure = world.ask(kAlice);
  REQUIRE(world.rule(erasure, kSecondOperator));
  REQUIRE(world.erase(erasure));
  const auto names = [&] {
    const auto one = world.store->wait(glasses.break_glass(glass.id)).value().glass;
    return std::vector{one.by, one.scope.person, one.ruled_by, one.ended_by};
  };
  REQUIRE(names() == std::vector{domain::kNobody, kBob, kRoot, kSecondOperator});
  const auto held = [&] { return world.store->wait(world.store->privacy().held(Holding::changes)).value().held; };
  CHECK(held() == 2);  // and the erasure
  CHECK(world.expire(Holding::changes, 50'000) > 0);
  CHECK(names() == std::vector(4, domain::kNobody));
  CHECK(held() == 1);  // the erasure, which waits for its wipe
  CHECK(world.expire(Holding::changes, 50'000) == 0);
}

TEST_CASE("a longer name is somebody else's") {
  HeldOfPeople world;
  const std::string shared = R"({"of":"both"})", other = R"({"of":"local:alice.b"})";
  const auto hers = world.over("local:alice", "41", 1'000), theirs = world.over("local:alice.b", "42", 1'500);
  world.decided(hers, "there is room", shared);
  world.decided(theirs, "there is room", shared);
  world.decided(theirs, "local:alice.b, local:alice@uni.fi and local:alice:x wait", other);
  const auto decision = world.store->wait(world.store->jobs().decision(theirs.id)).value();
  const auto erasure = world.ask(kAlice);
  REQUIRE(world.rule(erasure, kSecondOperator));
  REQUIRE(world.erase(erasure));
  CHECK(world.job(hers.id).owner == domain::kNobody);
  CHECK(world.job(theirs.id) == theirs);
  CHECK(world.store->wait(world.store->jobs().decision(theirs.id)).value() == decision);
  CHECK(world.has_document(shared));
  CHECK(world.has_document(other));
  for (const auto& leaf : world.leaves(true)) CHECK_FALSE(leaf.erased);
  CHECK(world.expire(Holding::jobs, 5'000) == 1);
  CHECK_FALSE(world.has_document(shared));
}

TEST_CASE("who read is told by time and person, and ends by age") {
  HeldOfPeople world;
  auto& privacy = world.store->privacy();
  REQUIRE(world.store->wait(privacy.note_accesses(
      {{.at = at(60), .reader = kRoot, .role = "operator", .subject = kAlice, .route = "getJob", .times = 3},
       {.at = at(120), .reader = kRoot, .role = "operator", .subject = {}, .route = "listJobs"},
       {.at = at(180), .reader = kSecondOperator, .role = "auditor", .subject = kBob, .route = "getJob"}})));
  const auto& log = *ledger::find_report("access");
  const auto told = [&](const ports::ReportQuery& query) { return report(*world.store, "access", query).rows; };
  CHECK(told({}).size() == 3);
  ports::ReportQuery of_alice, of_time, newest;
  of_alice.person = kAlice;
  of_time.from = at(100);
  of_time.to = at(150);
  newest.limit = 1;
  const auto hers = told(of_alice);
  REQUIRE(hers.size() == 1);
  CHECK(said(log, hers[0], "times") == "3");
  CHECK(said(log, hers[0], "reader") == kRoot.str());
  REQUIRE(told(of_time).size() == 1);
  CHECK(said(log, told(of_time)[0], "person").empty());
  REQUIRE(told(newest).size() == 1);
  CHECK(said(log, told(newest)[0], "sequence") == "3");
  CHECK(world.expire(Holding::accesses, 150) == 2);
  const auto left = told({});
  REQUIRE(left.size() == 1);
  CHECK(said(log, left[0], "person") == kBob.str());
}

TEST_CASE("a job that came while its owner was erased is erased as well") {
  HeldOfPeople world;
  world.over("local:alice", "41", 1'000);
  const auto erasure = world.ask(kAlice);
  REQUIRE(world.rule(erasure, kSecondOperator));
  REQUIRE_FALSE(world.erase(erasure, 6));
  const auto late = world.over("local:alice", "42", 2'000);
  REQUIRE(world.erase(erasure));
  CHECK(world.job(late.id).owner == domain::kNobody);
  CHECK(world.found(erasure).jobs == 2);
  CHECK(world.held_of(kAlice, ports::PersonPart::jobs).empty());
  CHECK(world.held_of(kAlice, ports::PersonPart::usage).empty());
}
