// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

#include <limits>
#include <tuple>

using namespace hansa;
using namespace hansa::contract;

namespace {

domain::UsageRecord record_of(const domain::Job& job, std::int64_t ended, std::int64_t elapsed = 100) {
  const auto& attempt = job.attempts.front();
  domain::UsageRecord record;
  record.site = attempt.site;
  record.cluster = "cluster-" + attempt.site.str();
  record.site_job_id = attempt.site_job_id;
  record.tag = domain::make_tag(job.id, attempt.number);
  record.account = attempt.account;
  record.scheduler_account = "proj1";
  record.queue = QueueName("batch");
  record.submitted_at = at(1);
  record.started_at = at(ended - elapsed);
  record.ended_at = at(ended);
  record.site_state = "COMPLETED";
  record.exit_code = 0;
  record.elapsed = Seconds{elapsed};
  record.nodes = 2;
  record.cores = 8;
  record.gpus = 1;
  record.core_seconds = {elapsed * 8};
  record.gpu_seconds = {elapsed};
  record.node_seconds = {elapsed * 2};
  record.source_line = "1|alice|COMPLETED|\"raw\"\xff";
  return record;
}

}  // namespace

TEST_CASE("the use of GPUs is summed by project and model, from where an earlier sum ended") {
  auto store = next_store();
  const auto job = bound(*store, "alpha", "41", {});
  const SiteId alpha("alpha");
  const auto sums = [&](std::int64_t last) {
    auto page = store->wait(store->usage().gpu_use_after(last)).value();
    std::vector<std::tuple<std::string, std::string, std::int64_t>> uses;
    for (const auto& use : page.uses) uses.emplace_back(use.project.str(), use.gpu_model, use.gpu_seconds.value);
    return std::pair(uses, page.last);
  };
  using Uses = decltype(sums(0).first);
  CHECK(sums(0) == std::pair(Uses{}, std::int64_t{0}));
  const auto record = record_of(job, 200);
  auto requeued = record, without = record;
  requeued.started_at = at(300);
  requeued.ended_at = at(400);
  without.started_at = at(400);
  without.ended_at = at(500);
  without.gpu_seconds = {0};
  REQUIRE(store->wait(store->usage().book_usage(alpha, {record, requeued, without}, {"page-1"}, at(0))).value() == 3);
  const auto [uses, last] = sums(0);
  CHECK(uses == Uses{{job.spec.project.str(), job.spec.resources.gpu_model, 200}});
  CHECK(sums(last) == std::pair(Uses{}, last));
  auto third = record;
  third.started_at = at(500);
  third.ended_at = at(600);
  REQUIRE(store->wait(store->usage().book_usage(alpha, {third}, {"page-2"}, at(0))).value() == 1);
  CHECK(sums(last).first == Uses{{job.spec.project.str(), job.spec.resources.gpu_model, 100}});
}

TEST_CASE("usage is booked once, and its cursor moves with it") {
  auto store = next_store();
  const auto job = bound(*store, "alpha", "41", {});
  const SiteId alpha("alpha");
  CHECK(store->wait(store->usage().usage_cursor(alpha)).value().text.empty());
  const auto record = record_of(job, 200);
  auto requeued = record;  // the same site job, a second run
  requeued.started_at = at(300);
  requeued.ended_at = at(400);
  auto never = record;
  never.started_at.reset();
  never.site_state = "CANCELLED";
  never.exit_code.reset();
  CHECK(store->wait(store->usage().book_usage(alpha, {record, requeued, never}, {"page-1"}, at(0))).value() == 3);
  CHECK(store->wait(store->usage().book_usage(alpha, {record, never, requeued}, {"page-2"}, at(0))).value() == 0);
  store->reopen();
  CHECK(store->wait(store->usage().book_usage(alpha, {never}, {"page-3"}, at(0))).value() == 0);
  CHECK(store->wait(store->usage().usage_cursor(alpha)).value().text == "page-3");
  CHECK(store->wait(store->usage().usage_cursor(SiteId("beta"))).value().text.empty());
  CHECK(store->wait(store->usage().usage_of(job.id)).value() == std::vector{record, requeued, never});
}

