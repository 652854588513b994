// SPDX-License-Identifier: Apache-2.0
#include "broker/core/digest.hpp"

#include "store_contract.hpp"
#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::contract;

namespace {

std::vector<JobId> ids_of(const std::vector<domain::Job>& jobs) {
  std::vector<JobId> ids;
  for (const auto& job : jobs) ids.push_back(job.id);
  return ids;
}

constexpr auto kHash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
constexpr auto kOtherHash = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

}  // namespace

TEST_CASE("an accepted job is there, byte for byte, also after a restart") {
  auto store = next_store();
  const auto job = new_job();
  const auto done = store->wait(store->jobs().accept_jobs({job}, std::nullopt));
  REQUIRE(done);
  CHECK(done->ids == std::vector{job.job.id});
  CHECK_FALSE(done->repeated);
  for (const bool restarted : {false, true}) {
    if (restarted) store->reopen();
    const auto stored = store->wait(store->jobs().job(job.job.id));
    REQUIRE(stored);
    CHECK(*stored == job.job);
    const auto payload = store->wait(store->jobs().payload(job.job.id));
    REQUIRE(payload);
    CHECK(*payload == job.payload);
    const auto events = store->wait(store->jobs().events(job.job.id));
    REQUIRE(events);
    REQUIRE(events->size() == 1);
    CHECK(events->front().version == 1);
    CHECK(events->front().event.body ==
          domain::EventBody(domain::Accepted{.owner = job.job.owner, .broker_id = job.job.broker_id, .spec = job.job.spec}));
  }
}

TEST_CASE("a job is accepted with its first step in one commit, or not at all") {
  auto store = next_store();
  auto job = new_job();
  auto now = job.job;
  const domain::AttemptIntended intent{.attempt = 1,
                                       .site = SiteId("alpha"),
                                       .queue = QueueName("batch"),
                                       .account = LocalAccount("alice"),
                                       .scheduler_account = "proj1",
                                       .variant = "amd"};
  job.decided = change(now, {intent});
  REQUIRE(store->wait(store->jobs().accept_jobs({job}, std::nullopt)));
  for (const bool restarted : {false, true}) {
    if (restarted) store->reopen();
    CHECK(store->wait(store->jobs().job(now.id)).value() == now);
    const auto events = store->wait(store->jobs().events(now.id));
    REQUIRE(events);
    REQUIRE(events->size() == 2);
    CHECK(events->at(1).version == 2);
    CHECK(events->at(1).event.body == domain::EventBody(intent));
  }
  REQUIRE(store->wait(store->jobs().record(change(now, {domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId("7")}}))));

  const auto refused = [&](auto spoil) {
    auto bad = new_job();
    auto after = bad.job;
    bad.decided = change(after, {domain::Waiting{}});
    spoil(bad);
    const auto code = code_of(store->wait(store->jobs().accept_jobs({bad}, std::nullopt)));
    CHECK(code_of(store->wait(store->jobs().job(bad.job.id))) == "JOB_NOT_FOUND");
    return code;
  };
  CHECK(refused([](auto& bad) { bad.decided->job.id = next_id(); }) == "NOT_A_NEW_JOB");
  CHECK(refused([](auto& bad) { bad.decided->events.clear(); }) == "NO_CHANGE");
  CHECK(refused([](auto& bad) {
          auto twice = bad.decided->job;
          bad.decided = change(twice, {domain::Waiting{}});
        }) == "NOT_A_NEW_JOB");
  CHECK(refused([](auto& bad) {
          auto over = bad.job;
          bad.decided = change(over, {domain::Rejected{}});
        }) == "NOT_A_NEW_JOB");
}

