// SPDX-License-Identifier: Apache-2.0
// A site that is served by its people's own agents, which come and go, fall silent, and lie.
#include "connectors/protocol/codec.hpp"
#include "connectors/websocket/people_connector.hpp"
#include "tests/unit/connectors_websocket/harbour.hpp"

#include <algorithm>
#include <map>

namespace hansa::connectors::websocket::test {

namespace {

const Principal kAlice("local:alice"), kBob("local:bob");
const JobId kHers = *Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z3"), kHis = *Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z4");

domain::UsageRecord record(const JobId& job, const std::string& id) {
  return {.site = SiteId("alpha"),
          .cluster = "c",
          .site_job_id = SiteJobId(id),
          .tag = domain::make_tag(job, 1),
          .account = LocalAccount("x"),
          .submitted_at = from_unix_seconds(1'000),
          .started_at = from_unix_seconds(1'001),
          .ended_at = from_unix_seconds(1'002),
          .site_state = "COMPLETED"};
}

/// What a person has started there.
struct Agent {
  Agent(Harbour& h, const Principal& p) : harbour(h), person(p) {
    auto options = h.dial_options();
    options.authorization = "Bearer " + p.str();
    auto lines = h.dial(options);
    REQUIRE(lines);
    session.emplace(
        h.context.get_executor(), h.scheduler, std::move(*lines),
        [this](std::string method, Json params, async::Deadline) { return serve(this, std::move(method), std::move(params)); });
    auto run = [](protocol::Session* of, bool* over) -> boost::asio::awaitable<void> {
      (void)co_await of->run();
      *over = true;
    };
    boost::asio::co_spawn(h.context, run(&*session, &ended), [](const std::exception_ptr&) {});
  }
  ~Agent() { leave(); }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void leave() {
    session->stop(fail(ErrorKind::unavailable, "CONNECTION_CLOSED", "gone").error());
    for (int i = 0; i < 500 && !ended; ++i) harbour.wait_a_moment();
    REQUIRE(ended);
  }
  static async::Task<Json> serve(Agent* self, std::string method, Json) {
    self->asked.push_back(method);
    if (method == protocol::method::initialize)
      co_return Json{{"version", 1}, {"name", self->person.str()}, {"site", "alpha"}, {"capabilities", {{"doctor", true}}}};
    if (self->silent) co_await self->harbour.scheduler.sleep_until(self->harbour.scheduler.now_monotonic() + 1h);
    if (method == protocol::method::snapshot) {
      co_return protocol::to_json(domain::SiteSnapshot{.cluster = self->person.str(),
                                                       .scheduler = "s",
                                                       .sees_everyone = false,
                                                       .quiet_until = from_unix_seconds(4'000'000'000),
                                                       .own_budget = {{.kind = "queries", .used = 1, .limit = 2}},
                                                       .site_rules = "mine"});
    }
    if (method == protocol::method::usage)
      co_return protocol::to_json(ports::UsagePage{.records = {record(kHers, "1"), record(kHis, "2")}, .next = {.text = "n"}});
    if (method == protocol::method::find) {
      ports::FindResult found{.sightings = {}, .queue_seen = true, .history_seen = true};
      for (const auto& job : {kHers, kHis})
        found.sightings.push_back({.tag = domain::make_tag(job, 1),
                                   .cluster = "c",
                                   .account = {},
                                   .submitted_at = from_unix_seconds(1),
                                   .status = {.id = SiteJobId("1")}});
      co_return protocol::to_json(found);
    }
    if (method == protocol::method::doctor) {
      domain::DoctorReport report;
      report.findings.push_back({.check = "FENCE",
                                 .subject = "alice",
                                 .verdict = domain::DoctorVerdict::fault,
                                 .value = "broken",
                                 .source = "x",
                                 .people = {kAlice, kBob},
                                 .bars = true});
      report.findings.push_back({.check = "CONTAINERS",
                                 .verdict = domain::DoctorVerdict::ok,
                                 .value = "apptainer",
                                 .source = "x",
                                 .offers = std::string(domain::kContainerRuntime),
                                 .lacks = true,
                                 .queue = QueueName("normal")});
      for (const auto* ours : {"TERMS", "PEOPLE"})
        report.findings.push_back(
            {.check = ours, .verdict = domain::DoctorVerdict::not_checked, .value = "of their own", .source = "x"});
      co_return protocol::report_to_json(report);
    }
    co_return Json::object();
  }
  Harbour& harbour;
  Principal person;
  std::optional<protocol::Session> session;
  std::vector<std::string> asked;
  bool silent = false;
  bool ended = false;
};

struct Site {
  explicit Site(PeopleTerms terms = PeopleTerms::allowed) {
    connector.emplace(harbour.context.get_executor(), harbour.scheduler, random, log, harbour.berths,
                      PeopleOptions{.site = SiteId("alpha"),
                                    .name = "hansad test",
                                    .rates = {.queries = 1'000, .submits = 1'000, .cancels = 1'000},
                                    .terms = terms,
                                    .connected_until = [this](const Principal& person) -> std::optional<UtcTime> {
                                      const auto at = until.find(person);
                                      return at == until.end() ? std::nullopt : std::optional(at->second);
                                    },
                                    .owner_of = [](JobId id) { return owner_of(id); }});
    connector->when_present([this](const Principal& person) { came.push_back(person); });
    connector->when_reachable([this] { ++reachable; });
  }
  ~Site() {
    (void)harbour.run(connector->close());
    harbour.wait_a_moment();
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  static async::Task<std::optional<Principal>> owner_of(JobId id) {
    if (id == kHers) co_return kAlice;
    if (id == kHis) co_return kBob;
    co_return std::nullopt;
  }
  /// As the register does for the door.
  std::unique_ptr<Agent> come(const Principal& person) {
    until[person] = harbour.scheduler.now_utc() + 1h;
    auto agent = std::make_unique<Agent>(harbour, person);
    const auto before = came.size();
    for (int i = 0; i < 500 && came.size() == before; ++i) harbour.wait_a_moment();
    REQUIRE(came.size() == before + 1);
    return agent;
  }
  void leave(std::unique_ptr<Agent> agent) {
    until.erase(agent->person);
    agent->leave();
    harbour.wait_a_moment();
  }
  async::Deadline soon(Milliseconds in = 10s) { return async::Deadline::in(harbour.scheduler, in); }
  [[nodiscard]] std::string code(const Principal& person) const {
    const auto why = connector->absent(person);
    return why ? why->code : "there";
  }
  Result<std::vector<ports::JobStatus>> status(const Principal& person) {
    return harbour.run(connector->status({{.id = SiteJobId("1"), .tag = domain::make_tag(kHers, 1), .person = person}}, soon()));
  }

  async::SystemRandom random;
  hansa::test::SilentLog log;
  std::map<Principal, UtcTime> until;
  std::vector<Principal> came;
  int reachable = 0;
  Harbour harbour;
  std::optional<PeopleConnector> connector;
};

}  // namespace

TEST_CASE("who comes is greeted at once and asked what the site is like") {
  Site site;
  CHECK(site.code(kAlice) == kNotConnected);
  CHECK(site.connector->absent(kAlice)->message.contains("hansa connect alpha"));
  const auto nobody = site.harbour.run(site.connector->snapshot(site.soon()));
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code == kNobodyConnected);
  const auto alice = site.come(kAlice);
  CHECK(site.code(kAlice) == "there");
  CHECK(site.code(kBob) == kNotConnected);
  CHECK(site.reachable == 1);
  const auto snapshot = site.harbour.run(site.connector->snapshot(site.soon()));
  REQUIRE(snapshot);
  CHECK(snapshot->cluster == "local:alice");
  CHECK_FALSE(snapshot->quiet_until);  // her agent's, and not for others
  CHECK(snapshot->site_rules.empty());
  CHECK(snapshot->own_budget.empty());
  CHECK(snapshot->scheduler == "s");
  CHECK_FALSE(snapshot->sees_everyone);
  const auto his = site.status(kBob);
  REQUIRE_FALSE(his);
  CHECK(his.error().code == kNotConnected);
  CHECK(his.error().kind == ErrorKind::unavailable);
}

TEST_CASE("those who are there are asked about the site in turn and a silent one hides nothing") {
  Site site;
  const auto alice = site.come(kAlice);
  const auto bob = site.come(kBob);
  std::set<std::string> told;
  for (int i = 0; i < 2; ++i) told.insert(site.harbour.run(site.connector->snapshot(site.soon()))->cluster);
  CHECK(told == std::set<std::string>{"local:alice", "local:bob"});
  alice->silent = true;
  for (int i = 0; i < 2; ++i) {  // once she is the first to be asked
    const auto snapshot = site.harbour.run(site.connector->snapshot(site.soon(3s)));
    REQUIRE(snapshot);
    CHECK(snapshot->cluster == "local:bob");
  }
}

TEST_CASE("who comes back has the new connection and nothing of the old one is used") {
  Site site;
  auto first = site.come(kAlice);
  site.leave(std::move(first));
  CHECK(site.code(kAlice) == kNotConnected);
  CHECK_FALSE(site.status(kAlice));
  const auto second = site.come(kAlice);
  REQUIRE(site.harbour.run(site.connector->snapshot(site.soon())));
  CHECK(std::ranges::count(second->asked, "initialize") == 1);
  CHECK(site.came == std::vector{kAlice, kAlice});
}

TEST_CASE("a second agent of a person is refused while the first answers and told how to end it") {
  Site site;
  const auto first = site.come(kAlice);
  auto options = site.harbour.dial_options();
  options.authorization = "Bearer local:alice";
  const auto second = site.harbour.dial(options);
  // Its ping is answered only while somebody runs the first one's side: then it is refused, else it has taken the place.
  if (!second) {
    CHECK(second.error().code == "AGENT_CONNECTED");
    CHECK(second.error().message.contains("hansa disconnect alpha"));
  }
  CHECK(site.code(kAlice) == "there");
}

TEST_CASE("what a person's agent tells of other people's jobs is left out") {
  Site site;
  const auto alice = site.come(kAlice);
  (void)site.status(kAlice);
  const auto page = site.harbour.run(site.connector->usage({}, site.soon()));
  REQUIRE(page);
  REQUIRE(page->records.size() == 1);
  CHECK(page->records[0].tag == domain::make_tag(kHers, 1));
  CHECK(page->next.text.contains("local:alice"));
  const auto found =
      site.harbour.run(site.connector->find({{.id = {}, .tag = domain::make_tag(kHers, 1), .person = kAlice}}, site.soon()));
  REQUIRE(found);
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings[0].tag == domain::make_tag(kHers, 1));
}

TEST_CASE("each person's accounting goes on where it was and those who are away are passed over") {
  Site site;
  auto alice = site.come(kAlice);
  (void)site.status(kAlice);
  const auto page = site.harbour.run(site.connector->usage({}, site.soon()));
  REQUIRE(page);
  site.leave(std::move(alice));
  const auto away = site.harbour.run(site.connector->usage(page->next, site.soon()));
  REQUIRE(away);
  CHECK(away->records.empty());
  CHECK(away->next.text == page->next.text);
  const auto back = site.come(kAlice);
  const auto again = site.harbour.run(site.connector->usage(page->next, site.soon()));
  REQUIRE(again);
  CHECK(std::ranges::count(back->asked, "usage") == 1);
}

TEST_CASE("the doctor asks whether the site's terms allow it and one person's word bars nobody") {
  const auto line = [](PeopleTerms terms) {
    Site site(terms);
    const auto report = site.harbour.run(site.connector->doctor({}, site.soon()));
    REQUIRE(report);
    REQUIRE(report->findings.size() == 2);
    CHECK(report->findings[1].check == "PEOPLE");
    CHECK(report->findings[1].verdict == domain::DoctorVerdict::not_checked);  // nobody is there
    CHECK(report->findings[0].check == "TERMS");
    return report->findings[0];
  };
  CHECK(line(PeopleTerms::allowed).verdict == domain::DoctorVerdict::ok);
  CHECK(line(PeopleTerms::forbidden).verdict == domain::DoctorVerdict::fault);
  const auto asked = line(PeopleTerms::not_stated);
  CHECK(asked.verdict == domain::DoctorVerdict::warning);
  CHECK(asked.remedy.contains("remote.people.terms"));
  Site site;
  const auto alice = site.come(kAlice);
  const auto report = site.harbour.run(site.connector->doctor({}, site.soon()));
  REQUIRE(report);
  const auto fence = std::ranges::find(report->findings, "FENCE", &domain::Finding::check);
  REQUIRE(fence != report->findings.end());
  CHECK(fence->verdict == domain::DoctorVerdict::fault);
  CHECK_FALSE(fence->bars);
  CHECK(fence->people.empty());
  const auto runtime = std::ranges::find(report->findings, "CONTAINERS", &domain::Finding::check);
  REQUIRE(runtime != report->findings.end());
  CHECK(runtime->value == "apptainer");
  CHECK(runtime->offers.empty());
  CHECK_FALSE(runtime->lacks);
  CHECK(runtime->queue.empty());
  CHECK(std::ranges::count(report->findings, "TERMS", &domain::Finding::check) == 1);
  CHECK(report->findings[0].value.contains("allow agents"));
  CHECK(std::ranges::count(report->findings, "PEOPLE", &domain::Finding::check) == 0);
}

TEST_CASE("nothing is submitted in a session that ends before that is over") {
  Site site;
  const auto alice = site.come(kAlice);
  const auto submit = [&] { return site.harbour.run(site.connector->submit({.job = kHers, .person = kAlice}, site.soon(1min))); };
  site.until[kAlice] = site.harbour.scheduler.now_utc() + 30s;
  const auto late = submit();
  REQUIRE_FALSE(late);
  CHECK(late.error().code == kNotConnected);
  CHECK(late.error().message.contains("hansa connect alpha"));
  CHECK(ports::surely_not_sent(late.error()));
  CHECK(std::ranges::count(alice->asked, "submit") == 0);
  site.until[kAlice] = site.harbour.scheduler.now_utc() + 1h;
  (void)submit();  // whatever she answers
  CHECK(std::ranges::count(alice->asked, "submit") == 1);
}

TEST_CASE("an agent that takes no secrets today may follow one that did") {
  Site site;
  const auto alice = site.come(kAlice);
  const ports::SiteJob job{.id = {}, .tag = domain::make_tag(kHers, 1), .person = kAlice};
  const auto removed = site.harbour.run(site.connector->remove_secrets(job, {"token"}, site.soon()));
  REQUIRE_FALSE(removed);
  CHECK(removed.error().code == "NO_SECRETS_THERE");
  CHECK(removed.error().kind == ErrorKind::invalid_argument);  // no silence of the site
  CHECK(std::ranges::count(alice->asked, "remove_secrets") == 0);
}

TEST_CASE("where the terms forbid it everybody is absent for that reason") {
  Site site(PeopleTerms::forbidden);
  site.until[kAlice] = site.harbour.scheduler.now_utc() + 1h;
  CHECK(site.code(kAlice) == "TERMS_FORBID");
}

}  // namespace hansa::connectors::websocket::test
