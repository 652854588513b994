// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/access.hpp"

#include "connectors/pbs/checks.hpp"
#include "connectors/pbs/snapshot.hpp"
#include "tests/unit/connectors_pbs/captures.hpp"

namespace hansa::connectors::pbs {

namespace {

using test::Fields;
using test::kSeparator;
using test::record;

std::string queue_with(const std::string& name, Fields more = {}) {
  more.insert(more.begin(), {{"enabled", "True"}, {"started", "True"}});
  return record("Queue: " + name, more);
}

Settings settings(const std::string& queues, Fields server = {}) {
  server.insert(server.end(), {{"pbs_version", "23.06.06"}, {"scheduling", "True"}});
  return {.server = parse_server(record("Server: s", server), kSeparator).value(), .queues = parse_queues(queues, kSeparator)};
}

Fields users(const std::string& list) { return {{"acl_user_enable", "True"}, {"acl_users", list}}; }
Fields groups(const std::string& list) { return {{"acl_group_enable", "True"}, {"acl_groups", list}}; }

}  // namespace

TEST_CASE("access: the first entry about an account counts, and only what is certain keeps it out") {
  const auto refuses = [](std::vector<std::string> entries, std::string_view user) {
    return refuses_user({.enabled = true, .entries = std::move(entries)}, user);
  };
  CHECK(refuses({}, "alice"));
  CHECK(refuses({"bob"}, "alice"));
  CHECK_FALSE(refuses({"bob", "alice"}, "alice"));
  CHECK_FALSE(refuses({"+alice"}, "alice"));
  CHECK(refuses({"-alice", "alice"}, "alice"));
  CHECK(refuses({"-alice@*", "+"}, "alice"));
  CHECK_FALSE(refuses({"-alice", "+"}, "bob"));
  CHECK(refuses({"-"}, "bob"));
  CHECK(refuses({"alic"}, "alice"));
  CHECK(refuses({"alicea"}, "alice"));
  CHECK_FALSE(refuses({"alice@login1"}, "alice"));          // this host may be the one
  CHECK_FALSE(refuses({"-alice@login1", "alice"}, "alice"));
  CHECK(refuses({"-alice@login1"}, "alice"));               // by that entry, or by being in none
  CHECK(refuses({"+"}, "alice") == false);
  CHECK_FALSE(refuses_user({.enabled = false, .entries = {"-alice"}}, "alice"));

  const AccessList members{.enabled = true, .entries = {"-guests", "lab"}};
  CHECK_FALSE(refuses_groups(members, {"users", "lab"}));
  CHECK(refuses_groups(members, {"lab", "guests"}));
  CHECK(refuses_groups(members, {"users"}));
  CHECK(refuses_groups(members, {}));
  CHECK_FALSE(refuses_groups({}, {}));
}

TEST_CASE("access: a queue is judged with its server, and a routing one with where it leads") {
  const auto by = [](const Settings& site, std::string_view name, Applicant who) {
    const auto found = std::ranges::find(site.queues.rows, name, &QueueRecord::name);
    REQUIRE(found != site.queues.rows.end());
    return std::string(refusal_of(site, *found, who));
  };
  const auto site =
      settings(queue_with("workq") + queue_with("own", users("bob")) + queue_with("lab", groups("lab")) +
               queue_with("way", {{"route_destinations", "own,lab"}}) + queue_with("far", {{"route_destinations", "q@other"}}));
  CHECK(by(site, "workq", {"alice", {}}).empty());
  CHECK(by(site, "own", {"alice", {}}) == "acl_users");
  CHECK(by(site, "lab", {"alice", {{"users"}}}) == "acl_groups");
  CHECK(by(site, "lab", {"alice", {}}).empty());  // its groups are not known
  CHECK(by(site, "way", {"bob", {{"users"}}}).empty());
  CHECK(by(site, "way", {"alice", {{"lab"}}}).empty());
  CHECK(by(site, "way", {"alice", {{"users"}}}) == "the access lists of all queues that it routes to");
  CHECK(by(site, "far", {"alice", {{"users"}}}).empty());
  CHECK(by(settings(queue_with("workq"), users("bob")), "workq", {"alice", {}}) == "the server's acl_users");
}

TEST_CASE("access: lists as they were recorded") {
  Settings site{.server = {}, .queues = parse_queues(test::capture("queues_acl.dsv"), kSeparator)};
  CHECK(site.queues.dropped.empty());
  REQUIRE(site.queues.rows.size() == 5);
  CHECK(site.queues.rows[1].users.entries == std::vector<std::string>{"alice", "-bob", "carol@pbs01"});
  CHECK(judge_queues(site, {"carol", {{"users"}}}).value ==
        "workq, lab, way, hosts (from the hosts of its list); not team (acl_groups)");
  CHECK(judge_queues(site, {"bob", {{"users"}}}).value ==
        "workq, hosts (from the hosts of its list); not lab (acl_users), team (acl_groups), way (the access lists of all queues "
        "that "
        "it routes to)");
}

TEST_CASE("access: an account that no queue takes is kept away, one that some take is told which") {
  const auto site = settings(queue_with("workq", users("bob")) + queue_with("lab", groups("lab")) + queue_with("R7") +
                             record("Queue: off", {{"enabled", "False"}, {"started", "True"}}));
  const auto none = judge_queues(site, {"alice", {{"users"}}});
  CHECK(none.verdict == domain::DoctorVerdict::fault);
  CHECK(none.bars);
  CHECK(none.value == "none takes its jobs: workq (acl_users), lab (acl_groups)");
  CHECK(none.remedy.contains("acl_users += alice"));
  const auto some = judge_queues(site, {"bob", {{"users"}}});
  CHECK(some.verdict == domain::DoctorVerdict::ok);
  CHECK_FALSE(some.bars);
  CHECK(some.value == "workq; not lab (acl_groups)");
  CHECK(judge_queues(settings(queue_with("workq", {{"acl_host_enable", "True"}})), {"bob", {}}).value ==
        "workq (from the hosts of its list)");
  CHECK_FALSE(judge_queues(settings(""), {"bob", {}}).bars);
}

TEST_CASE("access: where all our jobs are one account's, a queue that does not take it is not up") {
  const auto up = [](const std::string& user) {
    const auto snapshot =
        build_snapshot({.settings = settings(queue_with("workq", users("bob"))), .nodes = {}, .jobs = {}, .only_user = user},
                       from_unix_seconds(1'800'000'100));
    return snapshot.queues.front().up;
  };
  CHECK(up("bob"));
  CHECK_FALSE(up("alice"));
  CHECK(up(""));  // they are of many accounts: the site says no to those it does not take
}

}  // namespace hansa::connectors::pbs
