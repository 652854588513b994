// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/snapshot.hpp"

#include "tests/unit/connectors_pbs/captures.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace hansa::connectors::pbs {

using test::capture;
using test::cases_of;
using test::Fields;
using test::kSeparator;
using test::record;

namespace {

std::string node(const std::string& name, const std::string& cores, Fields more = {}) {
  Fields fields{{"state", "free"}, {"resources_available.ncpus", cores}, {"resources_available.mem", "8gb"}};
  std::erase_if(fields, [&](const auto& field) {
    return std::ranges::any_of(more, [&](const auto& other) { return other.first == field.first; });
  });
  fields.insert(fields.end(), more.begin(), more.end());
  return record("Name=" + name, fields);
}

std::string queue(const std::string& name, Fields more = {}) {
  more.insert(more.begin(), {{"enabled", "True"}, {"started", "True"}});
  return record("Queue: " + name, more);
}

std::string job(const std::string& id, const std::string& state, Fields more = {}) {
  more.insert(more.begin(),
              {{"Job_Name", "x"}, {"Job_Owner", "bob@h"}, {"job_state", state}, {"queue", "workq"}, {"ctime", "1800000000"}});
  return record("Job Id: " + id, more);
}

domain::SiteSnapshot snapshot_of(const std::string& nodes, const std::string& queues, const std::string& jobs, Fields server = {},
                                 const GpuNames& gpus = {}) {
  server.insert(server.end(), {{"pbs_version", "23.06.06"}, {"scheduling", "True"}, {"default_queue", "workq"}});
  server.emplace_back("query_other_jobs", "True");
  return build_snapshot({.settings = {.server = parse_server(record("Server: pbs01", server), kSeparator).value(),
                                      .queues = parse_queues(queues, kSeparator)},
                         .nodes = parse_nodes(nodes, kSeparator, gpus),
                         .jobs = parse_qstat(jobs, kSeparator, gpus)},
                        from_unix_seconds(1'800'000'100));
}

using Indices = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("inventory: server, queues and nodes as they were recorded") {
  const auto server = parse_server(capture("server.dsv"), kSeparator);
  REQUIRE(server.has_value());
  CHECK(server->name == "pbs01");
  CHECK(server->version == "23.06.06");
  CHECK(server->default_queue == "workq");
  CHECK(server->scheduling);
  CHECK(server->keeps_history);
  CHECK_FALSE(server->hides_jobs);
  CHECK_FALSE(parse_server("", kSeparator).has_value());

  const auto queues = parse_queues(capture("queues.dsv"), kSeparator);
  CHECK(queues.dropped.empty());
  REQUIRE(queues.rows.size() == 4);
  CHECK(queues.rows[0].name == "workq");
  CHECK((queues.rows[0].enabled && queues.rows[0].started));
  CHECK(queues.rows[1].name == "limq");
  CHECK_FALSE(queues.rows[1].started);
  CHECK(queues.rows[1].max_time == Seconds{3600});
  CHECK(queues.rows[2].destinations == std::vector<std::string>{"limq", "workq"});
  CHECK_FALSE(queues.rows[3].enabled);
  CHECK(parse_queues(capture("qstat.Q_f_dsv.out"), "|").rows.size() == 1);

  const auto plain = parse_nodes(capture("pbsnodes.a_dsv.out"), "|", {});
  REQUIRE(plain.rows.size() == 1);
  CHECK(plain.rows.front().cores == 8);
  CHECK(plain.rows.front().memory == Mebibytes{24105});
  CHECK(plain.rows.front().usable);
  for (const auto& [name, text] : cases_of("nodes.dsv")) {
    INFO(name);
    const auto nodes = parse_nodes(text, kSeparator, {.count = "ngpu", .model = ""});
    CHECK(nodes.dropped.empty());
    REQUIRE(nodes.rows.size() == 1);
    const auto& each = nodes.rows.front();
    CHECK(each.usable == (name != "mom_down" && name != "offline"));
    CHECK(each.cores == 8);
    CHECK(each.taken.cores == (text.contains(std::string(kSeparator) + "jobs=") ? 1 : 0));
    CHECK(each.gpus == (name == "mom_down" || name == "offline" || name == "res_a" || name == "mom_back" ? 2 : 0));
  }
  // pbsnodes tells an unknown node as one with its error in it.
  CHECK(parse_nodes(record("Name=nosuch", {{"nosuch", "Unknown node "}}), kSeparator, {}).dropped.size() == 1);
}

TEST_CASE("snapshot: nodes that jobs can have, and how much of them is taken") {
  const auto snapshot = snapshot_of(
      node("n1", "4") +
          node("n2", "8", {{"state", "job-busy"}, {"resources_available.ngpus", "2"}, {"resources_available.model", "a100"}}) +
          node("n3", "4", {{"state", "down,offline"}}) + node("n4", "4", {{"state", "resv-exclusive"}}) + node("bridge", "0"),
      queue("workq"),
      job("1.s", "R",
          {{"exec_vnode", "(n1:ncpus=2:mem=1048576kb)+(n2:ncpus=8:ngpus=1)"},
           {"stime", "1800000000"},
           {"Resource_List.walltime", "01:00:00"}}) +
          job("2.s", "S", {{"exec_vnode", "(n1:ncpus=4)"}}) + job("3[].s", "B", {{"array", "True"}}) +
          job("4.s", "E", {{"exec_vnode", "(gone:ncpus=1)"}}),
      {}, {"ngpus", "model"});
  CHECK(snapshot.cluster == "pbs01");
  CHECK(snapshot.scheduler == "pbs 23.06.06");
  CHECK(snapshot.sees_everyone);
  REQUIRE(snapshot.nodes.size() == 4);
  CHECK(snapshot.nodes[1].gpus == 2);
  CHECK(snapshot.nodes[1].gpu_model == "a100");
  CHECK((snapshot.nodes[0].usable && snapshot.nodes[1].usable));
  CHECK_FALSE((snapshot.nodes[2].usable || snapshot.nodes[3].usable));
  REQUIRE(snapshot.running.size() == 2);
  const auto& work = snapshot.running.front();
  CHECK(work.expected_end == from_unix_seconds(1'800'003'600));
  REQUIRE(work.shares.size() == 2);
  CHECK(work.shares[0].cores == 2);
  CHECK(work.shares[0].memory == Mebibytes{1024});
  CHECK(work.shares[1].gpus == 1);
  CHECK(snapshot.running[1].shares.empty());
  CHECK(snapshot.running[1].expected_end == snapshot.taken_at);
}

TEST_CASE("snapshot: who asks for nodes alone has all of them") {
  const auto running = [](const std::string& place, const std::string& sharing) {
    const auto snapshot = snapshot_of(node("n1", "4", {{"sharing", sharing}}), queue("workq"),
                                      job("1.s", "R", {{"exec_vnode", "(n1:ncpus=1)"}, {"Resource_List.place", place}}));
    return snapshot.running.front().shares.front().cores;
  };
  CHECK(running("free", "default_shared") == 1);
  CHECK(running("scatter:excl", "default_shared") == 4);
  CHECK(running("free", "force_exclhost") == 4);
  CHECK(running("free", "default_exclhost") == 4);
  CHECK(running("pack:shared", "default_exclhost") == 1);
}

TEST_CASE("snapshot: which queue takes jobs, and on which nodes they run") {
  const auto snapshot = snapshot_of(
      node("n1", "4", {{"resources_available.Qlist", "short,long"}}) + node("n2", "4", {{"resources_available.Qlist", "long"}}) +
          node("n3", "4", {{"queue", "own"}}) + node("n4", "4"),
      queue("workq", {{"default_chunk.ncpus", "1"}, {"resources_max.walltime", "24:00:00"}, {"resources_max.nodect", "4"}}) +
          queue("long", {{"default_chunk.Qlist", "long"}, {"from_route_only", "True"}, {"Priority", "50"}}) +
          queue("short", {{"default_chunk.Qlist", "short"}, {"resources_max.walltime", "00:30:00"}}) +
          queue("own", {{"hasnodes", "True"}}) + queue("way", {{"route_destinations", "long,short@other,nowhere"}}) +
          record("Queue: off", {{"enabled", "False"}, {"started", "True"}}) + queue("R17"),
      "");
  const auto find = [&](std::string_view name) {
    INFO(name);
    const auto found = std::ranges::find(snapshot.queues, QueueName(name), &domain::Queue::name);
    REQUIRE(found != snapshot.queues.end());
    return *found;
  };
  CHECK(snapshot.queues.size() == 6);  // none for the reservation
  CHECK(find("workq").nodes == Indices{0, 1, 3});
  CHECK(find("workq").is_default);
  CHECK(find("workq").max_time == Seconds{86400});
  CHECK(find("workq").max_nodes == 4);
  CHECK(find("long").nodes == Indices{0, 1});
  CHECK_FALSE(find("long").up);  // not from us
  CHECK(find("long").priority_tier == 50);
  CHECK(find("short").nodes == Indices{0});
  CHECK(find("own").nodes == Indices{2});
  CHECK(find("way").nodes == Indices{0, 1});
  CHECK(find("way").up);
  CHECK_FALSE(find("way").max_time.has_value());  // of the longest way
  CHECK_FALSE(find("off").up);
  const auto stopped = snapshot_of(node("n1", "4"), queue("workq"), "", {{"query_other_jobs", "True"}, {"scheduling", "False"}});
  CHECK_FALSE(stopped.queues.front().up);
}

TEST_CASE("snapshot: what waits, and what it asks for") {
  const auto snapshot =
      snapshot_of(node("n1", "4") + node("n2", "8"), queue("workq"),
                  job("1.s", "Q",
                      {{"Resource_List.select", "4:ncpus=2:mem=1gb:ngpus=1"},
                       {"Resource_List.place", "scatter"},
                       {"Resource_List.walltime", "00:10:00"},
                       {"Priority", "-5"}}) +
                      job("2.s", "Q", {{"Resource_List.select", "16:ncpus=1"}, {"Resource_List.place", "free"}}) +
                      job("3.s", "Q", {{"Resource_List.select", "16:ncpus=1"}, {"Resource_List.place", "pack"}}) +
                      job("4.s", "H", {{"Hold_Types", "u"}}) + job("5.s", "W", {{"Execution_Time", "1800009999"}}) +
                      job("6.s", "Q", {{"comment", "Can Never Run: Insufficient amount of resource: ncpus"}}) + job("7.s", "F") +
                      job("8.s", "M"));
  REQUIRE(snapshot.waiting.size() == 6);
  const auto& first = snapshot.waiting[0];
  CHECK(first.resources.nodes == 4);
  CHECK(first.resources.tasks == 8);
  CHECK(first.resources.memory_per_node == Mebibytes{1024});
  CHECK(first.resources.gpus_per_node == 1);
  CHECK(first.time_limit == Seconds{600});
  CHECK(first.priority == -5);
  CHECK(first.eligible);
  CHECK(snapshot.waiting[1].resources.nodes == 2);
  CHECK(snapshot.waiting[2].resources.nodes == 1);
  for (std::size_t i = 3; i < 6; ++i) CHECK_FALSE(snapshot.waiting[i].eligible);
  CHECK(snapshot.waiting[4].eligible_at == from_unix_seconds(1'800'009'999));
}

TEST_CASE("snapshot: where others' jobs are hidden, the room that they take is seen") {
  const Fields hides{{"query_other_jobs", "False"}};
  const auto nodes = node("n1", "8", {{"resources_assigned.ncpus", "6"}, {"resources_assigned.mem", "2gb"}}) +
                     node("n2", "8", {{"state", "job-exclusive"}, {"resources_assigned.ncpus", "1"}});
  const auto ours = job("1.s", "R", {{"exec_vnode", "(n1:ncpus=2:mem=1048576kb)"}});
  const auto hidden = snapshot_of(nodes, queue("workq"), ours, hides);
  CHECK_FALSE(hidden.sees_everyone);
  REQUIRE(hidden.running.size() == 2);
  const auto& others = hidden.running.back();
  CHECK(others.id.empty());
  REQUIRE(others.shares.size() == 2);
  CHECK(others.shares[0].cores == 4);
  CHECK(others.shares[0].memory == Mebibytes{1024});
  CHECK(others.shares[1].cores == 8);
  CHECK(others.expected_end == domain::hidden_until(hidden.taken_at));

  // An operator's account sees all of it.
  const auto seen =
      snapshot_of(nodes, queue("workq"),
                  ours + job("2.s", "R", {{"exec_vnode", "(n1:ncpus=4)+(n2:ncpus=1)"}, {"Resource_List.place", "excl"}}), hides);
  CHECK(seen.sees_everyone);
  CHECK(seen.running.size() == 2);
  CHECK(snapshot_of(nodes, queue("workq"), ours).running.size() == 1);
}

}  // namespace hansa::connectors::pbs