TEST_CASE("usage under a tag of ours that is not ours is left out", "[T20]") {
  auto store = next_store();
  const auto job = bound(*store, "alpha", "41", {});
  const auto unbound = accepted(*store);
  const SiteId alpha("alpha");
  const auto good = record_of(job, 200);
  std::vector<domain::UsageRecord> foreign(8, good);
  foreign[0].account = LocalAccount("bob");            // bob runs a job under alice's tag
  foreign[1].site_job_id = SiteJobId("42");            // another job of that name
  foreign[2].site_job_id = SiteJobId("");
  foreign[3].site = SiteId("beta");                    // a page of alpha's
  foreign[4].tag = domain::make_tag(job.id, 2);        // no such attempt
  foreign[5].tag = domain::make_tag(next_id(), 1);     // no such job
  foreign[6].tag = Tag("hansa-' OR '1'='1");
  foreign[7].tag = domain::make_tag(unbound.id, 1);
  CHECK(store->wait(store->usage().book_usage(alpha, foreign, {"c"}, at(0))).value() == 0);
  CHECK(store->wait(store->usage().usage_of(job.id)).value().empty());
  CHECK(store->wait(store->usage().usage_cursor(alpha)).value().text == "c");
  const auto elsewhere = record_of(bound(*store, "beta", "7", {}), 200);  // ours, but not alpha's to tell
  CHECK(store->wait(store->usage().book_usage(alpha, {elsewhere}, {"c"}, at(0))).value() == 0);
  foreign.push_back(good);
  CHECK(store->wait(store->usage().book_usage(alpha, foreign, {"d"}, at(0))).value() == 1);
}

TEST_CASE("usage that no run can have had is left out, and spoils no report", "[T20]") {
  auto store = next_store();
  const auto job = bound(*store, "alpha", "41", {});
  const auto good = record_of(job, 200);
  std::vector<domain::UsageRecord> records(6, good);
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  records[0].elapsed = Seconds{-1};
  records[1].core_seconds = {kMost};
  records[2].gpu_seconds = {kMost};
  records[3].node_seconds = {-kMost};
  records[4].cores = -8;
  for (std::size_t i = 0; i < records.size(); ++i) records[i].started_at = at(static_cast<std::int64_t>(i));  // different runs
  CHECK(store->wait(store->usage().book_usage(SiteId("alpha"), records, {"c"}, at(0))).value() == 1);
  const auto report = store->wait(store->usage().usage_report({}));
  REQUIRE(report);
  CHECK(report->front().core_seconds == good.core_seconds);
}

TEST_CASE("a further submission of an attempt is booked with it once it is recorded as such") {
  auto store = next_store();
  auto job = bound(*store, "alpha", "41", {});
  const SiteId alpha("alpha");
  auto twin = record_of(job, 200);
  twin.site_job_id = SiteJobId("42");
  auto stranger = twin;
  stranger.account = LocalAccount("bob");
  CHECK(store->wait(store->usage().book_usage(alpha, {twin}, {"a"}, at(0))).value() == 0);
  recorded(*store, job,
           {domain::SightingQuarantined{.attempt = 1, .site_job_id = SiteJobId("42"), .reason = {"FOREIGN_ACCOUNT", "bob's"}}});
  CHECK(store->wait(store->usage().book_usage(alpha, {twin}, {"b"}, at(0))).value() == 0);
  recorded(*store, job,
           {domain::SightingQuarantined{.attempt = 1, .site_job_id = SiteJobId("42"), .reason = {"DUPLICATE", "one too many"}}});
  CHECK(store->wait(store->usage().book_usage(alpha, {stranger, twin}, {"c"}, at(0))).value() == 1);
  CHECK(store->wait(store->usage().usage_of(job.id)).value() == std::vector{twin});
}

TEST_CASE("an attempt as the broker's own account takes the site's name for it") {
  auto store = next_store();
  auto job = accepted(*store);
  recorded(
      *store, job,
      {domain::AttemptIntended{
           .attempt = 1, .site = SiteId("alpha"), .queue = QueueName("q"), .account = LocalAccount(""), .scheduler_account = ""},
       domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId("9")}});
  auto record = record_of(job, 200);
  record.account = LocalAccount("hansa");
  CHECK(store->wait(store->usage().book_usage(SiteId("alpha"), {record}, {"c"}, at(0))).value() == 1);
}

