// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/account_guard.hpp"

#include "broker/identity/account_directory.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/connectors_remote/recording_connector.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::connectors;
using namespace hansa::connectors::agent;
using ports::SiteJob;

namespace {

struct Site {
  explicit Site(GuardOptions options = {}) : guard(connector, accounts, with_id(std::move(options))) {}
  static GuardOptions with_id(GuardOptions options) {
    options.site = SiteId("alpha");
    return options;
  }
  template <class T>
  Result<T> ask(async::Task<T> question) {
    return async::run(io, std::move(question));
  }
  boost::asio::io_context io;
  RecordingConnector connector;
  identity::AccountDirectory accounts{
      {{.site = SiteId("alpha"),
        .accounts = {{Principal("local:alice"), LocalAccount("alice")}, {Principal("local:bob"), LocalAccount("bob")}},
        .file = {}}},
      {},
      {},
      {}};
  AccountGuard guard;
  const async::Deadline never = async::Deadline::never();
};

SiteJob job(const std::string& id, const std::string& person, const std::string& account = "") {
  return {.id = SiteJobId(id), .tag = Tag("hansa-" + id), .account = LocalAccount(account), .person = Principal(person)};
}

ports::SubmitRequest submission(const std::string& person, const std::string& account) {
  ports::SubmitRequest request;
  request.person = Principal(person);
  request.account = LocalAccount(account);
  request.scheduler_account = "broker's";
  request.spec.project = ProjectId("ai-lab");
  return request;
}

using Calls = std::vector<std::string>;

}  // namespace

TEST_CASE("the site's own map says who may do anything, and as whom", "[T07]") {
  Site site;
  CHECK(site.ask(site.guard.submit(submission("local:alice", ""), site.never)).has_value());
  CHECK(site.ask(site.guard.submit(submission("local:alice", "alice"), site.never)).has_value());
  CHECK(site.connector.calls == Calls{"submit as \"alice\" on \"broker's\"", "submit as \"alice\" on \"broker's\""});
  site.connector.calls.clear();
  const auto other = site.ask(site.guard.submit(submission("local:alice", "root"), site.never));
  CHECK(other.error().kind == ErrorKind::permission_denied);
  CHECK(other.error().code == "OTHER_ACCOUNT");
  for (const auto* person : {"local:mallory", "", "alice", "local:alice "}) {
    CAPTURE(person);
    for (const auto* account : {"", "alice", "root"}) {
      const auto refused = site.ask(site.guard.submit(submission(person, account), site.never));
      CHECK(refused.error().kind == ErrorKind::permission_denied);
      const auto asked = job("1", person, account);
      CHECK(site.ask(site.guard.cancel(asked, ports::CancelWhen::always, site.never)).error().kind ==
            ErrorKind::permission_denied);
      CHECK(site.ask(site.guard.read_output(asked, ports::Stream::out, 0, 1, site.never)).error().kind ==
            ErrorKind::permission_denied);
      CHECK(site.ask(site.guard.look_at(asked, {"x"}, site.never)).error().kind == ErrorKind::permission_denied);
      CHECK(site.ask(site.guard.read_file(asked, "x", 0, 1, site.never)).error().kind == ErrorKind::permission_denied);
      CHECK(site.ask(site.guard.remove_secrets(asked, {"x"}, site.never)).error().kind == ErrorKind::permission_denied);
      const ports::Fence fence{.tag = asked.tag, .account = asked.account, .person = asked.person};
      CHECK(site.ask(site.guard.seal(fence, site.never)).error().kind == ErrorKind::permission_denied);
    }
  }
  CHECK(site.connector.calls.empty());
}