TEST_CASE("what is not there is not found") {
  auto store = next_store();
  const auto id = next_id();
  CHECK(code_of(store->wait(store->jobs().job(id))) == "JOB_NOT_FOUND");
  CHECK(code_of(store->wait(store->jobs().payload(id))) == "JOB_NOT_FOUND");
  CHECK(code_of(store->wait(store->jobs().events(id))) == "JOB_NOT_FOUND");
  CHECK(code_of(store->wait(store->jobs().decision(id))) == "JOB_NOT_FOUND");
  CHECK(code_of(store->wait(store->usage().usage_of(id))) == "JOB_NOT_FOUND");
  auto job = new_job().job;
  CHECK(code_of(store->wait(store->jobs().record(change(job, {domain::Waiting{}})))) == "JOB_NOT_FOUND");
  CHECK(store->wait(store->jobs().last_event()).value() == 0);
  const auto known = accepted(*store);
  CHECK(code_of(store->wait(store->jobs().decision(known.id))) == "NO_DECISION");
}

TEST_CASE("several jobs are accepted all or none") {
  auto store = next_store();
  const auto old = new_job();
  REQUIRE(store->wait(store->jobs().accept_jobs({old}, std::nullopt)));
  const auto a = new_job();
  const auto b = new_job();
  const auto refused = store->wait(store->jobs().accept_jobs({a, b, old}, ports::Idempotency{"key", kHash}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::conflict);
  CHECK(code_of(store->wait(store->jobs().job(a.job.id))) == "JOB_NOT_FOUND");
  CHECK(store->wait(store->jobs().last_event()).value() == 1);

  const auto done = store->wait(store->jobs().accept_jobs({b, a}, ports::Idempotency{"key", kHash}));  // the key was not used up
  REQUIRE(done);
  CHECK(done->ids == std::vector{b.job.id, a.job.id});
  CHECK(store->wait(store->jobs().job(a.job.id)));
  CHECK(code_of(store->wait(store->jobs().accept_jobs({}, std::nullopt))) == "NO_JOBS");
}

TEST_CASE("an idempotency key stands for one request of one person, also after a restart") {
  auto store = next_store();
  const auto first = std::vector{new_job(), new_job(), new_job()};
  const auto accepted_first = store->wait(store->jobs().accept_jobs(first, ports::Idempotency{"key-1", kHash}));
  REQUIRE(accepted_first);
  for (const bool restarted : {false, true}) {
    if (restarted) store->reopen();
    const auto again =
        store->wait(store->jobs().accept_jobs({new_job(), new_job(), new_job()}, ports::Idempotency{"key-1", kHash}));
    REQUIRE(again);
    CHECK(again->repeated);
    CHECK(again->ids == accepted_first->ids);
    const auto known = store->wait(store->jobs().accepted_under(Principal("local:alice"), ports::Idempotency{"key-1", kHash}));
    REQUIRE((known && *known));
    CHECK((*known)->repeated);
    CHECK((*known)->ids == accepted_first->ids);
    CHECK(store->wait(store->jobs().accepted_under(Principal("local:bob"), ports::Idempotency{"key-1", kHash})).value() ==
          std::nullopt);
    CHECK(code_of(store->wait(store->jobs().accepted_under(Principal("local:alice"), ports::Idempotency{"key-1", kOtherHash}))) ==
          "IDEMPOTENCY_KEY_REUSED");
    const auto other = store->wait(store->jobs().accept_jobs({new_job()}, ports::Idempotency{"key-1", kOtherHash}));
    REQUIRE_FALSE(other);
    CHECK(other.error().kind == ErrorKind::conflict);
    CHECK(other.error().code == "IDEMPOTENCY_KEY_REUSED");
  }
  const auto bob =
      store->wait(store->jobs().accept_jobs({new_job({.owner = "local:bob"})}, ports::Idempotency{"key-1", kOtherHash}));
  REQUIRE(bob);
  CHECK_FALSE(bob->repeated);
  CHECK(store->wait(store->jobs().jobs({})).value().size() == 4);
}

TEST_CASE("a change is recorded only on top of the version it was made from") {
  auto store = next_store();
  auto job = accepted(*store);
  auto other_view = job;
  recorded(*store, job, {domain::Waiting{.reason = {"NEW", "new"}}});
  const auto stale = store->wait(store->jobs().record(change(other_view, {domain::Rejected{.reason = {"TOO_BIG", "too big"}}})));
  REQUIRE_FALSE(stale);
  CHECK(stale.error().kind == ErrorKind::conflict);
  CHECK(stale.error().code == "STALE_VERSION");
  CHECK(store->wait(store->jobs().job(job.id)).value() == job);
  CHECK(store->wait(store->jobs().events(job.id)).value().size() == 2);
}

TEST_CASE("an older epoch writes nothing any more") {
  auto store = next_store();
  const auto first = store->begin_epoch();
  auto job = accepted(*store, {.epoch = first});
  store->reopen();
  const auto second = store->begin_epoch();
  CHECK(second == first + 1);

  auto late = job;
  const auto refused = store->wait(store->jobs().record(change(late, {domain::Waiting{}})));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::conflict);
  CHECK(refused.error().code == "STALE_EPOCH");
  CHECK(code_of(store->wait(store->jobs().accept_jobs({new_job({.epoch = first})}, std::nullopt))) == "STALE_EPOCH");

  job.epoch = second;
  recorded(*store, job, {domain::Waiting{}});
  CHECK(store->wait(store->jobs().job(job.id)).value().epoch == second);
}