TEST_CASE("the report sums integers by any columns") {
  auto store = next_store();
  using enum ports::UsageGroup;
  constexpr std::int64_t kDay = 86400;
  const auto a = bound(*store, "alpha", "1", {.owner = "local:alice", .project = "ai-lab"});
  const auto b = bound(*store, "beta", "2", {.owner = "local:bob", .project = "ai-lab"});
  const auto c = bound(*store, "beta", "3", {.owner = "local:bob", .project = "weather"});
  REQUIRE(store->wait(store->usage().book_usage(SiteId("alpha"), {record_of(a, 1000, 10)}, {"x"}, at(0))).value() == 1);
  auto failed = record_of(c, 2000 + kDay, 1000);
  failed.site_state = "TIMEOUT";
  REQUIRE(store->wait(store->usage().book_usage(SiteId("beta"), {record_of(b, 2000, 100), failed}, {"x"}, at(0))).value() == 2);

  const auto report = [&](const ports::UsageQuery& query) { return store->wait(store->usage().usage_report(query)).value(); };
  const auto keys = [&](const ports::UsageQuery& query) {
    std::vector<std::vector<std::string>> all;
    for (const auto& row : report(query)) all.push_back(row.keys);
    return all;
  };
  const auto total = report({});
  REQUIRE(total.size() == 1);
  CHECK(total[0].keys.empty());
  CHECK(total[0].runs == 3);
  CHECK(total[0].elapsed == Seconds{1110});
  CHECK(total[0].core_seconds.value == 8880);
  CHECK(total[0].gpu_seconds.value == 1110);
  CHECK(total[0].node_seconds.value == 2220);

  const auto by_project = report({.by = {project, site}});
  REQUIRE(by_project.size() == 3);
  CHECK(by_project[1].keys == std::vector<std::string>{"ai-lab", "beta"});
  CHECK(by_project[1].core_seconds.value == 800);

  CHECK(keys({.by = {owner}}) == std::vector<std::vector<std::string>>{{"local:alice"}, {"local:bob"}});
  CHECK(keys({.by = {country}}) == std::vector<std::vector<std::string>>{{""}, {"DE"}});
  CHECK(keys({.by = {state, queue, account}}) ==
        std::vector<std::vector<std::string>>{{"COMPLETED", "batch", "alice"}, {"TIMEOUT", "batch", "alice"}});
  CHECK(keys({.by = {day}}) == std::vector<std::vector<std::string>>{{"2026-05-28"}, {"2026-05-29"}});
  CHECK(keys({.by = {month}}) == std::vector<std::vector<std::string>>{{"2026-05"}});
  CHECK(keys({.owner = Principal("local:bob"), .by = {project}}) ==
        std::vector<std::vector<std::string>>{{"ai-lab"}, {"weather"}});
  CHECK(report({.from = at(1000), .to = at(2000)})[0].runs == 1);                           // at or after, before
  CHECK(report({.from = at(1000) + Milliseconds{1}, .to = at(2000) + Milliseconds{1}})[0].runs == 1);
  CHECK(report({.from = at(3000), .to = at(4000)})[0].runs == 0);
  CHECK(report({.from = at(3000), .to = at(4000), .by = {site}}).empty());
}

TEST_CASE("the state of a site outlives a restart") {
  auto store = next_store();
  CHECK(store->wait(store->sites().site_states()).value().empty());
  domain::SiteState state{.id = SiteId("alpha"),
                          .health = domain::SiteHealth::up,
                          .drained = false,
                          .drain_reason = "",
                          .last_success = at(5),
                          .last_failure = std::nullopt,
                          .last_error = {}};
  REQUIRE(store->wait(store->sites().record_site_state(state)));
  state.health = domain::SiteHealth::down;
  state.drained = true;
  state.drain_reason = "maintenance 'til noon";
  state.last_failure = at(6);
  state.last_error = {"SITE_DOWN", "slurmctld does not answer"};
  state.doctor = domain::DoctorReport{.at = at(7), .scheduler = "slurm 22.05.8", .findings = {}, .drift = {}};
  state.doctor->findings.push_back(
      {.check = "VERSION", .verdict = domain::DoctorVerdict::ok, .value = "it's 'quoted'", .source = "scontrol", .at = at(7)});
  state.doctor->drift.push_back({.check = "VERSION", .subject = "", .before = "ok: 21", .after = "ok: 22", .at = at(7)});
  REQUIRE(store->wait(store->sites().record_site_state(state)));
  store->reopen();
  const auto states = store->wait(store->sites().site_states()).value();
  REQUIRE(states.size() == 1);
  CHECK(states[0].id == state.id);
  CHECK(states[0].health == state.health);
  CHECK(states[0].drained);
  CHECK(states[0].drain_reason == state.drain_reason);
  CHECK(states[0].last_success == state.last_success);
  CHECK(states[0].last_failure == state.last_failure);
  CHECK(states[0].last_error == state.last_error);
  CHECK(states[0].doctor == state.doctor);
}