TEST_CASE("what the site lets through is asked as the account of its map") {
  Site site;
  const auto alices = job("1", "local:alice");
  CHECK(site.ask(site.guard.cancel(alices, ports::CancelWhen::always, site.never)).has_value());
  CHECK(site.ask(site.guard.read_output(alices, ports::Stream::out, 0, 1, site.never)).has_value());
  CHECK(site.ask(site.guard.look_at(alices, {"x"}, site.never)).has_value());
  CHECK(site.ask(site.guard.read_file(alices, "x", 0, 1, site.never)).has_value());
  CHECK(site.ask(site.guard.seal({.tag = alices.tag, .account = {}, .person = alices.person}, site.never)).has_value());
  CHECK(site.ask(site.guard.remove_secrets(alices, {"x"}, site.never)).has_value());
  CHECK(site.connector.calls == Calls{"cancel 1 as \"alice\"", "read_output 1 as \"alice\"", "look_at 1 as \"alice\"",
                                      "read_file 1 as \"alice\"", "seal as \"alice\"", "remove 1 secrets of 1 as \"alice\""});
}

TEST_CASE("one person without an entry does not hide the others' jobs, and is not thought gone") {
  Site site;
  const std::vector jobs{job("1", "local:alice"), job("2", "local:gone"), job("3", "local:bob", "bob")};
  const auto statuses = site.ask(site.guard.status(jobs, site.never));
  REQUIRE(statuses.has_value());
  REQUIRE(statuses->size() == 3);
  CHECK((*statuses)[0].phase == ports::Phase::running);
  CHECK((*statuses)[1].phase == ports::Phase::not_seen);
  CHECK((*statuses)[1].id.str() == "2");
  CHECK((*statuses)[2].phase == ports::Phase::running);
  CHECK((*statuses)[2].id.str() == "3");

  site.connector.found = {
      .sightings = {{.tag = Tag("hansa-1"), .cluster = "", .account = LocalAccount("alice"), .status = {.reason = {}}},
                    {.tag = Tag("hansa-3"), .cluster = "", .account = LocalAccount("bob"), .status = {.reason = {}}},
                    {.tag = Tag("hansa-3"), .cluster = "", .account = LocalAccount("mallory"), .status = {.reason = {}}}},
      .queue_seen = true,
      .history_seen = true};
  const auto found = site.ask(site.guard.find(jobs, site.never));
  REQUIRE(found.has_value());
  CHECK_FALSE(found->queue_seen);
  CHECK_FALSE(found->history_seen);
  REQUIRE(found->sightings.size() == 2);
  CHECK(found->sightings[0].account.empty());  // as it was asked for
  CHECK(found->sightings[1].account.str() == "bob");
  CHECK(site.connector.calls.back() == "find 1 as \"alice\", 3 as \"bob\"");
  const auto all_known = site.ask(site.guard.find({jobs[0], jobs[2]}, site.never));
  CHECK((all_known->queue_seen && all_known->history_seen));
}

TEST_CASE("a site whose jobs all run as the agent's account calls that by its name") {
  Site site({.site = {}, .own_account = LocalAccount("hansa"), .projects = {}});
  CHECK(site.ask(site.guard.submit(submission("local:alice", ""), site.never)).has_value());
  CHECK(site.connector.calls.back() == "submit as \"\" on \"broker's\"");
  CHECK(site.ask(site.guard.submit(submission("local:mallory", ""), site.never)).error().kind == ErrorKind::permission_denied);
  site.connector.page.records.emplace_back();
  const auto page = site.ask(site.guard.usage({}, site.never));
  REQUIRE(page.has_value());
  CHECK(page->records[0].account.str() == "hansa");
}

TEST_CASE("an agent that a person's own login started serves that account's people alone") {
  Site site({.site = {}, .own_account = LocalAccount("alice"), .own_people_only = true, .projects = {}});
  CHECK(site.ask(site.guard.submit(submission("local:alice", "alice"), site.never)).has_value());
  const auto calls = site.connector.calls;
  for (const auto* account : {"", "alice", "bob"}) {
    const auto refused = site.ask(site.guard.submit(submission("local:bob", account), site.never));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::permission_denied);
    CHECK(refused.error().code == "OTHER_ACCOUNT");
    CHECK(site.ask(site.guard.cancel(job("1", "local:bob", account), ports::CancelWhen::always, site.never)).error().kind ==
          ErrorKind::permission_denied);
  }
  CHECK(site.connector.calls == calls);
  const auto statuses = site.ask(site.guard.status({job("1", "local:alice", "alice"), job("2", "local:bob", "bob")}, site.never));
  REQUIRE(statuses.has_value());
  CHECK((*statuses)[0].phase == ports::Phase::running);
  CHECK((*statuses)[1].phase == ports::Phase::not_seen);
}