TEST_CASE("events of all jobs stand in commit order, without gaps for the reader") {
  auto store = next_store();
  auto a = accepted(*store);
  auto b = accepted(*store);
  recorded(*store, b, {domain::Waiting{}, domain::Rejected{.reason = {"TOO_BIG", "too big"}}});
  recorded(*store, a, {domain::Waiting{}});
  std::vector<std::pair<JobId, std::int64_t>> seen;
  std::int64_t after = 0;
  for (;;) {
    const auto page = store->wait(store->jobs().events_after(after, 2));
    REQUIRE(page);
    if (page->empty()) break;
    for (const auto& event : *page) {
      CHECK(event.sequence > after);
      after = event.sequence;
      seen.emplace_back(event.job, event.version);
    }
  }
  CHECK(seen == std::vector<std::pair<JobId, std::int64_t>>{{a.id, 1}, {b.id, 1}, {b.id, 2}, {b.id, 3}, {a.id, 2}});
  CHECK(store->wait(store->jobs().last_event()).value() == after);
}

TEST_CASE("decisions are read in the order in which they were taken, by period, page by page, each with its job") {
  auto store = next_store();
  auto one = accepted(*store), two = accepted(*store);
  const auto decided = [&](domain::Job& job, std::int64_t second) {
    domain::Decision decision{.at = at(second), .chosen = {}, .queue = {}, .verdicts = {}, .reason = {}, .policy_hash = "p"};
    REQUIRE(store->wait(store->jobs().record({.job = job, .events = {}, .decision = decision, .documents = {}})));
    return decision;
  };
  std::vector<std::pair<JobId, domain::Decision>> all;
  for (const std::int64_t second : {0, 10, 20, 15, 30, 40}) {  // the clock was set back once
    auto& job = second % 20 == 0 ? one : two;
    all.emplace_back(job.id, decided(job, second));
  }
  all.emplace_back(one.id, decided(one, 10));  // the same as another job's
  const auto read = [&](std::int64_t from, std::int64_t to, std::size_t limit) {
    std::vector<std::pair<JobId, domain::Decision>> found;
    ports::DecisionQuery query{.from = at(from), .to = at(to), .after = 0, .limit = limit};
    for (int pages = 0; pages < 20; ++pages) {
      const auto page = store->wait(store->decisions().decisions(query)).value();
      CHECK(page.decisions.size() <= limit);
      for (const auto& stored : page.decisions) found.emplace_back(stored.job, stored.decision);
      if (!page.next) return found;
      CHECK(*page.next > query.after);
      query.after = *page.next;
    }
    FAIL("pages without end");
    return found;
  };
  for (const std::size_t limit : {1U, 2U, 3U, 100U}) {
    CAPTURE(limit);
    CHECK(read(0, 41, limit) == all);
    CHECK(read(10, 20, limit) == std::vector{all[1], all[3], all[6]});  // from is of the period, to is not
    CHECK(read(41, 99, limit).empty());
  }
  store->reopen();
  CHECK(read(0, 41, 4) == all);
}