TEST_CASE("what was asked of a site in the last minute is known after a restart, and a replaced process asks no more") {
  auto store = next_store();
  const auto epoch = store->begin_epoch();
  const MonotonicTime start{Seconds{5'000}};
  const auto call = [&](const std::string& site, ports::CallBudget budget, Milliseconds leaves_by, std::int64_t by) {
    return store->wait(
        store->sites().record_call({.site = SiteId(site), .budget = budget, .leaves_by = start + leaves_by, .epoch = by}));
  };
  using enum ports::CallBudget;
  REQUIRE(call("alpha", queries, Milliseconds{0}, epoch));
  REQUIRE(call("alpha", queries, Milliseconds{1}, epoch));
  REQUIRE(call("alpha", queries, Milliseconds{1}, epoch));
  REQUIRE(call("alpha", submits, Milliseconds{30'000}, epoch));
  REQUIRE(call("beta", cancels, Milliseconds{70'000}, epoch));
  store->reopen();
  const auto later = store->begin_epoch();
  CHECK(code_of(call("alpha", queries, Milliseconds{60'000}, epoch)) == "STALE_EPOCH");

  const auto recent = store->wait(store->sites().recent_calls(start + Milliseconds{60'000})).value();
  REQUIRE(recent.size() == 4);  // the first is a minute old
  for (const std::size_t i : {0U, 1U}) {
    CHECK(recent[i].site == SiteId("alpha"));
    CHECK(recent[i].budget == queries);
    CHECK(recent[i].leaves_by == start + Milliseconds{1});
  }
  CHECK(recent[2].budget == submits);
  CHECK(recent[2].leaves_by == start + Milliseconds{30'000});
  CHECK(recent[3].site == SiteId("beta"));
  CHECK(recent[3].budget == cancels);
  CHECK(recent[3].leaves_by == start + Milliseconds{60'000});  // whoever could have made it later is gone

  REQUIRE(call("alpha", queries, Milliseconds{61'000}, later));
  CHECK(store->wait(store->sites().recent_calls(start + Milliseconds{120'500})).value().size() == 2);
}

TEST_CASE("a token's role is read as it was written, with an operator's sites") {
  auto store = next_store();
  using ports::Role;
  const std::vector<std::pair<Role, std::vector<SiteId>>> roles{{Role::user, {}},
                                                                {Role::operator_, {}},
                                                                {Role::operator_, {SiteId("alpha")}},
                                                                {Role::operator_, {SiteId("alpha"), SiteId("beta")}},
                                                                {Role::policy_officer, {}},
                                                                {Role::auditor, {}}};
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const auto name = std::to_string(i);
    REQUIRE(store->wait(store->tokens().create_token({.id = "tok_" + name,
                                                      .hash = name,
                                                      .principal = Principal("local:alice"),
                                                      .role = roles[i].first,
                                                      .sites = roles[i].second,
                                                      .note = "",
                                                      .created_at = at(static_cast<std::int64_t>(i)),
                                                      .expires_at = std::nullopt,
                                                      .revoked_at = std::nullopt})));
  }
  store->reopen();
  const auto all = store->wait(store->tokens().tokens()).value();
  REQUIRE(all.size() == roles.size());
  for (std::size_t i = 0; i < roles.size(); ++i) {
    CHECK(all[i].role == roles[i].first);
    CHECK(all[i].sites == roles[i].second);
  }
}

TEST_CASE("tokens are found by hash, unique, and revoked once") {
  auto store = next_store();
  const ports::ApiToken token{.id = "tok_1",
                              .hash = std::string(64, 'a'),
                              .principal = Principal("local:alice"),
                              .role = ports::Role::operator_,
                              .note = "laptop",
                              .created_at = at(1),
                              .expires_at = at(100),
                              .revoked_at = std::nullopt};
  REQUIRE(store->wait(store->tokens().create_token(token)));
  auto same_hash = token;
  same_hash.id = "tok_2";
  auto same_id = token;
  same_id.hash = std::string(64, 'b');
  CHECK(code_of(store->wait(store->tokens().create_token(same_hash))) == "TOKEN_EXISTS");
  CHECK(code_of(store->wait(store->tokens().create_token(same_id))) == "TOKEN_EXISTS");
  CHECK(code_of(store->wait(store->tokens().token_by_hash(same_id.hash))) == "TOKEN_NOT_FOUND");
  CHECK(code_of(store->wait(store->tokens().revoke_token("tok_9", at(2)))) == "TOKEN_NOT_FOUND");
  CHECK_FALSE(store->wait(store->tokens().token_by_hash(token.hash)).value().revoked_at);
  CHECK(store->wait(store->tokens().revoke_token("tok_1", at(50))).value().revoked_at == at(50));
  CHECK(store->wait(store->tokens().revoke_token("tok_1", at(60))).value().revoked_at == at(50));
  store->reopen();
  const auto stored = store->wait(store->tokens().token_by_hash(token.hash)).value();
  CHECK(stored.id == token.id);
  CHECK(stored.principal == token.principal);
  CHECK(stored.role == token.role);
  CHECK(stored.note == token.note);
  CHECK(stored.created_at == token.created_at);
  CHECK(stored.expires_at == token.expires_at);
  CHECK(stored.revoked_at == at(50));
  CHECK(store->wait(store->tokens().tokens()).value().size() == 1);
}