TEST_CASE("where the site says which of its scheduler's accounts is charged, the broker does not") {
  Site site({.site = {}, .own_account = {}, .projects = {{ProjectId("ai-lab"), "proj1"}}});
  CHECK(site.ask(site.guard.submit(submission("local:alice", ""), site.never)).has_value());
  CHECK(site.connector.calls.back() == "submit as \"alice\" on \"proj1\"");
  auto other = submission("local:alice", "");
  other.spec.project = ProjectId("else");
  CHECK(site.ask(site.guard.submit(other, site.never)).has_value());
  CHECK(site.connector.calls.back() == "submit as \"alice\" on \"\"");
}

TEST_CASE("a finding that bars an account is told with the people whose account that is") {
  Site site({});
  site.connector.findings = {
      {.check = "QUOTA", .subject = "bob", .verdict = domain::DoctorVerdict::fault, .value = "full", .bars = true},
      {.check = "ROOM", .subject = "alice", .verdict = domain::DoctorVerdict::warning, .value = "little"},
      {.check = "CLOCK", .verdict = domain::DoctorVerdict::fault, .value = "2m ahead", .bars = true}};
  const auto report = site.ask(site.guard.doctor({.accounts = {}, .person = Principal("broker:doctor")}, site.never));
  REQUIRE(report.has_value());
  REQUIRE(report->findings.size() == 3);
  CHECK(report->findings[0].people == std::vector{Principal("local:bob")});
  CHECK(report->findings[1].people.empty());  // of people no more is told than is needed
  CHECK(report->findings[2].people.empty());
}

TEST_CASE("a look at the site is at the accounts of the site's own map") {
  const auto looked_at = [](std::vector<LocalAccount> named, GuardOptions options = {}) {
    Site site(std::move(options));
    REQUIRE(site.ask(site.guard.doctor({.accounts = std::move(named), .person = Principal("broker:doctor")}, site.never))
                .has_value());
    return site.connector.calls.back();
  };
  CHECK(looked_at({LocalAccount("bob"), LocalAccount("root")}) == "doctor of \"bob\"");
  CHECK(looked_at({LocalAccount("root")}) == "doctor of");
  CHECK(looked_at({}) == "doctor of \"alice\" \"bob\"");  // a broker that knows none
  CHECK(looked_at({LocalAccount("")}) == "doctor of \"alice\" \"bob\"");
  CHECK(looked_at({LocalAccount("root")}, {.site = {}, .own_account = LocalAccount("hansa"), .projects = {}}) ==
        "doctor of \"\"");
  CHECK(looked_at({LocalAccount("alice")},
                  {.site = {}, .own_account = LocalAccount("hansa"), .own_people_only = true, .projects = {}}) == "doctor of");
}

TEST_CASE("what is left is told by the site's own map of projects, and of an account of several of them not at all") {
  const std::vector<ports::ProjectAccount> wanted{{ProjectId("ai-lab"), "broker's"}, {ProjectId("other"), "root"}};
  Site any;
  REQUIRE(any.ask(any.guard.account_limits(wanted, any.never)).has_value());
  CHECK(any.connector.calls == Calls{"account_limits ai-lab=broker's other=root"});
  Site mapped({.site = {}, .own_account = {}, .projects = {{ProjectId("ai-lab"), "proj1"}, {ProjectId("climate"), "proj2"}}});
  REQUIRE(mapped.ask(mapped.guard.account_limits(wanted, mapped.never)).has_value());
  CHECK(mapped.connector.calls == Calls{"account_limits ai-lab=proj1"});
  Site shared({.site = {}, .own_account = {}, .projects = {{ProjectId("ai-lab"), "proj1"}, {ProjectId("climate"), "proj1"}}});
  REQUIRE(shared.ask(shared.guard.account_limits(wanted, shared.never)).has_value());
  CHECK(shared.connector.calls == Calls{"account_limits"});
}