TEST_CASE("the last decision is kept with the documents that it names") {
  auto store = next_store();
  auto job = accepted(*store);
  const std::string snapshot = R"({"free":[1,2]})";
  const auto decide = [&](const std::string& code) {
    domain::Decision decision{
        .at = at(5), .chosen = SiteId("alpha"), .queue = QueueName("q"), .verdicts = {}, .reason = {code, "because"}};
    decision.verdicts.push_back({.site = SiteId("alpha"),
                                 .code = "OK",
                                 .message = "",
                                 .source = "snapshot",
                                 .age = Seconds{3},
                                 .queue = QueueName("q"),
                                 .wait = Seconds{60},
                                 .method = "EASY",
                                 .snapshot_hash = sha256_hex(snapshot)});
    decision.input_hash = sha256_hex("input");
    return decision;
  };
  auto first = change(job, {domain::Waiting{}});
  first.decision = decide("FIRST");
  first.documents = {{sha256_hex(snapshot), snapshot}};
  REQUIRE(store->wait(store->jobs().record(first)));
  ports::JobChange second{.job = job, .events = {}, .decision = decide("SECOND"), .documents = first.documents};
  REQUIRE(store->wait(store->jobs().record(second)));
  CHECK(store->wait(store->jobs().decision(job.id)).value() == decide("SECOND"));
  CHECK(store->wait(store->jobs().document(sha256_hex(snapshot))).value() == snapshot);
  CHECK(code_of(store->wait(store->jobs().document(sha256_hex("x")))) == "NO_DOCUMENT");

  auto another = accepted(*store);
  auto same = change(another, {domain::Waiting{}});
  same.decision = decide("FIRST");  // shared with the other job
  REQUIRE(store->wait(store->jobs().record(same)));
  CHECK(store->wait(store->jobs().decision(another.id)).value() == decide("FIRST"));

  ports::JobChange forged{.job = job, .events = {}, .decision = decide("THIRD"), .documents = {{sha256_hex("x"), "y"}}};
  CHECK(code_of(store->wait(store->jobs().record(forged))) == "DOCUMENT_HASH_MISMATCH");
  CHECK(code_of(store->wait(store->jobs().record({.job = job, .events = {}, .decision = {}, .documents = {}}))) == "NO_CHANGE");
}

TEST_CASE("jobs are listed newest first, filtered, page by page") {
  auto store = next_store();
  std::vector<JobId> alice;
  std::vector<JobId> all;
  for (int i = 0; i < 12; ++i) {
    const bool bob = i % 3 == 0;
    auto job =
        accepted(*store, {.owner = bob ? "local:bob" : "local:alice", .project = i % 2 == 0 ? "even" : "odd", .second = i});
    if (i % 4 == 1) recorded(*store, job, {domain::Rejected{.reason = {"TOO_BIG", "too big"}}});
    all.insert(all.begin(), job.id);
    if (!bob) alice.insert(alice.begin(), job.id);
  }
  const auto list = [&](const ports::JobQuery& query) { return ids_of(store->wait(store->jobs().jobs(query)).value()); };
  CHECK(list({}) == all);
  CHECK(list({.owner = Principal("local:alice")}) == alice);
  CHECK(list({.owner = Principal("local:carol")}).empty());
  CHECK(list({.owner = Principal("local:' OR 1=1 --")}).empty());
  CHECK(list({.project = ProjectId("odd")}) == std::vector{all[0], all[2], all[4], all[6], all[8], all[10]});
  CHECK(list({.states = {domain::JobState::rejected}}) == std::vector{all[2], all[6], all[10]});
  CHECK(list({.owner = Principal("local:alice"), .states = {domain::JobState::rejected}}) == std::vector{all[6], all[10]});
  CHECK(list({.owner = Principal("local:bob"), .states = {domain::JobState::accepted, domain::JobState::waiting}}) ==
        std::vector{all[5], all[8], all[11]});
  CHECK(list({.states = {domain::JobState::accepted, domain::JobState::rejected}, .accepted_since = at(10)}) ==
        std::vector{all[0], all[1]});
  CHECK(list({.limit = 0}).empty());

  std::vector<JobId> paged;
  std::optional<JobId> before;
  for (;;) {
    const auto page = list({.before = before, .limit = 5});
    if (page.empty()) break;
    paged.insert(paged.end(), page.begin(), page.end());
    before = page.back();
  }
  CHECK(paged == all);
}

TEST_CASE("who may see others' jobs is told of those of a project and of those at a site, and of no more") {
  auto store = next_store();
  const auto own = accepted(*store, {.owner = "local:alice", .project = "other", .second = 1}).id;
  const auto of_project = accepted(*store, {.owner = "local:bob", .project = "led", .second = 2}).id;
  const auto there = bound(*store, "alpha", "41", {.owner = "local:bob", .project = "other", .second = 3}).id;
  auto moved = bound(*store, "alpha", "42", {.owner = "local:bob", .project = "other", .second = 4});
  recorded(*store, moved, {domain::ResolvedLost{.by = Principal("local:root"), .reason = "gone"}});
  (void)bound(*store, "beta", "43", {.owner = "local:bob", .project = "other", .second = 5});
  (void)accepted(*store, {.owner = "local:bob", .project = "other", .second = 6});
  const auto list = [&](const ports::JobQuery& query) { return ids_of(store->wait(store->jobs().jobs(query)).value()); };
  const Principal alice("local:alice");
  CHECK(list({.audience = ports::JobAudience{alice, {}, {}}}) == std::vector{own});
  CHECK(list({.audience = ports::JobAudience{alice, {ProjectId("led")}, {}}}) == std::vector{of_project, own});
  CHECK(list({.audience = ports::JobAudience{alice, {}, {SiteId("alpha")}}}) == std::vector{moved.id, there, own});
  CHECK(list({.audience = ports::JobAudience{alice, {ProjectId("led")}, {SiteId("alpha")}}, .project = ProjectId("other")}) ==
        std::vector{moved.id, there, own});
  CHECK(list({.audience = ports::JobAudience{alice, {}, {SiteId("alpha")}}, .owner = Principal("local:bob"), .limit = 1}) ==
        std::vector{moved.id});
  CHECK(list({.audience = ports::JobAudience{Principal("local:eve"), {ProjectId("'")}, {SiteId("\"]")}}}).empty());
}

TEST_CASE("an event that names no attempt changes the last one") {
  auto store = next_store();
  auto job = bound(*store, "alpha", "41", {});
  recorded(*store, job, {domain::ResolvedLost{.by = Principal("local:root"), .reason = "burnt down"}});
  const auto stored = store->wait(store->jobs().job(job.id)).value();
  CHECK(stored == job);
  CHECK(stored.attempts.back().state == domain::AttemptState::ended);
}

TEST_CASE("active jobs come oldest first with attempts and runs, and leave when they end") {
  auto store = next_store();
  std::vector<domain::Job> expected;
  for (int i = 0; i < 7; ++i) {
    auto job = bound(*store, "alpha", std::to_string(100 + i), {.second = i});
    recorded(*store, job, {domain::RunStarted{.attempt = 1, .task_index = 0, .run = 1, .started_at = at(20)}});
    if (i == 3) {
      recorded(
          *store, job,
          {domain::AttemptEnded{.attempt = 1, .run = 1, .outcome = domain::Outcome::failed, .ended_at = at(30), .exit_code = 3}});
    } else {
      expected.push_back(job);
    }
  }
  store->reopen();
  std::vector<domain::Job> loaded;
  std::optional<JobId> after;
  for (;;) {
    const auto page = store->wait(store->jobs().active_jobs(after, 4)).value();
    if (page.empty()) break;
    loaded.insert(loaded.end(), page.begin(), page.end());
    after = page.back().id;
  }
  CHECK(loaded == expected);
}
